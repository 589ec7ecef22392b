package caddymodule

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const planned = `
	factor spare totp
	factor third totp
	policy default {
		mfa always
		factors totp
		outage totp use spare third
	}
	policy strict {
		outage totp deny
	}
	application wiki link https://wiki.example.com {
		policy strict
	}
	application notes link https://notes.example.com
`

// TestFactorsReport goes the way of an admin: a new installation is told nothing; once somebody has a factor, the load and the
// check tell of a plan that nobody can follow, and the report says who would not come in.
func TestFactorsReport(t *testing.T) {
	s := newSite(t)
	logFile := filepath.Join(s.dir, "caddy.log")
	file := s.caddyfileWith(fmt.Sprintf("log {\noutput file %s\n}", logFile), planned)
	s.load(file)
	if out := s.mustCommand(file, "check"); strings.Contains(out, "nobody has set up") {
		t.Errorf("a new installation:\n%s", out)
	}
	e := idp.Enrollment{User: "people:demo", Factor: "totp", ID: "1", Secret: []byte("the-seed"), Created: time.Now()}
	if err := s.openedStore().PutEnrollment(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	s.load(file + "\n") // the same once more, so that it begins anew

	before, _, _ := strings.Cut(file, "outage totp use")
	where := fmt.Sprintf("policy default, at %s:%d", filepath.Join(s.dir, "Caddyfile"), 1+strings.Count(before, "\n"))
	what := "outage totp use spare third names the factor spare, which nobody has set up"
	found, err := s.findings(file)
	if f := pick(found, where, what); err != nil || f == nil || f.Level != "warning" {
		t.Errorf("%s: %+v (%v)", where, found, err)
	}
	log, err := os.ReadFile(logFile)
	if err != nil || !strings.Contains(string(log), what) {
		t.Errorf("the log does not say it (%v):\n%s", err, log)
	}

	out := s.mustCommand(file, "factors", "report")
	for _, want := range []string{
		"totp   1 people, 1 enrollments\nspare  0 people, 0 enrollments\n",
		"portal: 1 of 1 people have no fallback\n  demo@example.com (people:demo) holds totp only, and without it has not set up spare or third: outage totp use spare third # default\n",
		"wiki: 1 of 1 people have no fallback\n  demo@example.com (people:demo) holds totp only, and without it is refused: outage totp deny # strict\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	e.Factor = "spare"
	if err := s.openedStore().PutEnrollment(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	var r idp.FactorReport
	if err := json.Unmarshal([]byte(s.mustCommand(file, "factors", "report", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Places) != 3 || r.Factors[1].People != 1 {
		t.Fatalf("%+v", r)
	}
	for i, planned := range []bool{true, false, true} {
		if p := r.Places[i]; len(p.Unbacked) != 1 || p.Unbacked[0].Planned != planned {
			t.Errorf("%+v", p)
		}
	}
}
