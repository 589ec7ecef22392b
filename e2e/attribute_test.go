package e2e

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// assertion is what the tests read of one.
type assertion struct {
	NameID     string `xml:"Assertion>Subject>NameID"`
	Attributes []struct {
		Name   string   `xml:"Name,attr"`
		Values []string `xml:"AttributeValue"`
	} `xml:"Assertion>AttributeStatement>Attribute"`
}

func (a assertion) values() map[string][]string {
	m := map[string][]string{}
	for _, at := range a.Attributes {
		name := at.Name[strings.LastIndexByte(at.Name, '/')+1:]
		m[name] = append(m[name], at.Values...)
	}
	return m
}

// sent signs somebody in, opens an application, and returns what it is told.
func (s *staff) sent(t *testing.T, name, password, app string) assertion {
	t.Helper()
	who := &Person{Name: name, Password: password}
	client := s.elsewhere()
	tiles, _ := client.SignIn(s.Caddy, who)
	p, _ := client.Launch(tiles, app, who)
	response, err := p.SAMLResponse()
	if err != nil {
		t.Fatalf("%s opens %s: %v: %s", name, app, err, p)
	}
	var a assertion
	if err := xml.Unmarshal(response, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// attributesAreSent: from the directory to the assertion, with many values, bytes that are no text, and nested groups.
func (s *staff) attributesAreSent(t *testing.T) {
	s.domain.Replace("ann", "jpegPhoto", "\xff\xd8\xff\xe0\x00\x10JFIF")
	s.domain.Replace("ann", "audio", "RIFF\x00\x01\x02") // which would pass for UTF-8
	a := s.sent(t, "ann", staffPassword, "wiki")
	got := a.values()
	if n := got["pages"]; len(n) != manyPages || !slices.Contains(n, "https://example.test/0") || !slices.Contains(n, fmt.Sprintf("https://example.test/%d", manyPages-1)) {
		t.Errorf("%d values of url", len(n))
	}
	delete(got, "pages")
	for _, values := range got {
		slices.Sort(values)
	}
	want := map[string][]string{
		"mail": {"Ann.Agent@example.test"}, "first": {"Ann"}, "last": {"Test"}, "shown": {"Ann <Agent> & Co"},
		"groups": {agents, "Contact Centre Berlin", night}, "office": {"Berlin 2"}, "phones": {"+49 30 1", "+49 30 2"},
		"sid": {got["sid"][0]}, "guid": {guid(s.domain.Values("ann", "objectGUID")[0])},
	}
	if a.NameID != "a.agent@corp.example.test" || !maps.EqualFunc(got, want, slices.Equal) || !strings.HasPrefix(got["sid"][0], "S-1-5-21-") {
		t.Errorf("the wiki knows %s and is told\n%v\nwant\n%v", a.NameID, got, want)
	}
	// The group that is the primary one gives the first role, and is in no member list.
	got = s.sent(t, "ann", staffPassword, "connect").values()
	if got["RoleSessionName"][0] != "Ann.Agent@example.test" || !strings.Contains(got["Role"][0], ":role/ConnectNight,") {
		t.Errorf("Connect is told %v", got)
	}
	// One application overrides what it knows people by.
	got = s.sent(t, "ann", staffPassword, "overseas").values()
	if got["RoleSessionName"][0] != "e4711" || !strings.Contains(got["Role"][0], ":role/ConnectAgents,") {
		t.Errorf("the other instance is told %v", got)
	}
}
