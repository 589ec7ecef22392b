package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// mostSkew is how far the clocks may be apart. Kerberos bears five minutes; one already shows that
// nobody sets one of the clocks.
const mostSkew = time.Minute

// Check implements [idp.Checker]. It asks every server by itself, on connections of its own, and all at once.
func (s *Source) Check(ctx context.Context) []idp.Finding {
	var findings []idp.Finding
	if s.finder != nil {
		findings = s.finder.check(ctx)
	}
	known, _ := s.knownServers() // the finding says why there is none
	each := make([][]idp.Finding, len(known))
	var group sync.WaitGroup
	for i, sv := range known {
		group.Go(func() { each[i] = sv.check(ctx) })
	}
	group.Wait()
	findings = append(append(findings, slices.Concat(each...)...), s.checkLockout(ctx))
	return append(findings, s.checkRealms(ctx)...)
}

func (s *Source) finding(level, what, cure string, args ...any) idp.Finding {
	return idp.Finding{Level: level, Where: "source " + s.name, What: fmt.Sprintf(what, args...), Cure: cure}
}

// check asks the DNS anew and says what it answers.
func (f *finder) check(ctx context.Context) []idp.Finding {
	s := f.source
	f.refresh(ctx)
	f.mu.Lock()
	a, err := f.last, f.err
	f.mu.Unlock()
	const cureOfDNS = "let this machine ask the DNS of the domain, write resolver with the address of a domain controller, or list each server"
	var findings []idp.Finding
	if err != nil {
		return append(findings, s.finding("error", "%v", cureOfDNS, err))
	}
	for _, r := range a.records {
		where := ""
		if r.site {
			where = " in the site " + f.site
		}
		findings = append(findings, s.finding("ok", "the DNS names %s:%d%s, priority %d, weight %d", "", r.host, r.port, where, r.priority, r.weight))
	}
	for _, m := range a.missing {
		findings = append(findings, s.finding("warning", "the DNS does not answer %s", "write the name of the site as Active Directory Sites and Services has it", m))
	}
	for _, host := range a.refused {
		findings = append(findings, s.finding("error", "the DNS names %s, which is not inside %s, and so is not asked", "find out who wrote the record; if the server is the domain's, list it as a server", host, f.domain))
	}
	if s.tls.VerifyConnection == nil {
		findings = append(findings, s.finding("warning", "any machine with a certificate for a name inside %s could be shown passwords by whoever forges the DNS",
			"write require_kdc_certificate, once the controllers have certificates of the template Kerberos Authentication; or list each server instead of the domain", f.domain))
	}
	return findings
}

// check looks at one server until something stops it.
func (sv *server) check(ctx context.Context) []idp.Finding {
	s := sv.source
	c, err := sv.dialService(ctx)
	if err != nil {
		return []idp.Finding{s.finding("error", "%v", cureOf(err), err)}
	}
	defer c.close()
	findings := []idp.Finding{c.checkCertificate(), s.finding("ok", "%s: signed in as the service account, %s", "", sv.url, s.bindUser)}
	for _, base := range s.bases {
		findings = append(findings, c.checkBase(ctx, base))
	}
	if s.kind.clock != "" {
		return append(findings, c.checkClock(ctx))
	}
	return append(findings, s.finding("ok", "%s: servers of this kind do not tell their time, so that the clocks were not compared", "", sv.url))
}

// certificateNear is how long before the end of a server's certificate it is told. A domain's own authority renews it
// weeks before.
const certificateNear = 14 * 24 * time.Hour

// checkCertificate says where the name led, and how long the server can prove that it is the one. That it has
// proved it is why there is a connection.
func (c *conn) checkCertificate() idp.Finding {
	s, sv := c.server.source, c.server
	leaf := c.secure.ConnectionState().PeerCertificates[0] // without one there is no connection
	level, cure := "ok", ""
	if leaf.NotAfter.Sub(s.now()) < certificateNear {
		level, cure = "warning", "renew the server's certificate; after its end nobody signs in"
	}
	purpose := ""
	switch {
	case s.kind.name != ActiveDirectory:
	case forKDC(leaf):
		purpose = "; it is for a domain controller"
	default:
		purpose = "; it may be any machine's (no KDC Authentication)"
	}
	return s.finding(level, "%s: connected to %s, whose certificate %q of %q fits and ends on %s%s", cure,
		sv.url, c.wire.RemoteAddr(), leaf.Subject, leaf.Issuer, leaf.NotAfter.UTC().Format(time.DateOnly), purpose)
}

