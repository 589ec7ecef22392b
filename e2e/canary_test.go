package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// word is text that is nowhere else.
func word(name string) string {
	return name + rand.Text()
}

// aviary is a gateway that talks as much as it can, and the secrets that it was given.
type aviary struct {
	*Caddy
	who       *Person
	directory *refusingDirectory
	canary    map[string]string // what it is → what must be nowhere
	adapted   string
}

// newAviary starts testdata/canary.Caddyfile with secrets of which each is unique.
func newAviary(t *testing.T) *aviary {
	t.Helper()
	a := &aviary{who: &Person{Name: "alice", Password: word("pw-"), Own: true}, canary: map[string]string{}}
	a.Caddy = NewCaddy(t, "canary", map[string]any{"Directory": "", "CA": ""})
	a.directory = newRefusingDirectory(t, a.Dir)
	a.Configure("canary", map[string]any{"Directory": a.directory.URL, "CA": a.directory.CA})
	hash := cheapHash(t, a.who.Password)
	seal := base64.StdEncoding.EncodeToString([]byte(rand.Text() + rand.Text())[:32])
	bind := word("bind-")
	for name, text := range map[string]string{"hash": hash, "seal": seal, "bind": bind} {
		WriteFile(t, filepath.Join(a.Dir, "secrets", name), text+"\n")
	}
	a.canary["password"], a.canary["hash of the password"] = a.who.Password, hash[strings.LastIndex(hash, "$")+1:]
	a.canary["seal key"], a.canary["password of the bind"] = seal, bind
	adapted, err := a.Command("adapt", "--config", a.config(), "--pretty")
	if err != nil {
		t.Fatalf("adapt: %v: %s", err, adapted)
	}
	a.adapted = adapted
	a.Start()
	return a
}

// journey is the whole way, with a wrong password, a wrong code and a code twice, to the verdict of the
// stand-in. It takes down each secret that is made on the way.
func (a *aviary) journey() {
	a.t.Helper()
	client := a.Client()
	p := client.Get(a.Portal("/"))
	wrong := *a.who
	wrong.Password = word("wrong-")
	a.canary["wrong password"] = wrong.Password
	p, _ = client.Walk(p, &wrong, "password")
	p = a.step(client, p, &wrong)
	p, _ = client.Walk(p, a.who, "enroll")
	a.canary["otpauth address"] = p.OTPAuth
	if err := a.who.Enroll(p.OTPAuth); err != nil {
		a.t.Fatal(err)
	}
	a.canary["seed"] = a.who.key.Secret()
	p = a.code(client, p, "code of the enrollment")
	tiles, _ := client.Walk(p, a.who, "portal")
	a.cookies("after the sign-in", client)
	post, _ := client.Launch(tiles, "connect", a.who)
	a.response(post)
	f, err := post.Form("", "SAMLResponse")
	if err != nil {
		a.t.Fatal(err)
	}
	if verdict := client.Submit(post, f, nil); !strings.Contains(verdict.Body, accepted) {
		a.t.Errorf("the stand-in: %s", verdict)
	}

	// Somebody whom only the directory could know.
	stranger := &Person{Name: "bob@corp.example.test", Password: word("stranger-")}
	a.canary["password of a stranger"] = stranger.Password
	third := a.Client()
	p, _ = third.Walk(third.Get(a.Portal("/")), stranger, "password")
	a.step(third, p, stranger)

	// A second device: a wrong code, the used code, the next one.
	second := a.Client()
	p, _ = second.Walk(second.Get(a.Portal("/apps/connect?destination=%2Fccp-v2")), a.who, "mfa")
	a.canary["wrong code"] = "000000"
	form, err := p.form("code")
	if err != nil {
		a.t.Fatal(err)
	}
	p = second.Submit(p, form, url.Values{"code": {"000000"}})
	p, _ = second.retype(p, a.who)
	p = a.code(second, p, "code of the second device")
	post, _ = second.Walk(p, a.who, "post")
	a.response(post)
	a.cookies("of the second device", second)
	p = second.Get(a.Portal("/settings"))
	second.Get(a.Portal("/help"))
	if out, err := p.Form("/logout", ""); err == nil {
		second.Submit(p, out, nil)
	}
}

// step answers one page.
func (a *aviary) step(client *Client, p *Page, who *Person) *Page {
	a.t.Helper()
	next, err := client.answer(p, who)
	if err != nil {
		a.t.Fatal(err)
	}
	return next
}

