package idp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const house = "github.com/gatehouse-sso/gatehouse"

// room says what the code of a package may import beyond the standard library. What stands in own is
// relative to the module; libraries match by prefix.
type room struct {
	own       []string
	libraries []string
}

var (
	vocabulary = []string{"idp", "idp/samlguard"}
	samlLibs   = []string{"github.com/crewjam/saml", "github.com/russellhaering/goxmldsig", "github.com/beevik/etree"}
)

// rooms is the plan of the house: one driver package imports each library, drivers do not know each
// other, idp does not know Caddy, and nobody but the root imports caddymodule.
var rooms = map[string]room{
	".":             {own: []string{"caddymodule"}},
	"caddymodule":   {own: []string{"idp"}, libraries: []string{"github.com/caddyserver/caddy/v2", "github.com/caddyserver/certmagic", "go.uber.org/zap", "github.com/prometheus/client_golang", "github.com/spf13/cobra", "github.com/spf13/pflag"}},
	"e2e":           {own: []string{"idp"}, libraries: []string{"github.com/chromedp", "github.com/pquerna/otp", "github.com/rogpeppe/go-internal", "golang.org/x/net/dns/dnsmessage", "modernc.org/sqlite"}},
	"idp":           {own: []string{"idp/web"}, libraries: []string{"github.com/gorilla/sessions", "github.com/gorilla/securecookie", "golang.org/x/time/rate", "golang.org/x/sync"}},
	"idp/awssignin": {own: vocabulary, libraries: samlLibs},
	"idp/duo":       {own: vocabulary, libraries: []string{"github.com/golang-jwt/jwt"}},
	"idp/ldap":      {own: vocabulary, libraries: []string{"github.com/go-ldap/ldap/v3", "github.com/go-asn1-ber/asn1-ber"}},
	"idp/local":     {own: vocabulary, libraries: []string{"golang.org/x/crypto/argon2", "golang.org/x/sync"}},
	"idp/passkey":   {own: vocabulary, libraries: []string{"github.com/go-webauthn/webauthn"}},
	"idp/samlapp":   {own: vocabulary, libraries: append([]string{"golang.org/x/sync"}, samlLibs...)},
	"idp/samlguard": {},
	"idp/store":     {own: vocabulary, libraries: []string{"github.com/pressly/goose/v3", "github.com/jackc/pgx/v5", "modernc.org/sqlite", "golang.org/x/sync"}},
	"idp/storetest": {own: vocabulary},
	"idp/totp":      {own: vocabulary, libraries: []string{"github.com/pquerna/otp", "github.com/boombuler/barcode"}},
	"idp/upstream":  {own: vocabulary, libraries: samlLibs},
	"idp/visit":     {libraries: []string{"github.com/ua-parser/uap-go", "github.com/dunglas/httpsfv", "github.com/oschwald/maxminddb-golang"}},
	"idp/web":       {},
}

// pkg is a package as the go command sees it.
type pkg struct {
	Dir, ImportPath, Name              string
	Imports, TestImports, XTestImports []string
	Deps                               []string // all of them, by whatever way
	GoFiles, TestGoFiles, XTestGoFiles []string
}

// place is the package's directory, relative to the module.
func (p pkg) place() string {
	if p.ImportPath == house {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, house+"/")
}

var packages = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-e", "-json=Dir,ImportPath,Name,Imports,TestImports,XTestImports,Deps,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func list(t *testing.T) []pkg {
	t.Helper()
	all, err := packages()
	if err != nil || len(all) < 5 {
		t.Fatalf("go list found %d packages: %v", len(all), err)
	}
	return all
}

// roomOf finds the plan of a package; what lies deeper belongs to the package above it.
func roomOf(place string) (room, bool) {
	for p := place; ; p = path.Dir(p) {
		if r, ok := rooms[p]; ok && (p != "." || place == ".") && (p != "idp" || place == "idp") {
			return r, true
		}
		if p == "." || p == "/" {
			return room{}, false
		}
	}
}

func under(importPath, prefix string) bool {
	return importPath == prefix || strings.HasPrefix(importPath, prefix+"/")
}

