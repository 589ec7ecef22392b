package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// statesAreTold: what is wrong with an account is for those who know its password.
func (c *company) statesAreTold(t *testing.T) {
	const useless = "Your account cannot be used. Ask the service desk."
	for _, s := range []struct{ name, sentence, reason string }{
		{"dora", useless, "disabled"},
		{"edgar", useless, "expired"},
		{"mona", "Your password was given to you by somebody else.", "must_change"},
		{"petra", "Your password has expired.", "password_expired"},
	} {
		status := http.StatusForbidden
		if s.sentence != useless {
			status = http.StatusOK
		}
		// The right one first: petra's policy shows the service account no threshold, so that one failure is passed on.
		if p := c.try(s.name, passwords[s.name]); p.Status != status || !strings.Contains(p.Text, s.sentence) {
			t.Errorf("%s with the right password: %s", s.name, p)
		}
		p := c.try(s.name, "Not-"+passwords[s.name])
		if p.Status != http.StatusUnauthorized || !strings.Contains(p.Text, "do not match") || strings.Contains(p.Text, s.sentence) {
			t.Errorf("%s with a wrong password: %s", s.name, p)
		}
		if reasons := c.reasons(s.name); !slices.Contains(reasons, s.reason) || !slices.Contains(reasons, "bad_credentials") {
			t.Errorf("%s: the audit log gives the reasons %v", s.name, reasons)
		}
	}
}

// reasons are those of the sign-ins with a name.
func (c *company) reasons(name string) []string {
	c.t.Helper()
	var reasons []string
	for _, l := range c.audit() {
		if strings.HasPrefix(l.Name, name) && l.Reason != "" {
			reasons = append(reasons, l.Reason)
		}
	}
	return reasons
}

// lockoutStaysAway: whoever knows a name could lock its account through the gateway. Two below the domain's
// own threshold it passes nothing on.
func (c *company) lockoutStaysAway(t *testing.T) {
	const tries = 8
	var statuses []int
	for i := range tries {
		p := c.try("victor", fmt.Sprintf("Not-The-One-%d-x", i))
		statuses = append(statuses, p.Status)
	}
	// The answers are those to a name that nobody has, which may be a local user's, with five.
	want := slices.Concat(slices.Repeat([]int{http.StatusUnauthorized}, 5), slices.Repeat([]int{http.StatusTooManyRequests}, tries-5))
	if !slices.Equal(statuses, want) {
		t.Errorf("answered %v, want %v", statuses, want)
	}
	// First the count: a right password sets it back to 0.
	seen := c.ask("victor", "badPwdCount", "lockoutTime")
	if !strings.Contains(seen, fmt.Sprintf("badPwdCount: %d\n", lockoutAt-2)) {
		t.Errorf("the domain was shown other than %d wrong passwords:\n%s", lockoutAt-2, seen)
	}
	if strings.Contains(seen, "lockoutTime: ") && !strings.Contains(seen, "lockoutTime: 0\n") {
		t.Errorf("the account is locked:\n%s", seen)
	}
	if out, err := c.bind("victor@corp.example.test", passwords["victor"], "victor", "cn"); err != nil {
		t.Errorf("the domain does not take the right password: %v\n%s", err, out)
	}
}

// domainIsAway: an honest sentence for its people, and a way in for the local account.
func (c *company) domainIsAway(t *testing.T) {
	c.domain.Process.Stop()
	for _, name := range []string{"susan", "susan@example.test"} {
		p := c.try(name, c.susan.Password)
		if p.Status != http.StatusServiceUnavailable || !strings.Contains(p.Text, "We cannot check passwords just now.") {
			t.Errorf("%s: %s", name, p)
		}
	}
	client := c.Client()
	tiles, _ := client.SignIn(c.Caddy, c.emergency)
	if post, _ := client.Launch(tiles, "connect", c.emergency); post.Status != http.StatusOK {
		t.Errorf("the emergency account: %s", post)
	}
	if n := c.brokenGlass("emergency:breakglass"); n < 2 { // the sign-in and the launch
		t.Errorf("%d lines of the audit log say break_glass", n)
	}

	c.domain.Start()
	// A server that failed is left alone for a moment.
	Await(t, "people of the domain to sign in again", func() error {
		if p := c.try("susan", c.susan.Password); p.Kind != "mfa" {
			return fmt.Errorf("%s", p)
		}
		return nil
	})
	if p := c.try("alice", c.alice.Password); p.Kind != "mfa" {
		t.Errorf("alice: %s", p)
	}
	// From now on the local account is an account like others.
	before := c.brokenGlass("emergency:breakglass")
	if p := c.try(c.emergency.Name, c.emergency.Password); p.Kind != "mfa" {
		t.Errorf("the emergency account, later: %s", p)
	}
	if n := c.brokenGlass("emergency:breakglass"); n != before {
		t.Errorf("with the domain back, %d more lines say break_glass", n-before)
	}
}

// brokenGlass counts the lines of the audit log that say break_glass, which have to be the user's.
func (c *company) brokenGlass(user string) (n int) {
	c.t.Helper()
	d := json.NewDecoder(strings.NewReader(c.mustCommand("audit", "--json")))
	for d.More() {
		var l struct {
			Kind, User string
			BreakGlass bool `json:"break_glass"`
		}
		if err := d.Decode(&l); err != nil {
			c.t.Fatal(err)
		}
		if !l.BreakGlass {
			continue
		}
		if l.User != user {
			c.t.Errorf("break_glass in a line %s of %s", l.Kind, l.User)
		}
		n++
	}
	return n
}

// logIsClean: everything before was logged for debugging.
func (c *company) logIsClean(t *testing.T) {
	text := c.Log.String()
	for _, want := range []string{`"level":"debug"`, `"gatehouse.audit"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the log", want)
		}
	}
	for who, password := range c.secrets {
		if holds(text, password) || holds(text, "Not-"+password) {
			t.Errorf("the log holds a password of %s", who)
		}
	}
	if holds(text, "Not-The-One-") {
		t.Error("the log holds a wrong password")
	}
}
