package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// Client is a browser without a screen: it keeps cookies, follows redirects and fills in forms.
type Client struct {
	t    testing.TB
	http *http.Client
}

// Client makes a new browser that has never been here.
func (c *Caddy) Client() *Client { return c.ClientFrom("") }

// ClientFrom makes a new browser at another address of the loopback interface.
func (c *Caddy) ClientFrom(address string) *Client {
	c.t.Helper()
	return NewClient(c.t, c.HTTP(address))
}

// NewClient makes a browser out of a plain client, which gets a jar for its cookies.
func NewClient(t testing.TB, hc *http.Client) *Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	hc.Jar = jar
	return &Client{t: t, http: hc}
}

// Get opens an address as a person who typed it.
func (c *Client) Get(address string) *Page {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Site", "none")
	req.Header.Set("Sec-Fetch-User", "?1")
	return c.do(req)
}

// Submit sends a form of a page with some fields filled in.
func (c *Client) Submit(p *Page, f Form, fill url.Values) *Page {
	c.t.Helper()
	to, err := p.URL.Parse(f.Action)
	if err != nil {
		c.t.Fatal(err)
	}
	fields := url.Values{}
	maps.Copy(fields, f.Fields)
	maps.Copy(fields, fill)
	req, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", p.URL.Scheme+"://"+p.URL.Host)
	if to.Host == p.URL.Host {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	} else {
		req.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	return c.do(req)
}

func (c *Client) do(req *http.Request) *Page {
	c.t.Helper()
	p, err := c.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// Do sends a request and reads the page it ends on.
func (c *Client) Do(req *http.Request) (*Page, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	return readPage(res)
}

// Walk answers the pages of a sign-in as the person would until it comes to a page of the kind wanted, and
// returns that page and the kinds that were answered on the way.
func (c *Client) Walk(p *Page, who *Person, want string) (*Page, []string) {
	c.t.Helper()
	var way []string
	for range 12 {
		if p.Kind == want {
			return p, way
		}
		field, value, err := who.answer(p.Kind, p.OTPAuth)
		if err != nil {
			c.t.Fatalf("on the way to %q, after %v: %v: %s", want, way, err, p)
		}
		way = append(way, p.Kind)
		find := field
		if p.Kind == "device" {
			find = "" // a button, which the form lists no field for
		}
		f, err := p.form(find)
		if err != nil {
			c.t.Fatal(err)
		}
		p = c.Submit(p, f, url.Values{field: {value}})
	}
	c.t.Fatalf("no page %q after %v: %s", want, way, p)
	return nil, nil
}

// form returns the form of the step on the page: not the one that signs out.
func (p *Page) form(field string) (Form, error) {
	for _, f := range p.Forms {
		if f.Action != "/logout" && (field == "" || f.Fields.Has(field)) {
			if f.Action == "" {
				f.Action = p.URL.String()
			}
			return f, nil
		}
	}
	return Form{}, fmt.Errorf("no form with field %q on %s", field, p)
}

// SignIn opens the portal and goes on until the tiles show.
func (c *Client) SignIn(portal *Caddy, who *Person) (*Page, []string) {
	c.t.Helper()
	return c.Walk(c.Get(portal.Portal("/")), who, "portal")
}

// Launch presses an application's tile and goes on until the page that posts to it.
func (c *Client) Launch(tiles *Page, app string, who *Person) (*Page, []string) {
	c.t.Helper()
	f, err := tiles.Form("/apps/"+app, "f")
	if err != nil {
		c.t.Fatal(err)
	}
	return c.Walk(c.Submit(tiles, f, nil), who, "post")
}

// answer is the field that a page asks for and what the person puts there.
func (p *Person) answer(kind, otpauth string) (field, value string, err error) {
	switch kind {
	case "login":
		return "username", p.Name, nil
	case "password":
		return "password", p.Password, nil
	case "enroll":
		if err := p.Enroll(otpauth); err != nil {
			return "", "", err
		}
		value, err = p.Code()
		return "code", value, err
	case "mfa":
		value, err = p.Code()
		return "code", value, err
	case "device":
		if p.Own {
			return "device", "yes", nil
		}
		return "device", "no", nil
	}
	return "", "", fmt.Errorf("nothing to answer on a page %q", kind)
}
