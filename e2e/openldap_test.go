package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// treePeople: people of OpenLDAP are known by their entryUUID, and memberOf gives their groups.
func (s *staff) treePeople(t *testing.T) {
	s.tree.Modify(s.tree.UserDN("pat"), "changetype: modify\nreplace: l\nl: Bern")
	a := s.sent(t, "PAT@partner.example.test", partnerPassword, "wiki")
	got := a.values()
	slices.Sort(got["groups"])
	want := map[string][]string{"mail": {"pat@partner.example.test"}, "first": {"pat"}, "last": {"Test"}, "groups": {"agents", "all"}, "office": {"Bern"}}
	if a.NameID != "pat" || !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("the wiki knows %s and is told %v", a.NameID, got)
	}
	if role := s.sent(t, "pat", partnerPassword, "connect").values()["Role"]; len(role) != 1 || !strings.Contains(role[0], ":role/ConnectAgents,") {
		t.Errorf("Connect is told the role %v", role)
	}
	if l := login(s.audit(), "pat"); l.User != "partners:"+s.tree.Values(s.tree.UserDN("pat"), "entryUUID")[0] {
		t.Errorf("pat signs in as %+v", l)
	}
}
