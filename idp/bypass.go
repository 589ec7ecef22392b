package idp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kinds of memos: one use of a code, and which code of the help desk is somebody's last one.
const (
	bypassKind   = "bypass"
	deskMarkKind = "desk"
)

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

	ending string // the last end of the person's sessions when it was made
	mark   string // that of the help desk, whose codes end each other
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
	b, err := g.newBypass(ctx, u, life, uses)
	if err != nil {
		return nil, err
	}
	e := b.line(Event{By: by})
	if err := g.note(ctx, e); err != nil {
		return nil, err
	}
	return b, g.keepBypass(ctx, b)
}

// newBypass makes a code that is worth nothing yet.
func (g *Gateway) newBypass(ctx context.Context, u *User, life time.Duration, uses int) (*Bypass, error) {
	last, err := g.codesEnding(ctx, u.Key())
	return &Bypass{User: u, Code: g.code(4, 3), Uses: uses, Expires: g.now().Add(life), ending: last}, err
}

// line makes the audit line of a code out of one that says by whom.
func (b *Bypass) line(e Event) Event {
	e.Kind, e.Reason, e.Detail = EventBypass, "issued", fmt.Sprintf("%d uses until %s", b.Uses, b.Expires.UTC().Format(time.RFC3339))
	e.User, e.Name, e.Source = b.User.Key(), b.User.Name, b.User.Source
	return e
}

// keepBypass makes the code good.
func (g *Gateway) keepBypass(ctx context.Context, b *Bypass) error {
	user := b.User.Key()
	for i := range b.Uses {
		m := Memo{Kind: bypassKind, ID: bypassID(user, b.Code, i), Owner: user, Expires: b.Expires, Data: []byte(b.ending + "\n" + b.mark)}
		if err := g.store.PutMemo(ctx, m, 0); err != nil {
			return fmt.Errorf("keeping the code: %w", err)
		}
	}
	return nil
}

// keepDeskBypass is keepBypass for a code of the help desk. The mark comes first and ends the code that they gave to the
// person before, so that of two which are read out one after the other the last one is good.
func (g *Gateway) keepDeskBypass(ctx context.Context, b *Bypass) error {
	b.mark = g.randomText()
	m := Memo{Kind: deskMarkKind, ID: deskMarkID(b.User.Key()), Owner: b.User.Key(), Expires: b.Expires, Data: []byte(b.mark)}
	if err := g.store.PutMemo(ctx, m, 0); err != nil {
		return fmt.Errorf("ending the code before: %w", err)
	}
	return g.keepBypass(ctx, b)
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
		good, err := g.goodBypass(ctx, userKey, string(m.Data))
		if err != nil {
			return Proof{}, err
		}
		if good {
			return Proof{Factor: BypassFactor, At: g.now()}, nil
		}
	}
	return Proof{}, ErrNotFound
}

// goodBypass reports whether nothing has ended a code since it was made: neither an end of all that the person has, nor,
// for one of the help desk, the next one.
func (g *Gateway) goodBypass(ctx context.Context, userKey, data string) (bool, error) {
	made, mark, _ := strings.Cut(data, "\n")
	last, err := g.codesEnding(ctx, userKey)
	if err != nil || last != "" && last != made {
		return false, err
	}
	if mark == "" {
		return true, nil
	}
	m, err := g.store.Memo(ctx, deskMarkKind, deskMarkID(userKey), g.now())
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return string(m.Data) == mark, err
}

// deskMarkID is where it is kept which code of the help desk is a person's last one.
func deskMarkID(userKey string) Hash { return hashOf(deskMarkKind + "\x00" + userKey) }

// bypassID is where one use of a code is kept.
func bypassID(userKey, code string, use int) Hash {
	h := codeID(userKey, code)
	return hashOf(strconv.Itoa(use) + "\x00" + string(h[:]))
}
