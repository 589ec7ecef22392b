package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// The sentences of the page of a new password, by why it is shown.
var whyChange = map[string]string{
	"password_expired": "Your password has expired.",
	"must_change":      "Your password was given to you by somebody else.",
}

// nineWays: {valid, expired, must change} × {has a factor, none inside the office, none outside}: what is shown at every
// step, and that nothing else opens before the password is changed.
func (r *renewal) nineWays(t *testing.T) {
	vera, ella, maya := r.enrolled("vera"), r.enrolled("ella"), r.enrolled("maya")
	r.enrolled("susan") // whose next codes are of a later step
	r.domain.AgePassword("ella", 50*24*time.Hour)
	r.domain.MustChange("maya")
	for _, way := range []struct {
		who       *Person
		from, due string
		want      string
	}{
		{vera, outside, "", "login password mfa device post"},
		{r.person("vince"), inside, "", "login password enroll device post"},
		{r.person("vito"), outside, "", "login password enroll device post"},
		{ella, outside, "password_expired", "login password mfa newpassword device post"},
		{r.person("emil"), inside, "password_expired", "login password newpassword enroll device post"},
		{r.person("eric"), outside, "password_expired", "login password newpassword enroll-code"},
		{maya, outside, "must_change", "login password mfa newpassword device post"},
		{r.person("milo"), inside, "must_change", "login password newpassword enroll device post"},
		{r.person("mark"), outside, "must_change", "login password newpassword enroll-code"},
	} {
		t.Run(way.who.Name, func(t *testing.T) {
			r := r.on(t)
			old := way.who.Password
			client := r.browser(way.from)
			last, kinds := r.walk(client, client.Get(r.Portal("/apps/connect")), way.who, way.due)
			if got := strings.Join(kinds, " "); got != way.want {
				t.Errorf("shown: %s, want %s; the last page: %s", got, way.want, last)
			}
			if way.due != "" {
				r.judge(way.who.Name, old, way.who.Password)
			}
			switch last.Kind {
			case "post":
				r.accepted(client, last)
			case "enroll-code":
				r.invited(client, last, way.who)
			}
			r.inOrder(way.who.Name, way.due)
		})
	}
}

// walk answers every page until one that posts, or that is not to be answered with what the person has. Where the
// password is due to be changed, it tries the other ways at each page before.
func (r *renewal) walk(client *Client, p *Page, who *Person, due string) (last *Page, kinds []string) {
	r.t.Helper()
	for range 12 {
		kinds = append(kinds, p.Kind)
		switch p.Kind {
		case "post", "enroll-code":
			return p, kinds
		case "newpassword":
			if !strings.Contains(p.Text, whyChange[due]) || !strings.Contains(p.Text, fmt.Sprintf("At least %d characters.", renewalLength)) || strings.Contains(p.Text, "can be changed again") {
				r.t.Errorf("the page of a new password: %s", p)
			}
			p = r.nothingOpens(client, p, who)
			next := word("New-")
			p = r.choose(client, p, who.Password, next, next)
			who.Password = next
			continue
		case "mfa":
			if due != "" && strings.Contains(p.Text, "before a password is changed") {
				p = r.nothingOpens(client, p, who)
			}
		case "enroll":
			if due != "" {
				// The office is a network of one policy; the other has what is built in, a code.
				if other := client.Get(r.Portal("/apps/handbook")); other.Kind != "enroll-code" {
					r.t.Errorf("on the way to an application with another policy: %s", other)
				}
			}
		}
		next, err := client.answer(p, who)
		if err != nil {
			r.t.Fatalf("after %v: %v", kinds, err)
		}
		p = next
	}
	r.t.Fatalf("no end after %v: %s", kinds, p)
	return nil, nil
}

// choose fills in the page of a new password.
func (r *renewal) choose(client *Client, p *Page, old, next, again string) *Page {
	r.t.Helper()
	f, err := p.Form("/password", "new")
	if err != nil {
		r.t.Fatal(err)
	}
	return client.Submit(p, f, url.Values{"old": {old}, "new": {next}, "again": {again}})
}

