package ldap_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// TestLocked: a lock may last longer than wrong passwords count, and for good. An admin is told, and
// nobody else: a first try while it lasts is a first try.
func TestLocked(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	domains := func(duration string) func(*directory) {
		return func(d *directory) { d.entries[0].attributes["lockoutDuration"] = []string{duration} }
	}
	own := func(duration string) func(*directory) {
		return func(d *directory) {
			strict(d, "0") // eight in half an hour
			d.entries[len(d.entries)-1].attributes["msDS-LockoutDuration"] = []string{duration}
		}
	}
	hidden := func(d *directory) { d.entries[0].attributes["lockoutThreshold"] = nil }
	const hour, forGood = "-36000000000", "-9223372036854775808"
	const until, unlocked = "the account was locked at 2026-11-26T11:30:00Z and stays so until ", "ok the account is not locked"
	for name, c := range map[string]struct {
		policy func(*directory)
		ago    time.Duration
		says   string
	}{
		"within the duration":               {domains(hour), 30 * time.Minute, until + "2026-11-26T12:30:00Z"},
		"after the duration":                {domains(hour), time.Hour, unlocked},
		"until somebody unlocks it":         {domains(forGood), 30 * time.Minute, until + "somebody unlocks it"},
		"until somebody unlocks it, as 0":   {domains("0"), 30 * time.Minute, until + "somebody unlocks it"},
		"of their own policy":               {own(hour), 30 * time.Minute, until + "2026-11-26T12:30:00Z"},
		"of their own policy, for good":     {own(forGood), 30 * time.Minute, until + "somebody unlocks it"},
		"of their own policy, over":         {own(hour), 2 * time.Hour, unlocked},
		"of a policy without a duration":    {domains(""), 9 * time.Minute, "the account was locked at 2026-11-26T11:51:00Z and stays so until 2026-11-26T12:01:00Z"},
		"without a duration, over":          {domains(""), 10 * time.Minute, unlocked},
		"of a policy that nobody may read":  {hidden, 29 * time.Minute, "the account was locked at 2026-11-26T11:31:00Z; until when is not known"},
		"of a policy nobody may read, past": {hidden, 300 * time.Hour, "; until when is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := corp()
			c.policy(dir)
			dir.set("lockoutTime", fileTime(now.Add(-c.ago)))
			dir.set("badPwdCount", "5")
			dir.set("badPasswordTime", fileTime(now.Add(-c.ago-time.Hour)))
			s := open(t, dir, 1, func(cfg *ldap.Config) { cfg.Now = func() time.Time { return now } })
			if l, _ := s.Limit(t.Context(), s.find(t, "alice")); l.Counted != 0 {
				t.Errorf("%d failures count", l.Counted)
			}
			if all := strings.Join(levels(s.CheckUser(t.Context(), "alice")), "\n"); !strings.Contains(all, c.says) {
				t.Errorf("no %q in\n%s", c.says, all)
			}
		})
	}
}

// TestOpenLDAPLocked: the same by the ppolicy overlay, and by 389 Directory Server, which writes down when it ends.
func TestOpenLDAPLocked(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		duration, attribute, value, says string
	}{
		"within the duration": {"3600", "pwdAccountLockedTime", "20261126113000Z", "warning the account was locked at 2026-11-26T11:30:00Z and stays so until 2026-11-26T12:30:00Z"},
		"after the duration":  {"600", "pwdAccountLockedTime", "20261126113000Z", "ok the account is not locked"},
		"for good":            {"0", "pwdAccountLockedTime", "20261126113000Z", "and stays so until somebody unlocks it"},
		"of 389":              {"0", "accountUnlockTime", "20261126123000Z", "warning the account is locked until 2026-11-26T12:30:00Z"},
		"of 389, over":        {"0", "accountUnlockTime", "20261126113000Z", "ok the account is not locked"},
		"of 389, for good":    {"0", "accountUnlockTime", "19700101000000Z", "warning the account is locked until somebody unlocks it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := unix()
			dir.of(common, "pwdLockoutDuration", c.duration)
			dir.of(annDN, c.attribute, c.value)
			s := openUnix(t, dir, func(cfg *ldap.Config) { cfg.Now = func() time.Time { return now } })
			if all := strings.Join(levels(s.CheckUser(t.Context(), "ann")), "\n"); !strings.Contains(all, c.says) {
				t.Errorf("no %q in\n%s", c.says, all)
			}
		})
	}
}

// TestDirsrvPolicy: 389 Directory Server has its policy in cn=config, and a number for what it does not do as well.
func TestDirsrvPolicy(t *testing.T) {
	config := map[string][]string{
		"objectClass": {"top", "nsslapdConfig"}, "pwdLockout": {"on"}, "pwdMaxFailure": {"5"}, "pwdFailureCountInterval": {"600"}, "pwdLockoutDuration": {"3600"},
		"pwdMinLength": {"8"}, "pwdInHistory": {"6"}, "passwordUnlock": {"on"}, "passwordCheckSyntax": {"off"}, "passwordHistory": {"on"},
	}
	dir := unix()
	dir.entries = append(dir.entries, entry{"cn=config", config})
	s := openUnix(t, dir, func(c *ldap.Config) { c.PasswordPolicy = "cn=config" })
	u := s.find(t, "ann")
	if l, err := s.Limit(t.Context(), u); l != (idp.Lockout{Failures: 5, Window: 10 * time.Minute, Account: u.ID}) || err != nil {
		t.Errorf("%+v, %v", l, err)
	}
	if rules, err := s.PasswordRules(t.Context(), u); rules != (idp.PasswordRules{History: 6}) || err != nil {
		t.Errorf("%+v, %v", rules, err)
	}
	config["passwordUnlock"] = nil // it shows some of it
	s = openUnix(t, dir, func(c *ldap.Config) { c.PasswordPolicy = "cn=config" })
	if l, err := s.Limit(t.Context(), s.find(t, "ann")); err == nil {
		t.Errorf("of what is hidden in part it reads %+v", l)
	}
}
