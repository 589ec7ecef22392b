package caddymodule

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/awssignin"
)

// blocks are the Caddyfile blocks of this package: the heading of the README under which its options
// are, and a text in which the option nonsense stands in the block. The text goes into the gatehouse
// block, or where there is none the heading is a directive of a site.
var blocks = []struct{ heading, text string }{
	{"The gatehouse block", "nonsense"},
	{"portal", "portal https://sso.example.com {\nnonsense\n}"},
	{"store sqlite", "store sqlite {\nnonsense\n}"},
	{"audit", "audit {\nnonsense\n}"},
	{"session", "session {\nnonsense\n}"},
	{"route", "route corp {\nnonsense\n}"},
	{"network", "network n 203.0.113.0/24 {\nnonsense\n}"},
	{"policy", "policy p {\nnonsense\n}"},
	{"networks in a policy", "policy p {\nnetworks {\nnonsense\n}\n}"},
	{"locations in a policy", "policy p {\nlocations {\nnonsense\n}\n}"},
	{"operating_systems, browsers in a policy", "policy p {\nbrowsers {\nnonsense\n}\n}"},
	{"session in a policy", "policy p {\nsession {\nnonsense\n}\n}"},
	{"hours in a policy", "policy p {\nhours {\nnonsense\n}\n}"},
	{"source local", "source s local {\nnonsense\n}"},
	{"user", "source s local {\nuser ann {file./run/secrets/ann} {\nnonsense\n}\n}"},
	{"source active_directory", "source s active_directory {\nnonsense\n}"},
	{"source ldap", "source s ldap {\nnonsense\n}"},
	{"factor totp", "factor totp {\nnonsense\n}"},
	{"factor passkey", "factor passkey {\nnonsense\n}"},
	{"factor duo", "factor duo {\nnonsense\n}"},
	{"application", "application a link https://example.com {\nnonsense\n}"}, // a link has no options of its own
	{"application amazon_connect", "application a amazon_connect {\nnonsense\n}"},
	{"application saml", "application a saml {\nnonsense\n}"},
	{"gatehouse_aws_signin", ""},
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
			takes, table := taken(t, b.heading, b.text), tables[b.heading]
			for _, option := range takes {
				if !slices.Contains(table, option) {
					t.Errorf("README.md does not have the option %s in a table under %q", option, b.heading)
				}
			}
			for _, option := range table {
				if !slices.Contains(takes, option) {
					t.Errorf("README.md has an option %s under %q that the parser does not take", option, b.heading)
				}
			}
		})
	}
}

// TestReadmeEntryOptions is TestReadmeOptions for what every source and every factor has, which no parser lists alone.
func TestReadmeEntryOptions(t *testing.T) {
	for heading, takes := range map[string][]string{"source": sourceOptions, "factor": factorOptions} {
		if table := optionTables(readme(t))[heading]; !slices.Equal(table, takes) {
			t.Errorf("README.md has the options %v under %s, the parser takes %v", table, heading, takes)
		}
	}
}

// taken asks a parser for the options of its block, by writing one that it does not know.
func taken(t *testing.T, heading, text string) (options []string) {
	t.Helper()
	whole := "{\ngatehouse {\n" + text + "\n}\n}\n"
	if text == "" {
		whole = "http://localhost {\n" + heading + " {\nnonsense\n}\n}\n"
	}
	got := adapt(t, whole)
	_, list, ok := strings.Cut(got, "it takes: ")
	if !ok {
		t.Fatalf("the parser does not say what the block takes: %s", got)
	}
	list, _, _ = strings.Cut(list, ", at ") // file and line
	for option := range strings.SplitSeq(list, ", ") {
		// What every application, every source and every factor takes has a table of its own.
		own := strings.HasPrefix(heading, "application ") && slices.Contains(entryOptions, option) ||
			strings.HasPrefix(heading, "source ") && slices.Contains(sourceOptions, option) ||
			strings.HasPrefix(heading, "factor ") && slices.Contains(factorOptions, option)
		if option != "" && !own {
			options = append(options, option)
		}
	}
	return options
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
		t.Errorf("the parsers read %d blocks (newBlock, inner), this test knows %d: add the new one to blocks, and its options to README.md", n, len(blocks))
	}
}