// nothingOpens tries every other address before the password is changed: each leads back to the page that is due.
// It returns that page, whose form is of the same way as before.
func (r *renewal) nothingOpens(client *Client, p *Page, who *Person) *Page {
	r.t.Helper()
	session, err := p.Form("/logout", "f")
	if err != nil {
		r.t.Fatal(err)
	}
	way := func() string {
		f, err := p.form("f")
		if err != nil {
			r.t.Fatal(err)
		}
		return f.Fields.Get("f")
	}
	back := func(what string, got *Page) {
		r.t.Helper()
		if got.Kind != p.Kind || strings.Contains(got.Body, "SAMLResponse") {
			r.t.Errorf("%s leads from %s to %s", what, p.Kind, got)
		}
	}
	// A browser keeps eight ways at most, so each form is sent between two new ones.
	open := []string{"/", "/apps/connect", "/apps/connect?destination=%2Fccp-v2", "/apps/handbook", "/settings", "/enroll", "/enroll/totp", "/mfa", "/mfa/totp", "/login", "/password"}
	type form struct {
		path   string
		fields url.Values
		own    bool // by the form of the session and not of the way
	}
	forms := []form{
		{"/apps/connect", nil, true},
		{"/apps/connect", nil, false},
		{"/apps/handbook", nil, true},
		{"/settings", url.Values{"kind": {"session"}, "remove": {strings.Repeat("0", 64)}}, true},
		{"/enroll", url.Values{"code": {"0000-0000-0000"}}, false},
		{"/enroll/totp", url.Values{"code": {"000000"}}, false},
		{"/mfa", url.Values{"device": {"yes"}}, false},
		{"/login", url.Values{"username": {who.Name}}, false},
	}
	if p.Kind == "mfa" {
		// With everything right but the factor.
		forms = append(forms, form{"/password", url.Values{"old": {who.Password}, "new": {"Not-Yet-41x-mfa"}, "again": {"Not-Yet-41x-mfa"}}, false})
	} else {
		forms = append(forms, form{"/mfa/totp", url.Values{"code": {"000000"}}, false})
	}
	for i := range max(len(open), len(forms)) {
		if i < len(open) {
			back("GET "+open[i], client.Get(r.Portal(open[i])))
			beside := strings.NewReplacer("?destination=%2Fccp-v2", "", "/apps/handbook", "/apps/connect").Replace(open[i])
			back("GET "+beside+" on the way", client.Get(r.Portal(beside+"?f="+url.QueryEscape(way()))))
		}
		if i < len(forms) {
			f := forms[i]
			fields := url.Values{"f": {way()}}
			if f.own {
				fields = session.Fields
			}
			got := client.Submit(p, Form{Action: f.path, Fields: fields}, f.fields)
			back("POST "+f.path, got)
			if !f.own {
				p = got
			}
		}
	}
	if sso := client.Get(r.Portal("/saml/sso")); sso.Status != http.StatusBadRequest {
		r.t.Errorf("/saml/sso: %s", sso)
	}
	return p
}

// judge asks the domain itself which password is good, also of an account that has to change it.
func (r *renewal) judge(name, bad, good string) {
	r.t.Helper()
	upn := name + "@corp.example.test"
	if out, err := r.domain.Bind(upn, good); err != nil && !strings.Contains(out, "data 773") && !strings.Contains(out, "data 532") {
		r.t.Errorf("the domain does not take the password that %s has now: %v\n%s", name, err, out)
	}
	if out, err := r.domain.Bind(upn, bad); err == nil || !strings.Contains(out, "data 52e") {
		r.t.Errorf("the domain takes a password that %s has not: %v\n%s", name, err, out)
	}
}

// accepted posts the response as the page would, and has AWS's stand-in judge it.
func (r *renewal) accepted(client *Client, post *Page) {
	r.t.Helper()
	f, err := post.Form("", "SAMLResponse")
	if err != nil {
		r.t.Fatal(err)
	}
	if verdict := client.Submit(post, f, nil); !strings.Contains(verdict.Body, accepted) {
		r.t.Errorf("the stand-in: %s", verdict)
	}
}

// invited goes on with a code of the service desk, which opens the way that the gate had closed.
func (r *renewal) invited(client *Client, p *Page, who *Person) {
	r.t.Helper()
	for _, path := range []string{"/", "/settings", "/enroll/totp", "/apps/handbook", "/apps/connect"} {
		if p = client.Get(r.Portal(path)); p.Kind != "enroll-code" {
			r.t.Errorf("%s opens the gate: %s", path, p)
		}
	}
	out := r.mustCommand("user", "invite", who.Name)
	code := ""
	for field := range strings.FieldsSeq(out) {
		if strings.Count(field, "-") == 2 && len(field) == len("ABCD-EFGH-JKMN") {
			code = field
		}
	}
	f, err := p.form("code")
	if err != nil {
		r.t.Fatal(err)
	}
	p = client.Submit(p, f, url.Values{"code": {code}})
	if p, kinds := r.walk(client, p, who, ""); p.Kind != "post" || !slices.Equal(kinds, []string{"enroll", "device", "post"}) {
		r.t.Errorf("with the code %s of\n%s: %v, %s", code, out, kinds, p)
	} else {
		r.accepted(client, p)
	}
}

// inOrder reads the audit lines of somebody since the sign-in that was due a change: the change comes before all that
// opens, and says why it was due.
func (r *renewal) inOrder(name, due string) {
	r.t.Helper()
	begun, changed, opened := false, due == "", 0
	for _, l := range r.audit() {
		switch {
		case !isOf(l.Name, name) || l.Result != "success":
		case l.Kind == "login" && l.Reason == due:
			begun = true
		case !begun:
		case l.Kind == "password":
			if changed || l.Reason != due {
				r.t.Errorf("the audit log has %+v", l)
			}
			changed = true
		case l.Kind == "launch", l.Kind == "device", l.Kind == "enroll":
			opened++
			if !changed {
				r.t.Errorf("before the password was changed, the audit log has %+v", l)
			}
		}
	}
	if !changed || opened == 0 {
		r.t.Errorf("the audit log of %s has a change: %v, and %d lines of what opened", name, changed, opened)
	}
}
