package ldap_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// TestFailuresThatAreNeverForgotten: where slapd counts failures until a right password, so do we, and check says so.
func TestFailuresThatAreNeverForgotten(t *testing.T) {
	c, dir := &clock{}, unix()
	dir.of(common, "pwdFailureCountInterval")
	now := clockStart.UTC()
	dir.of(annDN, "pwdFailureTime", now.Format("20060102150405Z"), now.Add(time.Second).Format("20060102150405Z"))
	s := openUnix(t, dir, func(cfg *ldap.Config) { cfg.Now = c.now })
	c.advance(25 * time.Hour)
	if l, err := s.Limit(t.Context(), s.find(t, "ann")); err != nil || l.Counted != 2 {
		t.Errorf("%+v, %v", l, err)
	}
	for _, f := range s.Check(t.Context()) {
		if f.Level == "warning" && strings.Contains(f.What, "however old they are") {
			return
		}
	}
	t.Error("check does not warn")
}
