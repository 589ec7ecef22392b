package ldap_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

const form = "delete unicodePwd add unicodePwd "

// TestChangePassword: the person changes it where the domain lets them in, and the service account where not.
// Neither way is a reset.
func TestChangePassword(t *testing.T) {
	for state, by := range map[string]string{"": alice, "532": service, "773": service} {
		dir := corp()
		dir.states[alice] = state
		s := open(t, dir, 1, nil)
		u := s.find(t, "alice")
		u.DN = "CN=Alice Before,OU=Elsewhere," + domain // moved since
		if err := s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", "Nëw-\"Passw0rd\U0001F511"); err != nil {
			t.Fatalf("state %q: %v", state, err)
		}
		want := change{by, alice, form, "Us3r-Passw0rd!", "Nëw-\"Passw0rd\U0001F511"}
		if got := dir.changed(); len(got) != 1 || got[0] != want {
			t.Errorf("state %q: %+v", state, got)
		}
		if err := s.Authenticate(t.Context(), s.find(t, "alice"), "Nëw-\"Passw0rd\U0001F511"); err != nil {
			t.Errorf("state %q: the new password: %v", state, err)
		}
	}
}

// TestChangePasswordAlone: nobody's search or bind runs on a connection that was the person's.
func TestChangePasswordAlone(t *testing.T) {
	s := open(t, corp(), 1, nil)
	u := s.find(t, "alice")
	before := s.dcs[0].dials()
	if err := s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", "N3w-Passw0rd!"); err != nil {
		t.Fatal(err)
	}
	if err := s.Authenticate(t.Context(), u, "N3w-Passw0rd!"); err != nil {
		t.Fatal(err)
	}
	if n := s.dcs[0].dials() - before; n != 2 {
		t.Errorf("%d connections for a change and a bind, want one for each", n)
	}
}

func TestChangePasswordRefused(t *testing.T) {
	const restrictions = "Constraint violation - check_password_restrictions: "
	for text, want := range map[string]string{
		"0000052D: " + restrictions + "the password is too short. It should be equal or longer than 7 characters!": "too_short",
		"0000052D: " + restrictions + "the password does not meet the complexity criteria!":                        "complexity",
		"0000052D: " + restrictions + "the password was already used (in history)!":                                "history",
		"0000052D: " + restrictions + "the password was already used (previous password)!":                         "history",
		"0000052D: " + restrictions + "password is too young to change!":                                           "min_age",
		"error in module acl: Constraint violation during LDB_MODIFY (19)":                                         "not_allowed",
		"00000005: SecErr: DSID-031A11E5, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0":                             "not_allowed",
		"0000052D: AtrErr: DSID-03190FB8, #1:\n\t0: 0000052D: DSID-03190FB8, problem 1005 (CONSTRAINT_ATT_TYPE)":   "policy",
		"00000056: AtrErr: DSID-03190FB8, #1:\n\t0: 00000056: DSID-03190FB8, problem 1005 (CONSTRAINT_ATT_TYPE)":   "wrong",
		"00000775: something about a lock":                                                                         "wrong",
		"00002077: something else":                                                                                 "",
	} {
		for _, state := range []string{"", "773"} {
			dir := corp()
			dir.states[alice] = state
			dir.refused = result{goldap.LDAPResultConstraintViolation, text}
			s := open(t, dir, 1, nil)
			err := s.ChangePassword(t.Context(), s.find(t, "alice"), "Us3r-Passw0rd!", "canary-91d")
			refused, is := errors.AsType[*idp.PasswordRefused](err)
			switch {
			case err == nil || strings.Contains(err.Error(), "canary-91d"):
				t.Errorf("%s: %v", text, err)
			case errors.Is(err, idp.ErrBadCredentials) != (want == "wrong") || errors.Is(err, idp.ErrUnanswered):
				t.Errorf("%s: %v", text, err)
			case is != (want != "" && want != "wrong") || is && (refused.Reason != want || refused.Detail != text):
				t.Errorf("%s: %v, want %s", text, err, want)
			}
		}
	}
}

// TestChangePasswordWrong: what is wrong with the old password or the account is found before anything is asked.
func TestChangePasswordWrong(t *testing.T) {
	dir := corp()
	s := open(t, dir, 1, nil)
	u := s.find(t, "alice")
	for _, wrong := range []string{"", " ", "\x00", "us3r-passw0rd!"} {
		if err := s.ChangePassword(t.Context(), u, wrong, "N3w-Passw0rd!"); !errors.Is(err, idp.ErrBadCredentials) {
			t.Errorf("old %q: %v", wrong, err)
		}
	}
	for _, unfit := range []string{"", " ", "N3w\x00", "N3w-\xff"} {
		if _, ok := errors.AsType[*idp.PasswordRefused](s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", unfit)); !ok {
			t.Errorf("new %q is taken", unfit)
		}
	}
	for data, want := range map[string]string{"533": "disabled", "701": "expired", "530": "hours"} {
		dir.mu.Lock()
		dir.states[alice] = data
		dir.mu.Unlock()
		if state, ok := errors.AsType[*idp.AccountState](s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", "N3w-Passw0rd!")); !ok || state.State != want {
			t.Errorf("data %s: %v", data, state)
		}
	}
	dir.mu.Lock()
	dir.states[alice] = "775"
	dir.mu.Unlock()
	if err := s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", "N3w-Passw0rd!"); !errors.Is(err, idp.ErrBadCredentials) {
		t.Errorf("locked: %v", err)
	}
	if err := s.ChangePassword(t.Context(), &idp.User{Source: "corp", ID: "00112233-4455-6677-8899-aabbccddee7a"}, "Us3r-Passw0rd!", "N3w-Passw0rd!"); !errors.Is(err, idp.ErrNoUser) {
		t.Errorf("gone: %v", err)
	}
	if got := dir.changed(); len(got) > 0 {
		t.Errorf("asked: %+v", got)
	}
}

