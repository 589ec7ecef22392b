package idp

import (
	"errors"
	"fmt"
	"net/http"
)

// What stands in decisions where a policy's rule would: what somebody is about to do takes a fresh second step.
const (
	proofRule = "fresh proof"
	deskRule  = "help desk"
)

func (f *flow) proofRule() string {
	if f.Desk {
		return deskRule
	}
	return proofRule
}

// proved reports whether a second step was passed in this session a moment ago. The session itself is no proof of who sits
// there now: it may have been left alone, or its cookie been taken (security.md C-36). Who helps others does so by a factor
// of their own: with a code that was read out to them, one who talked the help desk into it would have all whom it helps.
func (g *Gateway) proved(v *visitor) bool {
	for i := range v.session.Proofs {
		p := &v.session.Proofs[i]
		if !g.countsToAdd(v, p.Factor) {
			continue
		}
		if age := g.now().Sub(p.At); age >= 0 && age <= flowLife {
			return true
		}
	}
	return false
}

// fresh reports whether the visitor has shown a moment ago who they are: by a second step, or by the password where they
// have none that could be asked.
func (g *Gateway) fresh(r *http.Request, v *visitor) (bool, error) {
	if g.proved(v) {
		return true, nil
	}
	ready, err := g.readyFactors(r.Context(), v, g.wanted(Decision{}))
	if err != nil || len(ready.enrolled)+len(ready.unreachable) > 0 {
		return false, err
	}
	return g.now().Sub(v.session.SignedIn) <= flowLife, nil
}

// proofDue returns where a person goes who has to show a second step first, or "".
func (g *Gateway) proofDue(r *http.Request, v *visitor) (string, error) {
	if !v.flow.Prove || g.proved(v) {
		return "", nil
	}
	ready, err := g.readyFactors(r.Context(), v, g.wanted(Decision{}))
	switch {
	case err != nil:
		return "", err
	case len(ready.enrolled) > 0:
		return g.promptFor(r, v, ready.enrolled)
	case len(ready.unreachable) > 0:
		return v.withFlow("/rescue"), nil
	}
	return "", nil
}

// nextFresh is next on a way that takes a fresh proof, once the policy is content. It reports whether it has answered.
// Somebody who has no second step to show types the password again, unless that was a moment ago.
func (g *Gateway) nextFresh(w http.ResponseWriter, r *http.Request, v *visitor) (bool, error) {
	away, err := g.proofDue(r, v)
	switch {
	case err != nil:
		return true, err
	case away != "":
		return true, redirect(w, away)
	case v.flow.Prove && !g.proved(v) && g.now().Sub(v.session.SignedIn) > flowLife:
		return true, g.signInAgain(w, r, v, Decision{Verdict: Ask, Rule: v.flow.proofRule(), Reason: AskSession})
	case v.flow.Add != "":
		return true, redirect(w, v.withFlow("/enroll/"+v.flow.Add))
	}
	return false, nil
}

// setOutToAdd begins the way to a further factor, for a link that names one.
func (g *Gateway) setOutToAdd(w http.ResponseWriter, r *http.Request) error {
	v, err := g.visitor(r)
	if err != nil {
		return err
	}
	name := r.PathValue("factor")
	if !setUpHere(g.factor(name)) {
		return redirect(w, "/settings")
	}
	return g.setOut(w, r, v, &flow{To: "/settings?done=added", Add: name, Prove: true})
}

// toAdd returns the factor that the visitor is about to add, or nil where something else comes first. The policy is
// content by now.
func (g *Gateway) toAdd(r *http.Request, v *visitor) (Factor, error) {
	if r.PathValue("factor") != v.flow.Add {
		return nil, nil
	}
	if away, err := g.proofDue(r, v); err != nil || away != "" {
		return nil, err
	}
	if !g.proved(v) {
		if g.now().Sub(v.session.SignedIn) > flowLife {
			return nil, nil
		}
		// The first one, by the password: that is what the gate is for.
		open, err := g.mayEnroll(r, v)
		if err != nil {
			return nil, err
		}
		if !open {
			return nil, g.refuse(r, g.event(r, v, EventEnroll, Denied), &Error{
				Status: http.StatusForbidden, Reason: "enroll_first", Err: errors.New("the gate of the first enrollment is closed"),
				Public: "A first second step is not set up from here by the password alone. Ask the service desk.",
			})
		}
	}
	f, ok := g.factor(v.flow.Add).(Enroller)
	if !ok {
		return nil, fmt.Errorf("factor %s is set up elsewhere", v.flow.Add)
	}
	return f.(Factor), nil
}
