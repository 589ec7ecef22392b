package caddymodule

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"image/png"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fenced is one block of the README between fences, without the indentation of the list that it is in.
type fenced struct {
	line     int
	language string
	text     string
	indent   string
}

func fences(t *testing.T, text string) []fenced {
	t.Helper()
	var out []fenced
	var open *fenced
	for i, line := range strings.Split(text, "\n") {
		language, fence := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case fence && open == nil:
			open = &fenced{line: i + 2, language: language, indent: line[:strings.Index(line, "`")]}
		case fence && language == "":
			out = append(out, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, open.indent) + "\n"
		}
	}
	if open != nil {
		t.Fatalf("README.md:%d: the block is never closed", open.line-1)
	}
	return out
}

// TestReadmeCaddyfiles adapts every Caddyfile of the README, so that what people copy works.
func TestReadmeCaddyfiles(t *testing.T) {
	found := 0
	for _, f := range fences(t, readme(t)) {
		if f.language != "caddyfile" {
			continue
		}
		found++
		t.Run(fmt.Sprintf("line %d", f.line), func(t *testing.T) {
			if formatted := string(caddyfile.Format([]byte(f.text))); formatted != f.text {
				t.Errorf("`caddy fmt` would write:\n%s", formatted)
			}
			whole := wholeFile(t, f.text)
			if got := adapt(t, whole); strings.HasPrefix(got, "error: ") {
				t.Errorf("%s\n\nof:\n%s", got, whole)
			}
		})
	}
	if found < 5 {
		t.Errorf("%d Caddyfile blocks were found; is the README read at all?", found)
	}
}

// wholeFile puts what is marked as a part into a configuration around it. The words after the mark say
// where the part belongs: in the gatehouse block, among the global options, or below them.
func wholeFile(t *testing.T, text string) string {
	t.Helper()
	first, _, _ := strings.Cut(text, "\n")
	where, part := strings.CutPrefix(first, "# not a whole file")
	if !part {
		return text
	}
	var inside, global, below string
	switch where {
	case "":
		inside = text
	case ": global options":
		global = text
	case ": sites":
		below = text
	default:
		t.Fatalf("%q: the mark is followed by nothing, by %q or by %q", first, ": global options", ": sites")
	}
	surroundings := ""
	for _, option := range []struct{ name, text string }{
		{"portal ", "portal https://sso.example.com\n"},
		{"source ", "source people local {\nuser ann {file./run/secrets/ann} {\nemail ann@example.com\ngroups Agents Supervisors\n}\n}\n"},
		{"factor totp", "factor totp\n"},
		{"policy weekly ", "policy weekly {\nmfa every 7d shared\n}\n"},
	} {
		if !strings.Contains("\n"+inside, "\n"+option.name) {
			surroundings += option.text
		}
	}
	return "{\n" + global + "gatehouse {\n" + surroundings + "}\ngatehouse {\n" + inside + "}\n}\n" +
		"sso.example.com {\ngatehouse_portal\n}\n" + below
}

// blocks are the Caddyfile blocks of this package: a text in which the option nonsense stands in the
// block, and the heading of the README under which its options are.
var blocks = []struct{ heading, text string }{
	{"The gatehouse block", "nonsense"},
	{"portal", "portal https://sso.example.com {\nnonsense\n}"},
	{"store sqlite", "store sqlite {\nnonsense\n}"},
	{"audit", "audit {\nnonsense\n}"},
	{"session", "session {\nnonsense\n}"},
	{"policy", "policy p {\nnonsense\n}"},
	{"source local", "source s local {\nnonsense\n}"},
	{"user", "source s local {\nuser ann {file./run/secrets/ann} {\nnonsense\n}\n}"},
	{"factor totp", "factor totp {\nnonsense\n}"},
	{"application link", "application a link https://example.com {\nnonsense\n}"},
	{"application amazon_connect", "application a amazon_connect {\nnonsense\n}"},
	{"application saml", "application a saml {\nnonsense\n}"},
	{"gatehouse_aws_signin", ""}, // stands in a site, not in the gatehouse block
}

