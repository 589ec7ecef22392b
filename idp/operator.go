package idp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// operatorKind is the kind of memos that are tokens of operators. They belong to no person: no user key is without a colon.
const (
	operatorKind  = "operator"
	operatorOwner = "operators"
)

// MostTokenLife is how long a token may be good.
const MostTokenLife = 365 * 24 * time.Hour

// OwnerTokenLife is how long the token is good that a command of the database's owner makes for itself.
const OwnerTokenLife = time.Minute

// OperatorToken lets somebody give orders to a running gateway, by the commands about people.
type OperatorToken struct {
	Name    string    `json:"name"`
	By      string    `json:"by"` // who made it
	Created time.Time `json:"created"`
	Expires time.Time `json:"-"`
}

// tokenName is a name that tells tokens from each other in the audit log.
var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// MakeOperatorToken makes a token of that name and returns its secret, which is kept nowhere. A name is taken as long as a token of it
// is good: ErrTaken. by is who does so, for the audit line, which is written first.
func (g *Gateway) MakeOperatorToken(ctx context.Context, name string, life time.Duration, by string) (secret string, t OperatorToken, err error) {
	if !tokenName.MatchString(name) {
		return "", t, fmt.Errorf("the name of a token is up to 64 letters, digits, dots, hyphens and underscores, not %q", name)
	}
	if life <= 0 || life > MostTokenLife {
		return "", t, fmt.Errorf("a token may be good for up to %s, not for %s", days(MostTokenLife), life)
	}
	list, err := g.OperatorTokens(ctx)
	if err != nil {
		return "", t, err
	}
	if slices.ContainsFunc(list, func(o OperatorToken) bool { return o.Name == name }) {
		return "", t, fmt.Errorf("a token %s: %w", name, ErrTaken)
	}
	if err := g.Note(ctx, EventAdmin, "token_made", name, by); err != nil {
		return "", t, err
	}
	return g.keepOperatorToken(ctx, name, life, by)
}

// MakeOwnerToken makes a token without a name, good for one order within [OwnerTokenLife]: whoever owns the database can do all that the
// token is good for without it, so it is on no list and nothing is written about it.
func (g *Gateway) MakeOwnerToken(ctx context.Context, by string) (secret string, err error) {
	secret, _, err = g.keepOperatorToken(ctx, "", OwnerTokenLife, by)
	return secret, err
}

// EndOwnerToken ends what MakeOwnerToken made, if no order has: whoever was asked in the place of the gateway may have kept it.
// It reports whether the token was unspent, so that no gateway of this store has taken an order of it.
func (g *Gateway) EndOwnerToken(ctx context.Context, secret string) (unspent bool, err error) {
	// As of no time: one that nobody took is unspent after its time too.
	_, err = g.store.TakeMemo(ctx, operatorKind, hashOf(secret), time.Time{})
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ending the token: %w", err)
	}
	return true, nil
}

func (g *Gateway) keepOperatorToken(ctx context.Context, name string, life time.Duration, by string) (secret string, t OperatorToken, err error) {
	now := g.now()
	t = OperatorToken{Name: name, By: by, Created: now, Expires: now.Add(life)}
	data, err := json.Marshal(t)
	if err != nil {
		return "", t, err
	}
	secret = g.randomText()
	m := Memo{Kind: operatorKind, ID: hashOf(secret), Owner: operatorOwner, Expires: t.Expires, Data: data}
	if err := g.store.PutMemo(ctx, m, 0); err != nil {
		return "", t, fmt.Errorf("keeping the token: %w", err)
	}
	return secret, t, nil
}

// OperatorTokens lists the tokens that are good, oldest first.
func (g *Gateway) OperatorTokens(ctx context.Context) ([]OperatorToken, error) {
	var list []OperatorToken
	err := g.eachToken(ctx, func(_ Memo, t OperatorToken) error {
		list = append(list, t)
		return nil
	})
	return list, err
}

func (g *Gateway) eachToken(ctx context.Context, f func(Memo, OperatorToken) error) error {
	kept, err := g.store.OwnedMemos(ctx, operatorKind, operatorOwner, g.now())
	if err != nil {
		return fmt.Errorf("listing the tokens: %w", err)
	}
	for _, m := range kept {
		t, err := tokenOf(m)
		if err != nil {
			return err
		}
		if t.Name == "" {
			continue
		}
		if err := f(m, t); err != nil {
			return err
		}
	}
	return nil
}

func tokenOf(m Memo) (OperatorToken, error) {
	var t OperatorToken
	if err := json.Unmarshal(m.Data, &t); err != nil {
		return t, fmt.Errorf("reading a token: %w", err)
	}
	t.Expires = m.Expires
	return t, nil
}

// RevokeOperatorToken ends the token of that name; ErrNotFound where there is none. The audit line is written first.
func (g *Gateway) RevokeOperatorToken(ctx context.Context, name, by string) error {
	var found []Memo
	err := g.eachToken(ctx, func(m Memo, t OperatorToken) error {
		if t.Name == name {
			found = append(found, m)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("a token %q: %w", name, ErrNotFound)
	}
	if err := g.Note(ctx, EventAdmin, "token_revoked", name, by); err != nil {
		return err
	}
	for _, m := range found {
		if _, err := g.store.TakeMemo(ctx, operatorKind, m.ID, g.now()); err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("ending the token: %w", err)
		}
	}
	return nil
}

// Operator returns who gives an order, for the audit line: by the token, and claimed, which is who they say they are. It
// answers ErrNotFound to a token that is not good, or not any more. One of the database's owner is spent by that.
func (g *Gateway) Operator(ctx context.Context, secret, claimed string) (by string, err error) {
	if secret == "" {
		return "", ErrNotFound
	}
	m, err := g.store.Memo(ctx, operatorKind, hashOf(secret), g.now())
	if err != nil {
		return "", err
	}
	t, err := tokenOf(m)
	if err != nil {
		return "", err
	}
	if t.Name == "" {
		_, err := g.store.TakeMemo(ctx, operatorKind, m.ID, g.now())
		return t.By, err
	}
	return strings.TrimSuffix("token "+t.Name+", "+clip(claimed), ", "), nil
}
