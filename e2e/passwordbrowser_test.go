package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// chromium: from where people begin to the post that the stand-in accepts, by mouse, by keyboard, and without scripts.
func (r *renewal) chromium(t *testing.T) {
	carla := r.enrolled("carla")
	r.domain.AgePassword("carla", 50*24*time.Hour)
	for _, walk := range []struct {
		name string
		run  func(*renewal, *testing.T, *Person)
		who  *Person
	}{
		{"deep link with a factor", (*renewal).expiredByMouse, carla},
		{"tile by keyboard alone", (*renewal).givenByKeyboard, r.person("kim")},
		{"deep link without scripts", (*renewal).expiredWithoutScripts, r.person("nils")},
		{"window of another site", (*renewal).expiredInAWindow, r.person("pia")},
	} {
		t.Run(walk.name, func(t *testing.T) {
			old := walk.who.Password
			walk.run(r.on(t), t, walk.who)
			r.on(t).judge(walk.who.Name, old, walk.who.Password)
		})
	}
}

func at(kinds ...string) func(kind, address string) bool {
	return func(kind, _ string) bool { return slices.Contains(kinds, kind) }
}

// choose fills in the page of a new password, and returns the mark of that page.
func (b *Browser) choose(old, next string) (mark string) {
	b.t.Helper()
	mark = b.waitFor("the page of a new password", func(s seen) bool { return s.Kind == "newpassword" }).Mark
	b.Type(`main input[name=old]`, old)
	b.Type(`main input[name=new]`, next)
	b.Type(`main input[name=again]`, next)
	b.Click(`main form button.button`)
	return mark
}

func (r *renewal) console() string { return r.URL("console.third.test", "") }

func (r *renewal) atConsole(_, address string) bool {
	return strings.HasPrefix(address, r.console()+"/")
}

func (r *renewal) expiredByMouse(t *testing.T, who *Person) {
	b := OpenBrowser(t, r.NewProfile())
	b.Open(r.Portal("/apps/connect"))
	if way := b.Walk(who, "the page of a new password", at("newpassword")); !slices.Equal(way, []string{"login", "password", "mfa"}) {
		t.Errorf("before the change: %v", way)
	}
	b.WaitText("to continue to Contact centre")
	b.WaitText("Your password has expired.")
	b.Shoot("newpassword")

	next := word("New-")
	r.heard.note([]string{who.Password, next})
	b.Type(`main input[name=old]`, who.Password)
	b.Type(`main input[name=new]`, "Sh0rt-x")
	b.Type(`main input[name=again]`, "Sh0rt-x")
	b.Click(`main .reveal`)
	if kind := Eval[string](b, `document.querySelector("#new").type`); kind != "text" {
		t.Errorf("a new password that is shown is in a field of type %s", kind)
	}
	b.Click(`main form button.button`)
	b.WaitText("too short")
	b.Shoot("newpassword-refused")
	for _, field := range []string{"old", "new", "again"} {
		if v := Eval[string](b, `document.querySelector("#`+field+`").value`); v != "" {
			t.Errorf("the page that comes back holds a password in %s", field)
		}
	}

	mark := b.choose(who.Password, next)
	if way := b.walk(who, "the console", mark, r.atConsole); !slices.Equal(way, []string{"device"}) {
		t.Errorf("after the change: %v", way)
	}
	who.Password = next
	b.WaitText(accepted)
	if n := len(b.Posted(r.URL("signin.aws.test", "/"))); n != 1 {
		t.Errorf("%d responses were posted", n)
	}
	b.Close()
}

func (r *renewal) givenByKeyboard(t *testing.T, who *Person) {
	b := OpenBrowser(t, r.NewProfile())
	b.passwordByKeys(r.Caddy, who)
	b.WaitKind("newpassword")
	b.WaitText("given to you by somebody else")

	// Every control of the form, in the order of the page.
	b.waitFocus("old")
	next := word("New-")
	r.heard.note([]string{who.Password, next})
	b.press(who.Password + kb.Tab)
	b.waitFocus("new")
	b.press(next + kb.Tab)
	b.waitFocus("Show new password")
	b.press(" ")
	b.waitFocus("new") // the button takes it to what is shown
	if kind := Eval[string](b, `document.querySelector("#new").type`); kind != "text" {
		t.Errorf("a new password that is shown is in a field of type %s", kind)
	}
	b.press(kb.Tab + kb.Tab)
	b.waitFocus("again")
	b.press("Not-" + next + kb.Enter)
	b.WaitText("not the same")
	b.waitFocus("old") // for all three fields are empty
	b.press(who.Password + kb.Tab + next + kb.Tab + kb.Tab + next + kb.Enter)
	who.Password = next
	b.enrollByKeys(who)
	b.press("contact")
	b.press(kb.Enter)
	b.WaitSite(r.console())
	b.WaitText(accepted)
	b.Close()
}

func (r *renewal) expiredWithoutScripts(t *testing.T, who *Person) {
	b := OpenBrowser(t, r.NewProfile()).withoutScripts()
	b.Open(r.Portal("/apps/connect"))
	b.Walk(who, "the page of a new password", at("newpassword"))
	if shown := Eval[bool](b, `document.querySelector(".reveal").checkVisibility()`); shown {
		t.Error("without scripts there is a button that does nothing")
	}
	next := word("New-")
	r.heard.note([]string{who.Password, next})
	mark := b.choose(who.Password, next)
	if way := b.walk(who, "the page that posts", mark, at("post")); !slices.Equal(way, []string{"enroll", "device"}) {
		t.Errorf("after the change: %v", way)
	}
	who.Password = next
	b.Click(`main form button`)
	b.WaitText(accepted)
	b.Close()
}

// expiredInAWindow: a page with an embedded Connect opens the deep link in a window of its own and has to see it all the
// way, as the Streams API does.
func (r *renewal) expiredInAWindow(t *testing.T, who *Person) {
	WriteFile(t, filepath.Join(r.Dir, "intranet", "index.html"), fmt.Sprintf(opener, r.Portal("/apps/connect")))
	b := OpenBrowser(t, r.NewProfile())
	b.Open(r.URL("intranet.other.test", "/"))
	popup := b.Popup(func() { b.Click("button") })
	popup.Walk(who, "the page of a new password", at("newpassword"))
	next := word("New-")
	r.heard.note([]string{who.Password, next})
	mark := popup.choose(who.Password, next)
	popup.walk(who, "the console", mark, r.atConsole)
	who.Password = next
	popup.WaitText(accepted)
	if Eval[bool](b, "popup.closed") {
		t.Error("the opener no longer sees the popup: some page on the way cut it off")
	}
	b.Close()
}
