package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	refreshAfter = time.Second
	graceOf      = 4 * time.Second
)

// sessionsFollow: people who are signed in lose and get what the directory takes and gives.
func (s *staff) sessionsFollow(t *testing.T) {
	s.Configure("staff", map[string]any{"Refresh": refreshAfter.String(), "Grace": graceOf.String()})
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	live := map[string]*Client{}
	for _, name := range []string{"otto", "greta", "olga", "fred", "nora", "ben"} {
		live[name] = s.elsewhere()
		live[name].SignIn(s.Caddy, &Person{Name: name, Password: staffPassword})
	}
	ids := map[string]string{}
	for _, name := range []string{"otto", "greta", "ben"} {
		ids[name] = "headquarters:" + guid(s.domain.Values(name, "objectGUID")[0])
	}
	s.domain.Disable("otto")
	s.domain.Delete("greta")
	s.domain.RemoveFromGroup("fred", agents)
	s.domain.AddToGroup("nora", agents)
	until := func(name, what string, holds func(*Page) bool) {
		t.Helper()
		Await(t, name+" "+what, func() error {
			if p := live[name].Get(s.Portal("/")); !holds(p) {
				return errors.New(p.String())
			}
			return nil
		})
	}
	tile := func(p *Page) bool { _, err := p.Form("/apps/connect", ""); return err == nil && p.Kind == "portal" }
	gone := func(p *Page) bool { return p.Kind == "login" }
	until("otto", "to be out", gone)
	until("greta", "to be out", gone)
	until("fred", "to lose the role", func(p *Page) bool { return p.Kind == "portal" && !tile(p) })
	until("nora", "to get the role", tile)
	until("olga", "to have kept hers", tile)
	if p := live["fred"].Get(s.Portal("/apps/connect")); p.Status != http.StatusForbidden {
		t.Errorf("fred opens Connect by its address: %s", p)
	}
	for name, reason := range map[string]string{"otto": "account_disabled", "greta": "account_gone"} {
		s.ended(t, ids[name], reason)
	}
	s.treeSessionsFollow(t)
	s.graceIsStated(t, live["ben"], ids["ben"])
}

// treeSessionsFollow is the same for OpenLDAP.
func (s *staff) treeSessionsFollow(t *testing.T) {
	t.Helper()
	pia, twin := s.elsewhere(), s.elsewhere()
	pia.SignIn(s.Caddy, &Person{Name: "pat@partner.example.test", Password: partnerPassword}) // the mail is as it was
	twin.SignIn(s.Caddy, &Person{Name: "twin@partner.example.test", Password: partnerPassword})
	gone := "partners:" + s.tree.Values(s.tree.UserDN("twin"), "entryUUID")[0]
	s.tree.Modify(s.tree.GroupDN("agents"), "changetype: modify\nreplace: member\nmember: "+s.tree.UserDN("max"))
	s.tree.Modify(s.tree.UserDN("twin"), "changetype: delete")
	for what, holds := range map[string]func() bool{
		"pia to lose the role": func() bool {
			p := pia.Get(s.Portal("/"))
			_, err := p.Form("/apps/connect", "")
			return p.Kind == "portal" && err != nil
		},
		"twin to be out": func() bool { return twin.Get(s.Portal("/")).Kind == "login" },
	} {
		Await(t, what, func() error {
			if !holds() {
				return errors.New("not yet")
			}
			return nil
		})
	}
	s.ended(t, gone, "account_gone")
}

// ended makes sure that the audit log has the end of somebody's sessions, once.
func (s *staff) ended(t *testing.T, user, reason string) {
	t.Helper()
	n := 0
	for _, l := range s.audit() {
		if l.Kind == "logout" && l.User == user && l.Reason == reason {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d lines say %s of %s", n, reason, user)
	}
}

// graceIsStated: while the domain cannot answer a session goes on for the grace, and then it is said why it does not.
func (s *staff) graceIsStated(t *testing.T, client *Client, user string) {
	client.Get(s.Portal("/")) // the domain answers for the person once more, a moment ago at most
	s.path.Set(Refuse)
	began := time.Now()
	var last *Page
	Await(t, "the session to end", func() error {
		if last = client.Get(s.Portal("/")); last.Kind == "portal" {
			return fmt.Errorf("%s", last)
		}
		return nil
	})
	if lived := time.Since(began); lived < graceOf-refreshAfter-500*time.Millisecond || lived > graceOf+2*time.Second {
		t.Errorf("the session lived for %s, and the grace is %s", lived, graceOf)
	}
	if last.Status != http.StatusServiceUnavailable || !strings.Contains(last.Text, "directory") {
		t.Errorf("the page at the end of the grace: %s", last)
	}
	if p := client.Get(s.Portal("/")); p.Kind != "login" {
		t.Errorf("after it: %s", p)
	}
	s.ended(t, user, "source_unavailable")
	s.path.Set(Forward)
	Await(t, "people to sign in again", func() error {
		if p := s.try(s.elsewhere(), "/", "ben", staffPassword); p.Kind != "portal" {
			return fmt.Errorf("%s", p)
		}
		return nil
	})
}
