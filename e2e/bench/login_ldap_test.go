package bench

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/e2e"
	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

const directoryPeople, directoryService = 50, "svc-gatehouse"

func directoryPassword(i int) string { return fmt.Sprintf("Passw0rd for %d!", i) }

// BenchmarkLoginLDAP: sign-ins by the directory (search, groups, policy, bind) by so many clients at once, against the
// bare binds of a program that does nothing else, each client on a connection that it keeps. Both for a
// while in turn. The directory is a Samba domain on this machine; what one process of it does in a second is the ceiling.
func BenchmarkLoginLDAP(b *testing.B) {
	const blocks, block = 6, 192
	b.Chdir("..") // where e2e has its files
	d := newDirectory(b)
	realm := "@" + strings.ToLower(strings.NewReplacer("DC=", "", ",", ".").Replace(d.BaseDN))
	for _, k := range []struct {
		clients int
		name    string
	}{{8, ""}, {1, "_1client"}, {64, "_64clients"}} {
		clients := k.clients
		s, err := ldap.New(ldap.Config{
			Name: "corp", Servers: []string{d.URL}, BaseDNs: []string{d.BaseDN}, RootCAs: d.Authority.Roots(),
			BindUser: directoryService + realm, BindPassword: idp.NewSecret(directoryPassword(directoryPeople)),
			Searches: clients, Binds: clients, Timeouts: ldap.Timeouts{Operation: time.Minute, Wait: time.Minute},
		})
		if err != nil {
			b.Fatal(err)
		}
		bare := make([]*goldap.Conn, clients)
		for i := range bare {
			bare[i], err = goldap.DialURL(d.URL, goldap.DialWithTLSConfig(&tls.Config{RootCAs: d.Authority.Roots(), MinVersion: tls.VersionTLS12}))
			if err != nil {
				b.Fatal(err)
			}
		}
		login := func(_, i int) error {
			u, err := s.Find(b.Context(), local(i)+realm)
			if err != nil {
				return err
			}
			if _, err := s.Limit(b.Context(), u); err != nil {
				return err
			}
			return s.Authenticate(b.Context(), u, directoryPassword(i))
		}
		bind := func(client, i int) error { return bare[client].Bind(local(i)+realm, directoryPassword(i)) }
		among(b, clients, directoryPeople, login) // once for everybody, as at the beginning of a shift
		among(b, clients, directoryPeople, bind)
		var logins, binds times
		for range blocks {
			logins = append(logins, among(b, clients, block, login))
			binds = append(binds, among(b, clients, block, bind))
		}
		each := func(t times) float64 { return block / t.median().Seconds() }
		report(b, "login_ldap_per_second"+k.name, each(logins), "/s", goal{},
			"%d clients over LDAPS to Samba, %d people in turn; median of %d blocks of %d; bare binds %.0f/s", clients, directoryPeople, blocks, block, each(binds))
		report(b, "login_ldap_vs_bare_bind"+k.name, ratio(binds.median(), logins.median()), "ratio", goal{least: 0.9},
			"the same blocks, in turn")
		for _, c := range bare {
			if err := c.Close(); err != nil {
				b.Error(err)
			}
		}
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkLoginLDAPUnknown: the same as BenchmarkUnknownVsWrong of a directory, which counts a wrong password and has
// nothing to count of a name that nobody has.
func BenchmarkLoginLDAPUnknown(b *testing.B) {
	needs(b, "GATEHOUSE_CADDY")
	b.Chdir("..") // where e2e has its files
	domain := newDirectory(b)
	d := &door{Caddy: e2e.NewCaddy(b, "lockout", map[string]any{
		"Server": domain.URL, "BaseDN": domain.BaseDN, "CA": domain.CA, "Timeout": time.Minute.String(),
	})}
	e2e.WriteFile(b, filepath.Join(d.Dir, "ad_bind"), directoryPassword(directoryPeople))
	d.Start()
	d.unknownVsWrong(b, "login_ldap_unknown_vs_wrong", "over HTTPS, a Samba domain behind it")
}

// newDirectory starts a domain with people in nested groups.
func newDirectory(b *testing.B) *e2e.Domain {
	b.Helper()
	domain := e2e.People{Groups: []e2e.ADGroup{{Name: "Agents"}, {Name: "All Agents"}}}
	domain.Groups[0].MemberOf = []string{"All Agents"}
	for i := range directoryPeople {
		domain.Users = append(domain.Users, e2e.ADUser{Name: local(i), Password: directoryPassword(i), Mail: local(i) + "@example.test", Groups: []string{"Agents"}})
	}
	domain.Users = append(domain.Users, e2e.ADUser{Name: directoryService, Password: directoryPassword(directoryPeople)})
	return e2e.NewDomain(b, domain)
}

// among has so many clients do n things together, and says how long that took.
func among(b *testing.B, clients, n int, do func(client, i int) error) time.Duration {
	b.Helper()
	todo := make(chan int, n)
	for i := range n {
		todo <- i % directoryPeople
	}
	close(todo)
	var all sync.WaitGroup
	return took(func() {
		for client := range clients {
			all.Go(func() {
				for i := range todo {
					if err := do(client, i); err != nil {
						b.Errorf("%s: %v", local(i), err)
					}
				}
			})
		}
		all.Wait()
	})
}
