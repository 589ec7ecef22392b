package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// namesAreOne: every way to write a name finds the one account.
func (s *staff) namesAreOne(t *testing.T) {
	names := []string{
		"Ann.Agent@example.test", "ANN.AGENT@EXAMPLE.TEST", "a.agent@corp.example.test", "A.Agent@CORP.example.test", `CORP\ann`, `corp\ANN`, `corp.example.test\ann`, "ann", "ANN",
		"ann.old@example.test", "Ann.OLD@Example.Test",
	}
	from := len(s.audit())
	for _, name := range names {
		if p := s.try(s.elsewhere(), "/", name, staffPassword); p.Kind != "portal" {
			t.Errorf("%s: %s", name, p)
		}
	}
	users := map[string]int{}
	for _, l := range s.audit()[from:] {
		if l.Kind == "login" && l.Result == "success" {
			users[l.User]++
		}
	}
	if len(users) != 1 || users["corp:"+guid(s.domain.Values("ann", "objectGUID")[0])] != len(names) {
		t.Errorf("the sign-ins are of the accounts %v", users)
	}
	// An address of another kind is no mail address, and another domain's account is another one.
	for _, name := range []string{"ann.sip@example.test", "SMTP:ann.old@example.test", `OTHER\ann`, "ann@other.example.test", "*", "an*", "ann)(cn=*"} {
		s.refused(t, "/", name, staffPassword)
	}
}

// guid writes a GUID as Microsoft's tools do.
func guid(b string) string {
	return fmt.Sprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%x-%x", b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8:10], b[10:])
}

// twoAreNobody: an address that two accounts have is nobody's, and the audit line says whose it is.
func (s *staff) twoAreNobody(t *testing.T) {
	s.refused(t, "/", "shared@example.test", staffPassword)
	s.refused(t, "/", "Shared@Example.test", "Not-"+staffPassword)
	for _, name := range []string{"shared@example.test", "Shared@Example.test"} {
		l := login(s.audit(), name)
		if l.Reason != "ambiguous" || l.Result == "success" {
			t.Errorf("%s: %+v", name, l)
		}
		for _, account := range []string{"bob", "ben"} {
			if !strings.Contains(l.Detail, s.domain.DN(account)) {
				t.Errorf("%s: the audit line does not name %s: %+v", name, s.domain.DN(account), l)
			}
		}
	}
	// Each of them is somebody by another name, and with three the line names two and says that there are more.
	if p := s.try(s.elsewhere(), "/", "bob", staffPassword); p.Status != http.StatusOK {
		t.Errorf("bob: %s", p)
	}
	s.domain.SetMail("nora", "shared@example.test")
	s.refused(t, "/", "SHARED@example.test", staffPassword)
	if l := login(s.audit(), "SHARED@example.test"); l.Reason != "ambiguous" || strings.Count(l.Detail, s.domain.BaseDN) < 2 {
		t.Errorf("three with one address: %+v", l)
	}
	s.domain.SetMail("nora", "nora@example.test")
}
