package ldap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// FuzzFilter: a typed name comes out of the filter as the value that went in, and adds nothing.
func FuzzFilter(f *testing.F) {
	for _, name := range []string{"alice", "*)(uid=*", "\x00", `CORP\alice`, `a\b\c`, "é", "((((", "a=*"} {
		f.Add(name)
	}
	k, err := kindOf(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		filter, ok := k.filter(name)
		if !ok {
			return
		}
		p, err := goldap.CompileFilter(filter)
		if err != nil {
			t.Fatalf("%q: %v", filter, err)
		}
		typed := k.typed
		if _, account, ok := strings.Cut(name, `\`); ok {
			name, typed = account, []string{k.account}
		} else if strings.Contains(name, "@") {
			typed = append(slices.Clone(typed), "proxyAddresses")
		}
		if p.Tag != goldap.FilterAnd || len(p.Children) != 2 {
			t.Fatalf("%q", filter)
		}
		or := p.Children[0]
		if or.Tag != goldap.FilterOr || len(or.Children) != len(typed) {
			t.Fatalf("%q", filter)
		}
		for i, c := range or.Children {
			if c.Tag != goldap.FilterEqualityMatch || c.Children[0].Data.String() != typed[i] || strings.TrimPrefix(c.Children[1].Data.String(), map[string]string{"proxyAddresses": "smtp:"}[typed[i]]) != name {
				t.Fatalf("%q: %q", filter, c.Children[1].Data.String())
			}
		}
	})
}

// FuzzSID: any bytes come out of the filter for a group as they went in.
func FuzzSID(f *testing.F) {
	f.Add("\x01\x05\x00()*\\")
	f.Fuzz(func(t *testing.T, sid string) {
		p, err := goldap.CompileFilter("(objectSid=" + escapeBytes(sid) + ")")
		if err != nil {
			t.Fatal(err)
		}
		if sid != "" && (p.Tag != goldap.FilterEqualityMatch || p.Children[1].Data.String() != sid) {
			t.Fatalf("%q", p.Children[1].Data.String())
		}
	})
}

// FuzzDN: a DN from the directory, whatever it is, is read without harm.
func FuzzDN(f *testing.F) {
	f.Add("CN=a\\, b,DC=corp,DC=test")
	f.Add("DC=")
	f.Fuzz(func(t *testing.T, dn string) {
		root, err := domainOf(dn)
		if err == nil && (!isDN(root) || !strings.HasPrefix(strings.ToLower(root), "dc=")) {
			t.Errorf("%q is in the domain %q", dn, root)
		}
		misleading(dn)
	})
}

// FuzzAnswer: bytes from a hostile server neither crash us nor sign anybody in, unless they are the one
// answer that says so.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("0\x0c\x02\x01\x01a\x07\n\x01\x31\x04\x00\x04\x00"), true)
	f.Add([]byte("0\x0c\x02\x01\x01e\x07\n\x01\x00\x04\x00\x04\x00"), false)
	f.Add([]byte("0\x80\x02\x01\x01d\x80\x04\x01a0\x00\x00\x00\x00\x00"), false)
	k, err := kindOf(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, answer []byte, binding bool) {
		here, there := net.Pipe()
		go func() {
			// The request first, so that the answer can fit it.
			_, _ = there.Read(make([]byte, 1<<12))
			_, _ = there.Write(answer)
			_ = there.Close()
		}()
		s := &Source{kind: k, timeouts: Timeouts{Operation: 5 * time.Second}}
		w := &wire{Conn: here}
		c := (&server{source: s, url: "ldaps://fuzz"}).start(w, w)
		defer c.close()
		err := c.do(context.Background(), func(l *goldap.Conn) error {
			if binding {
				return l.Bind("CN=a", "b")
			}
			_, err := l.Search(&goldap.SearchRequest{BaseDN: "DC=a", Filter: "(a=b)"})
			return err
		})
		if err != nil && !judged(err) && c.usable(time.Time{}) {
			t.Errorf("the connection is used again after %v", err)
		}
		_, _ = io.Copy(io.Discard, there)
	})
}

// FuzzGuard: the guard sees the ends of messages where the parser does, however the bytes come, and lets none through
// that are dear.
func FuzzGuard(f *testing.F) {
	f.Add([]byte("0\x0c\x02\x01\x01a\x07\n\x01\x31\x04\x00\x04\x00"), 1)
	f.Add([]byte("0\x84\x00\x00\x00\x10\x02\x01\x01e\x07\n\x01\x00\x04\x00\x04\x00\xa0\x020\x000\x03\x02\x01\x02"), 7)
	f.Add([]byte("0\x80\x02\x01\x01d\x80\x04\x01a0\x00\x00\x00\x00\x00"), 2)
	f.Add(bytes.Repeat([]byte("0\x08"), 9), 3)
	f.Fuzz(func(t *testing.T, read []byte, size int) {
		g := newGuard(nil)
		for part := range slices.Chunk(read, max(1, size&0xfff)) {
			if g.follow(part) != nil {
				return
			}
		}
		if g.left.Load() < 0 || g.depth > mostDepth {
			t.Errorf("%d elements too many pass, or %d in each other", -g.left.Load(), g.depth)
		}
		again, rest := newGuard(nil), bytes.NewReader(read)
		for rest.Len() > 0 {
			from := len(read) - rest.Len()
			if _, err := ber.ReadPacket(rest); err != nil {
				break
			}
			if err := again.follow(read[from : len(read)-rest.Len()]); err != nil || again.depth != 0 || again.content != 0 || again.header.begun {
				t.Fatalf("after a message: %v, %+v", err, again)
			}
		}
	})
}

// FuzzPolicyControl: whatever the controls of an answer are, a refusal lets nobody in, and what is made of it is one of
// the few things that the gateway knows.
func FuzzPolicyControl(f *testing.F) {
	f.Add([]byte("\x30\x05\xa0\x03\x80\x01\x05"), uint16(0), true)
	f.Add([]byte("\x30\x03\x81\x01\x00"), uint16(49), true)
	f.Add([]byte("0"), uint16(49), false)
	f.Fuzz(func(t *testing.T, value []byte, code uint16, behera bool) {
		oid := "2.16.840.1.113730.3.4.5"
		if behera {
			oid = goldap.ControlTypeBeheraPasswordPolicy
		}
		control := ber.NewSequence("")
		control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, oid, ""))
		control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string(value), ""))
		all := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		all.AppendChild(control)
		packet := ber.NewSequence("")
		packet.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, ""))
		packet.AppendChild(ber.NewSequence(""))
		packet.AppendChild(all)
		// As it is after the network.
		read, err := ber.DecodePacketErr(packet.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		answer := &goldap.Error{ResultCode: code, Err: errors.New("x"), Packet: read}
		controls := controlsOf(answer)
		if left := expiresIn(controls); left < 0 || left > mostExpiry {
			t.Errorf("expires in %s", left)
		}
		for _, err := range []error{refusalByPolicy(answer, controls), refusalByPolicy(nil, controls), changeRefusedByPolicy(answer)} {
			state, isState := errors.AsType[*idp.AccountState](err)
			_, isRefused := errors.AsType[*idp.PasswordRefused](err)
			switch {
			case err == nil, isRefused, errors.Is(err, idp.ErrBadCredentials):
			case isState && (state.State == "password_expired" || state.State == "must_change"):
			default:
				t.Errorf("%v", err)
			}
		}
		if goldap.LDAPResultInvalidCredentials == code && refusalByPolicy(answer, controls) == nil {
			t.Error("a refusal is none")
		}
	})
}

// FuzzRange: where the next part of an attribute's values begins is a number that can be asked for, and later than the
// one before.
func FuzzRange(f *testing.F) {
	for _, name := range []string{"member;range=0-1499", "member;range=1500-*", "member;binary", "MEMBER;RANGE=0-0", "member;range=9-3", "member;range=0-9223372036854775807"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		last, ok := rangeOf(name, "member")
		if !ok {
			return
		}
		if last < -1 || last+1 < 0 {
			t.Errorf("%q ends at %d", name, last)
		}
		if _, again := rangeOf(fmt.Sprintf("member;range=0-%d", last), "member"); last >= 0 && !again {
			t.Errorf("%q: the part that ends at %d is none", name, last)
		}
	})
}
