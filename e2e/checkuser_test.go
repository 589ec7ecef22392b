package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// finding is what the tests read of a line of "caddy gatehouse check --json".
type finding struct{ Level, Where, What, Cure string }

// check runs the command in both forms, which have to say the same, and returns the findings and whether it exits
// with success.
func (s *staff) check(t *testing.T, args ...string) (found []finding, ok bool) {
	t.Helper()
	args = append([]string{"gatehouse", "check", "--config", s.config()}, args...)
	text, failed := s.Command(args...)
	out, err := s.Command(append(args, "--json")...)
	if (failed == nil) != (err == nil) {
		t.Errorf("%v: exits with %v, and with --json with %v", args, failed, err)
	}
	// Caddy says on standard error which configuration it reads.
	if err := json.NewDecoder(strings.NewReader(out[strings.Index(out, "\n[")+1:])).Decode(&found); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	bad := false
	for _, f := range found {
		if bad = bad || f.Level == "error"; !strings.Contains(text, f.Where) || f.Level != "ok" && f.Cure == "" && !strings.HasPrefix(f.Where, "application") {
			t.Errorf("%v: %+v without a cure, or not in\n%s", args, f, text)
		}
	}
	if bad == (err == nil) {
		t.Errorf("%v: exits with %v, and errors are found: %v", args, err, bad)
	}
	return found, err == nil
}

// wants makes sure that findings of a place say each of the words, at that level.
func wants(t *testing.T, found []finding, where, level string, words ...string) {
	t.Helper()
	for _, w := range words {
		has := false
		for _, f := range found {
			has = has || f.Where == where && f.Level == level && strings.Contains(f.What+" "+f.Cure, w)
		}
		if !has {
			t.Errorf("%s: no %s that says %s in %s", where, level, w, tellFindings(found, where))
		}
	}
}

func tellFindings(found []finding, where string) string {
	var b strings.Builder
	for _, f := range found {
		if f.Where == where {
			fmt.Fprintf(&b, "\n%s %s (%s)", f.Level, f.What, f.Cure)
		}
	}
	return b.String()
}

// checkTells: everything that stands between the gateway and a directory, step by step.
func (s *staff) checkTells(t *testing.T) {
	found, ok := s.check(t)
	if !ok {
		t.Error("check finds an error")
	}
	s.checkedDirectories(t, found)
}

func (s *staff) checkedDirectories(t *testing.T, found []finding) {
	t.Helper()
	wants(t, found, "source "+s.values["Corp"].(string), "ok",
		"connected to "+s.path.Addr, "fits and ends on", "signed in as the service account, svc-gatehouse@corp.example.test",
		`base DN "`+s.domain.BaseDN+`" is there`, "the clocks agree", "locks an account after 10 failures within 30m0s, by [", "the gateway passes 8 on, or 7 and then 1 more from devices that the person called their own", `may sign in as CORP\NAME`)
	wants(t, found, "source partners", "ok",
		"connected to "+s.tree.Addr, "fits and ends on", "signed in as the service account, "+s.tree.BindDN, `base DN "ou=people,`+s.tree.BaseDN+`" is there`,
		"do not tell their time", "10 failures within 30m0s", "the gateway passes 8 on, or 7 and then 1 more")
	wants(t, found, "source sold", "warning", "it is off")
}

