package idp_test

import (
	"html"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/totp"
)

// newLabelled is a venue whose factors have names of the administrator's choice, Duo among them.
func newLabelled(t *testing.T, duo string) (*venue, error) {
	h := newDesk(t)
	c := baseConfig(t, h.store, h.clock.Now)
	h.push = &push{phone: phone{now: h.clock.Now}}
	token, err := totp.New(totp.Config{Issuer: "Example Apps", Label: "OTP token", Store: h.store, Now: h.clock.Now})
	must(t, err)
	c.Factors = []idp.Factor{token, h.push}
	c.FactorLabels = map[string]string{"totp": "OTP token", "duo": duo}
	c.Policies = append(c.Policies,
		&idp.Policy{Name: "backed", Factors: &idp.FactorsSection{Names: []string{"totp"}}, Backup: &idp.BackupSection{Mode: idp.BackupRequire}},
		&idp.Policy{Name: "nothing-else", Factors: &idp.FactorsSection{Names: []string{"duo"}}},
		&idp.Policy{Name: "old", Prompt: &idp.PromptSection{Mode: idp.PromptTraditional}},
	)
	c.Applications = append(c.Applications,
		idp.AppConfig{Application: &sender{name: "backed"}, Policy: "backed"}, idp.AppConfig{Application: &sender{name: "nothing-else"}, Policy: "nothing-else"},
		idp.AppConfig{Application: &sender{name: "old"}, Policy: "old"})
	agents := []idp.GroupRef{{Source: "staff", Name: "Agents"}}
	d := &living{countingSource: &countingSource{name: "people", users: map[string]string{"harry": "correct horse"}, limit: 9}}
	d.becomes(asBefore)
	c.Sources = append(c.Sources, inGroup{d, "Help"})
	c.HelpDesks = []idp.HelpDesk{{Groups: []idp.GroupRef{{Source: "people", Name: "Help"}}, For: agents}}
	h.gateway, err = idp.New(c)
	return h, err
}

// wantWords looks for sentences of the page at an address, to which redirects lead.
func (h *venue) wantWords(t *testing.T, path string, want ...string) {
	t.Helper()
	if path != "" {
		h.visit(path)
		h.arrive(t)
	}
	words := html.UnescapeString(strings.Join(strings.Fields(h.words()), " "))
	for _, w := range want {
		if !strings.Contains(words, w) {
			t.Errorf("%q does not say %q: %s", path, w, words)
		}
	}
	if strings.Contains(words, "Authenticator app") || strings.Contains(words, "otp token") {
		t.Errorf("%q has another name for it: %s", path, words)
	}
}

// People who have two factors of a kind, or one that goes by another name with them, read that name wherever a factor is named.
func TestFactorLabels(t *testing.T) {
	h, err := newLabelled(t, "Duo for sales")
	must(t, err)
	h.wantWords(t, "/help", "OTP token", "Duo for sales")
	h.signIn(t, "alice")
	h.wantWords(t, "/settings", "OTP token added today", "Add an OTP token")
	h.visit("/apps/backed")
	h.arrive(t)
	h.wantWords(t, "", "OTP token")
	h.authenticator(t)
	h.wantWords(t, "", "your OTP token", "Another OTP token")
	h.push.had.Store(true)
	h.wantWords(t, "/apps/old", "OTP token", "Duo for sales")
	h.wantWords(t, "/mfa/totp?f="+flowID.FindStringSubmatch(h.now.body)[1], "OTP token", "Duo for sales")

	secret := h.now.secret
	h.use("second")
	h.now.secret = secret
	h.signIn(t, "alice")
	h.mustBeTold(t, 1, "A second step (OTP token) was set up.")
	h.push.had.Store(false)
	h.use("harry")
	h.signIn(t, "harry")
	h.wantPageOf(t, "/helpdesk", "helpdesk")
	h.form("/helpdesk", "kind", "find", "name", "alice")
	h.wantWords(t, "", "OTP token added today")

	h.use("first")
	h.wantWords(t, "/enroll/totp", "Set up OTP token")
	h.push.had.Store(true)
	h.push.down.Store(true)
	h.wantWords(t, "/apps/nothing-else", "Duo for sales does not answer just now.")
}

// Two factors of one name could not be told apart.
func TestFactorLabelsDiffer(t *testing.T) {
	if _, err := newLabelled(t, "OTP token"); err == nil || !strings.Contains(err.Error(), `"OTP token"`) {
		t.Errorf("two labels are the same: %v", err)
	}
}