// TestWalls keeps every package to the libraries and neighbours that the plan gives it.
func TestWalls(t *testing.T) {
	for _, p := range list(t) {
		place := p.place()
		r, ok := roomOf(place)
		if !ok {
			t.Errorf("%s is not in the plan of the house; add it to rooms with what it may import", place)
			continue
		}
		for _, imp := range p.Imports {
			own, isOwn := strings.CutPrefix(imp, house+"/")
			switch {
			case isOwn && under(own, place): // deeper in the same room
			case isOwn && place == "caddymodule" && under(own, "idp"), isOwn && under(place, "e2e") && under(own, "idp"):
			case isOwn:
				if !slices.Contains(r.own, own) {
					t.Errorf("%s imports %s: only %v of our own packages are allowed there", place, own, r.own)
				}
			case strings.Contains(strings.SplitN(imp, "/", 2)[0], "."):
				if !slices.ContainsFunc(r.libraries, func(l string) bool { return under(imp, l) || strings.HasPrefix(imp, l+".") }) {
					t.Errorf("%s imports %s: only %v are allowed there", place, imp, r.libraries)
				}
			}
		}
		// By whatever way it would come in.
		for _, dep := range p.Deps {
			if under(place, "idp") && (under(dep, "github.com/caddyserver") || under(dep, "go.uber.org/zap")) {
				t.Errorf("%s depends on %s: the gateway knows nothing of Caddy", place, dep)
			}
			if dep == "github.com/gorilla/csrf" {
				t.Errorf("%s depends on gorilla/csrf (R-13): net/http.CrossOriginProtection does its work", place)
			}
		}
		for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if under(imp, "github.com/stretchr/testify") {
				t.Errorf("%s imports testify: tests use the standard library", place)
			}
		}
	}
}

// TestCookieCodecInOneFile keeps gorilla's types inside the file that wraps them.
func TestCookieCodecInOneFile(t *testing.T) {
	sources(t, code, func(t *testing.T, s source) {
		for _, imp := range s.file.Imports {
			if strings.HasPrefix(imp.Path.Value, `"github.com/gorilla/`) && s.name != "idp/session.go" {
				t.Errorf("%s imports %s: only idp/session.go may", s.name, imp.Path.Value)
			}
		}
	})
}

// TestPackageDocs wants exactly one package comment for every package.
func TestPackageDocs(t *testing.T) {
	for _, p := range list(t) {
		files := p.GoFiles
		if len(files) == 0 {
			files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		}
		var with []string
		for _, f := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Doc == nil {
				continue
			}
			with = append(with, f)
			if want := map[bool]string{true: "Command ", false: "Package " + p.Name + " "}[p.Name == "main"]; !strings.HasPrefix(parsed.Doc.Text(), want) {
				t.Errorf("%s: the comment of %s does not start with %q", p.place(), f, want)
			}
		}
		if len(with) != 1 {
			t.Errorf("%s has its package comment in %v, not in exactly one file", p.place(), with)
		}
	}
}

// TestNames refuses directories that say nothing about what is in them.
func TestNames(t *testing.T) {
	nothing := regexp.MustCompile(`^(utils?|common|helpers?|misc|shared|base)$`)
	walk(t, func(name string, d fs.DirEntry) {
		if d.IsDir() && nothing.MatchString(d.Name()) {
			t.Errorf("%s: name the directory for what it holds", name)
		}
	})
}

// long lists the files that may exceed 400 lines, each with its reason.
var long = map[string]string{}

// TestFileLength keeps a file one noun long.
func TestFileLength(t *testing.T) {
	const most = 400
	sources(t, everything, func(t *testing.T, s source) {
		lines := bytes.Count(s.text, []byte("\n"))
		if reason := long[s.name]; lines > most && reason == "" {
			t.Errorf("%s has %d lines, more than %d: split it by noun", s.name, lines, most)
		} else if lines <= most && reason != "" {
			t.Errorf("%s has %d lines: take it off the list of long files", s.name, lines)
		}
	})
}

// source is a parsed file of the module.
type source struct {
	name string // relative to the module, with slashes
	text []byte
	file *ast.File
	set  *token.FileSet
}

// at says where a node is.
func (s source) at(n ast.Node) string {
	return s.name + ":" + strconv.Itoa(s.set.Position(n.Pos()).Line)
}

// Which files a rule is about.
func code(name string) bool {
	return !tests(name) && !under(name, "e2e") && !under(name, "idp/storetest")
}
func tests(name string) bool      { return strings.HasSuffix(name, "_test.go") }
func everything(name string) bool { return name != "" }

// sources calls check for every file of the module that the rule is about.
func sources(t *testing.T, about func(string) bool, check func(*testing.T, source)) {
	t.Helper()
	seen := 0
	walk(t, func(name string, d fs.DirEntry) {
		if d.IsDir() || !strings.HasSuffix(name, ".go") || !about(name) {
			return
		}
		seen++
		text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		check(t, source{name: name, text: text, file: f, set: set})
	})
	if seen == 0 {
		t.Fatal("no file to look at")
	}
}

// walk visits the module's own files, not what was built or installed beside them.
func walk(t *testing.T, visit func(name string, d fs.DirEntry)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(".."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n := d.Name(); d.IsDir() && name != "." && (strings.HasPrefix(n, ".") || n == "testdata" || n == "node_modules" || n == "bin") {
			return fs.SkipDir
		}
		visit(name, d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// selectors returns what a file selects as "x.Sel", x in source form where it is short.
func selectors(f *ast.File) map[string]bool {
	found := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			found[expression(sel.X)+"."+sel.Sel.Name] = true
		}
		return true
	})
	return found
}

func expression(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.CallExpr:
		return expression(e.Fun) + "()"
	}
	return ""
}
