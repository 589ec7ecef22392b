package ldap_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// directory is what the fake domain controllers of a test serve.
type directory struct {
	mu        sync.Mutex
	entries   []entry
	passwords map[string]string // by DN or other name of a bind
	states    map[string]string // sub-code that a right password gets, by DN
	binds     []bind
	searches  []search
	changes   []change
	bound     *result     // what every bind as a person gets
	faulty    *ber.Packet // control that goes with the answer to a change alone
	refused   result      // what a change of the right old password gets
	policy    *ber.Packet // control that goes with answers to binds and changes
	most      int         // entries of an answer to a search by the names of groups; 0 is no bound
	probes    int         // questions whether a server still answers
	boundless bool        // it gives all entries, whatever was asked for, as Samba does
}

type bind struct{ name, password string }

type search struct {
	base   string
	scope  int64
	size   int64
	filter *ber.Packet
	text   string
}

// equalities returns attribute and value, byte for byte, of every equality match in the filter.
func (s search) equalities() (found [][2]string, other int) {
	var walk func(*ber.Packet)
	walk = func(p *ber.Packet) {
		switch p.Tag {
		case goldap.FilterAnd, goldap.FilterOr:
			for _, c := range p.Children {
				walk(c)
			}
		case goldap.FilterEqualityMatch:
			found = append(found, [2]string{p.Children[0].Data.String(), p.Children[1].Data.String()})
		default:
			other++
		}
	}
	walk(s.filter)
	return found, other
}

func (d *directory) seen() (binds []bind, searches []search) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.binds), slices.Clone(d.searches)
}

func (d *directory) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.binds, d.searches = nil, nil
}

// dc is a domain controller in this process.
type dc struct {
	t    testing.TB
	dir  *directory
	ln   net.Listener
	tls  *tls.Config
	late bool // TLS begins with StartTLS

	mu       sync.Mutex
	accepted int
	conns    []net.Conn
	// mischief, where it is set, may answer a request itself; false leaves it to the directory.
	mischief func(c net.Conn, request *ber.Packet) bool
	group    sync.WaitGroup
}

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: cert, key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

// server returns a TLS configuration with a certificate that ends at that time.
func (a *authority) server(t testing.TB, ends time.Time, ip net.IP) *tls.Config {
	t.Helper()
	return a.issue(t, x509.Certificate{IPAddresses: []net.IP{ip}, DNSNames: []string{"dc1.corp.example.test"}, NotAfter: ends})
}

func (a *authority) issue(t testing.TB, template x509.Certificate) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(2), pkix.Name{CommonName: "dc1"}
	template.NotBefore, template.KeyUsage = template.NotAfter.Add(-2*time.Hour), x509.KeyUsageDigitalSignature
	if now := time.Now(); template.NotBefore.After(now) {
		template.NotBefore = now.Add(-time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

// named returns a TLS configuration with a certificate for that name alone.
func (a *authority) named(t testing.TB, host string) *tls.Config {
	t.Helper()
	return a.issue(t, x509.Certificate{DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)})
}

// serve starts a domain controller for the directory until the test ends.
func (d *directory) serve(t testing.TB, config *tls.Config, late bool) *dc {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &dc{t: t, dir: d, ln: ln, tls: config, late: late}
	c.group.Go(c.accept)
	t.Cleanup(c.stop)
	return c
}

func (c *dc) url() string {
	if c.late {
		return "ldap://" + c.ln.Addr().String()
	}
	return "ldaps://" + c.ln.Addr().String()
}

// stop closes everything, as a server that ends.
func (c *dc) stop() {
	_ = c.ln.Close()
	c.hangUp()
	c.group.Wait()
}

// hangUp closes the connections and goes on accepting.
func (c *dc) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

func (c *dc) dials() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted
}

func (c *dc) misbehave(f func(net.Conn, *ber.Packet) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mischief = f
}

func (c *dc) accept() {
	for {
		conn, err := c.ln.Accept()
		if err != nil {
			return
		}
		c.mu.Lock()
		c.accepted++
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
		c.group.Go(func() {
			defer conn.Close()
			if c.late {
				c.talk(conn)
			} else {
				c.talk(tls.Server(conn, c.tls))
			}
		})
	}
}