// TestChangePasswordUnanswered: a change is asked for once, and who does not hear what came of it says so.
func TestChangePasswordUnanswered(t *testing.T) {
	for state := range map[string]bool{"": true, "773": true} {
		dir := corp()
		dir.states[alice] = state
		s := open(t, dir, 2, nil)
		u := s.find(t, "alice")
		asked := make(chan bool, 10)
		for _, d := range s.dcs {
			d.misbehave(on(goldap.ApplicationModifyRequest, func(c net.Conn, _ *ber.Packet) {
				asked <- true
				_ = c.Close()
			}))
		}
		err := s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", "N3w-Passw0rd!")
		if !errors.Is(err, idp.ErrUnanswered) || errors.Is(err, idp.ErrBadCredentials) || errors.Is(err, idp.ErrUnchanged) {
			t.Errorf("state %q: %v", state, err)
		}
		if len(asked) != 1 {
			t.Errorf("state %q: asked %d times", state, len(asked))
		}
	}
}

// TestChangePasswordAfterSilence: connections that the server closed while they waited cost no change.
func TestChangePasswordAfterSilence(t *testing.T) {
	for state := range map[string]bool{"": true, "773": true} {
		dir := corp()
		dir.states[alice] = state
		dir.refused = result{goldap.LDAPResultConstraintViolation, "0000052D: too short"}
		s := open(t, dir, 1, nil)
		u := s.find(t, "alice")
		_ = s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", "x1")
		s.dcs[0].hangUp()
		dir.mu.Lock()
		dir.refused = result{}
		dir.mu.Unlock()
		if err := s.ChangePassword(t.Context(), u, "Us3r-Passw0rd!", "N3w-Passw0rd!"); err != nil {
			t.Errorf("state %q: %v", state, err)
		}
	}
}

// strict is a fine-grained policy, and the attributes that Active Directory works out for somebody under it.
func strict(dir *directory, expires string) {
	const dn = "CN=strict,CN=Password Settings Container,CN=System," + domain
	dir.entries = append(dir.entries, entry{dn, map[string][]string{
		"msDS-LockoutThreshold": {"8"}, "msDS-LockoutObservationWindow": {"-18000000000"}, "msDS-MinimumPasswordLength": {"14"},
		"msDS-PasswordComplexityEnabled": {"TRUE"}, "msDS-PasswordHistoryLength": {"24"}, "msDS-MinimumPasswordAge": {"-864000000000"},
	}})
	for _, e := range dir.entries {
		if e.dn == alice {
			e.attributes["msDS-ResultantPSO"] = []string{dn}
			e.attributes["msDS-UserPasswordExpiryTimeComputed"] = []string{expires}
		}
	}
}

func TestPasswordRules(t *testing.T) {
	dir := corp()
	for k, v := range map[string]string{"minPwdLength": "7", "pwdProperties": "1", "pwdHistoryLength": "3", "minPwdAge": "-6000000000"} {
		dir.entries[0].attributes[k] = []string{v}
	}
	s := open(t, dir, 1, nil)
	rules, err := s.PasswordRules(t.Context(), s.find(t, "alice"))
	if want := (idp.PasswordRules{MinLength: 7, Complex: true, History: 3, MinAge: 10 * time.Minute}); rules != want || err != nil {
		t.Errorf("%+v, %v", rules, err)
	}
	strict(dir, "0")
	s = open(t, dir, 1, nil)
	u := s.find(t, "alice")
	rules, err = s.PasswordRules(t.Context(), u)
	if want := (idp.PasswordRules{MinLength: 14, Complex: true, History: 24, MinAge: 24 * time.Hour}); rules != want || err != nil {
		t.Errorf("fine-grained: %+v, %v", rules, err)
	}
	l, err := s.Limit(t.Context(), u)
	if want := (idp.Lockout{Failures: 8, Window: 30 * time.Minute, Account: u.ID}); l != want || err != nil {
		t.Errorf("fine-grained: %+v, %v", l, err)
	}
	dir.mu.Lock()
	last := len(dir.entries) - 1
	dir.entries[last].attributes = nil // the service account may not read it
	dir.mu.Unlock()
	s = open(t, dir, 1, nil)
	u = s.find(t, "alice")
	if rules, err = s.PasswordRules(t.Context(), u); rules != (idp.PasswordRules{}) || err != nil {
		t.Errorf("not shown: %+v, %v", rules, err)
	}
	if _, err := s.Limit(t.Context(), u); err == nil {
		t.Error("the domain's limit is taken for one that is not shown")
	}
}

// TestPasswordExpires: 0 and the last of all dates are never.
func TestPasswordExpires(t *testing.T) {
	for text, want := range map[string]time.Time{
		"134479167252275460":  time.Date(2027, 2, 24, 4, 25, 25, 227546000, time.UTC),
		"9223372036854775807": {}, "0": {}, "": {}, "x": {}, "-1": {},
	} {
		dir := corp()
		strict(dir, text)
		if got := open(t, dir, 1, nil).find(t, "alice").PasswordExpires; !got.Equal(want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
