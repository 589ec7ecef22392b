package e2e

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// house is a running gateway with two people: an agent, and a supervisor who is an agent as well.
type house struct {
	*Caddy
	agent, supervisor *Person
}

func openHouse(t *testing.T) house {
	t.Helper()
	return openHouseIn(t, "aws", "us-east-1")
}

func openHouseIn(t *testing.T, partition, region string) house {
	t.Helper()
	h := house{
		agent:      &Person{Name: "alice", Password: "correct horse 1", Own: true},
		supervisor: &Person{Name: "Susan", Password: "battery staple 2", Own: true},
	}
	h.Caddy = NewCaddy(t, "connect", map[string]any{
		"Partition": partition, "Region": region,
		"Users": []LocalUser{NewLocalUser(t, h.agent, "Agents"), NewLocalUser(t, h.supervisor, "Agents", "Supervisors")},
	})
	h.Start()
	return h
}

func (h house) console() string { return h.URL("console.third.test", "") }

const accepted = "AWS would accept this sign-in"

// TestFirstVisit: an agent who was never here signs in, enrolls an authenticator app, says that the
// device is their own and sees the tiles.
func TestFirstVisit(t *testing.T) {
	h := openHouse(t)
	b := OpenBrowser(t, h.NewProfile())
	b.Open(h.Portal("/"))
	b.WaitKind("login")
	b.Shoot("login")
	b.Type(`main input[name=username]`, h.agent.Name)
	b.Click(`main form button.button`)
	b.WaitKind("password")
	b.Shoot("password")
	b.Type(`main input[name=password]`, "not the password")
	b.Click(`main form button.button`)
	b.WaitText("do not match")
	b.Shoot("password-wrong")

	// A wrong password leads back to one of the two pages; walk on from whichever it is.
	way := b.Walk(h.agent, "the enrollment", func(kind, _ string) bool { return kind == "enroll" })
	b.Shoot("enroll")
	t.Logf("way to the enrollment: %v", way)
	way = b.Walk(h.agent, "the device question", func(kind, _ string) bool { return kind == "device" })
	if !slices.Equal(way, []string{"enroll"}) {
		t.Errorf("after the enrollment: %v", way)
	}
	b.Shoot("device")
	b.Walk(h.agent, "the portal", func(kind, _ string) bool { return kind == "portal" })
	b.Shoot("portal")
	for _, label := range []string{"Contact centre", "Team wiki"} {
		b.WaitText(label)
	}
}

// TestPortalToConnect: the main job. Portal, AWS sign-in and console are three sites, so a cookie that
// ought to be SameSite=None, or a form-action that stops the redirects after the POST, would show here.
func TestPortalToConnect(t *testing.T) {
	h := openHouse(t)
	profile := h.NewProfile()
	b := OpenBrowser(t, profile)
	if way := b.SignIn(h.Caddy, h.agent); !slices.Equal(way, []string{"login", "password", "enroll", "device"}) {
		t.Errorf("first sign-in: %v", way)
	}
	// The portal's proof is shared with Connect, so nothing is asked again.
	if way := b.Launch("connect", h.agent, h.console()); len(way) > 0 {
		t.Errorf("on the way to Connect: %v", way)
	}
	b.WaitText(accepted)
	b.Shoot("verdict")
	if n := len(b.Posted(h.URL("signin.aws.test", "/"))); n != 1 {
		t.Errorf("%d responses were posted", n)
	}

	// The back button, all the way, and a reload on each page: no assertion goes out twice.
	for b.Before() > 1 { // the first page is the empty one that Chromium starts with
		b.Back()
		b.Reload()
	}
	posts := map[string]bool{}
	for _, p := range b.Posted(h.URL("signin.aws.test", "/")) {
		if posts[p.Fields] {
			t.Error("the same assertion was posted twice after going back")
		}
		posts[p.Fields] = true
	}

	// The wiki's policy asks at every sign-in.
	b.Open(h.Portal("/"))
	b.WaitKind("portal")
	b.Click(`form[action="/apps/wiki"] button`)
	b.WaitKind("mfa")
	b.Shoot("mfa")
	b.Close()

	t.Run("same profile within a week", func(t *testing.T) {
		b := OpenBrowser(t, profile)
		if way := b.SignIn(h.Caddy, h.agent); slices.Contains(way, "mfa") || slices.Contains(way, "enroll") || slices.Contains(way, "device") {
			t.Errorf("second sign-in: %v", way)
		}
		if way := b.Launch("connect", h.agent, h.console()); len(way) > 0 {
			t.Errorf("on the way to Connect: %v", way)
		}
		b.WaitText(accepted)
		b.Open(h.Portal("/"))
		b.WaitKind("portal")
		b.Click(`form[action="/apps/wiki"] button`)
		b.WaitKind("mfa")
		b.Close()
	})

	t.Run("another profile is asked", func(t *testing.T) {
		b := OpenBrowser(t, h.NewProfile())
		if way := b.SignIn(h.Caddy, h.agent); !slices.Contains(way, "mfa") {
			t.Errorf("sign-in on another device: %v", way)
		}
		b.Close()
	})

	t.Run("almost a week later", func(t *testing.T) {
		h.Stop()
		h.AgeDevices(t, "people:alice", 7*24*time.Hour-time.Hour)
		h.Start()
		b := OpenBrowser(t, profile)
		if way := b.SignIn(h.Caddy, h.agent); slices.Contains(way, "mfa") {
			t.Errorf("sign-in an hour before the week is over: %v", way)
		}
		b.Close()
	})

	t.Run("a week and a second later", func(t *testing.T) {
		h.Stop()
		h.AgeDevices(t, "people:alice", time.Hour+time.Second)
		h.Start()
		b := OpenBrowser(t, profile)
		if way := b.SignIn(h.Caddy, h.agent); !slices.Contains(way, "mfa") {
			t.Errorf("sign-in after the week: %v", way)
		}
		b.Close()
	})
}

