package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(p *Pages, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.Assets().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestAssets(t *testing.T) {
	p := newPages(t)
	for name, kind := range map[string]string{
		"style.css": "text/css; charset=utf-8", "submit.js": "text/javascript; charset=utf-8", "portal.js": "text/javascript; charset=utf-8",
		"form.js": "text/javascript; charset=utf-8", "copy.js": "text/javascript; charset=utf-8", "print.js": "text/javascript; charset=utf-8",
		"passkey.js": "text/javascript; charset=utf-8", "time.js": "text/javascript; charset=utf-8",
		"icon.svg": "image/svg+xml", "cloud": "image/svg+xml",
	} {
		w := get(p, http.MethodGet, p.Asset(name))
		sum := sha256.Sum256(w.Body.Bytes())
		if want := "/assets/" + hex.EncodeToString(sum[:8]) + "/"; !strings.HasPrefix(p.Asset(name), want) {
			t.Errorf("%s: address %s does not start with %s", name, p.Asset(name), want)
		}
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Content-Type") != kind || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Cache-Control") != "public, max-age=31536000, immutable" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %d %v", name, w.Code, h)
		}
		if w := get(p, http.MethodHead, p.Asset(name)); w.Code != http.StatusOK || w.Body.Len() != 0 {
			t.Errorf("HEAD %s: %d, %d bytes", name, w.Code, w.Body.Len())
		}
	}
}

// TestAssetOfAnotherAge: a page of an older node asks this one for its script.
func TestAssetOfAnotherAge(t *testing.T) {
	w := get(newPages(t), http.MethodGet, "/assets/0123456789abcdef/submit.js")
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestAssetRefusals(t *testing.T) {
	p := newPages(t)
	for _, path := range []string{"/assets/", "/assets/style.css", "/assets/x/", "/assets/x/layout.html", "/assets/x/../web.go", "/assets/x/y/style.css", "/x/y/style.css"} {
		if w := get(p, http.MethodGet, path); w.Code != http.StatusNotFound || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := get(p, http.MethodPost, p.Asset("style.css")); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	if a := p.Asset("nothing"); a != "" {
		t.Errorf("an asset that is not there has the address %q", a)
	}
}

func TestOptionErrors(t *testing.T) {
	svg := Image{Type: "image/svg+xml", Data: []byte(cloud)}
	for name, o := range map[string]Options{
		"accent word":   {Accent: "red"},
		"accent css":    {Accent: "#fff}body{display:none"},
		"accent length": {Accent: "#ffff"},
		"image type":    {Images: map[string]Image{"logo": {Type: "text/html", Data: []byte("x")}}},
		"image empty":   {Images: map[string]Image{"logo": {Type: "image/png"}}},
		"image name":    {Images: map[string]Image{"style.css": svg}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestAccent tries brand colours from white to black: text must stay readable in both schemes.
func TestAccent(t *testing.T) {
	for _, accent := range []string{"", "#fff", "#000", "#ffd400", "#0000ff", "#ff0000", "#808080", "#1f5c50", "#E20074"} {
		css, err := accentCSS(accent)
		if err != nil {
			t.Fatal(err)
		}
		var c [6]rgb
		for i, s := range strings.Split(css, ":#")[1:] {
			if c[i], err = parseColour("#" + s[:6]); err != nil {
				t.Fatal(err)
			}
		}
		for i, ground := range []rgb{lightGround, darkGround} {
			if got := contrast(c[3*i], c[3*i+1]); got < 4.5 {
				t.Errorf("%s: text on the button has %.2f", accent, got)
			}
			if got := contrast(c[3*i+2], ground); got < 4.5 {
				t.Errorf("%s: links have %.2f", accent, got)
			}
		}
	}
}

func TestPictures(t *testing.T) {
	for in, ok := range map[string]bool{
		"data:image/png;base64,iVBORw0KGgo=": true, "/assets/0123/img.png": true, "data:image/svg+xml;base64,PHN2Zz4=": true,
		"data:text/html;base64,PHN2Zz4=": false, "data:image/png;base64,\"": false, "data:image/png,x": false, "https://evil.example/x.png": false,
		"image/png;base64,iVBORw0KGgo=": false, "data:image/png;base64,iVBO\nRw0KGgo=": false, "": false,
	} {
		if got := imageURL(in) != ""; got != ok {
			t.Errorf("imageURL(%q) lets it through: %v", in, got)
		}
	}
	if otpauthURL("otpauth://totp/A:b@c.example?secret=JBSW&issuer=A%20B") == "" || otpauthURL("javascript:alert(1)//otpauth://totp/") != "" ||
		otpauthURL("otpauth://totp/<") != "" || otpauthURL("otpauth://hotp/x") != "" {
		t.Error("otpauthURL")
	}
	for degrees, want := range map[int]int{0: 0, 29: 0, 30: 1, 359: 11, 360: 0, -1: 11, 725: 0} {
		if got := hue(degrees); got != want {
			t.Errorf("hue(%d) = %d, want %d", degrees, got, want)
		}
	}
	if days(1) != "1 day" || days(7) != "7 days" {
		t.Error("days")
	}
}
