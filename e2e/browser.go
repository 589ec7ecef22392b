package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Browser is a Chromium with one tab.
type Browser struct {
	t   testing.TB
	ctx context.Context // of the tab
	end func()

	mu     sync.Mutex
	posted []Posted
}

// Posted is a form that the browser sent.
type Posted struct {
	URL    string
	Fields string // as sent
}

// OpenBrowser starts Chromium with a profile. Every name below .test is this machine; no other
// name exists. The browser closes with the test at the latest.
func OpenBrowser(t testing.TB, p Profile) *Browser {
	t.Helper()
	names := "MAP *.test 127.0.0.1, MAP localhost 127.0.0.1, MAP *.localhost 127.0.0.1, MAP * ~NOTFOUND"
	if p.portal != 0 {
		names = fmt.Sprintf("MAP sso.example.test 127.0.0.1:%d, ", p.portal) + names
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"),
		chromedp.NoSandbox, // root has none, and the pages are our own
		chromedp.UserDataDir(p.data),
		chromedp.Env("HOME="+p.home),
		chromedp.Flag("host-resolver-rules", names),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("no-first-run", true),
		chromedp.WindowSize(1280, 900),
		chromedp.WSURLReadTimeout(patience),
	)
	alloc, freeAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, freeTab := chromedp.NewContext(alloc)
	b := &Browser{t: t, ctx: ctx}
	b.end = sync.OnceFunc(func() {
		// An orderly end writes the cookies to the profile; killing it would lose the last ones.
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("closing Chromium: %v", err)
		}
		freeTab()
		freeAlloc()
	})
	t.Cleanup(b.end)
	// The first call owns the browser, so it has no deadline of its own.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	b.listen()
	return b
}

// Close ends the browser; its profile can be opened again.
func (b *Browser) Close() { b.end() }

