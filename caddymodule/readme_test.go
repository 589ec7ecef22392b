package caddymodule

import (
	"encoding/json"
	"fmt"
	"image/png"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
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

// TestReadmeEvents makes sure that the README names what handlers of Caddy's events are told.
func TestReadmeEvents(t *testing.T) {
	if want := "`" + strings.Join(auditColumns, "`, `") + "`"; !strings.Contains(strings.Join(strings.Fields(readme(t)), " "), want) {
		t.Errorf("README.md does not name the members of the events: %s", want)
	}
}
