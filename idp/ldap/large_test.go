package ldap_test

import (
	"fmt"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// TestLargeAnswer: the largest that honest directories give is taken.
func TestLargeAnswer(t *testing.T) {
	dir := corp()
	var values, sids []string
	for i := range 1500 {
		values = append(values, fmt.Sprintf("value %d", i))
	}
	for i := range 1500 {
		sids = append(sids, agentsSID[:len(agentsSID)-4]+fmt.Sprintf("%04d", i))
	}
	more := []string{"department", "otherTelephone", "otherMobile", "url"}
	for _, attribute := range more {
		dir.set(attribute, values...)
	}
	dir.set("tokenGroups", append(sids, agentsSID)...)
	for i := range 999 { // as many as Active Directory gives at once
		dir.entries = append(dir.entries, group(fmt.Sprintf("CN=agents,OU=%d,%s", i, domain), "agents", fmt.Sprintf("agents%d", i), ""))
	}
	s := open(t, dir, 1, func(c *ldap.Config) { patient(c); c.Attributes.More = more })
	u := s.find(t, "alice")
	for _, attribute := range more {
		if n := len(u.Attribute(attribute)); n != 1500 {
			t.Errorf("%d values of %s", n, attribute)
		}
	}
	if len(u.Groups) != 1 || u.In(idp.GroupRef{Source: "corp", Name: "agents"}) {
		t.Errorf("%d groups: %.500v", len(u.Groups), u.Groups)
	}
}
