package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	besieged      = 1000 // people whom somebody knows by name
	besiegedBy    = 20   // guesses from one address; with more it is the address that is limited
	window        = 30 * time.Minute
	fineThreshold = 6 // of the fine-grained policy
	briefWindow   = 3 * time.Second
)

// siege is a gateway in front of a domain that locks accounts, with a proxy in between that counts.
type siege struct {
	*Caddy
	domain    *Domain
	proxy     *FaultProxy
	threshold int
	people    string        // what the names of those end in whose accounts nobody tried before
	left      int           // failures that it may pass on
	crowds    *atomic.Int64 // of attackers so far, for addresses of their own
}

// openBesieged starts the domain. Each part of the test has people of its own, whose count begins at nothing: their names end
// so.
func openBesieged(t *testing.T, endings ...string) *Domain {
	t.Helper()
	people := People{
		Policy: &PasswordPolicy{Window: window},
		Groups: []ADGroup{{Name: "guarded"}},
		Crowd:  Crowd{Name: "agent", Password: "Blue-Harbour-41x", Count: besieged},
		Users:  []ADUser{{Name: "svc-gatehouse", Password: passwords["svc-gatehouse"]}},
		Fine: []FinePolicy{
			{Name: "guarded", AppliesTo: []string{"guarded"}, PasswordPolicy: PasswordPolicy{Lockout: fineThreshold, Window: window}},
			{Name: "brief", AppliesTo: []string{"desk-brief"}, PasswordPolicy: PasswordPolicy{Lockout: 5, Window: briefWindow}},
		},
	}
	add := func(u ADUser) {
		u.Password, u.Mail = "Warm-Granite-73x", u.Name+"@example.test"
		people.Users = append(people.Users, u)
	}
	for _, ending := range endings {
		name := func(who string) string { return who + ending }
		add(ADUser{Name: name("target")})
		add(ADUser{Name: name("rush")})
		add(ADUser{Name: name("spelled"), UPN: name("s.pelled") + "@corp.example.test", Proxies: []string{"SMTP:" + name("main") + "@example.test", "smtp:" + name("old") + "@example.test"}})
		add(ADUser{Name: name("desk")})
		add(ADUser{Name: name("fine"), Groups: []string{"guarded"}})
	}
	return NewDomain(t, people)
}

// besiege starts a gateway that knows nothing of earlier failures, and has the domain lock at a threshold.
func besiege(t *testing.T, d *Domain, people string, threshold int, timeout time.Duration) *siege {
	t.Helper()
	d.Modify(d.BaseDN, fmt.Sprintf("replace: lockoutThreshold\nlockoutThreshold: %d\n", threshold))
	s := &siege{domain: d, threshold: threshold, people: people, left: max(1, threshold-2), crowds: new(atomic.Int64), proxy: NewFaultProxy(t, d.Addr, d.Authority, d.Name)}
	s.Caddy = NewCaddy(t, "lockout", map[string]any{
		"Server": s.proxy.URL, "BaseDN": d.BaseDN, "CA": d.CA, "Timeout": timeout.String(),
	})
	WriteFile(t, filepath.Join(s.Dir, "ad_bind"), passwords["svc-gatehouse"]+"\n")
	s.Start()
	return s
}

// ofStrangers is how many of them it passes on of somebody who has a device of their own. One more is kept for that.
func (s *siege) ofStrangers() int { return max(1, s.left-1) }

// on is the siege as a subtest sees it, which fails on its own.
func (s *siege) on(t *testing.T) *siege {
	own, gateway := *s, *s.Caddy
	gateway.t = t
	own.Caddy = &gateway
	return &own
}

// who is one of its people.
func (s *siege) who(name string) string { return name + s.people }

// TestLockout: whatever strangers send, and whatever the owner mistypes on their own device, the domain is shown two wrong
// passwords fewer than lock an account, and locks nobody; and its owner signs in on their own device meanwhile.
func TestLockout(t *testing.T) {
	d := openBesieged(t, "-blind", "-brief", "3", "5", "10")
	t.Run("before a right is granted", func(t *testing.T) {
		s := besiege(t, d, "-blind", 5, 500*time.Millisecond)
		t.Run("one is passed on", func(t *testing.T) { s.on(t).policyHidden(t) })
		t.Run("answers are lost", func(t *testing.T) { s.on(t).answersLost(t) })
	})
	// What the README has an admin grant to the service account.
	asRoot(t, nil, "samba-tool", "dsacl", "set", "-H", d.database(), "-s", d.conf,
		"--objectdn=CN=Password Settings Container,CN=System,"+d.BaseDN, "--sddl=(A;CI;GR;;;AU)")
	t.Run("a window passes", func(t *testing.T) { besiege(t, d, "-brief", 5, 2*time.Second).windowPasses(t) })
	for _, threshold := range []int{3, 5, 10} {
		t.Run(fmt.Sprintf("threshold %d", threshold), func(t *testing.T) {
			s := besiege(t, d, strconv.Itoa(threshold), threshold, 2*time.Second)
			for _, step := range []struct {
				name string
				run  func(*siege, *testing.T)
			}{
				{"check says what is used", (*siege).checkTells},
				{"everybody and one password", (*siege).everybody},
				{"one person and a thousand passwords", (*siege).onePerson},
				{"two hundred at once", (*siege).allAtOnce},
				{"one person in eight spellings", (*siege).spellings},
				{"failures at a desktop", (*siege).desktop},
				{"a fine-grained policy", (*siege).finePolicy},
				{"nobody is locked", (*siege).nobodyLocked},
			} {
				t.Run(step.name, func(t *testing.T) { step.run(s.on(t), t) })
			}
		})
	}
}

