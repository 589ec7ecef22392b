package idp

import "testing"

func TestPasswordlessSection(t *testing.T) {
	with := func(names ...string) Policy { return Policy{Passwordless: &PasswordlessSection{Names: names}} }
	by := func(factors ...string) func(*Visit) {
		return func(v *Visit) {
			v.Session = nil
			for _, f := range factors {
				v.Session = append(v.Session, Passed{Proof: Proof{Factor: f, At: v.Now}, Scope: v.App})
			}
		}
	}
	keys := with("passkey")
	checkSection(t, "passwordless", []sectionCase{
		{name: "by the password", write: keys, visit: by(PasswordFactor), want: Allow},
		{name: "by the password, where nothing else may be", write: with(), visit: by(PasswordFactor), want: Allow},
		{name: "by the password and a factor", write: with(), visit: by(PasswordFactor, "passkey"), want: Allow},
		{name: "by one that is named", write: keys, visit: by("passkey"), want: Allow},
		{name: "by one that is not named", write: keys, visit: by("card"), want: Ask, rule: "passwordless passkey", reason: AskSession},
		{name: "off", write: with(), visit: by("passkey"), want: Ask, rule: "passwordless off", reason: AskSession},
		{name: "by nothing that is known", write: with(), visit: by(), want: Ask, rule: "passwordless off", reason: AskSession},
		{name: "a code is none", write: keys, visit: by(RecoveryFactor), want: Ask, rule: "passwordless passkey", reason: AskSession},
	})
	if err := (&PasswordlessSection{Names: []string{BypassFactor}}).check(); err == nil {
		t.Error("a code in the place of the password is taken")
	}
}
