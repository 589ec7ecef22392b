package samlapp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// told returns the lines of an explanation.
func told(t *testing.T, found []idp.Finding) string {
	t.Helper()
	var b strings.Builder
	for _, f := range found {
		if f.What == "" || f.Level != idp.LevelOK && f.Cure == "" || !strings.HasPrefix(f.Where, "application ") {
			t.Errorf("a finding that says nothing: %+v", f)
		}
		b.WriteString(f.Level + " " + f.Rule + ": " + f.What + "\n")
		if f.Cure != "" {
			b.WriteString("cure: " + f.Cure + "\n")
		}
	}
	return b.String()
}

func TestConnectExplains(t *testing.T) {
	names := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(names, []byte("Ann.Agent@Example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	twins := filepath.Join(t.TempDir(), "twins")
	if err := os.WriteFile(twins, []byte("Tw.In@example.com\ntw.IN@example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, c := range map[string]struct {
		change func(*ConnectConfig, *idp.User)
		want   []string
	}{
		"role, user name and page": {func(*ConnectConfig, *idp.User) {}, []string{
			"ok T4: the role is arn:aws:iam::123456789012:role/team/ConnectAgents", "ok X4: the user name in Connect is a@example.com, and Connect can hold it", "ok X1: AWS sends the browser on to ",
		}},
		"no role": {func(_ *ConnectConfig, u *idp.User) { u.Groups = nil }, []string{"warning T4: no group of the person gives a role"}},
		"a choice": {func(c *ConnectConfig, u *idp.User) {
			c.RoleMode = RolesChoose
			u.Groups = append(u.Groups, idp.Group{Names: []string{"Supervisors"}})
		}, []string{"ok T4: the person picks one of the roles ConnectSupervisors, team/ConnectAgents"}},
		"a plus sign": {func(_ *ConnectConfig, u *idp.User) { u.Email = "a+b@example.com" }, []string{"error X4: the sign-in would be refused", "holds the character “+”"}},
		"no mail address": {func(_ *ConnectConfig, u *idp.User) { u.Email = "" }, []string{
			"error X4: the sign-in would be refused: session_name: attribute email has 0 values",
		}},
		"not set up": {func(c *ConnectConfig, _ *idp.User) { c.UsernamesFile = names }, []string{"error X3: the sign-in would be refused", "is not in usernames_file"}},
		"two that differ in case": {func(c *ConnectConfig, u *idp.User) { c.UsernamesFile, u.Email = twins, "tw.in@example.com" }, []string{
			"error X3: the sign-in would be refused", "\ncure: remove all but one of them in Amazon Connect",
		}},
		"another spelling": {func(c *ConnectConfig, u *idp.User) { c.UsernamesFile, u.Email = names, "ann.agent@example.com" }, []string{
			"ok X4: the user name in Connect is Ann.Agent@Example.com",
			"warning X3: session name spelled as in usernames_file: Ann.Agent@Example.com, not ann.agent@example.com\n" +
				"cure: nothing needs doing: AWS is sent the spelling of the list; or correct the e-mail address at the source\n",
		}},
		"an old list": {func(c *ConnectConfig, _ *idp.User) {
			c.UsernamesFile, c.Now = names, func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }
		}, []string{
			"ok X4: the user name in Connect is a@example.com", "warning X3: usernames_file is older than 7 days",
			"warning X3: not in usernames_file\ncure: write usernames_file again, best by a timer every hour\n",
		}},
		"another spelling, made lower here": {func(c *ConnectConfig, u *idp.User) {
			c.UsernamesFile, c.SessionName.Case, u.Email = names, CaseLower, "Ann.Agent@Example.com"
		}, []string{"not ann.agent@example.com\ncure: nothing needs doing: AWS is sent the spelling of the list\n"}},
	} {
		t.Run(says, func(t *testing.T) {
			cfg, u := twoRoles(""), member("Agents")
			u.Email = "a@example.com"
			c.change(&cfg, u)
			got := told(t, connect(t, cfg).Explain(u))
			for _, w := range c.want {
				if !strings.Contains(got, w) {
					t.Errorf("nothing of %q in\n%s", w, got)
				}
			}
		})
	}
}

func TestApplicationExplains(t *testing.T) {
	cfg := Config{
		Name: "x", EntityID: "https://sp.example.com", ACS: "https://sp.example.com/acs", Issuer: testIssuer(t),
		Attributes: []Attribute{{Name: "Mail", From: "email"}, {Name: "Cost", From: "costCentre"}, {Name: "Kind", Literal: "agent"}},
	}
	explain := func(cfg Config, u *idp.User) string {
		a, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return told(t, a.Explain(u))
	}
	u := testUser()
	u.Email = "a@example.com"
	got := explain(cfg, u)
	for _, w := range []string{"ok : the NameID is a@example.com\n", "ok : the attribute Mail is a@example.com\n", "ok : the attribute Kind is agent\n", "warning : the attribute Cost is left out: the person has no “costCentre”"} {
		if !strings.Contains(got, w) {
			t.Errorf("nothing of %q in\n%s", w, got)
		}
	}
	cfg.NameID = NameID{Format: "transient"}
	if got := explain(cfg, u); !strings.Contains(got, "a new random id") {
		t.Error(got)
	}
	cfg.NameID, u.Email = NameID{}, ""
	if got := explain(cfg, u); !strings.Contains(got, "error : the sign-in would be refused: name_id: attribute email has 0 values") {
		t.Error(got)
	}
}
