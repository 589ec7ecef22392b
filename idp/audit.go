package idp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
)

// refAlphabet has no letters that are misheard on the telephone or misread (Crockford's base 32).
const refAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newRef returns a reference number, as in "7K3M-9QXT": 40 random bits.
func (g *Gateway) newRef() string { return g.code(4, 2) }

// code returns groups of random characters joined by dashes.
func (g *Gateway) code(size, groups int) string {
	b := make([]byte, size*groups)
	if _, err := io.ReadFull(g.rand, b); err != nil {
		panic("no randomness: " + err.Error()) // crypto/rand never fails on the systems that Go supports
	}
	out := make([]byte, 0, len(b)+groups)
	for i, c := range b {
		if i > 0 && i%size == 0 {
			out = append(out, '-')
		}
		out = append(out, refAlphabet[c&31])
	}
	return string(out)
}

// event begins an audit line with what the request tells.
func (g *Gateway) event(r *http.Request, v *visitor, kind, result string) Event {
	e := Event{Time: g.now(), Kind: kind, Result: result, Ref: g.newRef(), Client: g.client(r), Agent: shorten(r.UserAgent())}
	if v == nil {
		return e
	}
	if v.session != nil {
		u := &v.session.User
		e.session = v.session
		e.User, e.Name, e.Source, e.BreakGlass = u.Key(), u.Name, u.Source, u.BreakGlass
	}
	if v.flow != nil {
		e.App, e.CrossSite = v.flow.App, v.flow.CrossSite
	}
	return e
}

// decidedBy writes down the rule, and the visit that it was decided on.
func (g *Gateway) decidedBy(e *Event, v *visitor, d Decision) {
	e.Section, e.Policy, e.Rule, e.Digest = d.Section, d.Policy, d.Rule, d.Digest
	if e.Reason == "" {
		e.Reason = d.Reason
	}
	if v.judged != nil && d.Digest != "" {
		e.Visit = g.guardOf(v.judged.App).recorded(*v.judged)
	}
}

// record makes the event durable, then tells the observer. An event that cannot be written stops
// what it tells of: nothing happens here without its line.
func (g *Gateway) record(r *http.Request, e Event) error {
	ctx := context.WithoutCancel(r.Context())
	if e.Digest != "" {
		if err := g.tellRule(ctx, e); err != nil {
			return err
		}
	}
	if err := g.store.Append(ctx, e); err != nil {
		return unrecorded(fmt.Errorf("writing the audit line: %w", err))
	}
	g.observe(ctx, e)
	if err := g.announce(ctx, e); err != nil {
		return unrecorded(err)
	}
	return nil
}

// unrecorded is the refusal where nothing may be done because nobody would hear of it.
func unrecorded(err error) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Public: "The portal cannot keep its records just now. Try again in a minute.", Reason: "audit", Err: err}
}

// tellRule keeps the policy text behind the event's digest.
func (g *Gateway) tellRule(ctx context.Context, e Event) error {
	if guard := g.editionsOf(e.App).of(e.Digest); guard != nil {
		return g.told.tell(ctx, g.store, guard)
	}
	return nil
}

// refuse records a refusal and returns its page under the same reference number.
func (g *Gateway) refuse(r *http.Request, e Event, err *Error) error {
	if e.Reason == "" {
		e.Reason = err.Reason
	}
	if e.Detail == "" && err.Err != nil {
		e.Detail = clip(err.Err.Error())
	}
	if failed := g.record(r, e); failed != nil {
		return errors.Join(failed, err)
	}
	return &auditedError{err: err, ref: e.Ref}
}

// clip keeps a text to one line of a size that a log likes. What does not print could steer the terminal
// that shows the log, or turn its text around (security.md C-66).
func clip(s string) string { return clipTo(500, s) }

// clipTo is clip to so many bytes.
func clipTo(most int, s string) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
