package samlapp

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// checkEndpoint refuses addresses that a response must never be posted to. An ACS of javascript: or
// data: runs script in the gateway's origin (crewjam CVE-2023-45683), userinfo and fragments hide
// where the browser really goes, and plain http shows the assertion to the network.
func checkEndpoint(field, raw string) error {
	u, err := parseAddress(field, raw)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return &FieldError{field, fmt.Sprintf("%q is not https", raw), "write an https address (http is for localhost only)"}
	}
	if strings.Contains(raw, "#") {
		return &FieldError{field, fmt.Sprintf("%q has a fragment", raw), "write it without # and what follows"}
	}
	return nil
}

// parseAddress takes http and https addresses of plain ASCII, without a user.
func parseAddress(field, raw string) (*url.URL, error) {
	const cure = "write an https address, such as https://app.example.com/saml/acs"
	for _, c := range []byte(raw) {
		// Browsers read a backslash as a slash and drop tabs and line ends; Go does neither.
		if c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>' {
			return nil, &FieldError{field, fmt.Sprintf("%q holds a character that addresses must encode", raw), cure}
		}
	}
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, &FieldError{field, "is missing", cure}
	case err != nil, len(raw) > 2048:
		return nil, &FieldError{field, fmt.Sprintf("%.100q is not an address", raw), cure}
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, &FieldError{field, fmt.Sprintf("%q does not begin with https://", raw), cure}
	case u.Hostname() == "" || u.Opaque != "":
		return nil, &FieldError{field, fmt.Sprintf("%q names no host", raw), cure}
	case u.User != nil:
		return nil, &FieldError{field, fmt.Sprintf("%q has a user before the host", u.Redacted()), cure}
	}
	return u, nil
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 §6.3
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
