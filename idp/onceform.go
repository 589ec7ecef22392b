package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Kinds of memos: a form that does something once, and what it did.
const (
	onceKind = "once"
	doneKind = "done"
)

// What somebody is told whose browser sends such a form again, and before what is the case.
const (
	doneBefore = "That was done before, and nothing was done now. "
	staleForm  = "That page was too old, or something else was done from it. Nothing was done now: look at what is so, and press the button again."
)

// onceMost is how many forms of a kind a browser may have open.
const onceMost = 20

// makeOnce returns what a form carries that does something to somebody once. A browser that loads the answer to a form again
// sends the form again, and so does the way back to it.
func (g *Gateway) makeOnce(ctx context.Context, v *visitor, about string) (string, error) {
	once := g.randomText()
	return once, g.putOnce(ctx, v, onceKind, onceID(v, once, about), nil)
}

// takeOnce spends a form before it does what it is for. Where it has done that already the answer is ErrSpent with the
// sentence that says so; ErrNotFound is a form that is too old, was made for another person, or did something else.
func (g *Gateway) takeOnce(r *http.Request, v *visitor, what, about string) (string, error) {
	ctx, once := context.WithoutCancel(r.Context()), r.PostForm.Get("once")
	_, err := g.store.TakeMemo(ctx, onceKind, onceID(v, once, about), g.now())
	if !errors.Is(err, ErrNotFound) {
		return "", err
	}
	m, err := g.store.Memo(ctx, doneKind, onceID(v, once, what+" "+about), g.now())
	if err != nil {
		return "", err
	}
	return string(m.Data), ErrSpent
}

// doneOnce keeps what a form did. It holds nothing that is shown one time, and stands in nobody's way who is about to be shown
// that: without it, a form that is sent again is told to be too old.
func (g *Gateway) doneOnce(r *http.Request, v *visitor, what, about, did string) {
	if err := g.putOnce(r.Context(), v, doneKind, onceID(v, r.PostForm.Get("once"), what+" "+about), []byte(did)); err != nil {
		g.log.Error("what a form did is not kept", "form", what, "about", about, "cause", err)
	}
}

func (g *Gateway) putOnce(ctx context.Context, v *visitor, kind string, id Hash, data []byte) error {
	m := Memo{Kind: kind, ID: id, Browser: v.browser, Owner: v.session.User.Key(), Expires: g.now().Add(flowLife), Data: data}
	if err := g.store.PutMemo(context.WithoutCancel(ctx), m, onceMost); err != nil {
		return fmt.Errorf("keeping a form: %w", err)
	}
	return nil
}

// onceID is where a form is kept. It holds who sends it and about whom, so that it is found for nobody else.
func onceID(v *visitor, once, about string) Hash {
	return hashOf(once + "\x00" + v.session.User.Key() + "\x00" + about)
}
