package ldap_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

func TestAuthenticate(t *testing.T) {
	s := open(t, corp(), 1, nil)
	u := s.find(t, "alice")
	if err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!"); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"us3r-passw0rd!", "Us3r-Passw0rd! ", "*"} {
		if err := s.Authenticate(t.Context(), u, wrong); !errors.Is(err, idp.ErrBadCredentials) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!"); err != nil {
		t.Errorf("on the connection of a wrong password: %v", err)
	}
	if n := s.dcs[0].dials(); n != 2 {
		t.Errorf("%d connections, want one for the search and one for the binds", n)
	}
	binds, _ := s.dir.seen()
	for _, b := range binds {
		if b.name != service && b.name != alice {
			t.Errorf("bind as %q", b.name)
		}
	}
}

// TestEmptyPassword is R-12: an unauthenticated bind succeeds, so it is never sent.
func TestEmptyPassword(t *testing.T) {
	dir := corp()
	dir.passwords[alice] = "" // a server that lets them in
	s := open(t, dir, 1, nil)
	u := s.find(t, "alice")
	dir.forget()
	for _, empty := range []string{"", " ", "\t \t", "\x00", "\x00Us3r-Passw0rd!", "Us3r\x00"} {
		for _, who := range []*idp.User{u, nil} {
			if err := s.Authenticate(t.Context(), who, empty); !errors.Is(err, idp.ErrBadCredentials) {
				t.Errorf("%q: %v", empty, err)
			}
		}
	}
	if err := s.Authenticate(t.Context(), &idp.User{Source: "corp", ID: "x"}, "Us3r-Passw0rd!"); err == nil || errors.Is(err, idp.ErrBadCredentials) {
		t.Errorf("an anonymous bind: %v", err)
	}
	if binds, _ := dir.seen(); len(binds) > 0 {
		t.Errorf("sent: %v", binds)
	}
}

// TestNobody is C-20 and C-23: as many requests, and the same answer, for a name that nobody has.
func TestNobody(t *testing.T) {
	now := time.Now()
	s := open(t, corp(), 1, func(c *ldap.Config) { c.Now = func() time.Time { return now } })
	signIn := func(name string) (int, int, error) {
		s.dir.forget()
		u, err := s.Find(t.Context(), name)
		if err != nil && !errors.Is(err, idp.ErrNoUser) {
			t.Fatal(err)
		}
		err = s.Authenticate(t.Context(), u, "wrong")
		binds, searches := s.dir.seen()
		return len(binds), len(searches), err
	}
	if _, _, err := signIn("alice"); !errors.Is(err, idp.ErrBadCredentials) { // names of groups are read
		t.Fatal(err)
	}
	now = now.Add(2 * time.Minute)
	for _, when := range []string{"at first", "within two minutes"} {
		binds, searches, err := signIn("alice")
		binds2, searches2, err2 := signIn("zoe")
		if binds != binds2 || searches != searches2 || !errors.Is(err, idp.ErrBadCredentials) || !errors.Is(err2, idp.ErrBadCredentials) {
			t.Errorf("%s: wrong password: %d binds, %d searches, %v; nobody: %d, %d, %v", when, binds, searches, err, binds2, searches2, err2)
		}
	}
	s.dcs[0].misbehave(on(goldap.ApplicationBindRequest, func(c net.Conn, p *ber.Packet) {
		s.dcs[0].answer(c, p.Children[0].Value.(int64), goldap.ApplicationBindResponse, result{})
	}))
	if err := s.Authenticate(t.Context(), nil, "wrong"); !errors.Is(err, idp.ErrBadCredentials) {
		t.Errorf("somebody signed in as nobody: %v", err)
	}
}

// TestStates is C-26: what is wrong with an account is told to the right password alone.
func TestStates(t *testing.T) {
	for data, want := range map[string]string{
		"530": "hours", "531": "workstation", "532": "password_expired", "533": "disabled", "701": "expired", "773": "must_change",
		"775": "", "52e": "", "525": "", "999": "",
	} {
		dir := corp()
		dir.states[alice] = data
		s := open(t, dir, 1, nil)
		u := s.find(t, "alice")
		err := s.Authenticate(t.Context(), u, "Us3r-Passw0rd!")
		var state *idp.AccountState
		switch {
		case want == "" && !errors.Is(err, idp.ErrBadCredentials):
			t.Errorf("data %s: %v, want bad credentials", data, err)
		case want != "" && (!errors.As(err, &state) || state.State != want || errors.Is(err, idp.ErrBadCredentials)):
			t.Errorf("data %s: %v, want %s", data, err, want)
		case data == "775" && !strings.Contains(err.Error(), "locked"):
			t.Errorf("the audit line does not say why: %v", err)
		}
		if err := s.Authenticate(t.Context(), u, "wrong"); !errors.Is(err, idp.ErrBadCredentials) {
			t.Errorf("data %s, wrong password: %v", data, err)
		}
	}
}

// TestHangUpAfterSending is C-21: a client that goes away has its wrong password judged and counted.
func TestHangUpAfterSending(t *testing.T) {
	s := open(t, corp(), 1, nil)
	u := s.find(t, "alice")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.dir.forget()
	err := s.Authenticate(ctx, u, "wrong")
	if binds, _ := s.dir.seen(); len(binds) == 1 && !errors.Is(err, idp.ErrBadCredentials) {
		t.Errorf("the directory has counted %v and we have not: %v", binds, err)
	}
}

// TestServiceAccountRefused: a wrong password of the service account is no answer to a person, and is not
// tried at each login.
func TestServiceAccountRefused(t *testing.T) {
	s := open(t, corp(), 1, func(c *ldap.Config) { c.BindPassword = idp.NewSecret("canary-77e") })
	for range 5 {
		_, err := s.Find(t.Context(), "alice")
		if err == nil || errors.Is(err, idp.ErrBadCredentials) || errors.Is(err, idp.ErrNoUser) {
			t.Fatalf("%v", err)
		}
		if !strings.Contains(err.Error(), "service account") || strings.Contains(err.Error(), "canary-77e") {
			t.Errorf("the error says: %v", err)
		}
	}
	if binds, _ := s.dir.seen(); len(binds) != 1 {
		t.Errorf("%d binds: this locks the account", len(binds))
	}
}

// TestPace is C-23: a directory answers sooner about a name that nobody has, and we do not.
func TestPace(t *testing.T) {
	const slow = 60 * time.Millisecond
	s := open(t, corp(), 1, nil)
	u := s.find(t, "alice")
	s.dcs[0].misbehave(func(_ net.Conn, p *ber.Packet) bool {
		if op := p.Children[1]; op.Tag == goldap.ApplicationBindRequest && op.Children[1].Value == alice {
			<-time.After(slow)
		}
		return false
	})
	for range 3 {
		if err := s.Authenticate(t.Context(), u, "wrong"); !errors.Is(err, idp.ErrBadCredentials) {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if err := s.Authenticate(t.Context(), nil, "wrong"); !errors.Is(err, idp.ErrBadCredentials) {
		t.Fatal(err)
	}
	if took := time.Since(began); took < slow {
		t.Errorf("nobody is refused after %s, a wrong password after %s", took, slow)
	}
}
