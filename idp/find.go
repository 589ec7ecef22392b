package idp

import (
	"context"
	"errors"
	"strings"
)

// found is where a name was looked up.
type found struct {
	user    *User          // nil where nobody has the name
	source  PasswordSource // of the user; for nobody, the first that could answer
	key     string         // counts failures: the user's key, or the name as everybody would write it
	downErr error          // why a source could not answer
}

// find asks every source for the name, in the order of the configuration, so that the work does not tell
// where somebody is known. The first that knows them is theirs. Where a directory cannot
// answer, a local account may still sign in, and its session says so.
func (g *Gateway) find(ctx context.Context, name string) (found, error) {
	f := found{key: "name:" + strings.ToLower(name)}
	for _, s := range g.sources {
		ps, ok := s.(PasswordSource)
		if !ok {
			continue
		}
		u, err := ps.Find(ctx, name)
		switch {
		case err == nil && f.user == nil:
			f.user, f.source, f.key = u, ps, u.Key()
		case err == nil:
		case errors.Is(err, ErrNoUser), errors.Is(err, ErrAmbiguous):
			if f.source == nil {
				f.source = ps
			}
		case errors.Is(err, context.Canceled):
			return f, err
		default:
			f.downErr = err
		}
	}
	if _, local := f.source.(UserLister); local && f.user != nil && f.downErr != nil {
		u := *f.user
		u.BreakGlass = true
		f.user = &u
	}
	if f.source == nil {
		return f, f.downErr
	}
	return f, nil
}
