package idp_test

import (
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// C-21: what is passed on, the person's own devices included, is two fewer than lock; it is never none, and never what locks
// where there is any choice. Strangers never have what is left for the devices.
func TestC21TheArithmeticOfPassedOn(t *testing.T) {
	for threshold := 1; threshold <= 20; threshold++ {
		l := idp.Lockout{Failures: threshold}
		strangers, own := l.PassedOn()
		if wantStrangers, wantAll := passedOn(threshold); strangers != wantStrangers || own != wantAll {
			t.Errorf("%d: %d of strangers and %d in all, want %d and %d", threshold, strangers, own, wantStrangers, wantAll)
		}
		switch {
		case threshold != 3 && own > max(1, threshold-2):
			t.Errorf("%d: %d in all", threshold, own)
		case threshold >= 2 && own >= threshold:
			t.Errorf("%d: %d lock it", threshold, own)
		case threshold >= 3 && strangers >= own:
			t.Errorf("%d: strangers take what is left for the person's own device", threshold)
		}
	}
}
