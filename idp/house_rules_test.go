package idp_test

import (
	"go/ast"
	"go/token"
	"go/version"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestTestsRun refuses tests that skip, and tests that sleep instead of waiting for something.
func TestTestsRun(t *testing.T) {
	sources(t, tests, func(t *testing.T, s source) {
		for sel := range selectors(s.file) {
			switch sel {
			case "t.Skip", "t.Skipf", "t.SkipNow", "b.Skip", "testing.Short", "time.Sleep":
				t.Errorf("%s uses %s", s.name, sel)
			}
		}
	})
}

// TestR06GoxmldsigIsPatched: before 1.6.1 only the last Reference's digest was compared (CVE-2026-33487).
func TestR06GoxmldsigIsPatched(t *testing.T) {
	got := required(t, "github.com/russellhaering/goxmldsig")
	// go/version compares what has the form of a Go version, which these numbers have.
	if version.Compare("go"+strings.TrimPrefix(got, "v"), "go1.6.1") < 0 {
		t.Errorf("go.mod requires goxmldsig %s, want v1.6.1 or newer", got)
	}
}

// TestR13NoGorillaCSRF: gorilla/csrf has a hole without a fix (GO-2025-3884).
func TestR13NoGorillaCSRF(t *testing.T) {
	if got := required(t, "github.com/gorilla/csrf"); got != "" {
		t.Errorf("go.mod requires gorilla/csrf %s", got)
	}
}

// TestR16R18Toolchain: older toolchains let CrossOriginProtection be bypassed (GO-2025-3955) and have holes in
// encoding/xml, crypto/tls and net/url that a request can reach.
func TestR16R18Toolchain(t *testing.T) {
	if got := runtime.Version(); version.Compare(strings.Fields(got)[0], "go1.26.6") < 0 {
		t.Errorf("built with %s, want go1.26.6 or newer", got)
	}
}

// TestR16CrossOriginBypasses keeps the addresses that take a form from another site to the four that must:
// those another SAML party posts to. Patterns name the method and the exact path.
func TestR16CrossOriginBypasses(t *testing.T) {
	allowed := []string{`"POST /saml/acs/{source}"`, `"POST /saml/sso"`, `"POST /saml/slo"`, `"POST /saml"`}
	sources(t, code, func(t *testing.T, s source) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "AddInsecureBypassPattern" && sel.Sel.Name != "AddTrustedOrigin" {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if sel.Sel.Name == "AddTrustedOrigin" || !ok || !slices.Contains(allowed, lit.Value) {
				t.Errorf("%s: %s takes one of %v, written out", s.at(call), sel.Sel.Name, allowed)
			}
			return true
		})
	})
}

// replacing lists the files that may expand Caddy's placeholders, each with what they expand.
var replacing = map[string]string{
	"caddymodule/adminaddress.go": "the admin endpoint of the configuration, which only an admin writes",
	"caddymodule/secret.go":       "secrets of the configuration, which only an admin writes",
	"caddymodule/sqlite.go":       "the path of the database in the configuration, which only an admin writes",
}

// TestR29NoReplacerOnUserData: whoever can make us expand placeholders reads the server's files and
// environment, for instance with the user name {file./etc/passwd} (GHSA-wwhq-w58m-w29c).
func TestR29NoReplacerOnUserData(t *testing.T) {
	expands := regexp.MustCompile(`^(\w*[rR]epl\w*|.*NewReplacer\(.*\))\.Replace(All|Known|OrErr|Func)$`)
	sources(t, code, func(t *testing.T, s source) {
		for sel := range selectors(s.file) {
			if expands.MatchString(sel) && replacing[s.name] == "" {
				t.Errorf("%s uses %s", s.name, sel)
			}
		}
	})
}

// TestR32NoMathRand: ids, nonces and seeds out of math/rand can be guessed (CVE-2024-21495).
func TestR32NoMathRand(t *testing.T) {
	sources(t, code, func(t *testing.T, s source) {
		for _, imp := range s.file.Imports {
			if v := imp.Path.Value; v == `"math/rand"` || v == `"math/rand/v2"` {
				t.Errorf("%s imports %s", s.name, v)
			}
		}
	})
}

// TestR33R36NoForwardedHeaders: the client's address comes from Caddy's client_ip and addresses of ours from the
// configuration. Whatever a client can set in a header would move a lockout (CVE-2024-21494) or a link
// (CVE-2024-21498, CVE-2024-21499).
func TestR33R36NoForwardedHeaders(t *testing.T) {
	forwarded := regexp.MustCompile(`(?i)^"(x-forwarded-.*|forwarded|x-real-ip|true-client-ip|cf-connecting-ip|x-original-ur[il]|x-rewrite-url)"$`)
	sources(t, code, func(t *testing.T, s source) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if n.Kind == token.STRING && forwarded.MatchString(n.Value) {
					t.Errorf("%s: header %s", s.at(n), n.Value)
				}
			case *ast.SelectorExpr:
				// The other end of a connection that we opened to a directory is no client.
				if n.Sel.Name == "RemoteAddr" && !strings.HasPrefix(s.name, "idp/ldap/") {
					t.Errorf("%s: RemoteAddr; ask Config.Client", s.at(n))
				}
			}
			return true
		})
	})
}

// required returns the version that go.mod requires of a module, or "".
func required(t *testing.T, module string) string {
	t.Helper()
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(text)
	if m == nil {
		return ""
	}
	return string(m[1])
}
