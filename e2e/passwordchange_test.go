package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// ownAccord: /password takes a factor on this very way, and a change ends the sessions elsewhere.
func (r *renewal) ownAccord(t *testing.T) {
	susan, client, elsewhere := r.person("susan"), r.home("susan"), r.browser(outside)
	if p := client.Get(r.Portal("/")); p.Kind != "portal" || strings.Contains(p.Text, "expires") {
		t.Fatalf("at home, since this morning: %s", p)
	}
	r.sameDevice(elsewhere, client)
	if p, way := elsewhere.SignIn(r.Caddy, susan); !slices.Equal(way, []string{"login", "password"}) {
		t.Fatalf("another session on the same device: %v, %s", way, p)
	}
	var p *Page
	// The code of this morning is no proof of who sits there now.
	for _, path := range []string{"/password", "/password?f=none"} {
		p = client.Get(r.Portal(path))
		if path == "/password" && (p.Kind != "mfa" || !strings.Contains(p.Text, "Asked before a password is changed.")) || p.Kind == "newpassword" {
			t.Errorf("%s: %s", path, p)
		}
	}
	if settings := client.Get(r.Portal("/settings")); !strings.Contains(settings.Text, "Change your password") {
		t.Errorf("settings: %s", settings)
	}
	p, _ = client.Walk(client.Get(r.Portal("/password")), susan, "newpassword")
	if !strings.Contains(p.Text, "Leave it as it is") || strings.Contains(p.Text, "has expired") {
		t.Errorf("the page of one who chooses: %s", p)
	}
	form := p
	old, next := susan.Password, word("New-")
	for _, door := range r.doors {
		door.Forget()
	}
	// All devices are forgotten, so that this one is asked about anew.
	p, _ = client.Walk(r.choose(client, p, old, next, next), susan, "settings")
	if !strings.Contains(p.Text, "Your password is changed.") {
		t.Errorf("after the change: %s", p)
	}
	susan.Password = next
	r.judge("susan", old, next)
	dn := strings.ToLower(r.domain.DN("susan"))
	if got, want := r.modifies(), (Modify{By: dn, DN: dn, Changes: "delete unicodePwd, add unicodePwd"}); !slices.Equal(got, []Modify{want}) {
		t.Errorf("the domain was asked for %+v, want %+v", got, want)
	}
	if p := elsewhere.Get(r.Portal("/")); p.Kind != "login" {
		t.Errorf("elsewhere: %s", p)
	}
	if p := client.Get(r.Portal("/")); p.Kind != "portal" {
		t.Errorf("here: %s", p)
	}
	// The form once more, as a browser sends it that goes back, changes nothing.
	again := word("New-")
	r.choose(client, form, next, again, again)
	r.judge("susan", again, next)
	if p, way := elsewhere.SignIn(r.Caddy, susan); !slices.Equal(way, []string{"login", "password", "mfa", "device"}) {
		t.Errorf("elsewhere with the new password, on a device that was remembered: %v, %s", way, p)
	}
}

// sameDevice gives one browser the cookie by which another is remembered as its person's own.
func (r *renewal) sameDevice(to, from *Client) {
	r.t.Helper()
	site, err := url.Parse(r.Portal("/"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, k := range from.http.Jar.Cookies(site) {
		if k.Name == "__Host-gatehouse-device" {
			to.http.Jar.SetCookies(site, []*http.Cookie{k})
		}
	}
}

func (r *renewal) modifies() (all []Modify) {
	for _, door := range r.doors {
		all = append(all, door.Modifies()...)
	}
	return all
}

// noReset: what the service account changes for a person whose password must be changed is a change with the old
// password, and it could do nothing else.
func (r *renewal) noReset(t *testing.T) {
	for _, name := range []string{"lena", "lars"} { // expired, and must change
		who, client := r.person(name), r.browser(inside)
		p := r.due(client, who)
		for _, door := range r.doors {
			door.Forget()
		}
		// A wrong current password is judged by a bind as the person, and never goes with the service account's request.
		next := word("New-")
		if p = r.choose(client, p, "Not-"+who.Password, next, next); !strings.Contains(p.Text, "Your current password is not right.") {
			t.Errorf("%s: %s", name, p)
		}
		if got := r.modifies(); len(got) > 0 {
			t.Errorf("%s: a wrong password asked for %+v", name, got)
		}
		if p = r.choose(client, p, who.Password, next, next); p.Kind != "enroll" {
			t.Errorf("%s: %s", name, p)
		}
		want := Modify{By: "svc-gatehouse@corp.example.test", DN: strings.ToLower(r.domain.DN(name)), Changes: "delete unicodePwd, add unicodePwd"}
		if got := r.modifies(); !slices.Equal(got, []Modify{want}) {
			t.Errorf("%s: the domain was asked for %+v, want %+v", name, got, want)
		}
		r.judge(name, who.Password, next)
	}
	if groups := r.domain.Values("svc-gatehouse", "memberOf"); len(groups) > 0 {
		t.Errorf("the service account is in %v", groups)
	}
	dn := r.domain.DN("lars")
	reset := coded("dn", dn) + "changetype: modify\nreplace: unicodePwd\n" + coded("unicodePwd", unicodePwd(word("Reset-")))
	out, err := Try(r.domain.trusting(), "ldapmodify", "-x", "-H", r.domain.URL, "-D", "svc-gatehouse@corp.example.test", "-w", bindWord, "-f", WriteFile(t, t.TempDir()+"/reset.ldif", reset))
	if err == nil || !strings.Contains(out, "Insufficient access") {
		t.Errorf("the service account resets a password: %v\n%s", err, out)
	}
}

// notice: the portal tells some days before, by what the domain works out for the person.
func (r *renewal) notice(t *testing.T) {
	for _, name := range []string{"aged", "fina"} { // by the domain's policy, and by a fine-grained one
		who, client := r.person(name), r.browser(inside)
		tiles, _ := client.SignIn(r.Caddy, who)
		expires := time.Unix(int64(r.domain.number(name, "msDS-UserPasswordExpiryTimeComputed"))/1e7-11644473600, 0)
		days := int(time.Until(expires) / (24 * time.Hour))
		if days < 1 || days > 2 {
			t.Fatalf("the password of %s expires at %s", name, expires)
		}
		unit := map[int]string{1: "day", 2: "days"}[days]
		if want := fmt.Sprintf("Your password expires in %d %s, on %s.", days, unit, expires.UTC().Format("2 January 2006")); !strings.Contains(tiles.Text, want) {
			t.Errorf("%s: want %q on %s", name, want, tiles)
		}
		if name != "aged" {
			continue
		}
		p, _ := client.Walk(client.Get(r.Portal("/password")), who, "newpassword")
		next := word("New-")
		client.Walk(r.choose(client, p, who.Password, next, next), who, "settings")
		if p = client.Get(r.Portal("/")); strings.Contains(p.Text, "expires") {
			t.Errorf("after the change: %s", p)
		}
	}
}