// cureOf says what an admin does about a connection that failed.
func cureOf(err error) string {
	var at *stageError
	if !errors.As(err, &at) {
		return "see what caddy gatehouse check says of the servers, and let the service account read people's entries and groups"
	}
	switch at.stage {
	case "name":
		return "write the server's name as the DNS has it, or let this machine ask the DNS of the domain"
	case "connect":
		return "start the server, or open the way to its port in the firewall"
	case "tls", "starttls":
		return cureOfTLS(err)
	}
	switch {
	case resultIs(err, goldap.LDAPResultInvalidCredentials):
		return "check name and password of the service account, and that it is neither locked nor expired; a password in a file is read when the configuration is loaded"
	case resultIs(err, goldap.LDAPResultStrongAuthRequired):
		return "write the server with ldaps://"
	}
	return "look at the server's own log"
}

func cureOfTLS(err error) string {
	var (
		proof   *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		machine *machineError
	)
	var leaf *x509.Certificate
	if errors.As(err, &proof) && len(proof.UnverifiedCertificates) > 0 {
		leaf = proof.UnverifiedCertificates[0]
	}
	switch {
	case errors.As(err, &machine):
		return "give the controller a certificate of the template Kerberos Authentication, or leave out require_kdc_certificate; if it is no controller, find out who named it." + namedCertificate(machine.leaf, machine.leaf)
	case errors.As(err, &unknown):
		return "put the certificate of the authority that issued the server's into ca_file." + namedCertificate(leaf, unknown.Cert)
	case errors.As(err, &name):
		return "write the server with a name that is in its certificate, or issue it one with this name." + namedCertificate(leaf, leaf)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != leaf:
		return "renew the authority's certificate, in ca_file as well, or set this machine's clock." + namedCertificate(leaf, invalid.Cert)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or set this machine's clock." + namedCertificate(leaf, leaf)
	}
	return "give the server a certificate that fits, and let it take LDAP over TLS." + namedCertificate(leaf, invalid.Cert)
}

// namedCertificate describes the certificate that fails, which is the server's own, or one above it.
func namedCertificate(leaf, fails *x509.Certificate) string {
	what := "The certificate that fails is"
	if fails == nil || fails == leaf {
		what, fails = "The server shows", leaf
	}
	if fails == nil {
		return ""
	}
	return fmt.Sprintf(" %s %q, names %v, valid from %s to %s, issued by %q.", what,
		fails.Subject, fails.DNSNames, fails.NotBefore.UTC().Format(time.DateOnly), fails.NotAfter.UTC().Format(time.DateOnly), fails.Issuer)
}

func (c *conn) checkBase(ctx context.Context, base string) idp.Finding {
	s, sv := c.server.source, c.server
	var found *goldap.SearchResult
	err := c.do(ctx, func(l *goldap.Conn) (err error) {
		found, err = l.Search(&goldap.SearchRequest{
			BaseDN: base, Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"objectClass"},
		})
		return err
	})
	const cure = "write the base DN as the directory has it, and let the service account read it"
	switch {
	case err != nil:
		return s.finding("error", "%s: base DN %q: %v", cure, sv.url, base, err)
	case len(found.Entries) != 1:
		return s.finding("error", "%s: base DN %q is not there", cure, sv.url, base)
	}
	return s.finding("ok", "%s: base DN %q is there", "", sv.url, base)
}

// checkClock compares the clocks: a sign-in at a service provider fails when ours is wrong.
func (c *conn) checkClock(ctx context.Context) idp.Finding {
	s, sv := c.server.source, c.server
	var found *goldap.SearchResult
	err := c.do(ctx, func(l *goldap.Conn) (err error) {
		found, err = l.Search(&goldap.SearchRequest{
			Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{s.kind.clock},
		})
		return err
	})
	if err != nil || len(found.Entries) != 1 {
		return s.finding("warning", "%s does not tell its time (%v)", "", sv.url, err)
	}
	theirs, err := time.Parse("20060102150405Z0700", text(found.Entries[0], s.kind.clock))
	if err != nil {
		return s.finding("warning", "%s tells its time as %q", "", sv.url, text(found.Entries[0], s.kind.clock))
	}
	apart := s.now().Sub(theirs).Abs()
	if apart > mostSkew {
		return s.finding("warning", "%s: its clock and ours are %s apart", "set both by NTP", sv.url, apart.Round(time.Second))
	}
	return s.finding("ok", "%s: the clocks agree", "", sv.url)
}
