package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// phoneIsLost: codes on paper, made while the phone was there, open Connect on another computer; and one that the service
// desk makes by command.
func (c *company) phoneIsLost(t *testing.T) {
	b := OpenBrowser(t, c.NewProfile())
	b.SignIn(c.Caddy, c.alice)
	b.Open(c.Portal("/settings"))
	b.WaitText("You have none.")
	b.Click(`button[name=make]`)
	b.WaitKind("recovery-codes")
	b.Shoot("recovery-codes")
	codes := Eval[[]string](b, `[...document.querySelectorAll("ol code")].map(c => c.innerText)`)
	if len(codes) != 10 {
		t.Fatalf("%d codes", len(codes))
	}
	b.Click(`main a.button`)
	b.WaitText("You have 10 left")
	b.Close()

	// Nobody has the phone: the password, then the paper.
	lost := &Person{Name: c.alice.Name, Password: c.alice.Password}
	b = OpenBrowser(t, c.NewProfile())
	rescue := func(code string) {
		t.Helper()
		b.Open(c.Portal("/apps/connect"))
		b.Walk(lost, "the second step", func(kind, _ string) bool { return kind == "mfa" })
		b.Click(`main a[href^="/rescue"]`)
		b.WaitKind("rescue")
		b.Shoot("rescue")
		b.Type(`main input[name=code]`, code)
		b.Click(`main form button.button`)
	}
	rescue(strings.ToLower(strings.ReplaceAll(codes[2], "-", " ")))
	b.WaitText(accepted)
	b.Open(c.Portal("/"))
	b.WaitText("9 recovery codes left")
	b.Close()

	b = OpenBrowser(t, c.NewProfile())
	rescue(codes[2])
	b.WaitText("it has been used")
	b.Shoot("rescue-wrong")
	out := c.mustCommand("user", "bypass", c.alice.Name)
	made := regexp.MustCompile(`\((corp:[0-9a-f-]+)\): ([0-9A-Z]{4}(?:-[0-9A-Z]{4}){2})\n`).FindStringSubmatch(out)
	if made == nil {
		t.Fatal(out)
	}
	b.Type(`main input[name=code]`, made[2])
	b.Click(`main form button.button`)
	b.WaitText(accepted)
	b.Close()
	c.secrets["bypass code"], c.secrets["recovery code"] = made[2], codes[2]

	var kinds []string
	for _, l := range c.audit("--user", made[1]) {
		if l.Kind == "bypass" || l.Factor == "recovery" || l.Factor == "bypass" || l.Factor == "rescue" {
			kinds = append(kinds, l.Kind+" "+l.Factor+" "+l.Result)
		}
	}
	want := []string{
		"enroll recovery success", "mfa rescue failure", "mfa recovery success", "mfa rescue failure", "mfa rescue failure",
		"bypass  success", "mfa bypass success",
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("the audit log has %q", kinds)
	}
}
