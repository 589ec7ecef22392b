package ldap

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
)

// TestResolverNamesItself: an error that names another DNS server than the one that was asked sends its reader there.
func TestResolverNamesItself(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := silent.LocalAddr().String()
	if err := silent.Close(); err != nil { // from now on the kernel refuses
		t.Fatal(err)
	}
	r, err := newResolver([]string{address})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.servers(t.Context(), "ldap", "tcp", "corp.example.test."); err == nil || !strings.Contains(err.Error(), " on "+address) {
		t.Errorf("%v does not name %s", err, address)
	}
	if _, err := r.host(t.Context(), "dc1.corp.example.test."); err == nil || !strings.Contains(err.Error(), " on "+address) {
		t.Errorf("%v does not name %s", err, address)
	}
}

// TestTheNextResolver: a DNS server that does not answer is not waited for, and not asked first again.
func TestTheNextResolver(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	good, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := good.ReadFrom(b)
			if err != nil {
				return
			}
			b[2], b[3] = b[2]|0x80, 3 // an answer: no such name
			_, _ = good.WriteTo(b[:n], from)
		}
	}()
	r, err := newResolver([]string{silent.LocalAddr().String(), good.LocalAddr().String()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), lookupTime)
		_, err := r.host(ctx, "dc1.corp.example.test.")
		cancel()
		if wrong, ok := errors.AsType[*net.DNSError](err); !ok || !wrong.IsNotFound {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if n := r.first.Load(); n != 1 {
		t.Errorf("server %d is asked first", n)
	}
}
