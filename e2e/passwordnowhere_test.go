package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// noPasswordAnywhere: no password that was typed in all this, old or new, right or wrong, is in what admins read, nor in
// a page or an address.
func (r *renewal) noPasswordAnywhere(t *testing.T) {
	r.refusedForms(t)
	given := r.given()
	given["answers"] = r.heard.said()
	for name, text := range given {
		if len(text) < 100 {
			t.Errorf("%s is empty: %q", name, text)
		}
		for password := range r.heard.typed {
			if holds(text, password) || holds(text, unicodePwd(password)) {
				t.Errorf("%s holds the password %q", name, password)
			}
		}
	}
	for where, sign := range map[string]string{
		"log": `"level":"debug"`, "audit --json": `"too_short"`, "answers": "Your current password is not right.", "/config/": "{file.", "/metrics": "caddy_gatehouse_logins_total",
	} {
		if !strings.Contains(given[where], sign) {
			t.Errorf("%s is without %s, so that it proves nothing", where, sign)
		}
	}
	if n := len(r.heard.typed); n < 40 || !r.heard.typed[r.first] {
		t.Errorf("%d passwords were typed", n)
	}
	t.Logf("%d passwords, none in any of %d places; %d bytes of log, %d of answers", len(r.heard.typed), len(given), len(given["log"]), len(given["answers"]))
}

// refusedForms sends the form of a change in ways that end in a page of an error.
func (r *renewal) refusedForms(t *testing.T) {
	client := r.browser(inside)
	fields := func() url.Values {
		next := word("Canary-")
		return url.Values{"f": {"none"}, "old": {word("Canary-")}, "new": {next}, "again": {next}}
	}
	from := client.Get(r.Portal("/"))
	client.Submit(from, Form{Action: "/password", Fields: fields()}, nil) // nobody is signed in
	big := fields()
	big.Set("new", strings.Repeat("Canary-too-long", 8<<10))
	if p := client.Submit(from, Form{Action: "/password", Fields: big}, nil); p.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form that is too large: %s", p)
	}
	for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Content-Type": {"text/plain"}, "Sec-Fetch-Site": {"same-origin"}}} {
		req, err := http.NewRequest(http.MethodPost, r.Portal("/password"), strings.NewReader(fields().Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		p, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if p.Status < http.StatusBadRequest {
			t.Errorf("%v: %s", header, p)
		}
	}
}
