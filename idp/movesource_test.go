package idp_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func TestARenamedSourceKeepsItsPeoplesFactors(t *testing.T) {
	g, s := adminGateway(t, nil)
	if f := g.CheckOrphans(t.Context()); len(f) != 0 {
		t.Errorf("nothing is kept, and the check says %+v", f)
	}
	must(t, s.PutEnrollment(t.Context(), idp.Enrollment{User: "people:alice", Factor: "totp", ID: "1", Secret: []byte("seed"), Created: adminNow}))
	must(t, s.PutDevice(t.Context(), &idp.Device{ID: idp.Hash{1}, User: "people:alice", Created: adminNow, Expires: adminNow.Add(time.Hour)}))
	must(t, s.PutEnrollment(t.Context(), idp.Enrollment{User: "staff:bob", Factor: "totp", ID: "1", Secret: []byte("seed"), Created: adminNow}))
	f := g.CheckOrphans(t.Context())
	if len(f) != 1 || f[0].Level != idp.LevelWarning || !strings.Contains(f[0].What, `1 enrollments, 1 devices and 0 sessions of people of a source "people"`) ||
		!strings.Contains(f[0].Cure, "caddy gatehouse user move-source people NEW") {
		t.Errorf("the check says %+v", f)
	}

	for _, c := range []struct {
		from, to string
		want     error
	}{{"people", "stuff", idp.ErrNotFound}, {"staff", "staff", idp.ErrTaken}} {
		if _, err := g.MoveSource(t.Context(), c.from, c.to, "root"); !errors.Is(err, c.want) {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
	}
	moved, err := g.MoveSource(t.Context(), "people", "staff", "root")
	must(t, err)
	if moved != (idp.Kept{Enrollments: 1, Devices: 1}) {
		t.Errorf("moved %+v", moved)
	}
	if list, err := s.UserEnrollments(t.Context(), "staff:alice", ""); err != nil || len(list) != 1 {
		t.Errorf("alice has %d enrollments (%v)", len(list), err)
	}
	l := lines(t, s, "source_moved")
	if len(l) != 1 || l[0].Kind != idp.EventAdmin || !strings.Contains(l[0].Detail, "people to staff") || l[0].By != "root" {
		t.Errorf("audit lines: %+v", l)
	}
	if f := g.CheckOrphans(t.Context()); len(f) != 0 {
		t.Errorf("afterwards the check says %+v", f)
	}
	must(t, s.PutEnrollment(t.Context(), idp.Enrollment{User: "people:bob", Factor: "totp", ID: "1", Secret: []byte("another"), Created: adminNow}))
	if _, err := g.MoveSource(t.Context(), "people", "staff", "root"); !errors.Is(err, idp.ErrTaken) {
		t.Errorf("bob has enrolled at both: %v", err)
	}
	if l := lines(t, s, "source_moved"); len(l) != 1 {
		t.Errorf("a refusal has its line: %+v", l)
	}
}

// Recovery codes are on paper, which no command reaches: they go on to sign their person in.
func TestARenamedSourceKeepsItsPeoplesRecoveryCodes(t *testing.T) {
	g, s := adminGateway(t, nil)
	codes, err := g.MakeRecoveryCodes(t.Context(), "people:alice")
	must(t, err)
	moved, err := g.MoveSource(t.Context(), "people", "staff", "root")
	must(t, err)
	if moved.Enrollments != len(codes) {
		t.Errorf("moved %+v", moved)
	}
	if _, err := g.TakeRecoveryCode(t.Context(), "staff:bob", codes[0]); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("somebody else's: %v", err)
	}
	p, err := g.TakeRecoveryCode(t.Context(), "staff:alice", codes[0])
	if err != nil || p.Factor != idp.RecoveryFactor {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := g.TakeRecoveryCode(t.Context(), "staff:alice", codes[0]); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("the second time: %v", err)
	}
	if left, err := s.UserEnrollments(t.Context(), "staff:alice", idp.RecoveryFactor); err != nil || len(left) != 9 {
		t.Errorf("%d left, %v", len(left), err)
	}
}