// parsedBlocks counts the calls of newBlock and of inner in this package, but for the one between them.
func parsedBlocks(t *testing.T) (n int) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "block.go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok {
				switch f := call.Fun.(type) {
				case *ast.Ident:
					if f.Name == "newBlock" {
						n++
					}
				case *ast.SelectorExpr:
					if f.Sel.Name == "inner" {
						n++
					}
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

var (
	commandLine = regexp.MustCompile("(?m)(?:^\\| `)?caddy gatehouse ([^\n`|#>]*)(?:` \\|.*$)?")
	flagWord    = regexp.MustCompile(`--([a-z][a-z-]*)`)
)

// TestReadmeCommands holds every command line of the README against the commands that there are, and
// makes sure that it has them all.
func TestReadmeCommands(t *testing.T) {
	root := &cobra.Command{Use: appName}
	addCommands(root)
	text := readme(t)
	for _, m := range commandLine.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(m[1])
		if len(words) == 0 {
			continue // the command as such
		}
		c, rest, err := root.Find(words)
		if err != nil || c.HasSubCommands() && len(rest) > 0 {
			t.Errorf("README.md has %q, and there is no such command (%v)", strings.TrimSpace(m[0]), err)
			continue
		}
		for _, f := range flagWord.FindAllStringSubmatch(m[0], -1) {
			if c.Flag(f[1]) == nil {
				t.Errorf("README.md has %q, and the command has no flag --%s", m[0], f[1])
			}
		}
		if strings.HasPrefix(m[0], "| `caddy") { // a row of the table, which is to have them all
			for _, f := range flagWord.FindAllString(c.LocalFlags().FlagUsages(), -1) {
				if f != "--help" && !strings.Contains(m[0], f) {
					t.Errorf("README.md does not have the flag %s in the row of %s", f, c.CommandPath())
				}
			}
		}
	}
	walk(root, func(c *cobra.Command) {
		if c.Runnable() && !strings.Contains(text, "caddy "+c.CommandPath()) {
			t.Errorf("README.md does not have the command caddy %s", c.CommandPath())
		}
	})
}

// walk visits the commands below one.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	for _, sub := range c.Commands() {
		visit(sub)
		walk(sub, visit)
	}
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

// TestReadmeFindings looks for what a check says of a directory in the code that says it. Words in capitals, numbers and
// what … stands for differ.
func TestReadmeFindings(t *testing.T) {
	_, table, _ := strings.Cut(readme(t), "\n| Finding | Cure |")
	table, _, _ = strings.Cut(table, "\n\n")
	code := codeOf(t, "../idp")
	quoted, differs := regexp.MustCompile("`[^`]+`"), regexp.MustCompile(`…|"[^"]*"|\b[A-Z]{4,}\b|\bN\b|\d+`)
	found := 0
	for line := range strings.SplitSeq(table, "\n") {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		for _, text := range quoted.FindAllString(cell, -1) {
			for _, part := range differs.Split(strings.Trim(text, "`"), -1) {
				if part = strings.Trim(part, " ().,"); len(part) < 6 {
					continue
				}
				found++
				if !strings.Contains(code, part) {
					t.Errorf("README.md has the finding %s, and no check says %q", text, part)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("%d findings in README.md", found)
	}
}

// codeOf returns what the packages below a directory are written with.
func codeOf(t *testing.T, dir string) string {
	t.Helper()
	var code strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		code.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return code.String()
}

// TestReadmeReasons looks for each reason of the troubleshooting table in the code that writes it.
func TestReadmeReasons(t *testing.T) {
	_, table, _ := strings.Cut(readme(t), "\n| Reason |")
	table, _, _ = strings.Cut(table, "\n\n")
	code := codeOf(t, "../idp")
	found := 0
	for line := range strings.SplitSeq(table, "\n") {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		for reason := range strings.SplitSeq(cell, ", ") {
			if reason = strings.Trim(reason, "`"); strings.Contains(line, "`"+reason+"`") {
				found++
				if !strings.Contains(code, `"`+reason+`"`) {
					t.Errorf("README.md explains the reason %s, which nothing gives", reason)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("%d reasons were found; is the table read at all?", found)
	}
}

// TestReadmeAWS makes sure that whatever AWS would show, by the rules of the stand-in, is explained.
func TestReadmeAWS(t *testing.T) {
	text := readme(t)
	for _, r := range awssignin.Rules() {
		if r.AWS != "" && !strings.Contains(text, r.AWS) {
			t.Errorf("README.md does not explain %q (rule %s)", r.AWS, r.ID)
		}
	}
}
