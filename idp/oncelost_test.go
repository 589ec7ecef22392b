package idp_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// crammed is a store that keeps no memo of one kind.
type crammed struct {
	idp.Store
	kind string
	told func() // that one was not kept
}

func (s *crammed) PutMemo(ctx context.Context, m idp.Memo, most int) error {
	if m.Kind == s.kind {
		s.told()
		return errors.New("database or disk is full")
	}
	return s.Store.PutMemo(ctx, m, most)
}

// Codes that were made are good, and are shown, where it cannot be kept that their form was sent.
func TestCodesAreShownWhoseFormCannotBeKept(t *testing.T) {
	h := newDesk(t)
	refused := 0
	h.store = &crammed{h.store, "done", func() { refused++ }}
	h.reopen(t, nil, "weekly")
	h.desk(t)
	h.visit("/settings")
	if h.form("/settings", "kind", "recovery", "make", "yes"); h.page() != "recovery-codes" || !paper.MatchString(h.now.body) {
		t.Errorf("recovery codes: %d %s", h.now.answer.StatusCode, h.words())
	}
	h.visit("/helpdesk")
	h.form("/helpdesk", "kind", "find", "name", "alice")
	if h.form("/helpdesk", "kind", "code", "name", "alice", "user", "staff:alice"); !givenCode.MatchString(h.now.body) {
		t.Errorf("a code of the help desk: %d %s", h.now.answer.StatusCode, h.words())
	}
	if refused == 0 {
		t.Fatal("nothing was refused")
	}
}

// No code is made where the page that would show it cannot be.
func TestNoCodeIsMadeThatCouldNotBeShown(t *testing.T) {
	h := newDesk(t)
	h.desk(t)
	h.form("/helpdesk", "kind", "find", "name", "alice")
	h.store = &crammed{h.store, "once", func() {}}
	h.reopen(t, nil, "weekly")
	before := len(h.events(t, idp.EventBypass))
	if h.form("/helpdesk", "kind", "code", "name", "alice", "user", "staff:alice"); h.now.answer.StatusCode != http.StatusInternalServerError || givenCode.MatchString(h.now.body) {
		t.Errorf("%d %s", h.now.answer.StatusCode, h.words())
	}
	if n := len(h.events(t, idp.EventBypass)); n != before {
		t.Errorf("%d codes were made", n-before)
	}
}
