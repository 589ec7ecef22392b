package duo

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/e2e/duoservice"
	"github.com/gatehouse-sso/gatehouse/idp"
)

// asked is the prompt that the tokens of the table answer.
var asked = memo{Factor: "duo", User: "corp:1", Username: "ann", Callback: callback, State: "state", Nonce: "the-nonce-of-the-prompt", Begun: noon}

// variant is an id_token that differs from the good one.
type variant struct {
	claims map[string]any // nil takes a claim away
	header map[string]any
	key    string
}

// judge is everything between the raw token and the verdict.
func (b *bench) judge(v variant) error {
	claims := map[string]any{
		"iss": b.client.origin + tokenPath, "aud": testID, "sub": "ann", "preferred_username": "ann", "nonce": asked.Nonce,
		"iat": noon.Unix(), "exp": noon.Add(5 * time.Minute).Unix(), "auth_time": noon.Unix(),
		"auth_result":  map[string]any{"result": "allow", "status": "allow", "status_msg": "Login Successful"},
		"auth_context": map[string]any{"result": "success", "factor": "duo_push", "reason": "user_approved", "timestamp": noon.Unix()},
	}
	for name, value := range v.claims {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	header := duoservice.HS512()
	maps.Copy(header, v.header)
	if v.key == "" {
		v.key = testSecret
	}
	t, err := b.client.readToken(duoservice.Sign(header, claims, []byte(v.key)))
	if err != nil {
		return err
	}
	return t.check(asked, noon)
}

func claim(name string, value any) variant { return variant{claims: map[string]any{name: value}} }

func TestGoodTokens(t *testing.T) {
	b := newBench(t, nil)
	for name, v := range map[string]variant{
		"baseline":                 {},
		"expired within a minute":  claim("exp", noon.Add(-55*time.Second).Unix()),
		"aud, a list of one":       claim("aud", []string{testID}),
		"unknown claims":           claim("another", map[string]any{"deep": []int{1}}),
		"auth_time with fraction":  claim("auth_time", 1772452800.25),
		"iat with fraction":        claim("iat", float64(noon.Unix())+0.75),
		"exp with fraction":        claim("exp", float64(noon.Unix())+60.5),
		"timestamp with fraction":  claim("auth_context", map[string]any{"result": "success", "timestamp": 1772452800.25}),
		"flags that are odd":       claim("auth_context", map[string]any{"result": "success", "access_device": map[string]any{"is_password_set": "perhaps", "is_firewall_enabled": nil}}),
		"no auth_context":          claim("auth_context", nil),
		"auth_context that is nil": claim("auth_context", (*int)(nil)),
		"amr":                      claim("amr", []string{"mfa"}),
		"iat ahead by half":        claim("iat", noon.Add(30*time.Second).Unix()),
	} {
		if err := b.judge(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// C-31: every bad variant of an id_token is refused, and none but a denial is taken for one.
func TestC31BadTokens(t *testing.T) {
	b := newBench(t, nil)
	allow := func(more ...any) map[string]any {
		m := map[string]any{"result": "allow"}
		for i := 0; i+1 < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	for name, v := range map[string]variant{
		"another key":                 {key: "another-secret-of-forty-characters-xxxxx"},
		"alg none":                    {header: map[string]any{"alg": "none"}},
		"alg HS256":                   {header: map[string]any{"alg": "HS256"}},
		"alg HS384":                   {header: map[string]any{"alg": "HS384"}},
		"alg RS512":                   {header: map[string]any{"alg": "RS512"}},
		"no alg":                      {header: map[string]any{"alg": ""}},
		"exp missing":                 claim("exp", nil),
		"exp two minutes ago":         claim("exp", noon.Add(-2*time.Minute).Unix()),
		"exp a string":                claim("exp", "tomorrow"),
		"iat missing":                 claim("iat", nil),
		"iat in the future":           claim("iat", noon.Add(2*time.Minute).Unix()),
		"nbf in the future":           claim("nbf", noon.Add(2*time.Minute).Unix()),
		"iss missing":                 claim("iss", nil),
		"iss another host":            claim("iss", "https://api-00000000.duosecurity.com/oauth/v1/token"),
		"iss the host alone":          claim("iss", b.client.origin),
		"aud missing":                 claim("aud", nil),
		"aud another":                 claim("aud", "DIXXXXXXXXXXXXXXXXXX"),
		"aud, a list of two":          claim("aud", []string{testID, "DIXXXXXXXXXXXXXXXXXX"}),
		"aud, an empty list":          claim("aud", []string{}),
		"nonce missing":               claim("nonce", nil),
		"nonce another":               claim("nonce", "the-nonce-of-another"),
		"nonce empty":                 claim("nonce", ""),
		"username missing":            claim("preferred_username", nil),
		"username another":            claim("preferred_username", "ben"),
		"username in other case":      claim("preferred_username", "Ann"),
		"username with a domain":      claim("preferred_username", "ann@example.com"),
		"auth_result missing":         claim("auth_result", nil),
		"auth_result empty":           claim("auth_result", map[string]any{}),
		"auth_result a string":        claim("auth_result", "allow"),
		"result in other case":        claim("auth_result", map[string]any{"result": "Allow"}),
		"auth_time a string":          claim("auth_time", "now"),
		"result deny":                 claim("auth_result", map[string]any{"result": "deny", "status": "deny"}),
		"result allow, status deny":   claim("auth_result", allow("status", "deny")),
		"result allow, status fraud":  claim("auth_result", allow("status", "fraud")),
		"result allow, log failure":   claim("auth_context", map[string]any{"result": "failure"}),
		"result allow, log fraud":     claim("auth_context", map[string]any{"result": "fraud"}),
		"auth_context that is a list": claim("auth_context", []int{1}),
	} {
		err := b.judge(v)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		b.wantNoSecret(err)
	}
	for _, raw := range []string{"", "a", "a.b.c", "..", "e30.e30.", "\x00.\x00.\x00"} {
		if _, err := b.client.readToken(raw); err == nil {
			t.Errorf("%q: accepted", raw)
		}
	}
}

// A denial that is another's denies nothing here: it must not count against the person.
func TestOnlyTheDenialOfThisPromptCounts(t *testing.T) {
	b := newBench(t, nil)
	deny := map[string]any{"result": "deny", "status": "deny"}
	if err := b.judge(claim("auth_result", deny)); !errors.Is(err, idp.ErrBadCredentials) {
		t.Errorf("a denial: %v", err)
	}
	for name, other := range map[string]any{"nonce": "the-nonce-of-another", "preferred_username": "ben"} {
		if err := b.judge(variant{claims: map[string]any{"auth_result": deny, name: other}}); err == nil || errors.Is(err, idp.ErrBadCredentials) {
			t.Errorf("the denial of another %s: %v", name, err)
		}
	}
}
