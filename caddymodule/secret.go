package caddymodule

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// secretForm is the only way to write a secret: a reference that stays a reference in `caddy adapt`,
// in /config/ and in the autosaved configuration. {$VAR} is no such thing: it is replaced when the
// file is adapted, so the secret would be written out with the rest.
var secretForm = regexp.MustCompile(`^\{(file|env)\.[^{}]+\}$`)

// checkSecretForm refuses a secret that is written out. The error never repeats the text.
func checkSecretForm(option, ref string) error {
	if secretForm.MatchString(ref) {
		return nil
	}
	return fmt.Errorf("%s is a secret: write {file./path/to/it} (or {env.NAME}), not the secret itself", option)
}

// resolveSecret reads what a reference points to. A missing or empty file is an error: an empty
// password, for one, turns an LDAP bind into an anonymous one, which succeeds (RFC 4513 §5.1.2).
func resolveSecret(option, ref string) (idp.Secret, error) {
	if err := checkSecretForm(option, ref); err != nil {
		return idp.Secret{}, err
	}
	text, err := resolveRef(ref)
	if err != nil {
		return idp.Secret{}, fmt.Errorf("%s %s: %w", option, ref, err)
	}
	return idp.NewSecret(text), nil
}

// errEmptyRef hides Caddy's own text, which differs for files and variables.
var errEmptyRef = errors.New("it is missing, unreadable or empty")

// resolveRef replaces a reference by its text. Only ReplaceOrErr fails on what is missing; the other
// methods of the replacer give "".
func resolveRef(ref string) (string, error) {
	text, err := caddy.NewReplacer().ReplaceOrErr(ref, true, true)
	if err != nil {
		return "", errEmptyRef
	}
	if text = strings.TrimRight(text, "\r\n"); text == "" {
		return "", errEmptyRef
	}
	return text, nil
}