// guests are the namespaces with the word that the Caddyfile has for each.
var guests = map[string]string{
	SourceNamespace: "source", FactorNamespace: "factor", ApplicationNamespace: "application", StoreNamespace: "store",
}

// TestReadmeOptions holds the tables of options against what the parsers say that they take.
func TestReadmeOptions(t *testing.T) {
	tables := optionTables(readme(t))
	for _, b := range blocks {
		t.Run(b.heading, func(t *testing.T) {
			got := adapt(t, "{\ngatehouse {\n"+b.text+"\n}\n}\n")
			if b.text == "" {
				got = adapt(t, "http://localhost {\n"+b.heading+" {\nnonsense\n}\n}\n")
			}
			_, list, ok := strings.Cut(got, "it takes: ")
			if !ok {
				t.Fatalf("the parser does not say what the block takes: %s", got)
			}
			list, _, _ = strings.Cut(list, ", at ") // Caddy adds file and line
			var takes []string
			for option := range strings.SplitSeq(list, ", ") {
				if option = strings.TrimSpace(option); option != "" && (b.heading == "application link" || !strings.HasPrefix(b.heading, "application ") || !slices.Contains(entryOptions, option)) {
					takes = append(takes, option)
				}
			}
			heading := b.heading
			if heading == "application link" {
				heading = "application" // a link has the options of every application and none of its own
			}
			table, ok := tables[heading]
			if !ok && len(takes) > 0 {
				t.Fatalf("README.md has no table of options under a heading %q", heading)
			}
			for _, option := range takes {
				if !slices.Contains(table, option) {
					t.Errorf("README.md does not have the option %s under %q", option, heading)
				}
			}
			for _, option := range table {
				if !slices.Contains(takes, option) {
					t.Errorf("README.md has an option %s under %q that the parser does not take", option, heading)
				}
			}
		})
	}
}

// TestReadmeKinds makes sure that the README tells of every kind of source, factor, application and
// store, and that no block of options was added without a line in the table above.
func TestReadmeKinds(t *testing.T) {
	text := readme(t)
	for namespace, word := range guests {
		for _, m := range caddy.GetModules(namespace) {
			if want := "`" + word + " " + m.ID.Name() + "`"; !hasHeading(text, want) {
				t.Errorf("README.md has no heading %s", want)
			}
		}
	}
	for _, m := range caddy.GetModules("http.handlers") {
		if name := m.ID.Name(); strings.HasPrefix(name, "gatehouse_") && !hasHeading(text, "`"+name+"`") {
			t.Errorf("README.md has no heading `%s`", name)
		}
	}
	if n := parsedBlocks(t); n != len(blocks) {
		t.Errorf("the parsers read %d blocks (newBlock), this test knows %d: add the new one to blocks, and its options to README.md", n, len(blocks))
	}
}

// parsedBlocks counts the calls of newBlock in this package.
func parsedBlocks(t *testing.T) (n int) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "newBlock" {
					n++
				}
			}
			return true
		})
	}
	return n
}

func hasHeading(text, words string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "#") && strings.Contains(line, words) {
			return true
		}
	}
	return false
}

var firstCode = regexp.MustCompile("^\\| `([a-z_]+)[^`]*`")

// optionTables returns the first word of each row of each table, by the heading above it. Backquotes in
// headings do not count.
func optionTables(text string) map[string][]string {
	tables := map[string][]string{}
	heading := ""
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "#") {
			heading = strings.ReplaceAll(strings.TrimSpace(strings.TrimLeft(line, "#")), "`", "")
			continue
		}
		if m := firstCode.FindStringSubmatch(line); m != nil {
			tables[heading] = append(tables[heading], m[1])
		}
	}
	return tables
}

// TestReadmeDefaults holds the defaults of the policy, on which security hangs, against the code.
func TestReadmeDefaults(t *testing.T) {
	text := readme(t)
	p := idp.BuiltIn()
	for option, value := range map[string]string{
		"mfa":          string(p.MFA.Mode),
		"enroll_first": string(p.EnrollFirst.Mode),
	} {
		row := regexp.MustCompile("(?m)^\\| `" + option + " .*\\| `" + value + "` \\|$")
		if !row.MatchString(text) {
			t.Errorf("README.md does not say that %s is %s where nothing is written", option, value)
		}
	}
}

