package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// changeLine is what the tests read of an audit line about a change.
type changeLine struct{ Kind, Result, Reason, Detail, Name, Ref string }

// changes are the audit lines about what came of changes of somebody's password, the last one last. Each stands below the line
// that it was begun.
func (r *renewal) changes(name string) []changeLine {
	r.t.Helper()
	var lines []changeLine
	begun := map[string]bool{}
	d := json.NewDecoder(strings.NewReader(r.mustCommand("audit", "--json")))
	for d.More() {
		var l changeLine
		if err := d.Decode(&l); err != nil {
			r.t.Fatal(err)
		}
		if l.Result == "begun" {
			begun[l.Ref] = true
			continue
		}
		if l.Kind == "password" && l.Result == "success" && !begun[l.Ref] {
			r.t.Errorf("nobody wrote that it was begun: %+v", l)
		}
		if isOf(l.Name, name) && (l.Kind == "password" || l.Kind == "lockout") {
			lines = append(lines, l)
		}
	}
	return lines
}

// isOf reports whether an audit line's name is somebody's: people of the domain are called by their UPN.
func isOf(line, name string) bool { return line == name || line == name+"@corp.example.test" }

// due signs somebody in up to the page of a new password.
func (r *renewal) due(client *Client, who *Person) *Page {
	r.t.Helper()
	p, _ := client.Walk(client.Get(r.Portal("/apps/connect")), who, "newpassword")
	return p
}

// chosen goes to the page of a new password of one's own accord.
func (r *renewal) chosen(client *Client, who *Person) *Page {
	r.t.Helper()
	client.SignIn(r.Caddy, who)
	p, _ := client.Walk(client.Get(r.Portal("/password")), who, "newpassword")
	return p
}

// refused tries a new password, which the page has to refuse with words of ours, and the audit log with the directory's.
func (r *renewal) refused(client *Client, p *Page, who *Person, next string, want refusal) *Page {
	r.t.Helper()
	before := len(r.changes(who.Name))
	p = r.choose(client, p, who.Password, next, next)
	if p.Kind != "newpassword" || p.Status != want.status || !strings.Contains(p.Text, want.page) {
		r.t.Errorf("%s: want %d and %q on %s", want.reason, want.status, want.page, p)
	}
	lines := r.changes(who.Name)[before:]
	switch {
	case want.reason == "" && len(lines) > 0:
		r.t.Errorf("the form's own mistake reached the audit log: %+v", lines)
	case want.reason == "":
	case len(lines) != 1 || lines[0].Result == "success" || lines[0].Reason != want.reason || !strings.Contains(lines[0].Detail, want.detail):
		r.t.Errorf("the audit log has %+v, want %+v", lines, want)
	}
	return p
}

// refusal is what comes of a new password that does not do.
type refusal struct {
	status               int
	page, reason, detail string
}

// refusedInWords: each reason of Samba's is told in our words, and in its own in the audit log.
func (r *renewal) refusedInWords(t *testing.T) {
	const restriction = "0000052D: Constraint violation - check_password_restrictions: "
	rita, client := r.person("rita"), r.browser(inside)
	p := r.due(client, rita)
	for _, c := range []struct {
		next string
		want refusal
	}{
		{"Sh0rt-x41", refusal{http.StatusUnprocessableEntity, "That password is too short. It needs at least 10 characters.", "too_short", restriction + "the password is too short. It should be equal or longer than 10 characters!"}},
		{"only small letters", refusal{http.StatusUnprocessableEntity, "That password is too simple.", "complexity", restriction + "the password does not meet the complexity criteria!"}},
		{r.first, refusal{http.StatusUnprocessableEntity, "The new password is the current one. Choose another one.", "", ""}},
	} {
		p = r.refused(client, p, rita, c.next, c.want)
	}
	if p.Text == "" || !strings.Contains(p.Text, "None of your last 3 passwords.") {
		t.Errorf("the rules: %s", p)
	}
	next := word("New-")
	p = r.choose(client, p, rita.Password, next, next)
	client.Walk(p, rita, "post")
	r.judge("rita", r.first, next)

	// The one before, once the domain has another one given to her.
	given := word("Given-")
	r.domain.SetPassword("rita", given)
	r.domain.MustChange("rita")
	rita.Password = given
	client = r.browser(inside)
	p = r.due(client, rita)
	r.refused(client, p, rita, next, refusal{http.StatusUnprocessableEntity, "You have had that password before.", "history", restriction + "the password was already used (in history)!"})
	r.judge("rita", next, given)

	// A password of today stays for a day, and the rules say so.
	yara, client := r.person("yara"), r.browser(inside)
	p = r.chosen(client, yara)
	if !strings.Contains(p.Text, "A password stays for 1 day before it can be changed again.") {
		t.Errorf("the rules of one who chooses: %s", p)
	}
	r.refused(client, p, yara, word("New-"), refusal{
		http.StatusUnprocessableEntity, "It can be changed again 1 day after that.", "min_age",
		restriction + "password is too young to change!",
	})
	r.judge("yara", "Not-"+r.first, r.first)

	// A fine-grained policy that the service account may not read: the reason without the figure.
	tess, client := r.person("tess"), r.browser(inside)
	p = r.chosen(client, tess)
	if strings.Contains(p.Text, "Rules for the new password") {
		t.Errorf("rules of a policy that cannot be read: %s", p)
	}
	r.refused(client, p, tess, word("New-"), refusal{http.StatusUnprocessableEntity, "That password is too short. Choose a longer one.", "too_short", "equal or longer than 32 characters"})
}

