package ldap

import (
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
	r, err := newResolver(address)
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
