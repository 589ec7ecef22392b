package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// EndedKind is the kind of memo that marks a person whose sessions were all ended: by a change of the password, by an
// administrator, by their source. A sign-in that was under way then is known by it.
const EndedKind = "ended"

// endedLife is far longer than a sign-in takes from the judgement of its password to its session.
const endedLife = 24 * time.Hour

// codesEndedKind is the kind of memo that marks whose codes of the service desk were ended. A new password of the person's own
// ends none: the telephone may be lost and the password have expired.
const codesEndedKind = "codesended"

func endMarkID(kind, userKey string) Hash { return hashOf(kind + "\x00" + userKey) }

// ending returns which end of the person's sessions was the last one, or "".
func (g *Gateway) ending(ctx context.Context, userKey string) (string, error) {
	return g.endMark(ctx, EndedKind, userKey)
}

// codesEnding returns which end of the person's codes was the last one, or "".
func (g *Gateway) codesEnding(ctx context.Context, userKey string) (string, error) {
	return g.endMark(ctx, codesEndedKind, userKey)
}

func (g *Gateway) endMark(ctx context.Context, kind, userKey string) (string, error) {
	m, err := g.store.Memo(ctx, kind, endMarkID(kind, userKey), g.now())
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return string(m.Data), err
}

func (g *Gateway) markEnd(ctx context.Context, kind, userKey string) error {
	m := Memo{Kind: kind, ID: endMarkID(kind, userKey), Owner: userKey, Expires: g.now().Add(endedLife), Data: []byte(g.randomText())}
	if err := g.store.PutMemo(ctx, m, 0); err != nil {
		return fmt.Errorf("marking the end of the sessions: %w", err)
	}
	return nil
}

// endAllBut ends the codes that the service desk gave to a person, and their sessions as endSessionsBut does.
func (g *Gateway) endAllBut(ctx context.Context, userKey string, keep Hash) (int, error) {
	if err := g.markEnd(ctx, codesEndedKind, userKey); err != nil {
		return 0, err
	}
	return g.endSessionsBut(ctx, userKey, keep)
}

// endSessionsBut ends the sessions of a person but the one kept, which may be none, and those that are just being made. The mark
// comes first: who makes a session looks for it afterwards, so that of two which run beside each other one sees the other.
func (g *Gateway) endSessionsBut(ctx context.Context, userKey string, keep Hash) (int, error) {
	if err := g.markEnd(ctx, EndedKind, userKey); err != nil {
		return 0, err
	}
	return g.store.DeleteUserSessions(ctx, userKey, keep)
}

// outlives ends the session that was just made where the person's sessions were ended since their password began to be
// judged: it may have been the old one, or that of whom the end was meant for. Two marks are compared and no times, since
// the clocks of two gateways differ.
func (g *Gateway) outlives(w http.ResponseWriter, r *http.Request, v *visitor, before string) error {
	ctx := context.WithoutCancel(r.Context())
	last, err := g.ending(ctx, v.session.User.Key())
	if err == nil && (last == before || last == "") {
		return nil
	}
	e := g.event(r, v, EventLogin, Denied)
	ended := errors.Join(v.cookie.erase(w), g.store.DeleteSession(ctx, v.session.ID))
	v.session = nil
	if err = errors.Join(err, ended); err != nil {
		return err
	}
	return g.refuse(r, e, sessionEnded())
}
