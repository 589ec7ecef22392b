package samlguard

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"testing"
)

// FuzzCheck promises three things: no input panics, every error is a *Refused, and a document that
// passes is read by encoding/xml token for token as the guard read it.
func FuzzCheck(f *testing.F) {
	for _, doc := range fixtures(f) {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, kind := range []Kind{Response, Assertion, AuthnRequest} {
			_, err := Check(doc, kind, Limits{})
			var refused *Refused
			if err != nil {
				if !errors.As(err, &refused) || refused.Offset < 0 || refused.Offset > len(doc) {
					t.Fatalf("not a proper refusal: %v", err)
				}
				continue
			}
			if err := sameTokens(doc); err != nil {
				t.Fatalf("%v in %q", err, doc)
			}
		}
	})
}

// sameTokens compares the guard's scanner with encoding/xml.
func sameTokens(doc []byte) error {
	s := &scanner{doc: doc, attributes: Limits{}.withDefaults().Attributes}
	if err := s.begin(); err != nil {
		return err
	}
	raw := xml.NewDecoder(bytes.NewReader(doc))
	strict := xml.NewDecoder(bytes.NewReader(doc))
	for {
		ours, err := s.next()
		if err != nil {
			return fmt.Errorf("the guard: %w", err)
		}
		theirs, err := relevant(raw, ours.kind == charData)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("encoding/xml: %w", err)
		}
		if ours.kind == endOfDocument {
			if theirs != nil {
				return fmt.Errorf("encoding/xml goes on with %#v", theirs)
			}
			break
		}
		if a, b := describe(ours), describeXML(theirs); a != b {
			return fmt.Errorf("the guard reads %s, encoding/xml %s", a, b)
		}
	}
	for {
		if _, err := strict.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("encoding/xml with namespaces: %w", err)
		}
	}
}

// relevant skips what lies outside the root: the XML declaration and white space.
func relevant(d *xml.Decoder, text bool) (xml.Token, error) {
	for {
		t, err := d.RawToken()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.ProcInst:
			continue
		case xml.CharData:
			if !text && len(bytes.TrimSpace(t)) == 0 {
				continue
			}
		}
		return t, nil
	}
}

func describe(t token) string {
	switch t.kind {
	case startTag:
		out := "start " + t.name.prefix + "|" + t.name.local
		for _, a := range t.attrs {
			out += fmt.Sprintf(" %s|%s=%q", a.name.prefix, a.name.local, a.value)
		}
		return out
	case endTag:
		return "end " + t.name.prefix + "|" + t.name.local
	default:
		return fmt.Sprintf("text %q", t.text)
	}
}

func describeXML(t xml.Token) string {
	switch t := t.(type) {
	case xml.StartElement:
		out := "start " + t.Name.Space + "|" + t.Name.Local
		for _, a := range t.Attr {
			out += fmt.Sprintf(" %s|%s=%q", a.Name.Space, a.Name.Local, a.Value)
		}
		return out
	case xml.EndElement:
		return "end " + t.Name.Space + "|" + t.Name.Local
	case xml.CharData:
		return fmt.Sprintf("text %q", string(t))
	default:
		return fmt.Sprintf("%#v", t)
	}
}

// TestFixturesReadAlike runs the comparison without the fuzzer, on what is let pass.
func TestFixturesReadAlike(t *testing.T) {
	for name, doc := range fixtures(t) {
		if _, err := Check(doc, Response, Limits{}); err != nil {
			continue
		}
		if err := sameTokens(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	doc := fixtures(b)["accept-both-signed"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Check(doc, Response, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