// dn is an account as the proxy names it.
func (s *siege) dn(account string) string {
	return strings.ToLower("CN=" + account + ",CN=Users," + s.domain.BaseDN)
}

// wantShown wants that the domain was shown so many wrong passwords of a person.
func (s *siege) wantShown(t *testing.T, account string, want int) {
	t.Helper()
	if n := s.proxy.FailedBinds()[s.dn(account)]; n != want {
		t.Errorf("the domain was shown %d wrong passwords of %s, want %d", n, account, want)
	}
}

// everybody: a password that is common enough.
func (s *siege) everybody(t *testing.T) {
	guesses := make([]guess, besieged)
	for i := range guesses {
		guesses[i] = guess{fmt.Sprintf("agent%04d", i), "Summer2026!"}
	}
	if answered := s.spray(t, guesses); answered[http.StatusUnauthorized] != besieged {
		t.Errorf("answered %v", answered)
	}
	failed := s.proxy.FailedBinds()
	if n := len(failed); n != besieged {
		t.Errorf("the domain was shown passwords of %d people", n)
	}
	if most := slices.Max(slices.Collect(maps.Values(failed))); most != 1 {
		t.Errorf("one password each, and %d binds of somebody failed", most)
	}
}

// onePerson: and meanwhile they sign in on the device that they called their own, and nowhere else.
func (s *siege) onePerson(t *testing.T) {
	x := &Person{Name: s.who("target"), Password: "Warm-Granite-73x", Own: true}
	own := s.Client()
	portal, way := own.SignIn(s.Caddy, x)
	if !slices.Contains(way, "device") {
		t.Fatalf("the first sign-in went by %v", way)
	}
	leave, err := portal.Form("/logout", "")
	if err != nil {
		t.Fatal(err)
	}
	own.Submit(portal, leave, nil)
	guesses := make([]guess, 1000)
	for i := range guesses {
		guesses[i] = guess{x.Name, fmt.Sprintf("Guess-%04d-x", i)}
	}
	s.wantAnswered(t, s.spray(t, guesses), s.left, len(guesses)-s.left)
	s.wantShown(t, x.Name, s.ofStrangers())
	if answered := s.spray(t, []guess{{x.Name, x.Password}}); answered[http.StatusTooManyRequests] != 1 {
		t.Errorf("a stranger with the right password: %v", answered)
	}
	if _, way := own.SignIn(s.Caddy, x); !slices.Equal(way, []string{"login", "password"}) {
		t.Errorf("on their own device: %v", way)
	}
	s.wantShown(t, x.Name, s.ofStrangers())
	if n := s.domain.BadPasswords(x.Name); n != 0 {
		t.Errorf("after the right password the domain counts %d", n)
	}
	// What is kept for the device is one wrong password.
	own.Submit(portal, leave, nil)
	p := own.Get(s.Portal("/"))
	for i, status := range []int{http.StatusUnauthorized, http.StatusTooManyRequests} {
		if p, err = own.try(p, guess{x.Name, fmt.Sprintf("Forgotten-%d-x", i)}); err != nil || p.Status != status {
			t.Errorf("mistyped on their own device: %s, %v", p, err)
		}
	}
	s.wantShown(t, x.Name, s.ofStrangers()+1)
}

// wantAnswered wants that so many guesses were told that they were wrong, and so many that there were too many.
func (s *siege) wantAnswered(t *testing.T, answered map[int]int, wrong, tooMany int) {
	t.Helper()
	want := map[int]int{http.StatusUnauthorized: wrong, http.StatusTooManyRequests: tooMany}
	maps.DeleteFunc(want, func(_, n int) bool { return n == 0 })
	if !maps.Equal(answered, want) {
		t.Errorf("answered %v, want %v", answered, want)
	}
}

