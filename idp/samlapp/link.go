package samlapp

import (
	"context"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Link is a tile that is only an address.
type Link struct {
	name, label, url string
}

var (
	_ idp.Linker  = (*Link)(nil)
	_ idp.Checker = (*Link)(nil)
)

// NewLink checks the address: http or https, without a user. The label defaults to the name.
func NewLink(name, label, address string) (*Link, error) {
	if _, err := parseAddress("link", address); err != nil {
		return nil, err
	}
	if label == "" {
		label = name
	}
	return &Link{name, label, address}, nil
}

// Tile is how the portal shows the link.
func (l *Link) Tile() idp.Tile { return idp.Tile{Name: l.name, Label: l.label} }

// URL is where the tile leads.
func (l *Link) URL() string { return l.url }

// Check finds links that cannot work, rule X7.
func (l *Link) Check(context.Context) []idp.Finding {
	f := findings{where: "application " + l.name}
	if connectLogin(l.url) {
		f.warn("X7", "the link opens Amazon Connect directly; with SAML that ends in “Session Expired”",
			"use an amazon_connect application and let people open its tile")
		return f.list
	}
	f.ok("", "links to %s", l.url)
	return f.list
}
