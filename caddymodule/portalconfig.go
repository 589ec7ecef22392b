package caddymodule

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// PortalConfig is the gateway's own face.
type PortalConfig struct {
	// URL is the address of the portal: https and a host, as in https://sso.example.com. Cookies,
	// metadata and every address that is given out are made from it, never from a request.
	URL string `json:"url"`
	// Title is what the portal calls itself. Default: the portal's host.
	Title string `json:"title,omitempty"`
	// Logo is a file with an image: SVG, PNG, JPEG or WebP, at most 256 KiB. Default: none.
	Logo string `json:"logo,omitempty"`
	// Help says whom to call: "Service desk, extension 4400". Default: none.
	Help string `json:"help,omitempty"`
	// HelpURL is a page with help. Default: none.
	HelpURL string `json:"help_url,omitempty"`
	// Policy is the name of the policy of the portal itself. Default: the policy named default.
	Policy string `json:"policy,omitempty"`
	// GroupPolicies are the portal's policies for some groups. The first that has the person is in force. Default: none.
	GroupPolicies []GroupPolicyConfig `json:"group_policies,omitempty"`
	// PasswordNotice is how long before a password of the directory expires the portal says so. Default: 14d. Below zero
	// it never does.
	PasswordNotice caddy.Duration `json:"password_notice,omitempty"`
}

// address parses URL and holds it to what cookies and browsers need.
func (p *PortalConfig) address() (*url.URL, error) {
	if p.URL == "" {
		return nil, errors.New("portal: the address is missing; it takes: portal https://HOST { … }")
	}
	u, err := url.Parse(p.URL)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("portal: the address is a scheme and a host, as in https://sso.example.com")
	}
	// The cookies carry the prefix __Host-, which browsers take over https only, but on localhost.
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("portal %s: the address begins with https:// (http is for localhost only)", p.URL)
	}
	u.Path = ""
	return u, nil
}

// portal builds what idp wants.
func (p *PortalConfig) portal(u *url.URL) (idp.Portal, error) {
	logo, err := readImage("logo", p.Logo)
	if err != nil {
		return idp.Portal{}, err
	}
	return idp.Portal{URL: u, Title: p.Title, Logo: logo, Help: p.Help, HelpURL: p.HelpURL, Policy: p.Policy, PasswordNotice: time.Duration(p.PasswordNotice)}, nil
}

// isLoopback reports whether a host is this machine whatever DNS says (RFC 6761 §6.3).
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// parsePortal reads
//
//	portal <url> {
//		title <text>
//		logo <file>
//		help <text> [<url>]
//		policy <name> [for <group...>]
//		password_notice <duration> | off
//	}
func parsePortal(d *caddyfile.Dispenser) (*PortalConfig, error) {
	args := d.RemainingArgs()
	if len(args) != 1 {
		return nil, d.Errf("portal takes: portal https://HOST { … }")
	}
	p := &PortalConfig{URL: args[0]}
	if _, err := p.address(); err != nil {
		return nil, d.WrapErr(err)
	}
	b := newBlock(d, "portal", "title", "logo", "help", "policy", "password_notice").repeatable("policy")
	for b.next() {
		switch b.option {
		case "title":
			b.text(&p.Title, "TEXT")
		case "logo":
			b.text(&p.Logo, "FILE")
		case "policy":
			parsePolicyName(b, &p.Policy, &p.GroupPolicies)
		case "password_notice":
			p.parseNotice(b)
		case "help":
			a := b.leaf(1, 2, "TEXT [URL]")
			if len(a) > 0 {
				p.Help = a[0]
			}
			if len(a) > 1 {
				p.HelpURL = a[1]
				b.webAddress(p.HelpURL)
			}
		}
	}
	return p, b.err
}

func (p *PortalConfig) parseNotice(b *block) {
	a := b.leaf(1, 1, "DURATION | off")
	if len(a) != 1 {
		return
	}
	if a[0] == "off" {
		p.PasswordNotice = -1
		return
	}
	p.PasswordNotice, _ = b.parseDuration(a[0])
}
