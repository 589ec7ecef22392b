package bench

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/e2e"
	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// BenchmarkLoginLDAP: a sign-in by the directory (search, nested groups, bind) against the one bind that no
// sign-in can do without, on a connection that is kept. The directory is a Samba domain on this machine.
func BenchmarkLoginLDAP(b *testing.B) {
	const people, rounds = 50, 200
	const service = "svc-gatehouse"
	domain := e2e.People{Groups: []e2e.ADGroup{{Name: "Agents"}, {Name: "All Agents"}}}
	domain.Groups[0].MemberOf = []string{"All Agents"}
	password := func(i int) string { return fmt.Sprintf("Passw0rd for %d!", i) }
	for i := range people {
		domain.Users = append(domain.Users, e2e.ADUser{Name: local(i), Password: password(i), Mail: local(i) + "@example.test", Groups: []string{"Agents"}})
	}
	domain.Users = append(domain.Users, e2e.ADUser{Name: service, Password: password(people)})
	b.Chdir("..") // where e2e has its files
	d := e2e.NewDomain(b, domain)
	b.Cleanup(func() {
		if err := os.RemoveAll(filepath.Dir(d.CA)); err != nil {
			b.Error(err)
		}
	})
	realm := "@" + strings.ToLower(strings.NewReplacer("DC=", "", ",", ".").Replace(d.BaseDN))
	s, err := ldap.New(ldap.Config{
		Name: "corp", Servers: []string{d.URL}, BaseDNs: []string{d.BaseDN}, RootCAs: d.Authority.Roots(),
		BindUser: service + realm, BindPassword: idp.NewSecret(password(people)),
	})
	if err != nil {
		b.Fatal(err)
	}
	kept, err := goldap.DialURL(d.URL, goldap.DialWithTLSConfig(&tls.Config{RootCAs: d.Authority.Roots(), MinVersion: tls.VersionTLS12}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = kept.Close() })
	login := func(i int) {
		u, err := s.Find(b.Context(), local(i)+realm)
		if err == nil {
			err = s.Authenticate(b.Context(), u, password(i))
		}
		if err != nil {
			b.Fatalf("%s: %v", local(i), err)
		}
	}
	bind := func(i int) {
		if err := kept.Bind(local(i)+realm, password(i)); err != nil {
			b.Fatalf("%s: %v", local(i), err)
		}
	}
	login(0)
	bind(0)
	var logins, binds times
	for n := range rounds {
		i := n % people
		logins = append(logins, took(func() { login(i) }))
		binds = append(binds, took(func() { bind(i) }))
	}
	report(b, "login_ldap_vs_bare_bind", ratio(binds.median(), logins.median()), "ratio", goal{},
		"N=%d interleaved over LDAPS to Samba, %d people in turn; medians: sign-in (search, groups, bind) %s, bind alone %s", rounds, people, ms(logins.median()), ms(binds.median()))
}
