package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// peopleEnroll gives two people an authenticator app, for the steps that come long after.
func (s *staff) peopleEnroll(t *testing.T) {
	for _, who := range []*Person{s.mia, s.pat} {
		client, p := s.vault(who)
		if p.Kind != "enroll" {
			t.Fatalf("%s: %s", who.Name, p)
		}
		client.Walk(p, who, "handoff")
	}
}

// vault signs somebody in, opens what asks for a second factor at every sign-in, and returns the page that asks.
func (s *staff) vault(who *Person) (*Client, *Page) {
	s.t.Helper()
	client := s.elsewhere()
	tiles, way := client.SignIn(s.Caddy, who)
	if fmt.Sprint(way) != "[login password]" {
		s.t.Errorf("%s signs in by %v", who.Name, way)
	}
	p, err := client.press(tiles, "vault")
	if err != nil {
		s.t.Fatal(err)
	}
	return client, p
}

// known makes sure that somebody is asked for the factor that they have, and for no new one.
func (s *staff) known(t *testing.T, who *Person, name string) (*Client, *Page) {
	t.Helper()
	who.Name = name
	client, p := s.vault(who)
	if p.Kind != "mfa" {
		t.Errorf("%s: %s", name, p)
	}
	return client, p
}

// peopleAreKept: what is kept of people hangs on the ids that their directories never change.
func (s *staff) peopleAreKept(t *testing.T) {
	s.domain.SetMail("mia", "maria@example.test")
	s.known(t, s.mia, "maria@example.test")
	s.domain.SetMail("mia", "")
	s.known(t, s.mia, "mia@corp.example.test")
	s.domain.Rename("mia", "maria")
	s.known(t, s.mia, "maria")
	s.domain.Move("maria", "Floor 3")
	s.known(t, s.mia, "maria@corp.example.test")

	s.tree.Modify(s.tree.UserDN("pat"), "changetype: modrdn\nnewrdn: uid=pia\ndeleteoldrdn: 1")
	client, p := s.known(t, s.pat, "pia")
	client.Walk(p, s.pat, "handoff")
	stays := s.elsewhere()
	stays.SignIn(s.Caddy, s.mia)

	s.Configure("staff", map[string]any{"Corp": "headquarters"})
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	const command = "caddy gatehouse user move-source corp NEW"
	Await(t, "a warning with the command", func() error {
		if text := s.Log.String(); !strings.Contains(text, `people of a source \"corp\", which there is not`) || !strings.Contains(text, command) {
			return fmt.Errorf("the log has no %s", command)
		}
		return nil
	})
	if out := s.mustCommand("check"); !strings.Contains(out, command) {
		t.Errorf("check does not name the command:\n%s", out)
	}
	if _, p := s.vault(s.mia); p.Kind != "enroll" {
		t.Errorf("under another source: %s", p)
	}
	if out := s.mustCommand("user", "move-source", "corp", "headquarters"); !strings.Contains(out, "corp is now headquarters: 1 enrollments") {
		t.Errorf("move-source says: %s", out)
	}
	// The code of the same app, after all that.
	client, p = s.known(t, s.mia, "maria")
	client.Walk(p, s.mia, "handoff")
	if p := stays.Get(s.Portal("/")); p.Kind != "portal" {
		t.Errorf("a session from before: %s", p)
	}
	if out := s.mustCommand("check"); strings.Contains(out, command) {
		t.Errorf("check still warns:\n%s", out)
	}
}
