package ldap

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// FuzzFilter: a typed name comes out of the filter as the value that went in, and adds nothing.
func FuzzFilter(f *testing.F) {
	for _, name := range []string{"alice", "*)(uid=*", "\x00", `CORP\alice`, `a\b\c`, "é", "((((", "a=*"} {
		f.Add(name)
	}
	k, err := kindOf(ActiveDirectory)
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
		}
		if p.Tag != goldap.FilterAnd || len(p.Children) != 3 {
			t.Fatalf("%q", filter)
		}
		or := p.Children[2]
		if or.Tag != goldap.FilterOr || len(or.Children) != len(typed) {
			t.Fatalf("%q", filter)
		}
		for i, c := range or.Children {
			if c.Tag != goldap.FilterEqualityMatch || c.Children[0].Data.String() != typed[i] || c.Children[1].Data.String() != name {
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
	k, err := kindOf(ActiveDirectory)
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
		c := (&server{source: s, url: "ldaps://fuzz"}).start(goldap.NewConn(w, true), w)
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
