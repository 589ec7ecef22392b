// Package web holds the pages that people see: templates, styles and scripts, embedded.
//
// One page is one struct of pages.go and one html file of the same name; layout.html is what they
// share. The text that people read is in the html files and nowhere else. Views hold strings, numbers
// and slices: this package decides nothing and knows nothing of sign-in.
//
// There is no inline script, no inline style and no address off our origin in any page, so that the
// policies [CSP] and [PostCSP] need neither a nonce nor a hash. Every page works without scripts.
package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"sync"
)

// CSP is the Content-Security-Policy of every page but [Post]. The caller sends it.
const CSP = PostCSP + "; form-action 'self'"

// PostCSP is the Content-Security-Policy of [Post]. It has no form-action: Chromium applies that to
// the whole redirect chain after a POST, and service providers redirect on to hosts of their own.
// The action of the form comes from the configuration only.
const PostCSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"

// Page is one of the structs of this package that have a template.
type Page interface {
	file() string // name of the html file
}

// all lists every page.
var all = []Page{
	Login{},
	Password{},
	NewPassword{},
	MFA{},
	Prompt{},
	ChooseFactor{},
	Backup{},
	Enroll{},
	EnrollCode{},
	Rescue{},
	RecoveryCodes{},
	Device{},
	Portal{},
	Choose{},
	Post{},
	Handoff{},
	Settings{},
	Help{},
	Error{},
	SignedOut{},
	HelpDesk{},
}

// Options is what an administrator may change about the looks.
type Options struct {
	// Accent is the colour of buttons, links and focus rings, as #rgb or #rrggbb. Shades that people
	// can read on light and on dark ground are derived from it. Default: #1f5c50.
	Accent string
	// Images are pictures of the configuration (logo, icons), by a name of the caller's choice.
	// [Pages.Asset] gives their addresses.
	Images map[string]Image
}

// Image is a picture to serve.
type Image struct {
	Type string // "image/svg+xml", "image/png", "image/jpeg", "image/webp", "image/gif" or "image/x-icon"
	Data []byte
}

// Pages renders pages and serves what they refer to. It is safe for concurrent use.
type Pages struct {
	templates map[string]func() (*template.Template, error) // by file; each is parsed when it is first shown
	assets    map[string]asset                              // by name
	buffers   sync.Pool
	posts     postCache
}

// New hashes the assets; templates are parsed when they are first shown. An error names the option that is wrong.
func New(o Options) (*Pages, error) {
	p := &Pages{templates: make(map[string]func() (*template.Template, error), len(all))}
	p.buffers.New = func() any { return new(bytes.Buffer) }
	if err := p.loadAssets(o); err != nil {
		return nil, err
	}
	layout := sync.OnceValues(func() (*template.Template, error) {
		return template.New("layout.html").Funcs(p.funcs()).ParseFS(files, "layout.html")
	})
	for _, page := range all {
		p.templates[page.file()] = sync.OnceValues(func() (*template.Template, error) { return within(layout, page.file()) })
	}
	return p, nil
}

// within parses a page into a layout of its own. A layout may be cloned by several at once.
func within(layout func() (*template.Template, error), file string) (*template.Template, error) {
	t, err := layout()
	if err == nil {
		t, err = t.Clone()
	}
	if err == nil {
		t, err = t.ParseFS(files, file)
	}
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", file, err)
	}
	return t, nil
}

// Render writes a whole page or none: a template that fails leaves w untouched, so that the caller
// can still answer with an error page. It sets Content-Type and Content-Length, no other header.
func (p *Pages) Render(w http.ResponseWriter, status int, page Page) error {
	buf := p.buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer p.recycle(buf)
	if err := p.fill(buf, page); err != nil {
		return fmt.Errorf("rendering %s: %w", page.file(), err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(status)
	if _, err := w.Write(buf.Bytes()); err != nil {
		return fmt.Errorf("sending %s: %w", page.file(), err)
	}
	return nil
}

func (p *Pages) fill(buf *bytes.Buffer, page Page) error {
	if post, ok := page.(Post); ok {
		return p.fillPost(buf, post)
	}
	return p.execute(buf, page)
}

// execute writes a page by its template.
func (p *Pages) execute(buf *bytes.Buffer, page Page) error {
	t, err := p.templates[page.file()]()
	if err != nil {
		return err
	}
	return t.Execute(buf, page)
}

// recycle keeps a buffer for the next page. Its bytes are wiped, because pages hold assertions and
// enrollment secrets, and a very large one is left to the collector.
func (p *Pages) recycle(buf *bytes.Buffer) {
	clear(buf.Bytes())
	if buf.Cap() <= 64<<10 {
		p.buffers.Put(buf)
	}
}
