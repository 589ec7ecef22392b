package ldap_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

func TestCheckUser(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		typed  string
		change func(*directory)
		want   []string
	}{
		"fine": {"ALICE", nil, []string{
			`ok "ALICE" finds "` + alice + `" by sAMAccountName, id 00112233-4455-6677-8899-aabbccddee61`,
			"ok the account may be used", "ok the password does not expire", `ok username: "alice@corp.example.test"`,
			`ok email: "Alice@example.test"`, `ok department: "Sales", "Support"`, `ok 2 groups: "Agents, First", "call-center"`,
			"ok the lockout policy of the account (that of everybody) locks after 5 failures within 10m0s; 0 are counted now",
		}},
		"disabled":      {"alice", func(d *directory) { d.set("userAccountControl", "514") }, []string{"error the account is disabled"}},
		"expired":       {"alice", func(d *directory) { d.set("accountExpires", "1") }, []string{"error the account has expired"}},
		"must change":   {"alice", func(d *directory) { d.set("pwdLastSet", "0") }, []string{"warning the password must be changed"}},
		"locked":        {"alice", func(d *directory) { d.set("lockoutTime", fileTime(now)) }, []string{"warning the account was locked at 2026-11-26T12:00:00Z"}},
		"old password":  {"alice", func(d *directory) { strict(d, fileTime(now.Add(-time.Hour))) }, []string{"warning the password expired at 2026-11-26T11:00:00Z"}},
		"fine-grained":  {"alice", func(d *directory) { strict(d, "0") }, []string{`the lockout policy of the account ("CN=strict,`}},
		"an address":    {"a@old.test", func(d *directory) { d.set("proxyAddresses", "smtp:a@old.test") }, []string{"by proxyAddresses"}},
		"no mail":       {"alice", func(d *directory) { d.set("mail") }, []string{"warning email is empty"}},
		"a picture":     {"alice", func(d *directory) { d.set("department", "\xff\xd8", "Sales") }, []string{`warning department: 1 values are no text and are left out; there remain: "Sales"`}},
		"no group":      {"alice", func(d *directory) { d.set("tokenGroups") }, []string{"warning no group was found"}},
		"nobody":        {"zoe", nil, []string{`ok nobody has the name "zoe"; searched (&`}},
		"nobody's form": {`OTHER\alice`, nil, []string{"ok nobody can have the name"}},
		"two": {"x@example.test", func(d *directory) {
			d.entries = append(d.entries, person("Bob T", 'b', "x@example.test"), person("Cy T", 'c', "x@example.test"))
		}, []string{`error "x@example.test" finds more than one account: "CN=Bob T,`, `error "x@example.test" finds more than one account: "CN=Cy T,`}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := corp()
			if c.change != nil {
				c.change(dir)
			}
			s := open(t, dir, 1, func(cfg *ldap.Config) {
				cfg.Now = func() time.Time { return now }
				cfg.Attributes.More = []string{"department"}
			})
			dir.forget()
			got := strings.Join(levels(s.CheckUser(t.Context(), c.typed)), "\n")
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			binds, _ := dir.seen()
			for _, b := range binds {
				if b.name != service {
					t.Errorf("it tried a password of %s", b.name)
				}
			}
		})
	}
}

// levels are the lines of a check.
func levels(found []idp.Finding) []string {
	var lines []string
	for _, f := range found {
		lines = append(lines, f.Level+" "+f.What)
	}
	return lines
}

func TestCheckUserWithoutServer(t *testing.T) {
	s := open(t, corp(), 1, nil)
	s.dcs[0].stop()
	if got := s.CheckUser(t.Context(), "alice"); len(got) != 1 || got[0].Level != "error" {
		t.Errorf("%+v", got)
	}
}
