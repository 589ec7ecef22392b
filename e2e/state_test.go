package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// stateOf is what an account in some state answers to the right password.
type stateOf struct{ name, sentence, reason string }

// domainStates: what is wrong with an account is for those who know its password. Everybody else is answered as
// if there were no such account.
func (s *staff) domainStates(t *testing.T) {
	const useless = "Your account cannot be used. Ask the service desk."
	s.statesAreTold(t, staffPassword, "example.test", []stateOf{
		{"dora", useless, "disabled"},
		{"edgar", useless, "expired"},
		{"hugo", "Your account may not sign in at this hour.", "hours"},
		{"paul", "Your account may not sign in from here.", "workstation"},
	})
	// A domain says that an account is locked before it looks at the password, so that nobody is told.
	s.refused(t, "/", "luke", staffPassword)
	if l := login(s.audit(), "luke"); l.Result != "failure" || !strings.Contains(l.Detail, "locked") {
		t.Errorf("luke: %+v", l)
	}
}

// treeStates is domainStates for OpenLDAP.
func (s *staff) treeStates(t *testing.T) {
	const expired = "Your password has expired. Choose a new one"
	for _, state := range []stateOf{
		{"piet", expired, "password_expired"},
		{"gina", expired, "password_expired"}, // with a sign-in or three of grace left
		{"max", "Your password was given to you by somebody else.", "must_change"},
	} {
		name := state.name + "@partner.example.test"
		s.refused(t, "/", name, "Not-"+partnerPassword)
		if p := s.try(s.elsewhere(), "/", name, partnerPassword); p.Status != http.StatusOK || !strings.Contains(p.Text, state.sentence) {
			t.Errorf("%s with the right password: %s", name, p)
		}
		if l := login(s.audit(), state.name); l.Reason != state.reason || l.Result != "success" {
			t.Errorf("%s: %+v", name, l)
		}
	}
	s.refused(t, "/", "lola@partner.example.test", partnerPassword)
	if l := login(s.audit(), "lola@partner.example.test"); l.Result != "failure" || !strings.Contains(l.Detail, "locked") {
		t.Errorf("lola: %+v", l)
	}
}

func (s *staff) statesAreTold(t *testing.T, password, domain string, states []stateOf) {
	t.Helper()
	for _, state := range states {
		name := state.name + "@" + domain
		s.refused(t, "/", name, "Not-"+password)
		if l := login(s.audit(), name); l.Reason != "bad_credentials" {
			t.Errorf("%s with a wrong password: %+v", name, l)
		}
		if p := s.try(s.elsewhere(), "/", name, password); p.Status != http.StatusForbidden || !strings.Contains(p.Text, state.sentence) {
			t.Errorf("%s with the right password: %s", name, p)
		}
		if l := login(s.audit(), name); l.Reason != state.reason || l.Result != "failure" {
			t.Errorf("%s: %+v", name, l)
		}
	}
}
