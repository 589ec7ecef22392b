package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
)

//go:embed *.html assets
var files embed.FS

const assetRoot = "/assets/"

// imageCSP goes with every asset. An SVG that is opened by itself is a document of our origin; this
// keeps scripts in it from running (a logo is an upload like any other).
const imageCSP = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

var imageTypes = map[string]string{ // to the ending of the address
	"image/svg+xml": ".svg", "image/png": ".png", "image/jpeg": ".jpg",
	"image/webp": ".webp", "image/gif": ".gif", "image/x-icon": ".ico",
}

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

type asset struct {
	kind string
	data []byte
	path string // /assets/{hash}/{file}
	file string
}

// Asset returns the address of a file of this package ("style.css") or of an image of [Options]
// (its name there), and the empty string where there is none. It changes with the content.
func (p *Pages) Asset(name string) string { return p.assets[name].path }

// Assets serves what Asset gives addresses of, under /assets/, to be cached for a year.
//
// A known file under another hash is served too, but not to be cached: while nodes or configurations
// of two ages answer side by side, a page of one asks the other for its script, and a post page
// without its script is a sign-in that does not happen.
func (p *Pages) Assets() http.Handler {
	byFile := make(map[string]asset, len(p.assets))
	for _, a := range p.assets {
		byFile[a.file] = a
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", imageCSP)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		_, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, assetRoot), "/")
		a, ok := byFile[file]
		if !ok || !strings.HasPrefix(r.URL.Path, assetRoot) {
			h.Set("Cache-Control", "no-store")
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		cache := "public, max-age=31536000, immutable"
		if r.URL.Path != a.path {
			cache = "no-store"
		}
		h.Set("Cache-Control", cache)
		h.Set("Content-Type", a.kind)
		h.Set("Content-Length", strconv.Itoa(len(a.data)))
		if r.Method == http.MethodGet {
			// A browser that has gone away needs no answer.
			_, _ = w.Write(a.data)
		}
	})
}

func (p *Pages) loadAssets(o Options) error {
	colours, err := accentCSS(o.Accent)
	if err != nil {
		return err
	}
	p.assets = make(map[string]asset)
	entries, err := fs.ReadDir(files, "assets")
	if err != nil {
		return fmt.Errorf("listing the assets: %w", err)
	}
	for _, e := range entries {
		data, err := files.ReadFile("assets/" + e.Name())
		if err != nil {
			return fmt.Errorf("reading an asset: %w", err)
		}
		switch {
		case e.Name() == "style.css":
			data = append([]byte(colours), data...)
		case e.Name() == "icon.svg" && o.Accent != "":
			data = bytes.ReplaceAll(data, []byte(defaultAccent), []byte(o.Accent))
		}
		p.add(e.Name(), e.Name(), assetTypes[e.Name()[strings.LastIndexByte(e.Name(), '.'):]], data)
	}
	for name, img := range o.Images {
		ending := imageTypes[img.Type]
		switch {
		case ending == "":
			return fmt.Errorf("image %q: type %q is not one of svg, png, jpeg, webp, gif, ico", name, img.Type)
		case len(img.Data) == 0:
			return fmt.Errorf("image %q is empty", name)
		case p.assets[name].path != "":
			return fmt.Errorf("image %q: the name is taken", name)
		}
		p.add(name, "img-"+hex.EncodeToString([]byte(name))+ending, img.Type, img.Data)
	}
	return nil
}

func (p *Pages) add(name, file, kind string, data []byte) {
	sum := sha256.Sum256(data)
	p.assets[name] = asset{kind: kind, data: data, file: file, path: assetRoot + hex.EncodeToString(sum[:8]) + "/" + file}
}