// checkTellsOfPeople: what is known of one person, and what each application would be told of them.
func (s *staff) checkTellsOfPeople(t *testing.T) {
	found, ok := s.check(t, "--user", `corp\ANN`, "--from", "127.0.7.1")
	if !ok {
		t.Error("check finds an error")
	}
	wants(t, found, "source corp", "ok",
		`finds "`+s.domain.DN("ann")+`" by sAMAccountName, id `+guid(s.domain.Values("ann", "objectGUID")[0]), "the account may be used",
		`username: "a.agent@corp.example.test"`, `email: "Ann.Agent@example.test"`, `employeeID: "e4711"`, `office: "Berlin 2"`, `phones: "+49 30`, fmt.Sprintf("and %d more", manyPages-10),
		`3 groups: "Contact Centre Agents", "Contact Centre Berlin", "Contact Centre Night"`, "locks after 10 failures within 30m0s; 0 are counted")
	wants(t, found, "source corp", "warning", "jpegPhoto: 1 values are no text", "audio: 1 values are no text")
	wants(t, found, "sign-in", "ok", "the way is: route corp domain example.test corp.example.test CORP", "signs in as corp:"+guid(s.domain.Values("ann", "objectGUID")[0]))
	wants(t, found, "application connect", "ok", "the role is arn:aws:iam::123456789012:role/ConnectNight", "the user name in Connect is Ann.Agent@example.test, and Connect can hold it")
	wants(t, found, "application overseas", "ok", "the user name in Connect is e4711, and Connect can hold it")
	wants(t, found, "application wiki", "ok", "the NameID is a.agent@corp.example.test", "the attribute office is Berlin 2", "the attribute sid is S-1-5-21-")
	wants(t, found, "application vault", "ok", "has totp to set up first")

	found, ok = s.check(t, "--user", "pat@partner.example.test")
	if !ok {
		t.Error("check finds an error of pat")
	}
	wants(t, found, "source partners", "ok", `finds "`+s.tree.UserDN("pat")+`" by mail, id `, `office: "Bern"`, `2 groups: "agents", "all"`)
	wants(t, found, "sign-in", "ok", "the way is: route partners domain partner.example.test")
	wants(t, found, "application connect", "ok", "role/ConnectAgents", "the user name in Connect is pat@partner.example.test")
	wants(t, found, "application vault", "ok", "asks for totp")

	s.domain.Replace("fred", "employeeID", "with space")
	s.domain.Modify(s.domain.BaseDN, "replace: lockoutDuration\nlockoutDuration: -9223372036854775808\n") // until somebody unlocks
	for name, c := range map[string]struct{ where, level, words string }{
		"dora":                      {"source corp", "error", "the account is disabled"},
		"luke":                      {"source corp", "warning", "and stays so until somebody unlocks it"},
		"lola@partner.example.test": {"source partners", "warning", "and stays so until 20"},
		"max@partner.example.test":  {"source partners", "warning", "the password must be changed"},
		"shared@example.test":       {"source corp", "error", `finds more than one account: "` + s.domain.DN("bob") + `" by mail`},
		"fred":                      {"application overseas", "error", "holds a space"},
		"nora":                      {"application connect", "warning", "no group of the person gives a role"},
		"mallory":                   {"sign-in", "error", `has the address "mallory@evil.test"`},
		"oldie@sold.example.test":   {"sign-in", "error", "off, and not asked: sold"},
		"nobody@example.test":       {"sign-in", "error", `nobody is named "nobody@example.test"`},
	} {
		found, _ := s.check(t, "--user", name)
		wants(t, found, c.where, c.level, c.words)
	}
}

// checkTriesPasswords: a person's own bind, with what the directory says of it, in any state of the account.
func (s *staff) checkTriesPasswords(t *testing.T) {
	file := func(password string) string {
		return WriteFile(t, filepath.Join(s.Dir, "password"), password+"\n")
	}
	for name, c := range map[string]struct{ password, level, words string }{
		"ann":                      {staffPassword, "ok", "source corp signs in " + s.domain.DN("ann") + " with it"},
		"pat@partner.example.test": {partnerPassword, "ok", "source partners signs in " + s.tree.UserDN("pat") + " with it"},
		"bob":                      {"Not-" + staffPassword, "error", "with it: wrong credentials (data 52e)"},
		"dora":                     {staffPassword, "error", "it is right, and source corp does not sign in " + s.domain.DN("dora") + ": account state: disabled"},
		"hugo":                     {staffPassword, "error", "change the hours"},
		"luke":                     {staffPassword, "error", "the account is locked (data 775)"},
		"max@partner.example.test": {partnerPassword, "error", "it is right, and source partners"},
		"shared@example.test":      {staffPassword, "error", "it was not shown to anybody"},
	} {
		before := s.domain.BadPasswords("bob")
		found, _ := s.check(t, "--user", name, "--password-file", file(c.password))
		wants(t, found, "password", c.level, c.words)
		if more := s.domain.BadPasswords("bob") - before; name == "bob" && more != 2 { // once in each form of the command
			t.Errorf("bob's account counts %d wrong passwords more", more)
		}
		for _, f := range found {
			if strings.Contains(f.What+f.Cure, c.password) {
				t.Errorf("a password in %+v", f)
			}
		}
	}
}

