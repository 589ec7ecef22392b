package idp

import (
	"context"
	"sync"
)

// readiness sorts the allowed factors by what the person can do with them.
type readiness struct {
	enrolled, unreachable, open []Factor
	err                         error
}

// readyFactors asks each allowed factor, and lists them in the policy's order. A factor that fails to answer is
// unreachable: never enrolled, and never a reason to let somebody enroll another one.
func (g *Gateway) readyFactors(ctx context.Context, v *visitor, names []string) (readiness, error) {
	var out readiness
	for _, a := range g.askFactors(ctx, v, names) {
		f := a.factor
		switch {
		case a.err != nil || a.state == Unreachable:
			out.unreachable, out.err = append(out.unreachable, f), a.err
		case a.state == Enrolled:
			out.enrolled = append(out.enrolled, f)
		default:
			if setUpHere(f) {
				out.open = append(out.open, f)
			}
		}
	}
	return out, ctx.Err()
}

// setUpHere reports whether people set a factor up, and are asked for it, on pages of ours. It is not for none.
func setUpHere(f Factor) bool {
	_, ok := f.(Enroller)
	return ok
}

// reply is what a factor says of a person.
type reply struct {
	factor Factor
	state  Readiness
	err    error
	panics any
}

// askFactors asks the factors all at once: should several hang, the person waits as long as for one. A factor is asked once
// in a request, however many applications want to know, since it asks a service or the store; what somebody has shown or
// set up since is asked about anew, see raise. The one that has just brought an answer is not asked whether it could be.
func (g *Gateway) askFactors(ctx context.Context, v *visitor, names []string) []*reply {
	var group sync.WaitGroup
	all := make([]*reply, 0, len(names))
	for _, n := range names {
		f := g.factor(n)
		if f == nil {
			continue
		}
		if known := v.asked[n]; known != nil && n != v.answers {
			all = append(all, known)
			continue
		}
		a := &reply{factor: f, state: Enrolled}
		all = append(all, a)
		if n == v.answers {
			continue
		}
		if v.asked == nil {
			v.asked = map[string]*reply{}
		}
		v.asked[n] = a
		group.Go(func() {
			defer func() { a.panics = recover() }() // which would end the process here
			a.state, a.err = f.Ready(ctx, &v.session.User)
		})
	}
	group.Wait()
	for _, a := range all {
		if a.panics != nil {
			panic(a.panics)
		}
	}
	return all
}
