package idp_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

// meddledStore lets a test come in just before a device is kept.
type meddledStore struct {
	idp.Store
	before func()
}

func (s *meddledStore) PutDevice(ctx context.Context, d *idp.Device) error {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	return s.Store.PutDevice(ctx, d)
}

// C-13: a device that is kept, or that remembers a proof, while an administrator takes all from the person is forgotten too:
// its proofs would let somebody in for days.
func TestC13ADeviceDoesNotOutliveTheEndOfSessions(t *testing.T) {
	for says, kept := range map[string]bool{"one that is new": false, "one that remembers a code": true} {
		t.Run(says, func(t *testing.T) {
			c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
			s := &meddledStore{Store: storetest.NewMemory(c.Now)}
			v := venueOf(t, s, c)
			revoke := func() {
				_, err := v.gateway.Revoke(t.Context(), "alice", "the test")
				must(t, err)
			}
			v.password(t, "alice", "/")
			if !kept {
				s.before = revoke
			}
			v.form("/enroll/totp", "code", v.codeNow(t))
			v.arrive(t)
			v.form("/mfa", "device", "yes")
			if kept {
				v.clock.move(time.Minute)
				v.visit("/apps/salesforce")
				v.arrive(t)
				s.before = revoke
				v.form("/mfa/totp", "code", v.codeNow(t))
			}
			if s.before != nil {
				t.Fatalf("no device was kept: %s", v.words())
			}
			if !strings.Contains(v.now.body, "ended meanwhile") {
				t.Errorf("%d %s", v.now.answer.StatusCode, v.words())
			}
			if left, err := v.store.UserDevices(t.Context(), "staff:alice", v.clock.Now()); err != nil || len(left) > 0 {
				t.Errorf("%d devices are left (%v)", len(left), err)
			}
		})
	}
}
