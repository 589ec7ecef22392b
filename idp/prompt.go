package idp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// promptFor returns where a person is asked for one of the factors that they have: all of them on one page where the
// policy says so, else the one that they used last here, else the strongest.
func (g *Gateway) promptFor(r *http.Request, v *visitor, enrolled []Factor) (string, error) {
	if g.policyFor(v).Prompt.mode() == PromptTraditional {
		return v.withFlow("/mfa"), nil
	}
	last, err := g.usedLast(r.Context(), v)
	if err != nil {
		return "", err
	}
	first := enrolled[0].Name()
	if slices.ContainsFunc(enrolled, func(f Factor) bool { return f.Name() == last }) {
		first = last
	}
	return v.withFlow("/mfa/" + first), nil
}

// usedLast returns the name of the factor that the person passed last: on this device if it is their own, else in this
// session. A browser that several people use tells none of them what another one has.
func (g *Gateway) usedLast(ctx context.Context, v *visitor) (string, error) {
	own, err := g.ownDevice(ctx, v, v.session.User.Key())
	if err != nil {
		return "", err
	}
	proofs := v.session.Proofs
	if own != nil {
		proofs = append(slices.Clip(proofs), own.Proofs...)
	}
	var last Proof
	for i := range proofs {
		if p := &proofs[i].Proof; !ReservedFactor(p.Factor) && p.At.After(last.At) {
			last = *p
		}
	}
	return last.Factor, nil
}

// timed is frame for a page that can be answered for a while: as long as the sign-in goes on and the questions on the page
// wait. The address opens it for longer.
func (g *Gateway) timed(v *visitor, path string, asked ...*step) web.Frame {
	f := g.frame(v)
	ends := v.ends
	for _, s := range asked {
		if !s.Expires.IsZero() && s.Expires.Before(ends) {
			ends = s.Expires
		}
	}
	f.Limit = web.Limit{Seconds: max(1, int(ends.Sub(g.now())/time.Second)), More: web.Link{Label: "More time", URL: v.withFlow(path) + "&more=1"}}
	return f
}

// wantsMore reports whether a page is opened anew to have more time for it.
func wantsMore(r *http.Request) bool { return r.URL.Query().Has("more") }

// postCancel gives up a sign-in in progress. It leads back to where the person came from: to the portal, or their
// settings, if that is open to them, else to the page of the name, for whoever comes next.
func (g *Gateway) postCancel(w http.ResponseWriter, r *http.Request) error {
	v, err := g.takeStep(w, r)
	if err != nil || v == nil {
		return err
	}
	if err := g.spend(r, v.fid); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	was := v.flow
	v.flow = &flow{}
	d, _, err := g.decide(r, v)
	if err != nil {
		return err
	}
	if d.Verdict == Allow {
		if strings.HasPrefix(was.To, "/settings") {
			return redirect(w, "/settings")
		}
		return redirect(w, "/")
	}
	e := g.event(r, v, EventLogout, Success)
	e.App, e.Reason = was.App, "cancelled"
	if err := g.signOut(w, r, v, e); err != nil {
		return err
	}
	if was.App != "" {
		return redirect(w, "/login?app="+was.App)
	}
	return redirect(w, "/login")
}