// partOfTheName: Windows takes no password that holds a part of the person's name. Samba leaves that to a program, which
// stands in the place of what else it asks, and calls what the program refuses too simple.
func (r *renewal) partOfTheName(t *testing.T) {
	program := WriteFile(t, filepath.Join(filepath.Dir(r.domain.conf), "names.sh"), "#!/bin/sh\nread -r password\n! printf %s \"$password\" | grep -qi \"$SAMBA_CPS_ACCOUNT_NAME\"\n")
	text, err := os.ReadFile(r.domain.conf)
	if err := errors.Join(err, os.Chmod(program, 0o755)); err != nil {
		t.Fatal(err)
	}
	r.domain.Stop()
	WriteFile(t, r.domain.conf, strings.Replace(string(text), "[global]\n", "[global]\n\tcheck password script = "+program+"\n", 1))
	r.domain.Start()
	oscar, client := r.person("oscar"), r.browser(inside)
	var p *Page
	Await(t, "the domain to serve again", func() error {
		p, err = client.answerAll(client.Get(r.Portal("/apps/connect")), oscar, "newpassword")
		return err
	})
	p = r.refused(client, p, oscar, "Harbour-oScAr-41x", refusal{
		http.StatusUnprocessableEntity, "and no part of your name.", "complexity", "the password does not meet the complexity criteria!",
	})
	next := word("New-")
	if p = r.choose(client, p, oscar.Password, next, next); p.Kind != "enroll" {
		t.Errorf("without it: %s", p)
	}
	r.judge("oscar", oscar.Password, next)
}

// mayNotChange: "User cannot change password", on the person's own connection and on the service account's.
func (r *renewal) mayNotChange(t *testing.T) {
	ines, client := r.person("ines"), r.browser(inside)
	p := r.chosen(client, ines)
	want := refusal{http.StatusUnprocessableEntity, "You may not change this password yourself. Ask the service desk.", "not_allowed", "error in module acl"}
	r.refused(client, p, ines, word("New-"), want)

	ivan, client := r.person("ivan"), r.browser(inside)
	want.detail = ""
	r.refused(client, r.due(client, ivan), ivan, word("New-"), want)
	if p = client.Get(r.Portal("/apps/connect")); p.Kind != "newpassword" {
		t.Errorf("after the refusal: %s", p)
	}
	t.Logf("on behalf of one who may not, Samba says: %+v", r.changes("ivan"))
	r.judge("ines", "Not-"+r.first, r.first)
}

// wrongCurrent: the change page guesses no more passwords than the page of the sign-in does, and both together no
// more than two below the domain's threshold.
func (r *renewal) wrongCurrent(t *testing.T) {
	wanda, client := r.person("wanda"), r.browser(inside)
	wanda.Own = false // a device of one's own has a failure to itself
	p := r.chosen(client, wanda)
	for _, door := range r.doors {
		door.Forget()
	}
	wrong := func(i int) string { return fmt.Sprintf("Not-%d-%s", i, r.first) }
	try := func(i int) *Page {
		next := word("New-")
		p = r.choose(client, p, wrong(i), next, next)
		return p
	}
	for i := range 2 {
		if p := try(i); p.Status != http.StatusUnauthorized || !strings.Contains(p.Text, "Your current password is not right.") {
			t.Errorf("wrong password %d: %s", i, p)
		}
	}
	if n := r.domain.BadPasswords("wanda"); n != 2 {
		t.Errorf("the domain counts %d wrong passwords, want 2", n)
	}
	other := r.browser(outside)
	in, _ := other.Walk(other.Get(r.Portal("/")), &Person{Name: "wanda"}, "password")
	f, err := in.form("password")
	if err != nil {
		t.Fatal(err)
	}
	// The second is not passed on. A stranger is told of no more than was typed under the name.
	for i := range 2 {
		if in = other.Submit(in, f, map[string][]string{"password": {wrong(10 + i)}}); in.Status != http.StatusUnauthorized {
			t.Errorf("wrong password %d at the sign-in: %s", i, in)
		}
		if f, err = in.form("password"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if p := try(20 + i); p.Kind != "newpassword" || p.Status != http.StatusTooManyRequests || !strings.Contains(p.Text, "too many tries") {
			t.Errorf("wrong password %d at the limit: %s", i, p)
		}
	}
	failed := 0
	for _, door := range r.doors {
		failed += door.FailedBinds()[strings.ToLower(r.domain.DN("wanda"))]
	}
	if n := r.domain.BadPasswords("wanda"); failed != renewalLockout-2 || n != failed || r.domain.Locked("wanda") {
		t.Errorf("%d wrong passwords came through, the domain counts %d", failed, n)
	}
	lines := r.changes("wanda")
	if last := lines[len(lines)-1]; last.Kind != "lockout" || last.Reason != "limited" {
		t.Errorf("the audit log ends in %+v", last)
	}
	r.judge("wanda", "Not-"+r.first, r.first)
}