// opener is a page of another site with an embedded Connect: it opens our deep link in a window, watches
// whether that still counts as open, and closes it when it has done its work.
const opener = `<!doctype html><html lang="en"><title>Intranet</title><h1>Intranet</h1><button>Open the phone</button>
<script>
let popup
document.querySelector("button").onclick = () => { popup = window.open(%q, "phone", "popup,width=400,height=600") }
</script>`

// TestDeepLinkFromAnotherSite is how the Streams API opens its loginUrl.
func TestDeepLinkFromAnotherSite(t *testing.T) {
	h := openHouse(t)
	WriteFile(t, filepath.Join(h.Dir, "intranet", "index.html"), fmt.Sprintf(opener, h.Portal("/apps/connect")))
	b := OpenBrowser(t, h.NewProfile())
	b.Open(h.URL("intranet.other.test", "/"))
	popup := b.Popup(func() { b.Click("button") })
	popup.Walk(h.agent, "the console", func(_, address string) bool { return strings.HasPrefix(address, h.console()) })
	popup.WaitText(accepted)
	if Eval[bool](b, "popup.closed") {
		t.Error("the opener no longer sees the popup: some page on the way cut it off")
	}
	Eval[bool](b, "popup.close() ?? true")
	Await(t, "the popup to close", func() error {
		if open := b.Popups(); len(open) > 0 {
			return fmt.Errorf("still open: %v", open)
		}
		return nil
	})
	// Signed in now: straight through, in a second window.
	popup = b.Popup(func() { b.Click("button") })
	if way := popup.Walk(h.agent, "the console", func(_, address string) bool { return strings.HasPrefix(address, h.console()) }); len(way) > 0 {
		t.Errorf("with a session the deep link asked: %v", way)
	}
}

// TestSupervisor is in both groups: one role, and the page for supervisors.
func TestSupervisor(t *testing.T) {
	h := openHouse(t)
	c := h.Client()
	tiles, _ := c.SignIn(h.Caddy, h.supervisor)
	post, _ := c.Launch(tiles, "connect", h.supervisor)
	response, err := post.SAMLResponse()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(response), ":role/ConnectFederation"); n != 1 {
		t.Errorf("%d role values in %s", n, response)
	}
	f, err := post.Form("", "SAMLResponse")
	if err != nil {
		t.Fatal(err)
	}
	relay, err := url.QueryUnescape(f.Fields.Get("RelayState"))
	if err != nil || !strings.Contains(relay, "/real-time-metrics") {
		t.Errorf("RelayState %q, %v", relay, err)
	}
}

// TestWikiAcceptsUs: Shibboleth takes the response of a generic application and knows the person.
func TestWikiAcceptsUs(t *testing.T) {
	h := openHouse(t)
	sp := NewShibboleth(h.Caddy)
	sp.Start()
	b := OpenBrowser(t, h.NewProfile())
	b.SignIn(h.Caddy, h.agent)
	b.Launch("wiki", h.agent, sp.URL(""))
	b.Open(sp.URL("/shib/"))
	b.WaitText("The wiki knows you")
	b.Open(sp.URL("/Shibboleth.sso/Session"))
	b.WaitText("alice@example.test")
	b.WaitText("mail")
}
