package awssignin

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"
	"sync"
)

//go:embed pages.html
var pages string

//go:embed awssignin.css
var files embed.FS

// templates are read at the first page, as patterns are.
var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("pages").Funcs(template.FuncMap{"capital": capital}).Parse(pages))
})

// frame is what every page shows.
type frame struct {
	Title string
	Host  string // of the stand-in's own address
}

func (s *standIn) frame(title string) frame { return frame{title, s.config.Address.Host} }

type errorPage struct {
	frame
	Text string
}

type aboutPage struct {
	frame
	ACS   string
	AWS   string
	Rules []Rule
}

type verdictPage struct {
	frame
	Verdict
	Outcome string // "accepted" or "refused"
	Lead    string
	Faults  []findingView
	Notes   []findingView // level W
}

type findingView struct {
	Finding
	What string
}

func newVerdictPage(f frame, v Verdict) verdictPage {
	p := verdictPage{frame: f, Verdict: v, Outcome: "refused"}
	what := make(map[string]string, len(rules))
	for _, r := range rules {
		what[r.ID] = r.What
	}
	for _, finding := range v.Findings {
		view := findingView{finding, what[finding.Rule]}
		if finding.Level == Warn {
			p.Notes = append(p.Notes, view)
		} else {
			p.Faults = append(p.Faults, view)
		}
	}
	switch {
	case v.Accepted:
		p.Outcome, p.Title = "accepted", "AWS would accept this sign-in"
		p.Lead = "Nothing that can be checked without AWS speaks against it."
	case v.Refused():
		p.Title = "AWS would refuse this sign-in"
		p.Lead = "The response breaks a rule that AWS documents."
	default:
		p.Title = "This sign-in is not safe to send"
		p.Lead = "AWS might accept it, but it breaks a rule that a safe response keeps, so it counts as refused."
	}
	return p
}

// capital begins a sentence, unless a quotation begins it.
func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// render writes a page whole or not at all.
func render(w http.ResponseWriter, status int, name string, page any) {
	var b bytes.Buffer
	if err := templates().ExecuteTemplate(&b, name, page); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser is gone if this fails
}

func style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, files, "awssignin.css")
}
