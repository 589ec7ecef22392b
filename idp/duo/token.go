package duo

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// leeway is how far Duo's clock and ours may be apart.
const leeway = time.Minute

// remembered is Duo's word for an answer that nobody was asked for.
const remembered = "remembered_device"

// token is as much of Duo's id_token as we judge. What is not here may have any form.
type token struct {
	jwt.RegisteredClaims
	Username string   `json:"preferred_username"`
	Nonce    string   `json:"nonce"`
	AuthTime *float64 `json:"auth_time"` // may have a fraction
	Outcome  *struct {
		Result  string `json:"result"`
		Status  string `json:"status"`
		Message string `json:"status_msg"`
	} `json:"auth_result"`
	Context *struct {
		Result string `json:"result"`
		Factor string `json:"factor"`
		Reason string `json:"reason"`
		TxID   string `json:"txid"`
	} `json:"auth_context"`
}

// readToken checks who made the token, for whom and for how long. What it says is for [token.check] to judge.
func (c *client) readToken(raw string) (*token, error) {
	t := &token{}
	_, err := jwt.NewParser(
		// HS512 alone: the header must not choose the algorithm (RFC 8725 §3.1).
		jwt.WithValidMethods([]string{jwt.SigningMethodHS512.Alg()}),
		jwt.WithIssuer(c.origin+tokenPath), jwt.WithAudience(c.id), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(c.now),
	).ParseWithClaims(raw, t, func(*jwt.Token) (any, error) { return c.key, nil })
	switch {
	case err != nil:
		return nil, fmt.Errorf("duo's token: %w", err)
	case t.IssuedAt == nil:
		return nil, errors.New("duo's token does not say when it was issued")
	case len(t.Audience) != 1:
		return nil, errors.New("duo's token is for others as well")
	}
	return t, nil
}

// check holds what Duo says against what was asked. Everything that must be the same is looked at before the verdict: a
// denial of another prompt denies nothing here.
func (t *token) check(m memo, now time.Time) error {
	switch {
	case subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(m.Nonce)) != 1:
		return refused("bad_nonce", errors.New("duo's token repeats another nonce"))
	case t.Username != m.Username:
		return refused("wrong_user", errors.New("duo's token is another person's"))
	case t.Outcome == nil:
		return refused("bad_token", errors.New("duo's token says nothing of the outcome"))
	case t.Outcome.Result != "allow" || t.Outcome.Status != "" && t.Outcome.Status != "allow" && t.Outcome.Status != "bypass":
		return fmt.Errorf("duo says %q, %q: %w", short(t.Outcome.Result), short(t.Outcome.Status), idp.ErrBadCredentials)
	case t.Context != nil && t.Context.Result != "" && t.Context.Result != "success":
		return fmt.Errorf("duo's log says %q, %q: %w", short(t.Context.Result), short(t.Context.Reason), idp.ErrBadCredentials)
	}
	return t.checkAge(m, now)
}

// checkAge refuses an authentication that is older than the policy bears. Duo is asked for a young one, and may not
// heed it; then "always" would mean as often as Duo's own policy says (security.md C-28).
func (t *token) checkAge(m memo, now time.Time) error {
	if !m.Fresh && m.MaxAge <= 0 {
		return nil
	}
	oldest := m.Begun
	if !m.Fresh {
		oldest = now.Add(-m.MaxAge)
	}
	switch {
	case t.AuthTime == nil:
		return refused("bad_token", errors.New("duo's token does not say when the person was asked"))
	case m.Fresh && t.Context != nil && (t.Context.Reason == remembered || t.Context.Factor == remembered),
		t.at().Before(oldest.Add(-leeway)):
		return &idp.Error{
			Status: http.StatusForbidden, Title: "Duo did not ask you", Reason: "duo_remembered",
			Public: "Duo let you pass by a device that it remembers, and this asks every time. Ask the service desk.",
			Err:    errors.New("duo answered from a remembered session; turn Remembered Devices off for this application in Duo's panel"),
		}
	}
	return nil
}

func (t *token) at() time.Time { return time.UnixMilli(int64(*t.AuthTime * 1000)) }

// authenticated is when the person was asked: not later than now, and earlier where Duo remembered them.
func (t *token) authenticated(now time.Time) time.Time {
	if t.AuthTime != nil && now.Sub(t.at()) > leeway {
		return t.at()
	}
	return now
}

// method is what the person confirmed with, in Duo's words: "duo_push".
func (t *token) method() string {
	if t.Context == nil || len(t.Context.Factor) > 64 {
		return ""
	}
	return t.Context.Factor
}
