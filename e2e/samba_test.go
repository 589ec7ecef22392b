package e2e

import (
	"strings"
	"testing"
)

// TestDomainServes: the domain that other tests sign in with takes passwords over TLS, and only the right
// ones. It does not need the gateway.
func TestDomainServes(t *testing.T) {
	d := NewDomain(t, People{
		Groups: []ADGroup{{Name: "call-center"}, {Name: "connect-agents", MemberOf: []string{"call-center"}}},
		Users:  []ADUser{{Name: "alice", Password: "Us3r-Passw0rd!", Mail: "alice@example.test", Groups: []string{"connect-agents"}}},
	})
	search := func(password string) (string, error) {
		return Try([]string{"LDAPTLS_CACERT=" + d.CA}, "ldapsearch", "-LLL", "-x", "-H", d.URL, "-D", "alice@corp.example.test", "-w", password,
			"-b", d.BaseDN, "(&(sAMAccountName=alice)(memberOf:1.2.840.113556.1.4.1941:=CN=call-center,CN=Users,"+d.BaseDN+"))", "mail")
	}
	out, err := search("Us3r-Passw0rd!")
	if err != nil || !strings.Contains(out, "mail: alice@example.test") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := search("wrong"); err == nil || !strings.Contains(out, "data 52e") {
		t.Errorf("a wrong password: %v: %s", err, out)
	}
}
