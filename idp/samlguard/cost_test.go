package samlguard

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"
	"testing"
)

const opening = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r">`

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestWorstCases holds the cost of a refusal by what was read and allocated before it, which no busy
// machine can change. With the guard away these documents cost seconds of CPU.
func TestWorstCases(t *testing.T) {
	roomy := Limits{Bytes: 1 << 20}
	tests := []struct {
		name   string
		doc    string
		limits Limits
		want   Reason
		read   int // most bytes read before the refusal
	}{
		{"one byte over the size", opening + strings.Repeat(" ", 128<<10+1-len(opening)), Limits{}, TooLarge, 0},
		{"350 KB of nested elements", strings.Repeat("<a>", 58000) + strings.Repeat("</a>", 44000), Limits{}, TooLarge, 0},
		{"50,000 nested elements", opening + strings.Repeat("<a>", 50000), roomy, TooDeep, len(opening) + 25*3},
		{"20,000 siblings", opening + strings.Repeat("<a/>", 20000), roomy, TooManyElements, len(opening) + 1001*4},
		{"2,000 namespaces on one element", "<a" + numbered(2000, ` xmlns:p%d="urn:x"`) + "/>", roomy, TooManyAttributes, 25 * 20},
		{"2,000 namespaces on the way down", opening + numbered(2000, `<p%[1]d:a xmlns:p%[1]d="urn:x">`), roomy, TooDeep, len(opening) + 25*40},
		{"33 namespaces in scope", opening + "<a" + numbered(20, ` xmlns:p%d="urn:x"`) + "><a" + numbered(20, ` xmlns:q%d="urn:x"`) + ">", roomy, TooManyNamespaces, len(opening) + 40*20},
		{"8,000 attributes", "<a" + numbered(8000, ` a%d="x"`) + "/>", roomy, TooManyAttributes, 25 * 10},
		{"1 MB attribute name", "<a " + strings.Repeat("x", 1<<19), roomy, Malformed, 1 << 20},
		{"1 MB of references", opening + strings.Repeat("&amp;", 1<<17) + "&", roomy, Malformed, 1 << 20},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			doc := []byte(test.doc)
			_, err := Check(doc, Response, test.limits)
			r := refusal(err)
			if r == nil || r.Reason != test.want {
				t.Fatalf("got %v, want %s", err, test.want)
			}
			if r.Offset > test.read {
				t.Errorf("read %d bytes before refusing, at most %d expected", r.Offset, test.read)
			}
			const most = 6000 // a fixed number for 1000 elements, whatever the size of the document
			if n := testing.AllocsPerRun(1, func() { _, _ = Check(doc, Response, test.limits) }); n > most {
				t.Errorf("%v allocations, at most %d expected", n, most)
			}
		})
	}
}

// TestLargestAccepted keeps the cost of the dearest document that passes in sight.
func TestLargestAccepted(t *testing.T) {
	doc := []byte(opening + `<samlp:Status><samlp:StatusCode Value="x"/></samlp:Status>` +
		strings.Repeat(`<a b="c" d="e"/>`, 997) + "</samlp:Response>")
	shape, err := Check(doc, Response, Limits{})
	if err != nil || shape.Elements != 1000 {
		t.Fatalf("%+v, %v", shape, err)
	}
	if n := testing.AllocsPerRun(1, func() { _, _ = Check(doc, Response, Limits{}) }); n > 12*1000 {
		t.Errorf("%v allocations for 1000 elements", n)
	}
}

func deflate(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// a SAMLRequest of about 5 KB that inflates to 4 MB.
func TestInflateBomb(t *testing.T) {
	bomb := deflate(t, bytes.Repeat([]byte("<a>"), 4<<20/3))
	if len(bomb) > 8<<10 {
		t.Fatalf("not much of a bomb: %d bytes", len(bomb))
	}
	_, err := Inflate(bomb, 0)
	r := refusal(err)
	if r == nil || r.Reason != TooLarge {
		t.Fatalf("got %v", err)
	}
	// Proportion of the input that was read is the proportion of the output that was made.
	if r.Offset > len(bomb)/4 {
		t.Errorf("read %d of %d bytes before refusing", r.Offset, len(bomb))
	}
}

func TestInflate(t *testing.T) {
	small := []byte(opening)
	got, err := Inflate(deflate(t, small), len(small))
	if err != nil || !bytes.Equal(got, small) {
		t.Fatalf("%q, %v", got, err)
	}
	for name, test := range map[string]struct {
		data []byte
		want Reason
	}{
		"one byte over":   {deflate(t, append([]byte("x"), small...)), TooLarge},
		"not deflate":     {[]byte("\xff\xff\xff\xff"), BadDeflate},
		"cut short":       {deflate(t, small)[:10], BadDeflate},
		"nothing":         {nil, BadDeflate},
		"trailing stream": {append(deflate(t, small), 0), TrailingContent},
	} {
		if _, err := Inflate(test.data, len(small)); reason(err) != test.want {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}
