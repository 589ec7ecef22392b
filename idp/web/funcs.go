package web

import (
	"encoding/base64"
	"html/template"
	"strconv"
	"strings"
)

// funcs are what the templates may call.
func (p *Pages) funcs() template.FuncMap {
	return template.FuncMap{
		"asset":   p.Asset,
		"image":   imageURL,
		"otpauth": otpauthURL,
		"hue":     hue,
		"days":    days,
		"minutes": minutes,
	}
}

// imageURL lets pictures of our own and data: pictures through and turns anything else into no
// picture. The escaper refuses data: addresses, because one can hold a document with scripts; in an
// img element the types below cannot run any, and base64 has no character that ends an attribute.
func imageURL(s string) any {
	if strings.HasPrefix(s, assetRoot) {
		return s // the escaper judges it like any other address
	}
	rest, isData := strings.CutPrefix(s, "data:")
	kind, data, isBase64 := strings.Cut(rest, ";base64,")
	if !isData || !isBase64 || imageTypes[kind] == "" {
		return ""
	}
	if _, err := base64.StdEncoding.DecodeString(data); err != nil || strings.ContainsAny(data, "\r\n") {
		return ""
	}
	return template.URL(s) //nolint:gosec // G203: a picture of a known type in base64, nothing else
}

// otpauthURL lets the address of an authenticator app be a link, for people who read the page on the
// phone that has the app. An address with a character that
// RFC 3986 wants encoded is refused.
func otpauthURL(s string) template.URL {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?&=%+@,"
	odd := func(r rune) bool { return !strings.ContainsRune(letters, r) }
	if !strings.HasPrefix(s, "otpauth://totp/") || strings.ContainsFunc(s, odd) {
		return ""
	}
	return template.URL(s) //nolint:gosec // G203: the scheme and every character were checked
}

// hue sorts an angle into one of the twelve colours of style.css.
func hue(degrees int) int { return (degrees%360 + 360) % 360 / 30 }

// minutes says a number of seconds in words, rounded up.
func minutes(seconds int) string {
	if n := (seconds + 59) / 60; n != 1 {
		return strconv.Itoa(n) + " minutes"
	}
	return "1 minute"
}

// days says a number of days in words.
func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return strconv.Itoa(n) + " days"
}
