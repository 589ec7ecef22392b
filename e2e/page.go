package e2e

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Page is an answer of the gateway as a program sees it.
type Page struct {
	URL     *url.URL // after redirects
	Status  int
	Header  http.Header
	Body    string
	Kind    string // data-page of <main>
	OTPAuth string // data-otpauth
	Text    string // what a person reads, white space collapsed
	Forms   []Form
}

// Form is a form of a page.
type Form struct {
	Action string
	Method string
	Fields url.Values // hidden ones with their values, others empty
}

// Form returns the form that goes to an address, or that has a field, whichever is given.
func (p *Page) Form(action, field string) (Form, error) {
	for _, f := range p.Forms {
		if (action == "" || f.Action == action) && (field == "" || f.Fields.Has(field)) {
			return f, nil
		}
	}
	return Form{}, fmt.Errorf("no form to %q with field %q on %s", action, field, p)
}

// String names the page for an error message.
func (p *Page) String() string {
	text := p.Text
	if len(text) > 600 {
		text = text[:600] + "…"
	}
	return fmt.Sprintf("%s (%d, data-page %q: %s)", p.URL, p.Status, p.Kind, text)
}

// readPage reads an answer to its end.
func readPage(res *http.Response) (*Page, error) {
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return nil, err
	}
	p := &Page{URL: res.Request.URL, Status: res.StatusCode, Header: res.Header, Body: string(body)}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		if err := p.parse(); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", p.URL, err)
		}
	}
	return p, nil
}

// parse reads our own pages, which are simple enough for the XML decoder's lenient mode.
func (p *Page) parse() error {
	d := xml.NewDecoder(strings.NewReader(p.Body))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var text strings.Builder
	open := -1
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			p.Text = strings.Join(strings.Fields(text.String()), " ")
			return nil
		}
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.CharData:
			text.Write(tok)
			text.WriteByte(' ')
		case xml.EndElement:
			if tok.Name.Local == "form" {
				open = -1
			}
		case xml.StartElement:
			switch a := attributes(tok); tok.Name.Local {
			case "main":
				p.Kind, p.OTPAuth = a["data-page"], a["data-otpauth"]
			case "form":
				p.Forms = append(p.Forms, Form{Action: a["action"], Method: strings.ToUpper(a["method"]), Fields: url.Values{}})
				open = len(p.Forms) - 1
			case "input":
				if open >= 0 && a["name"] != "" {
					p.Forms[open].Fields.Add(a["name"], a["value"])
				}
			}
		}
	}
}

func attributes(e xml.StartElement) map[string]string {
	m := make(map[string]string, len(e.Attr))
	for _, a := range e.Attr {
		m[a.Name.Local] = a.Value
	}
	return m
}
