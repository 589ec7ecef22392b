package idp

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// Bounds of recovery codes (security.md C-35: ten, of 80 bits at least, each good once).
const (
	recoveryCodes  = 10
	fewCodes       = 3 // so many left are worth a reminder
	recoveryGroup  = 4
	recoveryGroups = 4 // 16 characters of 5 bits
)

// makeRecoveryCodes gives a person ten new codes in the place of those they had. The store keeps hashes: nobody can read
// the codes again, and 80 random bits are not found by trying. No two sets are good at once.
func (g *Gateway) makeRecoveryCodes(ctx context.Context, userKey string) ([]string, error) {
	codes, kept := make([]string, recoveryCodes), make([]Enrollment, recoveryCodes)
	for i := range codes {
		codes[i] = g.code(recoveryGroup, recoveryGroups)
		kept[i] = Enrollment{User: userKey, Factor: RecoveryFactor, ID: recoveryID(userKey, codes[i]), Label: "Recovery code " + strconv.Itoa(i+1), Created: g.now()}
	}
	return codes, g.store.ReplaceEnrollments(context.WithoutCancel(ctx), userKey, RecoveryFactor, kept)
}

// dropRecoveryCodes makes a person's codes worthless.
func (g *Gateway) dropRecoveryCodes(ctx context.Context, userKey string) error {
	return g.store.ReplaceEnrollments(ctx, userKey, RecoveryFactor, nil)
}

// takeRecoveryCode spends a code. It answers ErrNotFound where there is none like it, or somebody was faster. The rows are
// read before, because that opens their seals: one that somebody wrote into the database by themselves is no code.
func (g *Gateway) takeRecoveryCode(ctx context.Context, userKey, code string) (Proof, error) {
	id := recoveryID(userKey, code)
	kept, err := g.store.UserEnrollments(ctx, userKey, RecoveryFactor)
	if err != nil {
		return Proof{}, err
	}
	if !slices.ContainsFunc(kept, func(e Enrollment) bool { return e.ID == id }) {
		return Proof{}, ErrNotFound
	}
	if err := g.store.DeleteEnrollment(ctx, userKey, RecoveryFactor, id); err != nil {
		return Proof{}, err
	}
	return Proof{Factor: RecoveryFactor, At: g.now()}, nil
}

// recoveryLeft returns how many codes a person has left.
func (g *Gateway) recoveryLeft(ctx context.Context, userKey string) (int, error) {
	left, err := g.store.UserEnrollments(ctx, userKey, RecoveryFactor)
	return len(left), err
}

// recoveryID is where a code is kept, among those of its person. It holds no source, so that one which gets another name
// does not make the paper worthless.
func recoveryID(userKey, code string) string {
	_, id, _ := strings.Cut(userKey, ":")
	h := codeID(id, code)
	return hex.EncodeToString(h[:])
}

// withoutCodes returns the enrollments that are of a factor.
func withoutCodes(list []Enrollment) []Enrollment {
	return slices.DeleteFunc(list, func(e Enrollment) bool { return isRescue(e.Factor) })
}

// takesCode reports whether a code of a kind counts anywhere for a person.
func (g *Gateway) takesCode(u *User, kind string) bool {
	return slices.ContainsFunc(g.guards(), func(guard *Guard) bool {
		p := guard.For(u)
		return p.mayAsk() && p.Rescue.takes(kind)
	})
}

// postRecovery makes new codes and shows them, this one time. The password alone does not do, however fresh: codes stand in
// for a second step, and whoever has set up none would be past the gate that guards the first.
func (g *Gateway) postRecovery(w http.ResponseWriter, r *http.Request, v *visitor) error {
	if !g.takesCode(&v.session.User, RecoveryFactor) {
		return redirect(w, "/settings")
	}
	if !g.proved(v) {
		return g.showSettings(w, r, v, "Set up a second step first: recovery codes stand in for one.")
	}
	user := v.session.User.Key()
	did, err := g.takeOnce(r, v, RecoveryFactor, user)
	switch {
	case errors.Is(err, ErrSpent):
		return g.showSettings(w, r, v, doneBefore+did)
	case errors.Is(err, ErrNotFound):
		return g.showSettings(w, r, v, staleForm)
	case err != nil:
		return err
	}
	codes, err := g.newRecoveryCodes(r, v)
	if err != nil {
		return err
	}
	if err := g.alive(r.Context(), v); err != nil { // they were reset meanwhile, and these with them
		return errors.Join(err, g.dropRecoveryCodes(context.WithoutCancel(r.Context()), user))
	}
	g.doneOnce(r, v, RecoveryFactor, user, "Your codes were shown then, and are not shown again: if you did not keep them, make new ones.")
	g.show(w, http.StatusOK, web.RecoveryCodes{Frame: g.frame(v), Codes: codes, Done: web.Link{Label: "I have kept them", URL: "/settings"}})
	return nil
}

// newRecoveryCodes is makeRecoveryCodes for the visitor, with the line that tells of it.
func (g *Gateway) newRecoveryCodes(r *http.Request, v *visitor) ([]string, error) {
	e := g.event(r, v, EventEnroll, Success)
	e.Factor, e.Reason = RecoveryFactor, "made"
	if err := g.record(r, e); err != nil {
		return nil, err
	}
	return g.makeRecoveryCodes(r.Context(), v.session.User.Key())
}

// recoveryNotice tells somebody who came in by a code, or has few left, what to do about it.
func (g *Gateway) recoveryNotice(ctx context.Context, v *visitor) (web.Notice, error) {
	by := func(factor string) bool {
		return slices.ContainsFunc(v.session.Proofs, func(p Passed) bool { return p.Factor == factor })
	}
	left, err := g.recoveryLeft(ctx, v.session.User.Key())
	n := web.Notice{Link: web.Link{Label: "Open your settings", URL: "/settings"}}
	switch {
	case err != nil:
	case by(RecoveryFactor):
		n.Text = "You signed in with a recovery code and have " + codesInWords(left) + " left. If your second step is lost, remove it and set up another."
	case by(BypassFactor):
		n.Text = "You signed in with a code of the service desk. If your second step is lost, remove it and set up another now."
	case left > 0 && left <= fewCodes:
		n.Text = "You have only " + codesInWords(left) + " left. Make new ones before you need them."
	}
	return n, err
}

func codesInWords(n int) string {
	if n == 0 {
		return "none"
	}
	return counted(n, "recovery code")
}