// spellings are all counted by the one account that they mean, and nobody is told so.
func (s *siege) spellings(t *testing.T) {
	account := s.who("spelled")
	names := []string{
		account, strings.ToUpper(account), account + "@example.test", s.who("s.pelled") + "@corp.example.test", `CORP\` + account,
		`corp.example.test\` + strings.ToUpper(account), s.who("main") + "@example.test", strings.ToUpper(s.who("old")) + "@Example.Test",
	}
	var guesses []guess
	for i := range 10 * len(names) {
		guesses = append(guesses, guess{names[i%len(names)], fmt.Sprintf("Guess-%04d-x", i)})
	}
	// Each is answered as if it were nobody's: two of them differ in case only.
	told := (len(names) - 1) * s.left
	s.wantAnswered(t, s.spray(t, guesses), told, len(guesses)-told)
	s.wantShown(t, account, s.left)
	for i := range guesses {
		guesses[i].name = fmt.Sprintf("nobody%d%s@example.test", i%(len(names)-1), s.people)
	}
	s.wantAnswered(t, s.spray(t, guesses), told, len(guesses)-told)
	// One guess each would not show a name that is counted by itself.
	for _, name := range names {
		s.spray(t, []guess{{name, "Guess-more-x"}})
		s.wantHeld(t, name)
	}
	s.wantShown(t, account, s.left)
}

// wantHeld wants that the audit log says last that somebody's password was not passed on.
func (s *siege) wantHeld(t *testing.T, name string) {
	t.Helper()
	l := s.audit()
	if last := l[len(l)-1]; last.Kind != "lockout" || last.Name != name {
		t.Errorf("%s is not held: %+v", name, last)
	}
}

// desktop: wrong passwords that were typed elsewhere leave fewer to be passed on.
func (s *siege) desktop(t *testing.T) {
	account, elsewhere := s.who("desk"), min(2, s.threshold-2)
	for range elsewhere {
		if out, err := s.domain.Bind(account+"@corp.example.test", "Not-The-One-x"); err == nil {
			t.Fatalf("the domain takes a wrong password: %s", out)
		}
	}
	guesses := slices.Repeat([]guess{{account, "Guess-x"}}, 20)
	s.wantAnswered(t, s.spray(t, guesses), s.left, len(guesses)-s.left) // as if there were none elsewhere
	s.wantShown(t, account, s.left-elsewhere)
	if n := s.domain.BadPasswords(account); n != s.left {
		t.Errorf("the domain counts %d", n)
	}
	out := s.mustCommand("check", "--user", account)
	for _, want := range []string{fmt.Sprintf("%d are counted now", s.left), fmt.Sprintf("%d wrong passwords count, until there was none for 30m0s; 0 more would be passed on to the directory, 0 from", s.left)} {
		if !strings.Contains(out, want) {
			t.Errorf("check --user does not say %q:\n%s", want, out)
		}
	}
}

// finePolicy: whoever is under one has its threshold, be it above the domain's or below.
func (s *siege) finePolicy(t *testing.T) {
	guesses := slices.Repeat([]guess{{s.who("fine"), "Guess-x"}}, 30)
	s.wantAnswered(t, s.spray(t, guesses), s.left, len(guesses)-s.left) // as if everybody's policy held for them
	s.wantShown(t, s.who("fine"), fineThreshold-2)
}

// nobodyLocked asks the domain itself, and has the proxy count over the whole window.
func (s *siege) nobodyLocked(t *testing.T) {
	if locked := ldifValues(s.domain.search(s.domain.BaseDN, "sub", "(lockoutTime>=1)", "cn"), "cn"); len(locked) > 0 {
		t.Errorf("locked: %v", locked)
	}
	for _, who := range []string{"target", "rush", "spelled", "desk", "fine"} {
		if s.domain.Locked(s.who(who)) {
			t.Errorf("%s is locked", s.who(who))
		}
	}
	most, dn := s.proxy.MostFailedBinds(window)
	if want := max(s.ofStrangers()+1, fineThreshold-2); most != want {
		t.Errorf("within %s the domain was shown %d wrong passwords of %s, want %d", window, most, dn, want)
	}
	for dn, n := range s.proxy.FailedBinds() {
		if n > s.left && !strings.HasPrefix(dn, "cn=fine") && (s.threshold > 3 || !strings.HasPrefix(dn, "cn=target")) {
			t.Errorf("%d of %s", n, dn)
		}
	}
}

// checkTells: threshold, window and policy, of everybody and of one person.
func (s *siege) checkTells(t *testing.T) {
	for name, want := range map[string][]string{
		"": {fmt.Sprintf("the domain locks an account after %d failures within 30m0s", s.threshold), strings.ToLower(s.domain.BaseDN), fmt.Sprintf("the gateway passes %d on", s.left)},
		s.who("fine"): {
			`(\"CN=guarded,CN=Password Settings Container,CN=System,` + s.domain.BaseDN + fmt.Sprintf(`\") locks after %d failures within 30m0s; 0 are counted now`, fineThreshold),
			fmt.Sprintf("0 wrong passwords count, until there was none for 30m0s; %d more", fineThreshold-2),
		},
		s.who("target"): {fmt.Sprintf("(that of everybody) locks after %d failures", s.threshold), fmt.Sprintf("%d more would be passed on to the directory, %d from", s.left, s.left)},
	} {
		args := []string{"check", "--json"}
		if name != "" {
			args = append(args, "--user", name)
		}
		out := s.mustCommand(args...)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("check of %q does not say %s:\n%s", name, w, out)
			}
		}
	}
}