// checkFindsFaults: how far each connection came, why no farther, and what an admin does about it.
func (s *staff) checkFindsFaults(t *testing.T) {
	type faulty struct{ Name, Kind, Server, BaseDN, Bind, Password, CA, Resolver string }
	dns := NewDNSFor(t, "corp.example.test")
	closed := fmt.Sprintf("ldaps://127.0.0.1:%d", FreePort(t))
	wrong := WriteFile(t, filepath.Join(s.Dir, "wrong_bind"), "Not-"+bindPassword+"\n")
	c := NewCaddy(t, "faulty", map[string]any{"BaseDN": s.domain.BaseDN, "CA": s.domain.CA, "Sources": []faulty{
		{Name: "nowhere", Server: "ldaps://dc9.corp.example.test", Resolver: dns.Addr},
		{Name: "shut", Server: closed},
		{Name: "foreign", Server: s.domain.URL, CA: s.tree.CA},
		{Name: "misnamed", Server: s.misnamed(t)},
		{Name: "silent", Server: strings.Replace(s.tree.PlainURL, "ldap:", "ldaps:", 1), Kind: "ldap", BaseDN: s.tree.BaseDN, Bind: s.tree.BindDN, CA: s.tree.CA},
		{Name: "stranger", Server: s.domain.URL, Password: wrong},
		{Name: "elsewhere", Server: s.domain.URL, BaseDN: "OU=Nowhere," + s.domain.BaseDN},
		{Name: "fine", Server: s.domain.URL},
		{Name: "starttls", Kind: "ldap", Server: s.tree.PlainURL, BaseDN: s.tree.BaseDN, Bind: s.tree.BindDN, CA: s.tree.CA, Password: filepath.Join(s.Dir, "ldap_bind")},
	}})
	WriteFile(t, filepath.Join(c.Dir, "ad_bind"), bindPassword+"\n")
	own := *s
	own.Caddy = c
	found, ok := own.check(t)
	if ok {
		t.Error("check finds no error")
	}
	for name, words := range map[string][]string{
		"nowhere":   {"finding its address", "no such host", "let this machine ask the DNS"},
		"shut":      {"connecting", "refused", "firewall"},
		"foreign":   {"the TLS handshake", "unknown authority", "into ca_file", "The server shows"},
		"misnamed":  {"the TLS handshake", "write the server with a name that is in its certificate", "names [ldap.elsewhere.test]"},
		"silent":    {"the TLS handshake", "LDAP over TLS"},
		"stranger":  {"signing in as the service account", "data 52e", "check name and password of the service account"},
		"elsewhere": {`base DN "OU=Nowhere,` + s.domain.BaseDN + `"`, "No Such Object", "write the base DN"},
	} {
		wants(t, found, "source "+name, "error", words...)
	}
	wants(t, found, "source fine", "ok", "signed in as the service account", "the clocks agree")
	wants(t, found, "source starttls", "ok", "fits and ends on", "signed in as the service account")
	for _, f := range found {
		if strings.Contains(f.What+f.Cure, bindPassword) {
			t.Errorf("a password in %+v", f)
		}
	}
}

// misnamed is a server whose certificate is for another name.
func (s *staff) misnamed(t *testing.T) (address string) {
	t.Helper()
	pair, err := s.domain.Authority.Issue("ldap.elsewhere.test")
	if err != nil {
		t.Fatal(err)
	}
	return showing(t, pair)
}

// checkAlone: the command needs no Caddy that runs, and the store as it was left.
func (s *staff) checkAlone(t *testing.T) {
	s.Stop()
	found, ok := s.check(t)
	if !ok {
		t.Error("check finds an error")
	}
	s.checkedDirectories(t, found)
	found, _ = s.check(t, "--user", "maria")
	wants(t, found, "application vault", "ok", "asks for totp")
}
