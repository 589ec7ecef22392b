package idp

import "testing"

// The room is on the stack or it is no room.
func TestGrowStackAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(10, func() { GrowStack(2) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
