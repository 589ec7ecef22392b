package idp_test

import (
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// C-21: what is passed on, the person's own devices included, is two fewer than lock; it is never none, and never what locks
// where there is any choice. Where there are such devices, strangers leave something for them.
func TestC21TheArithmeticOfPassedOn(t *testing.T) {
	for threshold := 1; threshold <= 20; threshold++ {
		l := idp.Lockout{Failures: threshold}
		if strangers, all := l.PassedOn(false); strangers != max(1, threshold-2) || all != strangers {
			t.Errorf("%d: %d of strangers and %d in all, of somebody who has no device", threshold, strangers, all)
		}
		strangers, all := l.PassedOn(true)
		if wantStrangers, wantAll := passedOn(threshold); strangers != wantStrangers || all != wantAll {
			t.Errorf("%d: %d of strangers and %d in all, want %d and %d", threshold, strangers, all, wantStrangers, wantAll)
		}
		switch {
		case threshold != 3 && all > max(1, threshold-2):
			t.Errorf("%d: %d in all", threshold, all)
		case threshold >= 2 && all >= threshold:
			t.Errorf("%d: %d lock it", threshold, all)
		case threshold >= 3 && strangers >= all:
			t.Errorf("%d: strangers take what is left for the person's own device", threshold)
		}
	}
}
