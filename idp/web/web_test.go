package web

import (
	"bytes"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func newPages(t testing.TB) *Pages {
	t.Helper()
	p, err := New(Options{Images: map[string]Image{"cloud": {Type: "image/svg+xml", Data: []byte(cloud)}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func render(t testing.TB, p *Pages, page Page) string {
	t.Helper()
	w := httptest.NewRecorder()
	if err := p.Render(w, http.StatusOK, page); err != nil {
		t.Fatal(err)
	}
	return w.Body.String()
}

// TestEveryPageIsListed reads the source: a struct with a file method that all does not hold would
// fail at its first use, in front of a person.
func TestEveryPageIsListed(t *testing.T) {
	src, err := parser.ParseFile(token.NewFileSet(), "pages.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range src.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "file" {
			names = append(names, fn.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	listed := map[string]bool{}
	for _, page := range all {
		listed[typeName(page)] = true
	}
	for _, n := range names {
		if !listed[n] {
			t.Errorf("%s has a file but is not in all", n)
		}
	}
	if len(names) != len(all) {
		t.Errorf("%d pages have a file, %d are listed", len(names), len(all))
	}
	sampled := map[string]bool{}
	for _, page := range samples(newPages(t)) {
		sampled[typeName(page)] = true
	}
	for n := range listed {
		if !sampled[n] {
			t.Errorf("%s has no sample, so no golden file", n)
		}
	}
}

func TestEveryTemplateIsUsed(t *testing.T) {
	used := map[string]bool{"layout.html": true}
	for _, page := range all {
		used[page.file()] = true
	}
	found, err := filepath.Glob("*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if !used[f] {
			t.Errorf("%s belongs to no page", f)
		}
	}
}

var hashes = regexp.MustCompile(`/assets/[0-9a-f]{16}/`)

func TestGolden(t *testing.T) {
	p := newPages(t)
	for name, page := range samples(p) {
		t.Run(name, func(t *testing.T) {
			got := hashes.ReplaceAllString(render(t, p, page), "/assets/HASH/")
			file := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; look at the change, then run with -update", file)
			}
		})
	}
}

var dataPage = map[string]string{
	"login.html": "login", "password.html": "password", "mfa.html": "mfa", "prompt.html": "mfa", "backup.html": "backup", "choosefactor.html": "choose",
	"rescue.html": "rescue", "recoverycodes.html": "recovery-codes", "enroll.html": "enroll", "enrollcode.html": "enroll-code", "device.html": "device", "portal.html": "portal",
	"choose.html": "choose", "post.html": "post", "handoff.html": "handoff", "settings.html": "settings",
	"help.html": "help", "helpdesk.html": "helpdesk", "newpassword.html": "newpassword", "error.html": "error", "signedout.html": "signed-out",
}

// TestContract keeps what other programs and people's bookmarks rely on (design §5).
func TestContract(t *testing.T) {
	p := newPages(t)
	for name, page := range samples(p) {
		html := render(t, p, page)
		if n := strings.Count(html, `<main `); n != 1 {
			t.Errorf("%s: %d main elements", name, n)
		}
		if want := ` data-page="` + dataPage[page.file()] + `"`; !strings.Contains(html, want) {
			t.Errorf("%s: no%s", name, want)
		}
		for _, form := range regexp.MustCompile(`(?s)<form.*?</form>`).FindAllString(html, -1) {
			if !strings.Contains(form, `method="post"`) {
				t.Errorf("%s: a form that is not a POST puts its fields into addresses and logs", name)
			}
			_, isPost := page.(Post)
			if has := strings.Contains(form, `name="f"`); has == isPost {
				t.Errorf("%s: form with f: %v (every form has it, but the one that leaves our origin)", name, has)
			}
		}
	}
	enroll := samples(p)["enroll"].(Enroll)
	if html := render(t, p, enroll); !strings.Contains(html, `data-otpauth="otpauth://totp/Example%20Apps:alice@corp.example.com?secret=`) {
		t.Error("enroll: data-otpauth is not the address")
	}
}

// TestC18 keeps password managers and screen readers working.
func TestC18(t *testing.T) {
	p := newPages(t)
	s := samples(p)
	for name, want := range map[string][]string{
		"login":            {`<label for="username">`, `autocomplete="username"`, `autofocus`},
		"password":         {`autocomplete="username" readonly`, `type="password" autocomplete="current-password" required autofocus`, `href="/login?f=flow"`},
		"mfa":              {`inputmode="numeric" autocomplete="one-time-code"`},
		"password-error":   {`role="alert"`, `aria-invalid="true" aria-describedby="problem"`},
		"enrollcode-error": {`role="alert"`, `aria-invalid="true" aria-describedby="problem"`},
		"mfa-no-code":      {`role="alert"`},
	} {
		html := render(t, p, s[name])
		for _, w := range want {
			if !strings.Contains(html, w) {
				t.Errorf("%s: no %s", name, w)
			}
		}
	}
	for name, page := range s {
		if html := render(t, p, page); strings.Contains(html, "maxlength") || strings.Contains(html, "onpaste") {
			t.Errorf("%s cuts or blocks what people paste", name)
		}
	}
}

// TestC40 keeps the script of the post page where it must be: after the form, and not deferred. A
// form that is submitted before the page has loaded leaves no entry in the history to come back to.
func TestC40(t *testing.T) {
	p := newPages(t)
	html := render(t, p, samples(p)["post"])
	script := `<script src="` + p.Asset("submit.js") + `"></script>`
	if strings.Count(html, "<script") != 1 || strings.Index(html, script) < strings.Index(html, "</main>") {
		t.Errorf("post page: want exactly %s, at the end of the body", script)
	}
	if strings.Count(html, "<form") != 1 || !strings.Contains(html, "<button") {
		t.Error("post page: want one form with a visible button")
	}
	if !strings.Contains(html, `name="SAMLResponse" value="PHNhbWxwOlJlc3BvbnNl+/`) || strings.Contains(html, `name="fields"`) {
		t.Error("post page: the fields are not in their place")
	}
	other := samples(p)["post"].(Post)
	other.Fields = []Field{{"SAMLResponse", `"><svg onload=1>`}}
	again := render(t, p, other)
	if strings.Contains(again, "PHNhbWxw") || !strings.Contains(again, `value="&#34;&gt;&lt;svg onload=1&gt;"`) {
		t.Errorf("post page: a second person's fields are not theirs, or not escaped: %s", again)
	}
	if strings.Contains(again, other.User) {
		t.Error("post page: names a person, although it is kept for everybody")
	}
	js, err := files.ReadFile("assets/submit.js")
	if err != nil || !bytes.Contains(js, []byte("document.forms[0].submit()")) {
		t.Errorf("submit.js: %v %s", err, js)
	}
}

func TestPolicies(t *testing.T) {
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"} {
		if !strings.Contains(CSP, want) || !strings.Contains(PostCSP, want) {
			t.Errorf("a policy without %s", want)
		}
	}
	if !strings.Contains(CSP, "form-action 'self'") || strings.Contains(PostCSP, "form-action") {
		t.Error("form-action belongs to CSP and not to PostCSP")
	}
	if strings.Contains(CSP, "unsafe") {
		t.Error("the policy allows unsafe things")
	}
}

// TestQuoted holds the fast way to the slow one, byte by byte.
func TestQuoted(t *testing.T) {
	for b := range 256 {
		s := "a" + string([]byte{byte(b)}) + "b"
		if got, want := quoted(s), template.HTMLEscapeString(s); got != want {
			t.Errorf("%q becomes %q, want %q", s, got, want)
		}
	}
}

// TestPostCacheIsBounded: addresses that differ at each launch must not fill the memory.
func TestPostCacheIsBounded(t *testing.T) {
	p := newPages(t)
	for i := range maxPosts + 10 {
		action := "https://sp.example.com/acs/" + strconv.Itoa(i)
		if html := render(t, p, Post{App: "App", Action: action}); !strings.Contains(html, `action="`+action+`"`) {
			t.Fatalf("the page for %s goes elsewhere", action)
		}
	}
	if n := len(p.posts.pages); n != maxPosts {
		t.Errorf("%d pages are kept, want %d", n, maxPosts)
	}
}

type brokenPage struct{ Login }

func (brokenPage) file() string { return "portal.html" }

// TestNoHalfPages renders a struct that lacks the fields of its template.
func TestNoHalfPages(t *testing.T) {
	w := httptest.NewRecorder()
	if err := newPages(t).Render(w, http.StatusOK, brokenPage{}); err == nil {
		t.Error("no error from a template that fails")
	}
	if w.Body.Len() != 0 || len(w.Header()) != 0 {
		t.Errorf("half a page was written: %d bytes, %v", w.Body.Len(), w.Header())
	}
}

type goneWriter struct{ http.ResponseWriter }

func (goneWriter) Write([]byte) (int, error) { return 0, errGone }

var errGone = errors.New("gone")

func TestRender(t *testing.T) {
	p := newPages(t)
	w := httptest.NewRecorder()
	if err := p.Render(w, http.StatusForbidden, Error{Frame: Frame{Title: "T"}, Heading: "No"}); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusForbidden || w.Header().Get("Content-Type") != "text/html; charset=utf-8" ||
		w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if err := p.Render(goneWriter{httptest.NewRecorder()}, http.StatusOK, Login{}); !errors.Is(err, errGone) {
		t.Errorf("a browser that went away: %v", err)
	}
}

// TestBuffersAreWiped looks at the memory of a page after it was sent: it held an assertion.
func TestBuffersAreWiped(t *testing.T) {
	p := newPages(t)
	buf := new(bytes.Buffer)
	buf.WriteString("assertion")
	held := buf.Bytes()
	p.recycle(buf)
	if !bytes.Equal(held, make([]byte, len(held))) {
		t.Errorf("left in memory: %q", held)
	}
}

// discard is a ResponseWriter that costs nothing, so that the benchmark counts the page alone.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func bigPost(p *Pages) Post {
	post := samples(p)["post"].(Post)
	post.Fields = []Field{{"SAMLResponse", strings.Repeat("QUJD+/Zm", 1200)}, {"RelayState", post.Fields[1].Value}}
	return post
}

// TestPostAllocations keeps the page's part of the budget of a launch.
func TestPostAllocations(t *testing.T) {
	p := newPages(t)
	post, w := bigPost(p), discard{http.Header{}}
	n := testing.AllocsPerRun(100, func() {
		if err := p.Render(w, http.StatusOK, post); err != nil {
			t.Fatal(err)
		}
	})
	if n > 60 {
		t.Errorf("%v allocations, want 60 at most", n)
	}
}

func BenchmarkRenderPost(b *testing.B) {
	p := newPages(b)
	post, w := bigPost(p), discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Render(w, http.StatusOK, post); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newPages(b)
	}
}

// Pages are parsed when they are first shown, which may be to many people at once.
func TestPagesAreParsedByWhoeverComesFirst(t *testing.T) {
	p := newPages(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for name, page := range samples(p) {
				if err := p.Render(httptest.NewRecorder(), http.StatusOK, page); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	group.Wait()
	for _, page := range all {
		if _, err := p.templates[page.file()](); err != nil {
			t.Error(err)
		}
	}
}