// code types a fresh code and takes it down.
func (a *aviary) code(client *Client, p *Page, what string) *Page {
	a.t.Helper()
	f, err := p.form("code")
	if err != nil {
		a.t.Fatal(err)
	}
	code, err := a.who.Code()
	if err != nil {
		a.t.Fatal(err)
	}
	a.canary[what] = code
	return client.Submit(p, f, url.Values{"code": {code}})
}

func (a *aviary) cookies(when string, client *Client) {
	a.t.Helper()
	at, err := url.Parse(a.Portal("/"))
	if err != nil {
		a.t.Fatal(err)
	}
	cookies := client.http.Jar.Cookies(at)
	if len(cookies) < 2 {
		a.t.Errorf("%d cookies %s", len(cookies), when)
	}
	for _, k := range cookies {
		a.canary["cookie "+k.Name+" "+when] = k.Value
	}
}

// response takes down two parts of a response: as posted, and of its signature.
func (a *aviary) response(post *Page) {
	a.t.Helper()
	xml, err := post.SAMLResponse()
	if err != nil {
		a.t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString(xml)
	_, signature, _ := strings.Cut(string(xml), "SignatureValue>")
	n := len(a.canary)
	a.canary[fmt.Sprintf("response %d", n)] = encoded[len(encoded)/2:][:60]
	a.canary[fmt.Sprintf("signature %d", n)] = signature[:60]
}

// given is everything that the gateway gives away to admins, by name.
func (a *aviary) given() map[string]string {
	a.t.Helper()
	given := a.Caddy.given()
	given["caddy adapt"] = a.adapted
	return given
}

// given is what a running gateway gives away to admins, by name.
func (c *Caddy) given() map[string]string {
	c.t.Helper()
	admin := c.admin()
	read := func(path string) string {
		res, err := admin.Get("http://localhost" + path)
		if err != nil {
			c.t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			c.t.Fatal(err)
		}
		return string(text)
	}
	autosave, err := os.ReadFile(filepath.Join(c.Dir, "config", "caddy", "autosave.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	check, _ := c.Command("gatehouse", "check", "--json", "--config", c.config()) // a directory that does not answer is a finding
	return map[string]string{
		"/config/": read("/config/"), "autosave.json": string(autosave), "/metrics": read("/metrics"), "audit": c.mustCommand("audit"),
		"audit --json": c.mustCommand("audit", "--json", "--rule-text"), "audit --csv": c.mustCommand("audit", "--csv"),
		"check": check, "keys list": c.mustCommand("keys", "list"), "log": c.Log.String(),
	}
}

// holds reports whether text has the secret, also as JSON or in an address. A code is a number, which has to
// stand alone: it may be part of a longer one.
func holds(text, secret string) bool {
	forms := []string{secret, url.QueryEscape(secret), strings.ReplaceAll(secret, "/", `\/`), strings.ReplaceAll(secret, "&", `\u0026`), strings.ReplaceAll(secret, "+", `\u002b`)}
	for _, form := range forms {
		for rest := text; ; {
			i := strings.Index(rest, form)
			if i < 0 {
				break
			}
			if len(secret) > 6 || alone(rest, i, i+len(form)) {
				return true
			}
			rest = rest[i+len(form):]
		}
	}
	return false
}

// alone reports whether the digits text[from:to] are no part of a longer number, name or fraction.
func alone(text string, from, to int) bool {
	part := func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '.' || b == '-' || b == '_'
	}
	return (from == 0 || !part(text[from-1])) && (to == len(text) || !part(text[to]))
}

// TestC65Canaries: with every log on and at its most talkative, no password, code, seed, cookie, response or
// secret of a file is in what admins can read.
func TestC65Canaries(t *testing.T) {
	a := newAviary(t)
	a.journey()
	given := a.given()
	for name, text := range given {
		if len(text) < 100 {
			t.Errorf("%s is empty: %q", name, text)
		}
		for what, secret := range a.canary {
			if holds(text, secret) {
				t.Errorf("%s holds the %s", name, what)
			}
		}
	}
	for what, sign := range map[string]string{
		"debug lines": `"level":"debug"`, "an access log": `"http.log.access`, "a trace of the handlers": "gatehouse_portal",
		"audit lines": "gatehouse.audit", "addresses": "/apps/connect?destination=",
	} {
		if !strings.Contains(given["log"], sign) {
			t.Errorf("the log is without %s, so that it proves nothing", what)
		}
	}
	for where, sign := range map[string]string{"/metrics": "caddy_gatehouse_logins_total", "audit --json": `"bad_credentials"`, "/config/": "{file."} {
		if !strings.Contains(given[where], sign) {
			t.Errorf("%s is without %s, so that it proves nothing", where, sign)
		}
	}
	if !a.directory.was(a.canary["password of the bind"]) {
		t.Error("the password of the bind was never used, so that its absence proves nothing")
	}
	t.Logf("%d secrets, none in any of %d places; %d bytes of log, %d audit lines",
		len(a.canary), len(given), len(given["log"]), strings.Count(given["audit --json"], `"kind"`))
}

// TestR29PlaceholdersStayLiteral: Caddy replaces {…} in configuration. What a stranger types is no
// configuration: expanded, it would read the environment and files out loud (CVE-2026-30852).
func TestR29PlaceholdersStayLiteral(t *testing.T) {
	secret := word("env-")
	t.Setenv("GATEHOUSE_CANARY", secret)
	a := newAviary(t)
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(passwd), "\n")
	var pages strings.Builder
	for _, typed := range []string{"{env.GATEHOUSE_CANARY}", "{$GATEHOUSE_CANARY}", "{file./etc/passwd}", "{http.request.host}", "{http.vars.client_ip}", "{system.hostname}"} {
		client := a.Client()
		who := &Person{Name: typed, Password: typed}
		p, _ := client.Walk(client.Get(a.Portal("/")), who, "password")
		if !strings.Contains(p.Body, `value="`+typed+`"`) {
			t.Errorf("the page does not show %s as it was typed: %s", typed, p)
		}
		tell(&pages, p)
		next := a.step(client, p, who)
		tell(&pages, next)
		if next.Kind == "portal" || next.Kind == "enroll" {
			t.Errorf("%s signed in: %s", typed, next)
		}
		for _, path := range []string{"/apps/" + url.PathEscape(typed), "/apps/connect?destination=" + url.QueryEscape(typed), "/login?app=" + url.QueryEscape(typed), "/" + url.PathEscape(typed)} {
			req, err := http.NewRequest(http.MethodGet, a.Portal(path), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range []string{"User-Agent", "Referer", "Accept-Language", "X-Forwarded-For", "X-Forwarded-Host"} {
				req.Header.Set(h, typed)
			}
			req.Header.Set("Sec-Fetch-Dest", "document")
			p, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			tell(&pages, p)
		}
	}
	given := a.given()
	if n := strings.Count(given["audit"], "{env.GATEHOUSE_CANARY}"); n == 0 {
		t.Errorf("the audit log does not show what was typed:\n%s", given["audit"])
	}
	given["pages"] = pages.String()
	for name, text := range given {
		for what, expanded := range map[string]string{"a variable of the environment": secret, "a file": first} {
			if strings.Contains(text, expanded) {
				t.Errorf("%s holds %s", name, what)
			}
		}
	}
	// In the names of people, a host or an address would be an expansion as well.
	for _, l := range a.audit() {
		if l.Kind == "login" && (l.Name == "" || !strings.HasPrefix(l.Name, "{")) {
			t.Errorf("somebody typed a placeholder, and the audit log has %q", l.Name)
		}
	}
}

// tell writes a page with its headers.
func tell(b *strings.Builder, p *Page) {
	fmt.Fprintln(b, p.Status, p.URL, p.Header, p.Body)
}

// TestValidateLeavesNothing: "caddy validate" on a machine where nothing has run yet leaves it empty: no
// store that would belong to whoever typed it, no key. Caddy's own authority is out of the way, because it
// makes its root whenever it is provisioned.
func TestValidateLeavesNothing(t *testing.T) {
	c := newCrowd(t, 1)
	text, err := os.ReadFile(c.config())
	if err != nil {
		t.Fatal(err)
	}
	WriteFile(t, c.config(), strings.NewReplacer("\tlocal_certs\n", "", "auto_https disable_redirects", "auto_https off").Replace(string(text)))
	out, err := c.Command("validate", "--config", c.config(), "--adapter", "caddyfile")
	if err != nil || !strings.Contains(out, "Valid configuration") {
		t.Fatalf("validate: %v: %s", err, out)
	}
	err = filepath.WalkDir(c.Dir, func(path string, _ fs.DirEntry, err error) error {
		if path != c.Dir && path != c.config() {
			t.Errorf("validating has left %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
