package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// crowd is a gateway with many people, whose password is cheap to hash so that the load falls on the rest.
type crowd struct {
	*Caddy
	people []*Person
	values map[string]any
}

// newCrowd prepares testdata/crowd.Caddyfile for n people; nothing runs before Start.
func newCrowd(t *testing.T, n int) crowd {
	t.Helper()
	const password = "correct horse battery"
	c := crowd{values: map[string]any{"Title": "Example Apps", "PortalPolicy": "weekly", "SealKey": "", "Links": []string(nil)}}
	hash := cheapHash(t, password)
	var users []LocalUser
	for i := range n {
		who := &Person{Name: fmt.Sprintf("agent%02d", i), Password: password, Own: true}
		c.people = append(c.people, who)
		users = append(users, LocalUser{Name: who.Name, Email: who.Name + "@example.test", Hash: hash})
	}
	c.values["Users"] = users
	c.Caddy = NewCaddy(t, "crowd", c.values)
	return c
}

// cheapHash is a hash of the least cost that a local source takes.
func cheapHash(t *testing.T, password string) string {
	t.Helper()
	return strings.TrimSpace(Run(t, nil, binary, "hash-password", "--algorithm", "argon2id", "--argon2id-memory", "8192", "--plaintext", password))
}

// change writes the configuration with some values replaced, for Start or Reload to take up.
func (c crowd) change(values map[string]any) {
	c.t.Helper()
	all := maps.Clone(c.values)
	maps.Copy(all, values)
	c.Configure("crowd", all)
}

// admin sends requests to Caddy's admin socket. No connection stays, so that what it measures is not its own doing.
func (c *Caddy) admin() *http.Client {
	socket := filepath.Join(c.Dir, "admin.sock")
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
}

// errAsked says that a page asked for a sign-in where somebody was signed in.
var errAsked = errors.New("asked to sign in again")

// open is Get with an error instead of the end of the test, for people who are many.
func (c *Client) open(address string) (*Page, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Site", "none")
	return c.Do(req)
}

// send is Submit with an error instead of the end of the test.
func (c *Client) send(p *Page, f Form, fill url.Values) (*Page, error) {
	to, err := p.URL.Parse(f.Action)
	if err != nil {
		return nil, err
	}
	fields := maps.Clone(f.Fields)
	maps.Copy(fields, fill)
	req, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", p.URL.Scheme+"://"+p.URL.Host)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	return c.Do(req)
}

// answer answers one page of a sign-in.
func (c *Client) answer(p *Page, who *Person) (*Page, error) {
	field, value, err := who.answer(p.Kind, p.OTPAuth)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, p)
	}
	find := field
	if p.Kind == "device" {
		find = "" // a button, which the form lists no field for
	}
	f, err := p.form(find)
	if err != nil {
		return nil, err
	}
	return c.send(p, f, url.Values{field: {value}})
}

// answerAll answers pages until one of the kind wanted.
func (c *Client) answerAll(p *Page, who *Person, want string) (*Page, error) {
	for range 12 {
		if p.Kind == want {
			return p, nil
		}
		next, err := c.answer(p, who)
		if err != nil {
			return nil, err
		}
		p = next
	}
	return nil, fmt.Errorf("no page %q: %s", want, p)
}

// press presses the tile of an application and returns the page that comes.
func (c *Client) press(tiles *Page, app string) (*Page, error) {
	f, err := tiles.Form("/apps/"+app, "f")
	if err != nil {
		return nil, err
	}
	return c.send(tiles, f, nil)
}

// lastCode is the code that the person typed last, and whether the gateway would still take it if it had
// not been typed.
func (p *Person) lastCode() (code string, current bool, err error) {
	period := int64(p.key.Period())
	code, err = totp.GenerateCode(p.key.Secret(), time.Unix(p.used*period, 0))
	now := time.Now().Unix() / period
	return code, p.used >= now-1 && p.used <= now+1, err
}

// auditLine is what the tests read of a line of "caddy gatehouse audit --json".
type auditLine struct {
	Kind, Result, Reason, Detail, By, User, Name, App string
	Section, Policy, Rule, Client, Agent, Factor      string
	Visit                                             *idp.Visit
	Launch                                            struct {
		AssertionID string `json:"assertion_id"`
		SessionName string `json:"session_name"`
	}
}

// audit reads the audit log by the command.
func (c *Caddy) audit(args ...string) []auditLine {
	c.t.Helper()
	out := c.mustCommand(append([]string{"audit", "--json"}, args...)...)
	var lines []auditLine
	d := json.NewDecoder(strings.NewReader(out))
	for d.More() {
		var l auditLine
		if err := d.Decode(&l); err != nil {
			c.t.Fatalf("audit: %v in %.2000s", err, out)
		}
		if l.Kind != "" { // Caddy says on standard error which configuration it reads
			lines = append(lines, l)
		}
	}
	return lines
}

// mustCommand runs a subcommand of gatehouse on this configuration.
func (c *Caddy) mustCommand(args ...string) string {
	c.t.Helper()
	out, err := c.Command(append(append([]string{"gatehouse"}, args...), "--config", c.config())...)
	if err != nil {
		c.t.Fatalf("caddy gatehouse %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// atLeast is for waiting until a count has come so far.
func atLeast(have, want int64) error {
	if have < want {
		return fmt.Errorf("%d, and %d are awaited", have, want)
	}
	return nil
}
