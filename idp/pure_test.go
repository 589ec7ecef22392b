package idp

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// pureFiles are those that decide.
func pureFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*sections.go")
	if err != nil {
		t.Fatal(err)
	}
	return append(files, "decide.go", "section.go", "outage.go", "visit.go", "policy.go")
}

// A decision has no clock, no store and no request: what decides imports nothing that could ask one.
func TestDecidingDoesNoIO(t *testing.T) {
	may := []string{"errors", "fmt", "math", "net/netip", "slices", "strconv", "strings", "time"}
	never := map[string][]string{
		"time": {"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"},
		"fmt":  {"Print", "Printf", "Println", "Fprint", "Fprintln", "Scan", "Scanf", "Scanln", "Fscan"},
	}
	files := pureFiles(t)
	if len(files) < 9 {
		t.Fatalf("only %v decide", files)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if path, err := strconv.Unquote(i.Path.Value); err != nil || !slices.Contains(may, path) {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
		for _, decl := range f.Decls {
			fn, _ := decl.(*ast.FuncDecl)
			ast.Inspect(decl, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, ok := s.X.(*ast.Ident)
				// The zone is looked up where a configuration is read, and kept.
				once := fn != nil && fn.Name.Name == "check" && s.Sel.Name == "LoadLocation"
				if ok && slices.Contains(never[x.Name], s.Sel.Name) && !once {
					t.Errorf("%s calls %s.%s", name, x.Name, s.Sel.Name)
				}
				return true
			})
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.VAR {
				heldInNoVariable(t, name, g)
			}
		}
	}
}

// heldInNoVariable: a table may stand beside the functions, but nothing that decisions could write to one another.
func heldInNoVariable(t *testing.T, file string, g *ast.GenDecl) {
	t.Helper()
	for _, spec := range g.Specs {
		for _, name := range spec.(*ast.ValueSpec).Names {
			if !slices.Contains([]string{"sectionNames", "NetworkActions"}, name.Name) {
				t.Errorf("%s has a variable %s", file, name.Name)
			}
		}
	}
}
