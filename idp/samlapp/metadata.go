package samlapp

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// minMetadata is what IAM's CreateSAMLProvider demands of a document, rule M1.
const minMetadata = 1000

// maxMetadataKeys is IAM's quota of keys for one provider, rule M5.
const maxMetadataKeys = 10

// Metadata returns the document that the other side is given: UTF-8 without a byte order mark, the
// keys in the order given (active first, next ones after it, so that a rollover needs no new upload), and neither
// validUntil nor cacheDuration, which some receivers take as the end of the trust. sloURL may be empty.
func Metadata(entityID, ssoURL, sloURL string, keys []idp.SAMLKey) ([]byte, error) {
	if entityID == "" {
		return nil, errors.New("metadata: no entity id")
	}
	for _, e := range []struct{ name, url string }{{"single sign-on", ssoURL}, {"single logout", sloURL}} {
		if e.url == "" && e.name == "single logout" {
			continue
		}
		if err := checkEndpoint(e.name+" address", e.url); err != nil {
			return nil, fmt.Errorf("metadata: %w", err)
		}
	}
	keys, err := publishable(keys)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	c := canonical{b: make([]byte, 0, 8192)}
	c.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	c.raw(`<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="`)
	c.attr("entity id", entityID)
	c.raw(`">` + "\n" + `  <md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="` + nsProtocol + `">` + "\n")
	for _, k := range keys {
		c.raw(`    <md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="` + nsSignature + `"><ds:X509Data><ds:X509Certificate>`)
		c.raw(base64.StdEncoding.EncodeToString(k.Certificate))
		c.raw(`</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>` + "\n")
	}
	endpoint := func(element, binding, url string) {
		c.raw(`    <md:` + element + ` Binding="urn:oasis:names:tc:SAML:2.0:bindings:` + binding + `" Location="`)
		c.attr("address", url)
		c.raw(`"></md:` + element + `>` + "\n")
	}
	if sloURL != "" {
		endpoint("SingleLogoutService", "HTTP-POST", sloURL)
		endpoint("SingleLogoutService", "HTTP-Redirect", sloURL)
	}
	for _, short := range []string{"persistent", "emailAddress", "unspecified", "transient"} {
		c.raw(`    <md:NameIDFormat>` + nameIDFormats[short] + `</md:NameIDFormat>` + "\n")
	}
	endpoint("SingleSignOnService", "HTTP-POST", ssoURL)
	endpoint("SingleSignOnService", "HTTP-Redirect", ssoURL)
	c.raw("  </md:IDPSSODescriptor>\n</md:EntityDescriptor>\n")
	if c.err != nil {
		return nil, fmt.Errorf("metadata: %w", c.err)
	}
	if len(c.b) < minMetadata {
		return nil, fmt.Errorf("metadata: %d characters, IAM takes no fewer than %d", len(c.b), minMetadata)
	}
	return c.b, nil
}

// publishable leaves out retired keys and refuses a document that would not verify what we sign.
func publishable(keys []idp.SAMLKey) ([]idp.SAMLKey, error) {
	var out []idp.SAMLKey
	for _, k := range keys {
		if k.State == idp.KeyRetired {
			continue
		}
		if _, err := checkKey(k); err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	switch {
	case len(out) == 0 || out[0].State != idp.KeyActive:
		return nil, errors.New("the first key is not the active one")
	case len(out) > maxMetadataKeys:
		return nil, fmt.Errorf("%d keys, IAM takes no more than %d", len(out), maxMetadataKeys)
	}
	return out, nil
}
