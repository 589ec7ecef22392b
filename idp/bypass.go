package idp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

const bypassKind = "bypass"

// Bounds of bypass codes. The mark of an end of all sessions, which ends the codes as well, is kept for as long.
const (
	BypassLife     = time.Hour
	MostBypassLife = endedLife
	MostBypassUses = 10
)

// EventBypass is about codes that stand in for a second factor. Their use is an [EventMFA].
const EventBypass = "bypass"

// Bypass is a code that stands in for one person's second factor.
type Bypass struct {
	User    *User
	Code    string
	Uses    int
	Expires time.Time
}

// IssueBypass makes a code that stands in for a person's second factor, for a while and so many times: what the service desk
// gives to somebody whose telephone is lost. by is who does so, for the audit line, which is written first. The codes end
// with the person's sessions: when they are revoked, or the factors reset.
func (g *Gateway) IssueBypass(ctx context.Context, name string, life time.Duration, uses int, by string) (*Bypass, error) {
	if life <= 0 || life > MostBypassLife {
		return nil, fmt.Errorf("a bypass code may be good for up to %s, not for %s", days(MostBypassLife), life)
	}
	if uses < 1 || uses > MostBypassUses {
		return nil, fmt.Errorf("a bypass code may be used 1 to %d times, not %d", MostBypassUses, uses)
	}
	u, err := g.Person(ctx, name)
	if err != nil {
		return nil, err
	}
	last, err := g.ending(ctx, u.Key())
	if err != nil {
		return nil, err
	}
	b := &Bypass{User: u, Code: g.code(4, 3), Uses: uses, Expires: g.now().Add(life)}
	e := Event{Kind: EventBypass, Reason: "issued", User: u.Key(), Name: u.Name, Source: u.Source}
	e.Detail = clip(fmt.Sprintf("%d uses until %s, %s", uses, b.Expires.UTC().Format(time.RFC3339), by))
	if err := g.note(ctx, e); err != nil {
		return nil, err
	}
	for i := range uses {
		m := Memo{Kind: bypassKind, ID: bypassID(u.Key(), b.Code, i), Owner: u.Key(), Expires: b.Expires, Data: []byte(last)}
		if err := g.store.PutMemo(ctx, m, 0); err != nil {
			return nil, fmt.Errorf("keeping the code: %w", err)
		}
	}
	return b, nil
}

// takeBypass spends one use of a code. It answers ErrNotFound where there is none left.
func (g *Gateway) takeBypass(ctx context.Context, userKey, code string) (Proof, error) {
	for i := range MostBypassUses {
		m, err := g.store.TakeMemo(ctx, bypassKind, bypassID(userKey, code, i), g.now())
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return Proof{}, err
		}
		last, err := g.ending(ctx, userKey)
		if err != nil {
			return Proof{}, err
		}
		if last != "" && last != string(m.Data) {
			continue // made before all was taken from the person
		}
		return Proof{Factor: BypassFactor, At: g.now()}, nil
	}
	return Proof{}, ErrNotFound
}

// bypassID is where one use of a code is kept.
func bypassID(userKey, code string, use int) Hash {
	h := codeID(userKey, code)
	return hashOf(strconv.Itoa(use) + "\x00" + string(h[:]))
}
