package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// logo is as wide as one that an administrator gives.
const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 36"><path d="M0 0h160v36H0z"/></svg>`

// catalogue serves every page of the gateway as its golden file shows it, without the one script that would leave the page.
func catalogue(t *testing.T) (address string, names []string) {
	t.Helper()
	pages, err := web.New(web.Options{Images: map[string]web.Image{"cloud": {Type: "image/svg+xml", Data: []byte(logo)}}})
	if err != nil {
		t.Fatal(err)
	}
	const folder = "../idp/web/testdata"
	files, err := filepath.Glob(filepath.Join(folder, "*.html"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".html"))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", pages.Assets())
	mux.HandleFunc("GET /assets/{hash}/submit.js", http.NotFound)
	mux.HandleFunc("GET /pages/{name}", func(w http.ResponseWriter, r *http.Request) {
		page, err := os.ReadFile(filepath.Join(folder, filepath.Base(r.PathValue("name"))+".html"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", web.CSP)
		_, _ = w.Write(page) // a browser that has gone away needs none
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/pages/", names
}

// TestEveryPageEnlarged: at 200 and 400 % of a window of 1280 pixels each page shows all of its controls, and the keyboard comes
// to each of them; and back again on those that have the most kinds of them.
func TestEveryPageEnlarged(t *testing.T) {
	t.Parallel()
	address, names := catalogue(t)
	b := OpenBrowser(t, Profile{home: t.TempDir(), data: t.TempDir()})
	for _, name := range names {
		b.Open(address + name)
		for range Eval[int](b, `document.querySelectorAll("summary").length`) {
			b.pressAt("details:not([open]) > summary", kb.Enter)
		}
		b.zoom(name, 200)
		if slices.Contains([]string{"portal", "prompt", "settings"}, name) {
			b.goRound(name, true)
		}
		b.zoom(name, 400)
		b.goRound(name, false)
	}

	b.Open(address + "portal")
	b.pressAt(".userbutton", kb.Enter)
	b.zoom("the menu", 400)
	b.goRound("the menu", false)
	b.press(kb.Escape)
	b.waitFocus("alice@corp.example.com")
}
