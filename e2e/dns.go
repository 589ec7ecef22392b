package e2e

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// DNSFault is what a [DNS] server does instead of answering.
type DNSFault int

// The faults.
const (
	DNSAnswers DNSFault = iota
	DNSFails            // SERVFAIL
	DNSSilent           // nothing comes back
)

// mostUDP is the longest answer in one datagram without EDNS (RFC 1035 §4.2.1). A longer one is cut, and the
// client asks again over TCP.
const mostUDP = 512

// SRV is a record that names a server of a service.
type SRV struct {
	Target           string // host name
	Port             int
	Priority, Weight int
}

// DNS is a name server for what a test puts in, over UDP and TCP on one port of 127.0.0.1. It knows no other names.
type DNS struct {
	// Addr is where it listens.
	Addr string

	t  testing.TB
	wg sync.WaitGroup

	mu    sync.Mutex
	ttl   uint32
	fault DNSFault
	srv   map[string][]SRV
	a     map[string][]netip.Addr
	asked map[string]int
	conns map[net.Conn]bool // over TCP
	ended bool
}

// NewDNS starts a name server, until the test ends.
func NewDNS(t testing.TB) *DNS {
	t.Helper()
	d := &DNS{t: t, ttl: 60, srv: map[string][]SRV{}, a: map[string][]netip.Addr{}, asked: map[string]int{}, conns: map[net.Conn]bool{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.Addr = l.Addr().String()
	u, err := net.ListenPacket("udp", d.Addr)
	if err != nil {
		t.Fatal(err)
	}
	d.wg.Go(func() { d.serveUDP(u) })
	d.wg.Go(func() { d.serveTCP(l) })
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), u.Close()); err != nil {
			t.Error(err)
		}
		d.mu.Lock()
		d.ended = true
		for c := range d.conns {
			_ = c.Close()
		}
		d.mu.Unlock()
		d.wg.Wait()
	})
	return d
}

// NewDNSFor is NewDNS for the controllers of a domain, in its order: _ldap._tcp names each, with its own port.
func NewDNSFor(t testing.TB, domain string, servers ...SRV) *DNS {
	t.Helper()
	d := NewDNS(t)
	d.SRV("_ldap._tcp."+domain, servers...)
	return d
}

// SRV replaces the records of a service, such as _ldap._tcp.corp.example.test. With none the name is there, without records.
func (d *DNS) SRV(name string, records ...SRV) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.srv[full(name)] = records
}

// A replaces the addresses of a host. With none the name is there, without records.
func (d *DNS) A(name string, addresses ...string) {
	d.t.Helper()
	var all []netip.Addr
	for _, text := range addresses {
		ip, err := netip.ParseAddr(text)
		if err != nil || !ip.Is4() {
			d.t.Fatalf("%s is no IPv4 address: %v", text, err)
		}
		all = append(all, ip)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.a[full(name)] = all
}

// Remove forgets a name: there is none such (NXDOMAIN).
func (d *DNS) Remove(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.srv, full(name))
	delete(d.a, full(name))
}

// Set changes the fault.
func (d *DNS) Set(f DNSFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// TTL changes for how many seconds an answer may be kept; it is 60 at first.
func (d *DNS) TTL(seconds int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ttl = uint32(seconds)
}

// Asked counts the questions about a name, answered or not.
func (d *DNS) Asked(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[full(name)]
}

// full is a name as it is on the wire, in the case in which names are compared.
func full(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) + "." }

func (d *DNS) serveUDP(u net.PacketConn) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := u.ReadFrom(buf)
		if err != nil {
			return
		}
		answer := d.answer(buf[:n], mostUDP)
		if answer == nil {
			continue
		}
		if _, err := u.WriteTo(answer, from); err != nil && !errors.Is(err, net.ErrClosed) {
			d.t.Logf("the name server: %v", err)
		}
	}
}

func (d *DNS) serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		if d.ended {
			_ = c.Close()
		} else {
			d.conns[c] = true
			d.wg.Go(func() { d.converse(c) })
		}
		d.mu.Unlock()
	}
}

// converse answers over TCP, where the length is before each message (RFC 1035 §4.2.2).
func (d *DNS) converse(c net.Conn) {
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.conns, c)
		_ = c.Close()
	}()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		question := make([]byte, int(size[0])<<8|int(size[1]))
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		answer := d.answer(question, 64<<10-1)
		if answer == nil {
			continue
		}
		if _, err := c.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)); err != nil {
			return
		}
	}
}

// answer is the reply to a message, or nil where there is none to give.
func (d *DNS) answer(message []byte, most int) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(message)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	name := full(q.Name.String())
	d.asked[name]++
	if d.fault == DNSSilent {
		return nil
	}
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: head.ID, Response: true, Authoritative: true, RecursionDesired: head.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	switch known := d.knows(name); {
	case d.fault == DNSFails:
		reply.RCode = dnsmessage.RCodeServerFailure
	case !known:
		reply.RCode = dnsmessage.RCodeNameError
	default:
		reply.Answers = d.records(q, name)
	}
	packed, err := reply.Pack()
	if err == nil && len(packed) > most {
		reply.Truncated, reply.Answers = true, nil
		packed, err = reply.Pack()
	}
	if err != nil {
		d.t.Errorf("the name server: %v", err)
		return nil
	}
	return packed
}

func (d *DNS) knows(name string) bool {
	_, srv := d.srv[name]
	_, a := d.a[name]
	return srv || a
}

// records are the answers of the type that was asked for.
func (d *DNS) records(q dnsmessage.Question, name string) []dnsmessage.Resource {
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: d.ttl}
	var all []dnsmessage.Resource
	switch q.Type {
	case dnsmessage.TypeSRV:
		for _, r := range d.srv[name] {
			target, err := dnsmessage.NewName(full(r.Target))
			if err != nil {
				d.t.Errorf("the name server: %s: %v", r.Target, err)
				continue
			}
			all = append(all, dnsmessage.Resource{Header: head, Body: &dnsmessage.SRVResource{
				Priority: uint16(r.Priority), Weight: uint16(r.Weight), Port: uint16(r.Port), Target: target,
			}})
		}
	case dnsmessage.TypeA:
		for _, ip := range d.a[name] {
			all = append(all, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: ip.As4()}})
		}
	default: // the name has no records of another type
	}
	return all
}
