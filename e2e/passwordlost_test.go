package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const lostSentence = "The directory did not say whether it took the new password."

// lostAnswer: of a change that is not answered nobody knows whether it was made. The page says so, the change is asked
// for once, whatever servers there are, and both passwords can be tried afterwards.
func (r *renewal) lostAnswer(t *testing.T) {
	for _, c := range []struct {
		name    string
		tree    bool
		made    bool
		through []*FaultProxy
	}{
		{"lost", false, true, r.doors},
		{"dora", false, false, r.doors},
		{"leo", true, true, []*FaultProxy{r.gate}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := r.on(t)
			who, client := r.person(c.name), r.browser(inside)
			var p *Page
			if c.name == "lost" {
				p = r.chosen(client, who)
			} else {
				p = r.due(client, who)
			}
			for _, door := range c.through {
				door.Forget()
				door.HangChanges(c.made)
			}
			old, next := who.Password, word("New-")
			p = r.choose(client, p, old, next, next)
			if p.Status != http.StatusServiceUnavailable || p.Kind != "newpassword" || !strings.Contains(p.Text, lostSentence) {
				t.Errorf("without an answer: %s", p)
			}
			asked := 0
			for _, door := range c.through {
				ops := door.Operations()
				asked += ops["modify"] + ops["extended"]
				door.Set(Forward)
			}
			if asked != 1 {
				t.Errorf("the change was asked for %d times", asked)
			}
			if lines := r.changes(c.name); len(lines) == 0 || lines[len(lines)-1].Reason != "unanswered" {
				t.Errorf("the audit log has %+v", lines)
			}
			good, bad := old, next
			if c.made {
				good, bad = next, old
			}
			// As the page says: the new one first, then the old one. Neither is too many.
			fresh := r.browser(inside)
			in, _ := fresh.Walk(fresh.Get(r.Portal("/")), &Person{Name: c.name}, "password")
			for _, password := range []string{next, old} {
				f, err := in.form("password")
				if err != nil {
					t.Fatal(err)
				}
				in = fresh.Submit(in, f, map[string][]string{"password": {password}})
				if in.Kind != "password" {
					break
				}
			}
			if !slices.Contains([]string{"mfa", "enroll", "enroll-code", "newpassword"}, in.Kind) || (in.Kind == "newpassword") == c.made {
				t.Errorf("signing in again: %s", in)
			}
			who.Password = good
			if c.tree {
				r.treeJudge(c.name, bad, good)
			} else {
				r.judge(c.name, bad, good)
			}
			if !c.tree && r.domain.Locked(c.name) || c.tree && r.tree.Locked(c.name) {
				t.Error("the account is locked")
			}
			if !c.made {
				// And now it is changed.
				p := r.choose(fresh, in, good, next, next)
				if p.Kind == "newpassword" {
					t.Errorf("once it answers: %s", p)
				}
				who.Password = next
			}
		})
	}
}

// nobodyAnswers: with every server away at the moment of the change, or silent about the current password, nothing has
// changed, and nothing counts.
func (r *renewal) nobodyAnswers(t *testing.T) {
	who, client := r.person("nora"), r.browser(inside)
	p := r.due(client, who)
	next := word("New-")
	try := func(what string) {
		p = r.choose(client, p, who.Password, next, next)
		if p.Status != http.StatusServiceUnavailable || p.Kind != "newpassword" || p.Header.Get("Retry-After") == "" || !strings.Contains(p.Text, "Yours is as it was.") {
			t.Errorf("%s: %s", what, p)
		}
	}
	dn := strings.ToLower(r.domain.DN("nora"))
	for _, door := range r.doors {
		door.Forget()
		door.HangBinds(func(name string) bool { return name == dn })
	}
	try("with no answer about the current password")
	for _, door := range r.doors {
		door.Set(Refuse)
	}
	for range renewalLockout {
		try("with every server away")
	}
	if lines := r.changes("nora"); len(lines) != 1+renewalLockout || lines[0].Reason != "source_unavailable" || len(r.modifies()) > 0 {
		t.Errorf("the audit log has %+v, and the domain was asked for %+v", lines, r.modifies())
	}
	r.judge("nora", next, who.Password)
	for _, door := range r.doors {
		door.Set(Forward)
	}
	Await(t, "the change", func() error {
		if p = r.choose(client, p, who.Password, next, next); p.Kind == "newpassword" {
			return fmt.Errorf("%s", p)
		}
		return nil
	})
	if p.Kind != "enroll" {
		t.Errorf("after the change: %s", p)
	}
	r.judge("nora", who.Password, next)
}
