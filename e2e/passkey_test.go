package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// openKeyHouse is a house that takes passkeys. Nobody's device is remembered there.
func openKeyHouse(t *testing.T, further map[string]any) house {
	t.Helper()
	h := house{agent: &Person{Name: "alice", Password: "correct horse 1"}}
	options := map[string]any{
		"Partition": "aws", "Region": "us-east-1", "Passkey": true,
		"Users": []LocalUser{NewLocalUser(t, h.agent, "Agents", "Supervisors")},
	}
	maps.Copy(options, further)
	h.Caddy = NewCaddy(t, "connect", options)
	h.Start()
	return h
}

// addKey signs the agent in for the first time and sets a passkey up.
func (h house) addKey(b *Browser) {
	b.t.Helper()
	b.Open(h.Portal("/"))
	b.Walk(h.agent, "the choice of a second step", func(kind, _ string) bool { return kind == "choose" })
	b.Shoot("choose-passkey")
	b.Click(`main a[href^="/enroll/passkey"]`)
	b.WaitKind("enroll")
	b.Shoot("enroll-passkey")
	b.waitFocus("Create a passkey")
	b.press(kb.Enter)
	b.notMine()
}

// notMine says that the device is somebody else's, which is asked once a passkey was taken.
func (b *Browser) notMine() {
	b.t.Helper()
	b.WaitKind("device")
	b.Click(`main button[name=device][value=no]`)
	b.WaitKind("portal")
}

func (b *Browser) signOut(c *Caddy) {
	b.t.Helper()
	b.Open(c.Portal("/"))
	b.WaitKind("portal")
	Eval[bool](b, `document.querySelector('form[action="/logout"]').submit() ?? true`)
	b.WaitText("signed out")
}

// lastReason is that of the newest audit line about a sign-in.
func (h house) lastReason() string {
	lines := h.audit("--user", "people:alice")
	for _, l := range slices.Backward(lines) {
		if l.Kind == "login" || l.Kind == "mfa" {
			return l.Reason
		}
	}
	return ""
}

// TestPasskeyJourney: set up at the first sign-in, then used after the password, then in its place, up to AWS.
func TestPasskeyJourney(t *testing.T) {
	t.Parallel()
	h := openKeyHouse(t, nil)
	b := OpenBrowser(t, h.NewProfile())
	own := b.NewPlatformAuthenticator()
	h.addKey(b)
	b.signOut(h.Caddy)

	// After the password. Nobody touches the device while the page of the name offers what it holds.
	own.Present(false)
	b.Open(h.Portal("/"))
	b.WaitKind("login")
	b.WaitText("Sign in with a passkey")
	b.Shoot("login-passkey")
	b.Walk(h.agent, "the second step", func(kind, _ string) bool { return kind == "mfa" })
	b.Shoot("mfa-passkey")
	own.Present(true)
	b.waitFocus("Use your passkey")
	b.press(kb.Enter)
	b.notMine()
	b.signOut(h.Caddy)

	// In its place, by what the field of the name offers: nothing is typed, nothing is pressed.
	b.Open(h.Portal("/"))
	b.notMine()
	if way := b.Launch("connect", h.agent, h.console()); len(way) > 0 {
		t.Errorf("on the way to Connect: %v", way)
	}
	b.WaitText(accepted)
	b.signOut(h.Caddy)
	b.Close()
}

// TestPasskeyRefused: a device that does not know its person, one that lies about it, and a copy.
func TestPasskeyRefused(t *testing.T) {
	t.Parallel()
	h := openKeyHouse(t, nil)
	b := OpenBrowser(t, h.NewProfile())
	key := b.NewSecurityKey()
	h.addKey(b)
	b.Open(h.Portal("/settings"))
	b.WaitText("Security key")
	b.Shoot("settings-passkey")
	b.signOut(h.Caddy)
	byButton := func() {
		t.Helper()
		b.Open(h.Portal("/"))
		b.WaitKind("login")
		b.Click(`form[data-passkey=login] button`)
	}

	key.Knows(false)
	byButton()
	b.WaitText("No passkey was given")
	b.Shoot("login-passkey-declined")
	b.Open(h.Portal("/"))
	b.Walk(h.agent, "the second step", func(kind, _ string) bool { return kind == "mfa" })
	b.Click(`main form button.button`)
	b.WaitText("No passkey was given")
	b.Shoot("mfa-passkey-declined")
	if reason := h.lastReason(); reason != "declined" {
		t.Errorf("reason %q", reason)
	}
	key.Knows(true)
	b.Click(`main form button.button`)
	b.notMine()
	b.signOut(h.Caddy)

	key.Lies(true)
	byButton()
	b.WaitText("not known here")
	if reason := h.lastReason(); reason != "bad_credentials" {
		t.Errorf("reason %q", reason)
	}
	key.Lies(false)

	// The copy counts from where it was taken; the original has gone on meanwhile.
	copied := key.Keys()[0]
	byButton()
	b.notMine()
	b.signOut(h.Caddy)
	key.Unplug()
	thief := b.NewSecurityKey()
	thief.Put(copied)
	byButton()
	b.WaitText("cannot sign in with a passkey")
	if reason := h.lastReason(); reason != "cloned" {
		t.Errorf("reason %q", reason)
	}
	b.Walk(h.agent, "the second step", func(kind, _ string) bool { return kind == "mfa" })
	b.WaitText("a copy of it")
	b.Shoot("mfa-passkey-stopped")
	out := h.mustCommand("check")
	if !strings.Contains(out, "copies of passkeys of 1 people were in use: people:alice") {
		t.Errorf("check says: %s", out)
	}
}
