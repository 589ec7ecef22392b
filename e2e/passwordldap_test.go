package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// renewalTree is an OpenLDAP directory with people in each state; the service account may not write passwords.
func renewalTree(t *testing.T, password string) *Slapd {
	t.Helper()
	var users []TreeUser
	var names []string
	for name, state := range map[string]string{
		"piet": "expired", "gina": "grace", "max": "must_change", "wim": "expiring", "otto": "must_change", "jan": "", "joop": "", "leo": "must_change",
	} {
		users = append(users, TreeUser{Name: name, Password: password, Mail: name + "@partner.example.test", State: state})
		names = append(names, name)
	}
	return NewSlapd(t, Tree{
		Policy: PasswordPolicy{Lockout: renewalLockout, MinLength: renewalLength, History: 3, MinAge: 24 * time.Hour},
		Users:  users, Groups: []TreeGroup{{Name: "agents", Members: names}},
	})
}

// treeJudge asks the directory itself which password is good.
func (r *renewal) treeJudge(name, bad, good string) {
	r.t.Helper()
	if out, err := r.tree.Bind(name, good); err != nil {
		r.t.Errorf("the directory does not take the password that %s has now: %v\n%s", name, err, out)
	}
	if out, err := r.tree.Bind(name, bad); err == nil {
		r.t.Errorf("the directory takes a password that %s has not:\n%s", name, out)
	}
}

// openLDAP: the states come with the answer to the bind, and the password is changed by the Password Modify operation.
func (r *renewal) openLDAP(t *testing.T) {
	for _, c := range []struct{ name, due string }{{"gina", "password_expired"}, {"max", "must_change"}} {
		who, client := r.person(c.name), r.browser(inside)
		p := r.due(client, who)
		if !strings.Contains(p.Text, whyChange[c.due]) {
			t.Errorf("%s: %s", c.name, p)
		}
		r.gate.Forget()
		next := word("New-")
		p = r.choose(client, p, who.Password, next, next)
		if ops := r.gate.Operations(); ops["extended"] != 1 || ops["modify"] != 0 {
			t.Errorf("%s: the directory was asked for %v", c.name, ops)
		}
		old := who.Password
		who.Password = next
		post, _ := client.Walk(p, who, "post")
		r.accepted(client, post)
		r.treeJudge(c.name, old, next)
		lines := r.changes(c.name)
		if len(lines) != 1 || lines[0].Result != "success" || lines[0].Reason != c.due {
			t.Errorf("%s: the audit log has %+v", c.name, lines)
		}
	}
	r.treeRefusals(t)

	// Expired for good: nobody is let in with that password, and the service account may not write.
	piet, client := r.person("piet"), r.browser(inside)
	p := r.refused(client, r.due(client, piet), piet, word("New-"), refusal{
		http.StatusUnprocessableEntity, "You may not change this password yourself. Ask the service desk.", "not_allowed", "unwilling to verify old password",
	})
	if p = r.choose(client, p, "Not-"+r.first, "New-Harbour-52x", "New-Harbour-52x"); p.Status != http.StatusUnauthorized {
		t.Errorf("a wrong password that has expired: %s", p)
	}

	// With the right to write passwords, the service account makes the same change with the old password.
	r.tree.Grant(`by dn.exact="` + r.tree.BindDN + `" write`)
	next := word("New-")
	p = r.choose(client, p, piet.Password, next, next)
	if p.Kind != "enroll" {
		t.Errorf("by a service account that may write: %s", p)
	}
	r.treeJudge("piet", piet.Password, next)

	// Two days before.
	wim := r.browser(inside)
	if p, _ := wim.SignIn(r.Caddy, r.person("wim")); !strings.Contains(p.Text, "Your password expires in 1 day, on ") {
		t.Errorf("before it expires: %s", p)
	}
}

// treeRefusals: each reason of ppolicy's.
func (r *renewal) treeRefusals(t *testing.T) {
	otto, client := r.person("otto"), r.browser(inside)
	p := r.due(client, otto)
	if !strings.Contains(p.Text, "At least 10 characters.") || !strings.Contains(p.Text, "None of your last 3 passwords.") {
		t.Errorf("the rules: %s", p)
	}
	p = r.refused(client, p, otto, "sh0rt-x41", refusal{http.StatusUnprocessableEntity, "That password is too short. It needs at least 10 characters.", "too_short", "Password fails quality checking policy"})
	p = r.choose(client, p, "Not-"+r.first, "New-Harbour-52x", "New-Harbour-52x")
	if p.Status != http.StatusUnauthorized || !strings.Contains(p.Text, "Your current password is not right.") || r.tree.BadPasswords("otto") != 1 {
		t.Errorf("a wrong current password, %d: %s", r.tree.BadPasswords("otto"), p)
	}
	next := word("New-")
	p = r.choose(client, p, otto.Password, next, next)
	otto.Password = next
	client.Walk(p, otto, "post")
	r.treeJudge("otto", r.first, next)
	// Given another one, the one before is in the history.
	given := word("Given-")
	r.tree.Modify(r.tree.UserDN("otto"), "changetype: modify\nreplace: userPassword\nuserPassword: "+given+"\n-\nreplace: pwdReset\npwdReset: TRUE")
	otto.Password = given
	client = r.browser(inside)
	p, _ = client.Walk(client.Get(r.Portal("/apps/connect")), otto, "newpassword")
	r.refused(client, p, otto, next, refusal{http.StatusUnprocessableEntity, "You have had that password before.", "history", "Password is in history of old passwords"})

	jan, client := r.person("jan"), r.browser(inside)
	p = r.chosen(client, jan)
	r.refused(client, p, jan, word("New-"), refusal{http.StatusUnprocessableEntity, "It can be changed again 1 day after that.", "min_age", "Password is too young to change"})
	r.treeJudge("jan", "Not-"+r.first, r.first)

	// Of one's own accord, once it is a day old.
	r.tree.Modify(r.tree.UserDN("joop"), "changetype: modify\nreplace: pwdChangedTime\npwdChangedTime: "+generalized(time.Now().Add(-48*time.Hour)))
	joop, client := r.person("joop"), r.browser(inside)
	p = r.chosen(client, joop)
	next = word("New-")
	client.Walk(r.choose(client, p, joop.Password, next, next), joop, "settings")
	r.treeJudge("joop", joop.Password, next)
}