func (c *dc) talk(conn net.Conn) {
	r, who := bufio.NewReader(conn), ""
	for {
		request, err := ber.ReadPacket(r)
		if err != nil || len(request.Children) < 2 {
			return
		}
		c.mu.Lock()
		mischief := c.mischief
		c.mu.Unlock()
		if mischief != nil && mischief(conn, request) {
			continue
		}
		id, op := request.Children[0].Value.(int64), request.Children[1]
		switch op.Tag {
		case goldap.ApplicationBindRequest:
			who = op.Children[1].Value.(string)
			c.answer(conn, id, goldap.ApplicationBindResponse, c.dir.bind(op), c.dir.control()...)
		case goldap.ApplicationModifyRequest:
			c.answer(conn, id, goldap.ApplicationModifyResponse, c.dir.modify(who, op))
		case goldap.ApplicationSearchRequest:
			c.search(conn, id, op, len(request.Children) > 2 && strings.Contains(string(request.Children[2].Bytes()), goldap.ControlTypeMicrosoftDomainScope))
		case goldap.ApplicationExtendedRequest:
			if strings.Contains(string(op.Bytes()), passwordModify) {
				c.answer(conn, id, goldap.ApplicationExtendedResponse, c.dir.passwordModify(who, op), c.dir.fault()...)
				continue
			}
			c.answer(conn, id, goldap.ApplicationExtendedResponse, result{})
			conn = tls.Server(conn, c.tls)
			r = bufio.NewReader(conn)
		default:
			return
		}
	}
}

type result struct {
	code int64
	text string
}

func (d *directory) bind(op *ber.Packet) result {
	b := bind{op.Children[1].Value.(string), op.Children[2].Data.String()}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.binds = append(d.binds, b)
	refused := func(data string) result {
		return result{goldap.LDAPResultInvalidCredentials, "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data " + data + ", v1db1"}
	}
	if d.bound != nil && !strings.Contains(b.name, "svc") {
		return *d.bound
	}
	want, known := d.passwords[b.name]
	if !known || want != b.password {
		if d.states[b.name] == "775" {
			return refused("775")
		}
		return refused("52e")
	}
	if s := d.states[b.name]; s != "" {
		return refused(s)
	}
	return result{}
}

// search answers one, with a referral unless it is about the domain alone.
func (c *dc) search(conn net.Conn, id int64, op *ber.Packet, alone bool) {
	s := search{base: op.Children[0].Value.(string), scope: op.Children[1].Value.(int64), size: op.Children[3].Value.(int64), filter: op.Children[6]}
	s.text, _ = goldap.DecompileFilter(s.filter)
	c.dir.mu.Lock()
	if attributes := op.Children[7].Children; len(attributes) == 1 && attributes[0].Data.String() == "1.1" {
		c.dir.probes++
	} else {
		c.dir.searches = append(c.dir.searches, s)
	}
	var found []entry
	exists := s.base == ""
	for _, e := range c.dir.entries {
		exists = exists || strings.EqualFold(e.dn, s.base)
		below := strings.EqualFold(e.dn, s.base) || s.scope == goldap.ScopeWholeSubtree && strings.HasSuffix(strings.ToLower(e.dn), ","+strings.ToLower(s.base))
		if below && e.matches(s.filter) {
			found = append(found, e)
		}
	}
	most := 0
	if strings.Contains(s.text, "(cn=") {
		most = c.dir.most
	}
	boundless := c.dir.boundless
	c.dir.mu.Unlock()
	done := result{}
	if !exists {
		done.code = goldap.LDAPResultNoSuchObject
	}
	if s.size > 0 && !boundless && (most == 0 || int(s.size) < most) {
		most = int(s.size)
	}
	if most > 0 && len(found) > most {
		found, done.code = found[:most], goldap.LDAPResultSizeLimitExceeded
	}
	for _, e := range found {
		c.send(conn, id, e.part(op.Children[7]).packet())
	}
	if s.scope == goldap.ScopeWholeSubtree && !alone {
		// As Active Directory does at the top of a domain.
		ref := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultReference, nil, "")
		ref.AppendChild(octets("ldap://elsewhere.example.test/CN=Configuration"))
		c.send(conn, id, ref)
	}
	c.answer(conn, id, goldap.ApplicationSearchResultDone, done)
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func (c *dc) answer(conn net.Conn, id int64, tag ber.Tag, r result, controls ...*ber.Packet) {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, r.code, ""))
	p.AppendChild(octets(""))
	p.AppendChild(octets(r.text))
	c.send(conn, id, p, controls...)
}

func (c *dc) send(conn net.Conn, id int64, op *ber.Packet, controls ...*ber.Packet) {
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	if len(controls) > 0 {
		all := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, control := range controls {
			all.AppendChild(control)
		}
		m.AppendChild(all)
	}
	_, _ = conn.Write(m.Bytes()) // whoever has hung up reads nothing
}