// TestReadmeGo holds the version of Go that people are told to get against the one that the build wants.
func TestReadmeGo(t *testing.T) {
	script, err := os.ReadFile("../xcaddy.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, needed, ok := strings.Cut(string(script), "go_needed=")
	if !ok {
		t.Fatal("xcaddy.sh no longer says which Go it needs")
	}
	if needed = strings.Fields(needed)[0]; !strings.Contains(readme(t), "Go "+needed+" ") {
		t.Errorf("README.md does not say that Go %s is needed", needed)
	}
}

// TestReadmeJSON parses the policies that people paste into IAM.
func TestReadmeJSON(t *testing.T) {
	for _, f := range fences(t, readme(t)) {
		if f.language == "json" && !json.Valid([]byte(f.text)) {
			t.Errorf("README.md:%d: this is no JSON", f.line)
		}
	}
}

var (
	links  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	notID  = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
	spaces = regexp.MustCompile(`\s`)
)

// TestReadmeLinks follows every link that stays in the repository.
func TestReadmeLinks(t *testing.T) {
	text := readme(t)
	anchors := map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "#") {
			words := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
			anchors[spaces.ReplaceAllString(notID.ReplaceAllString(words, ""), "-")] = true
		}
	}
	for _, m := range links.FindAllStringSubmatch(text, -1) {
		u, err := url.Parse(m[1])
		switch {
		case err != nil:
			t.Errorf("link %s: %v", m[1], err)
		case u.Host != "":
		case u.Path == "":
			if !anchors[u.Fragment] {
				t.Errorf("link %s: there is no such heading", m[1])
			}
		default:
			if _, err := os.Stat(filepath.Join("..", u.Path)); err != nil {
				t.Errorf("link %s: %v", m[1], err)
			}
		}
	}
}

// TestReadmePicture keeps the picture one that a page may show.
func TestReadmePicture(t *testing.T) {
	const name = "idp/web/testdata/portal.png"
	if !strings.Contains(readme(t), "]("+name+")") {
		t.Errorf("README.md does not show %s", name)
	}
	f, err := os.Open("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := png.DecodeConfig(f); err != nil || c.Width < 800 || size.Size() > 150<<10 {
		t.Errorf("%s: %d bytes, %d wide, %v; want a PNG of at most 150 KiB, at least 800 wide", name, size.Size(), c.Width, err)
	}
}

// README: the guest module begins

// Wiki is a tile that opens a space of the company's wiki.
type Wiki struct {
	// Space is the name of the space. Required.
	Space string `json:"space"`
}

// CaddyModule returns the Caddy module information.
func (*Wiki) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "gatehouse.applications.wiki", New: func() caddy.Module { return new(Wiki) }}
}

// Application builds the application. It also runs for `caddy validate`, so it must not dial or write.
func (m *Wiki) Application(t idp.Tile, _ *Env) (idp.Application, error) {
	return space{t, "https://wiki.example.com/" + url.PathEscape(m.Space)}, nil
}

// UnmarshalCaddyfile reads: wiki <space>
func (m *Wiki) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind
	if !d.Args(&m.Space) || d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// space has a tile and an address, which makes it an idp.Application and an idp.Linker.
type space struct {
	tile idp.Tile
	url  string
}

func (s space) Tile() idp.Tile { return s.tile }
func (s space) URL() string    { return s.url }

// README: the guest module ends

var (
	_ ApplicationModule     = (*Wiki)(nil)
	_ caddyfile.Unmarshaler = (*Wiki)(nil)
	_ idp.Linker            = space{}
)

// TestReadmeGuest holds the guest module of the README against the one above, which compiles.
func TestReadmeGuest(t *testing.T) {
	source, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(string(source), "\n// README: the guest module begins\n\n")
	want, _, _ = strings.Cut(want, "\n// README: the guest module ends\n")
	for _, f := range fences(t, readme(t)) {
		if f.language == "go" && strings.Contains(strings.ReplaceAll(f.text, "caddymodule.Env", "Env"), want) {
			return
		}
	}
	t.Error("README.md does not have the guest module of readme_test.go")
}