// listen keeps the forms that the tab sends to other sites.
func (b *Browser) listen() {
	err := chromedp.Listen(b.ctx, func(ev any) {
		e, ok := ev.(*network.EventRequestWillBeSent)
		if !ok || e.Request.Method != http.MethodPost {
			return
		}
		var fields strings.Builder
		for _, entry := range e.Request.PostDataEntries {
			fields.Write(entry.Bytes)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.posted = append(b.posted, Posted{URL: e.Request.URL, Fields: fields.String()})
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// Posted returns the forms sent so far to addresses that start with prefix.
func (b *Browser) Posted(prefix string) []Posted {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []Posted
	for _, p := range b.posted {
		if strings.HasPrefix(p.URL, prefix) {
			found = append(found, p)
		}
	}
	return found
}

// do runs an action in the tab, with a deadline.
func do[T any](b *Browser, what string, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("%s: %v; the tab shows %s", what, err, b.Describe())
	}
	return v
}

// Open goes to an address as somebody who typed it.
func (b *Browser) Open(address string) {
	b.t.Helper()
	do(b, "opening "+address, chromedp.Navigate(address))
}

// Before is how many pages the back button leads to.
func (b *Browser) Before() int {
	b.t.Helper()
	return int(do(b, "reading the history", chromedp.NavigationEntries()).CurrentIndex)
}

// Back presses the back button and waits until the tab shows another page. One that the browser kept comes back
// without loading, so nothing else can be waited for.
func (b *Browser) Back() {
	b.t.Helper()
	was := b.waitFor("a page", func(s seen) bool { return s.Text != "" })
	do(b, "going back", chromedp.Evaluate[chromedp.Void]("void setTimeout(() => history.back())"))
	b.waitFor("the page before", func(s seen) bool { return s.Mark != was.Mark && s.Text != "" })
}

// Reload presses the reload button.
func (b *Browser) Reload() {
	b.t.Helper()
	do(b, "reloading", chromedp.Reload())
}

// Eval evaluates an expression in the page; a promise is awaited.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	return do(b, "evaluating "+expression, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Location is the address in the address bar.
func (b *Browser) Location() string {
	b.t.Helper()
	return do(b, "reading the address", chromedp.Location())
}

// seen is what a page shows at one moment.
type seen struct{ URL, Kind, OTPAuth, Text, Mark string }

const look = `({URL: location.href, Mark: String(performance.timeOrigin), Text: document.body ? document.body.innerText.slice(0, 1500) : "",
	Kind: document.querySelector("main")?.dataset.page ?? "", OTPAuth: document.querySelector("main")?.dataset.otpauth ?? "",
	...(document.readyState === "complete" ? {} : {Kind: ""})})`

// look returns what the page shows now. While one page makes room for the next there is nothing to see.
func (b *Browser) look() (seen, error) {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[seen](look))
}

// Describe says what the tab shows, for an error message.
func (b *Browser) Describe() string {
	s, err := b.look()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s (data-page %q): %s", s.URL, s.Kind, s.Text)
}

// waitFor waits until the page is one that ok accepts, and returns it.
func (b *Browser) waitFor(what string, ok func(seen) bool) seen {
	b.t.Helper()
	var last seen
	Await(b.t, what, func() error {
		s, err := b.look()
		if err != nil {
			return err
		}
		if last = s; !ok(s) {
			return fmt.Errorf("the tab shows %s (data-page %q): %s", s.URL, s.Kind, s.Text)
		}
		return nil
	})
	return last
}

// WaitKind waits for a page of the gateway.
func (b *Browser) WaitKind(kind string) {
	b.t.Helper()
	b.waitFor("page "+kind, func(s seen) bool { return s.Kind == kind })
}

// WaitText waits until the page says something.
func (b *Browser) WaitText(text string) {
	b.t.Helper()
	b.waitFor("the words "+text, func(s seen) bool { return strings.Contains(s.Text, text) })
}

// WaitSite waits until the tab shows a page of a site, such as https://console.third.test:8443.
func (b *Browser) WaitSite(origin string) {
	b.t.Helper()
	b.waitFor(origin, func(s seen) bool { return strings.HasPrefix(s.URL, origin+"/") && s.Text != "" })
}

// Click clicks what the selector finds, as a person does: it has to be visible.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	do(b, "clicking "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type types into a field.
func (b *Browser) Type(selector, text string) {
	b.t.Helper()
	do(b, "typing into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// Walk answers the pages of a sign-in as the person would until done accepts what the tab shows, and returns
// the kinds of page that were answered on the way.
func (b *Browser) Walk(who *Person, what string, done func(kind, address string) bool) []string {
	b.t.Helper()
	return b.walk(who, what, "", done)
}

// walk is Walk that does not look at the page with the mark, which is about to be left.
func (b *Browser) walk(who *Person, what, mark string, done func(kind, address string) bool) []string {
	b.t.Helper()
	var way []string
	for range 12 {
		s := b.waitFor(what, func(s seen) bool {
			return s.Mark != mark && (done(s.Kind, s.URL) || s.Kind != "" && s.Kind != "post" && s.Kind != "handoff")
		})
		if done(s.Kind, s.URL) {
			return way
		}
		mark = s.Mark
		field, value, err := who.answer(s.Kind, s.OTPAuth)
		if err != nil {
			b.t.Fatalf("on the way to %s, after %v: %v; the tab shows %s", what, way, err, b.Describe())
		}
		way = append(way, s.Kind)
		if s.Kind == "device" {
			b.Click(`main button[name=device][value=` + value + `]`)
			continue
		}
		b.Type(`main input[name=`+field+`]`, value)
		b.Click(`main form button.button`)
	}
	b.t.Fatalf("no %s after %v; the tab shows %s", what, way, b.Describe())
	return nil
}

// SignIn opens the portal and goes on until the tiles show.
func (b *Browser) SignIn(c *Caddy, who *Person) []string {
	b.t.Helper()
	b.Open(c.Portal("/"))
	return b.Walk(who, "the portal", func(kind, _ string) bool { return kind == "portal" })
}

// Launch presses a tile and goes on until the tab is at a site.
func (b *Browser) Launch(app string, who *Person, origin string) []string {
	b.t.Helper()
	tiles := b.waitFor("the portal", func(s seen) bool { return s.Kind == "portal" })
	b.Click(`form[action="/apps/` + app + `"] button`)
	return b.walk(who, origin, tiles.Mark, func(_, address string) bool { return strings.HasPrefix(address, origin+"/") })
}

// Popups returns the addresses of the other tabs and windows.
func (b *Browser) Popups() []string {
	b.t.Helper()
	all := do(b, "listing windows", func(ctx context.Context, _ *chromedp.Target) ([]*target.Info, error) { return chromedp.Targets(ctx) })
	own := chromedp.FromContext(b.ctx).Target.TargetID
	var urls []string
	for _, info := range all {
		if info.Type == "page" && info.TargetID != own {
			urls = append(urls, info.URL)
		}
	}
	return urls
}

// Popup attaches to the window that trigger opens.
func (b *Browser) Popup(trigger func()) *Browser {
	b.t.Helper()
	opened := chromedp.WaitNewTarget(b.ctx, func(i *target.Info) bool { return i.Type == "page" })
	trigger()
	select {
	case id := <-opened:
		ctx, free := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
		if err := chromedp.Do(ctx); err != nil {
			b.t.Fatalf("attaching to the popup: %v", err)
		}
		b.t.Cleanup(free)
		p := &Browser{t: b.t, ctx: ctx, end: free}
		p.listen()
		return p
	case <-time.After(patience):
		b.t.Fatal("no window opened")
		return nil
	}
}

// View sets the size of the page and whether the person prefers a dark one.
func (b *Browser) View(width, height int, dark bool) {
	b.t.Helper()
	do(b, "sizing the page", chromedp.EmulateViewport(int64(width), int64(height)))
	scheme := map[bool]string{true: "dark", false: "light"}[dark]
	do(b, "choosing a scheme", func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
		return cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
	})
	// A colour on its way from one scheme to the other is of neither.
	Eval[bool](b, `document.getAnimations().filter((a) => a instanceof CSSTransition).every((a) => a.finish() ?? true)`)
}

// Shoot looks at the page at 1280 and 360 pixels, light and dark: each picture goes to the test's artifacts,
// each is checked with axe, and none may scroll sideways, at 200 and 400 % neither.
func (b *Browser) Shoot(name string) {
	b.t.Helper()
	for _, width := range []int{1280, 360} {
		for _, dark := range []bool{false, true} {
			b.View(width, 900, dark)
			file := fmt.Sprintf("%s-%d-%s.png", name, width, map[bool]string{true: "dark", false: "light"}[dark])
			png := do(b, "taking a picture", chromedp.FullScreenshot(100))
			if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), file), png, 0o644); err != nil {
				b.t.Fatal(err)
			}
			if wide := Eval[float64](b, "document.documentElement.scrollWidth"); wide > float64(width) {
				b.t.Errorf("%s scrolls sideways: %v pixels wide", file, wide)
			}
			b.axe(file)
		}
	}
	b.zoom(name, 200)
	b.zoom(name, 400)
	b.View(1280, 900, false)
}

// axe fails the test for each violation of WCAG 2.2 AA that axe-core finds.
func (b *Browser) axe(page string) {
	b.t.Helper()
	script, err := os.ReadFile("../.ci/axe/node_modules/axe-core/axe.min.js")
	if err != nil {
		b.t.Fatal(err)
	}
	if !Eval[bool](b, "'axe' in window") {
		do(b, "loading axe", chromedp.Evaluate[chromedp.Void](string(script)+"\n;undefined"))
	}
	found := Eval[string](b, `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) =>
		JSON.stringify(r.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.map((n) => n.html).join(" | "))))`)
	var violations []string
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		b.t.Errorf("%s: axe: %s", page, v)
	}
}
