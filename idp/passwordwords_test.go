package idp

import (
	"slices"
	"testing"
	"time"
)

func TestRulesInWords(t *testing.T) {
	for _, c := range []struct {
		rules  PasswordRules
		chosen bool
		want   []string
	}{
		{PasswordRules{}, true, nil},
		{PasswordRules{MinLength: 1, History: 1, MinAge: 90 * time.Second}, true, []string{
			"At least 1 character.", "Not the password that you have now.", "A password stays for 2 minutes before it can be changed again.",
		}},
		{PasswordRules{MinLength: 12, Complex: true, History: 24, MinAge: 36 * time.Hour}, false, []string{
			"At least 12 characters.", complexity, "None of your last 24 passwords.",
		}},
		{PasswordRules{MinAge: 90 * time.Minute}, true, []string{"A password stays for 2 hours before it can be changed again."}},
	} {
		if got := rulesInWords(c.rules, c.chosen); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q", c.rules, got)
		}
	}
}

// Every reason has a sentence of its own, with and without the figure.
func TestRefusalInWords(t *testing.T) {
	seen := map[string]string{}
	for _, reason := range []string{"too_short", "complexity", "history", "min_age", "not_allowed", "policy"} {
		for _, rules := range []PasswordRules{{}, {MinLength: 9, MinAge: time.Hour}} {
			words := refusalInWords(reason, rules)
			if other, taken := seen[words]; words == "" || taken && other != reason {
				t.Errorf("%s: %q, as %s", reason, words, other)
			}
			seen[words] = reason
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d sentences", len(seen))
	}
}

func TestExpiryInWords(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	notice := 14 * 24 * time.Hour
	for left, want := range map[time.Duration]string{
		-time.Hour: "", 0: "", notice + time.Second: "",
		time.Minute:    "Your password expires in less than a day.",
		25 * time.Hour: "Your password expires in 1 day, on 3 March 2026.",
		notice:         "Your password expires in 14 days, on 16 March 2026.",
	} {
		if got := expiryInWords(now.Add(left), now, notice); got != want {
			t.Errorf("%s: %q", left, got)
		}
	}
	if got := expiryInWords(time.Time{}, now, notice); got != "" {
		t.Errorf("a password that does not expire: %q", got)
	}
	if got := expiryInWords(now.Add(time.Hour), now, -1); got != "" {
		t.Errorf("without a notice: %q", got)
	}
}
