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

// renamed gives the source of the site's people another name.
func renamed(caddyfile, name string) string {
	return strings.Replace(caddyfile, "source people", "source "+name, 1)
}

// TestARenamedSource goes the way of an admin: rename, be warned, move, and back.
func TestARenamedSource(t *testing.T) {
	s := newSite(t)
	logFile := filepath.Join(s.dir, "caddy.log")
	file := s.caddyfileWith(fmt.Sprintf("log {\noutput file %s\n}", logFile), "")
	s.load(file)
	s.furnish(s.openedStore())
	_, err := s.command(file, "user", "move-source", "people", "staff")
	wantRefusal(t, err, `no source is named "staff"`)

	now := renamed(file, "staff")
	s.load(now)
	log, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`2 enrollments, 1 devices and 1 sessions of people of a source \"people\"`, "caddy gatehouse user move-source people NEW"} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the log does not say %s:\n%s", want, log)
		}
	}
	found, err := s.findings(now)
	if f := pick(found, "store", `people of a source "people"`); err != nil || f == nil || f.Level != "warning" || f.Cure == "" {
		t.Errorf("check: %+v (%v)", found, err)
	}

	if got := s.mustCommand(now, "user", "move-source", "people", "staff"); got != "people is now staff: 2 enrollments, 1 devices and 1 sessions moved\n" {
		t.Errorf("move-source: %s", got)
	}
	left, err := s.openedStore().UserEnrollments(t.Context(), "staff:demo", "totp")
	if err != nil || len(left) != 1 || string(left[0].Secret) != "the-seed" {
		t.Errorf("staff:demo has %+v (%v)", left, err)
	}
	if got := s.mustCommand(now, "audit"); !strings.Contains(got, `reason="source_moved"`) || !strings.Contains(got, "people to staff: 2 enrollments, 1 devices, 1 sessions\" by=\"command as ") {
		t.Errorf("audit:\n%s", got)
	}

	// What counts is the configuration in force, not a file that nobody has loaded.
	_, err = s.command(file, "user", "move-source", "staff", "people")
	wantRefusal(t, err, `no source is named "people"`)
	s.load(file)
	var back struct {
		From, To                       string
		Enrollments, Devices, Sessions int
	}
	if err := json.Unmarshal([]byte(s.mustCommand(file, "user", "move-source", "staff", "people", "--json")), &back); err != nil || back.From != "staff" || back.To != "people" || back.Enrollments != 2 {
		t.Errorf("back: %+v (%v)", back, err)
	}
}

func TestMoveSourceRefusals(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	s.furnish(s.openedStore())
	two := s.caddyfile("source staff local {\nuser demo " + DemoHash + "\n}")
	s.load(two)
	_, err := s.command(two, "user", "move-source", "people", "staff")
	wantRefusal(t, err, `source "people" is still configured`)
	now := renamed(file, "staff")
	s.load(now)
	s.mustCommand(now, "user", "move-source", "people", "staff")
	s.furnish(s.openedStore()) // as if the same people had enrolled under the old name once more
	_, err = s.command(now, "user", "move-source", "people", "staff")
	wantRefusal(t, err, "both keep enrollments of staff:demo; keep one of the two: caddy gatehouse user reset-mfa people:demo, or staff:demo")
	for _, person := range []string{"people:other", "staff:other"} {
		if err := s.openedStore().PutEnrollment(t.Context(), idp.Enrollment{User: person, Factor: "totp", ID: "1", Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.command(now, "user", "move-source", "people", "staff")
	wantRefusal(t, err, "both keep enrollments of staff:demo and of 1 more; keep one of the two")
	// What it says is what to do: a person of a source that there is not is cleared by their key.
	s.mustCommand(now, "user", "reset-mfa", "people:demo")
	s.mustCommand(now, "user", "reset-mfa", "staff:other")
	if got := s.mustCommand(now, "user", "move-source", "people", "staff"); !strings.Contains(got, "1 enrollments, 0 devices") {
		t.Errorf("once one of the two is cleared: %s", got)
	}
	_, err = s.command(now, "user", "move-source", "people")
	wantFailure(t, err, "usage: gatehouse user move-source OLD NEW")
}
