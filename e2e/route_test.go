package e2e

import (
	"strings"
	"testing"
)

// routesLead: each source has a twin with another password. Which password is right tells where the name was
// looked up.
func (s *staff) routesLead(t *testing.T) {
	passwords := map[string]string{"corp": staffPassword, "partners": partnerPassword, "emergency": localPassword}
	const anywhere, floor = "", "127.0.7.1"
	for _, c := range []struct{ name, way, from, source string }{
		{"twin@partner.example.test", "/", anywhere, "partners"},
		{"Twin@PARTNER.example.test", "/", floor, "partners"}, // the first route that fits
		{"twin@example.test", "/", anywhere, "corp"},          // mail
		{"twin@corp.example.test", "/", floor, "corp"},        // UPN
		{`corp\twin`, "/", floor, "corp"},                     // NetBIOS
		{"twin", "/apps/handbook", anywhere, "emergency"},
		{"twin@example.test", "/apps/handbook", anywhere, "corp"},
		{"twin", "/", floor, "emergency"},
	} {
		client := s.elsewhere()
		if c.from != anywhere {
			client = s.ClientFrom(c.from)
		}
		if p := s.try(client, c.way, c.name, passwords[c.source]); p.Kind == "password" {
			t.Errorf("%s on the way to %s from %q with the password of %s: %s", c.name, c.way, c.from, c.source, p)
		}
	}
	// The default asks two directories, and a name that both have is nobody's.
	for _, password := range []string{staffPassword, partnerPassword} {
		s.refusedBecause(t, "twin", password, "ambiguous", s.domain.DN("twin"))
		s.refusedBecause(t, "twin", password, "ambiguous", s.tree.UserDN("twin"))
	}
	// The default asks partners as well, where corp knows nobody of the name.
	if p := s.try(s.elsewhere(), "/", "pat", partnerPassword); p.Status != 200 || p.Kind == "password" {
		t.Errorf("pat: %s", p)
	}
	s.refusedBecause(t, "oldie@sold.example.test", localPassword, "source_off", "sold")
	s.refusedBecause(t, "mallory", staffPassword, "domain_not_permitted", "mallory@evil.test")
	s.refusedBecause(t, "mallory@evil.test", staffPassword, "domain_not_permitted", "evil.test")
}

// refusedBecause: the reason is for the audit log alone.
func (s *staff) refusedBecause(t *testing.T, name, password, reason, detail string) {
	t.Helper()
	s.refused(t, "/", name, password)
	if l := login(s.audit(), name); l.Reason != reason || !strings.Contains(l.Detail, detail) {
		t.Errorf("%s: %+v, want %s and %s", name, l, reason, detail)
	}
}
