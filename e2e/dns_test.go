package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
)

// TestDNS: Go's resolver finds what a test put in, over UDP and over TCP, and sees each way of failing.
func TestDNS(t *testing.T) {
	d := NewDNSFor(t, "corp.example.test", SRV{Target: "dc2.corp.example.test", Port: 1636, Priority: 10}, SRV{Target: "dc1.corp.example.test", Port: 636, Weight: 5})
	d.A("dc1.corp.example.test", "127.0.0.7", "127.0.0.8")
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, d.Addr)
	}}
	ctx := t.Context()
	_, found, err := r.LookupSRV(ctx, "ldap", "tcp", "corp.example.test")
	if err != nil || len(found) != 2 || *found[0] != (net.SRV{Target: "dc1.corp.example.test.", Port: 636, Weight: 5}) || found[1].Port != 1636 {
		t.Errorf("%v, %v", found, err)
	}
	if ips, err := r.LookupHost(ctx, "DC1.corp.example.test"); err != nil || !slices.Equal(ips, []string{"127.0.0.7", "127.0.0.8"}) {
		t.Errorf("%v, %v", ips, err)
	}
	if n := d.Asked("_ldap._tcp.corp.example.test"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	// More than fits into a datagram.
	var many []SRV
	for i := range 40 {
		many = append(many, SRV{Target: fmt.Sprintf("dc%d.corp.example.test", i), Port: 636})
	}
	d.SRV("_ldap._tcp.corp.example.test", many...)
	if _, found, err := r.LookupSRV(ctx, "ldap", "tcp", "corp.example.test"); err != nil || len(found) != 40 {
		t.Errorf("%d, %v", len(found), err)
	}
	d.TTL(0)
	d.SRV("_ldap._tcp.corp.example.test")
	if _, found, err := r.LookupSRV(ctx, "ldap", "tcp", "corp.example.test"); len(found) > 0 {
		t.Errorf("no records: %v, %v", found, err)
	}
	d.Remove("_ldap._tcp.corp.example.test")
	failed := func() (e *net.DNSError) {
		_, _, err := r.LookupSRV(ctx, "ldap", "tcp", "corp.example.test")
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		return e
	}
	if e := failed(); !e.IsNotFound {
		t.Errorf("no such name: %v", e)
	}
	d.SRV("_ldap._tcp.corp.example.test", many...)
	d.Set(DNSFails)
	if e := failed(); !e.IsTemporary || e.IsNotFound {
		t.Errorf("a failing server: %v", e)
	}
	d.Set(DNSSilent)
	short, cancel := context.WithTimeout(ctx, shortly)
	defer cancel()
	if _, found, err := r.LookupSRV(short, "ldap", "tcp", "corp.example.test"); err == nil {
		t.Errorf("a silent server: %v", found)
	}
	d.Set(DNSAnswers)
	if _, found, err := r.LookupSRV(ctx, "ldap", "tcp", "corp.example.test"); err != nil || len(found) != 40 {
		t.Errorf("in the end: %d, %v", len(found), err)
	}
}
