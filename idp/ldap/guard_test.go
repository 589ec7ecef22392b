package ldap_test

import (
	"bytes"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

// hostile are answers of a mebibyte, nearly, that are dear to parse.
func hostile() map[string][]byte {
	const size = 1000 << 10
	within := func(tag byte, content []byte) []byte {
		n := len(content)
		return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, content...)
	}
	fill := func(element ...byte) []byte { return bytes.Repeat(element, size/len(element)) }
	deep := within(4, fill('x'))
	for range 200 {
		deep = within(0x30, deep)
	}
	// The value of a control is parsed as well, where its kind is known: that of ppolicy here.
	done := []byte{2, 1, 0, 0x65, 7, 10, 1, 0, 4, 0, 4, 0}
	control := append([]byte{4, byte(len(goldap.ControlTypeBeheraPasswordPolicy))}, goldap.ControlTypeBeheraPasswordPolicy...)
	control = append(control, within(4, within(0x30, fill(4, 1, 'x')))...)
	return map[string][]byte{
		"empty elements":       within(0x30, fill(5, 0)),
		"elements of one byte": within(0x30, fill(4, 1, 'x')),
		"empty sequences":      within(0x30, fill(0x30, 0)),
		"messages":             fill(0x30, 3, 2, 1, 9),
		"a deep nest":          deep,
		"a nest without end":   fill(0x30, 0x80),
		"a control":            within(0x30, append(done, within(0xa0, within(0x30, control))...)),
	}
}

// TestCostOfAnswer: go-ldap makes a tree of what it reads, six hundred times as large where the elements are small, and a
// thousand times in a control. What one answer can cost is bounded, and whoever asked is told that there is none.
func TestCostOfAnswer(t *testing.T) {
	const most = 24 // bytes of memory for each byte of the answer
	for name, answer := range hostile() {
		t.Run(name, func(t *testing.T) {
			s := open(t, corp(), 1, impatient)
			s.dcs[0].misbehave(on(goldap.ApplicationSearchRequest, func(c net.Conn, request *ber.Packet) {
				if name == "a control" {
					answer[8] = byte(request.Children[0].Value.(int64)) // its message id
				}
				write(answer)(c, request)
			}))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := s.Find(t.Context(), "alice")
			runtime.ReadMemStats(&after)
			if err == nil || errors.Is(err, idp.ErrNoUser) {
				t.Errorf("it is taken for an answer: %v", err)
			}
			ratio := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(answer))
			t.Logf("%.1f bytes allocated for each of %d", ratio, len(answer))
			if ratio > most {
				t.Errorf("it costs %.0f times its size, more than %d: %v", ratio, most, err)
			}
		})
	}
}

// TestStartTLSAnswer: what comes before TLS is bounded as well.
func TestStartTLSAnswer(t *testing.T) {
	for name, answer := range hostile() {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			d := corp().serve(t, a.server(t, time.Now().Add(time.Hour), here), true)
			d.misbehave(func(c net.Conn, _ *ber.Packet) bool { write(answer)(c, nil); return true })
			s := open(t, d.dir, 0, func(c *ldap.Config) { impatient(c); c.Servers, c.RootCAs = []string{d.url()}, a.pool })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := s.Find(t.Context(), "alice"); err == nil || !strings.Contains(err.Error(), "StartTLS") {
				t.Errorf("%v", err)
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
				t.Errorf("%d bytes", used)
			}
		})
	}
}
