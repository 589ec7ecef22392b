package idp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// backupKind marks somebody who said "not now" to a backup, for backupLater: so long they are told on the portal only.
const (
	backupKind  = "nobackup"
	backupLater = 30 * 24 * time.Hour
)

// addLater and addKept are answers to the page of backups that add nothing.
const (
	addLater = "later"
	addKept  = "kept" // the recovery codes are on paper
)

// standing is how somebody would fare without the second step that they use.
type standing struct {
	only  string   // name of the one factor they have; "" where there is more, or none
	add   []Factor // what they may set up, kinds that they have not got first
	codes bool     // recovery codes may be made
	mode  BackupMode
}

// lacks reports whether somebody has one factor only and can add to that.
func (s *standing) lacks() bool { return s.only != "" && (len(s.add) > 0 || s.codes) }

// standing looks at what a person has that counts where they are going.
func (g *Gateway) standing(ctx context.Context, v *visitor) (standing, error) {
	p := g.policyFor(v)
	s := standing{mode: p.Backup.mode(), codes: p.Rescue.takes(RecoveryFactor)}
	kept, err := g.store.UserEnrollments(ctx, v.session.User.Key(), "")
	if err != nil {
		return s, err
	}
	var have []string
	for _, e := range kept {
		if p.lists(e.Factor) || s.codes && e.Factor == RecoveryFactor {
			have = append(have, e.Factor)
		}
	}
	var elsewhere []string
	for _, n := range g.taken(p) {
		if f := g.factor(n); g.elsewhere(n) {
			elsewhere = append(elsewhere, n)
		} else if f != nil {
			s.add = append(s.add, f)
		}
	}
	for _, a := range g.askFactors(ctx, v, elsewhere) {
		if len(have) < 2 && (a.err != nil || a.state != NotEnrolled) {
			have = append(have, a.factor.Name()) // what does not answer may be theirs
		}
	}
	slices.SortStableFunc(s.add, func(a, b Factor) int { return countOf(have, a.Name()) - countOf(have, b.Name()) })
	if len(have) == 1 {
		s.only = have[0]
	}
	return s, nil
}

func countOf(list []string, name string) (n int) {
	for _, s := range list {
		if s == name {
			n++
		}
	}
	return n
}

// backupDue reports whether somebody is to be asked for a backup now. Whoever changes their settings or password is left
// alone, and so is whoever stands in an outage, or came by a code behind which nothing can be set up.
func (g *Gateway) backupDue(r *http.Request, v *visitor, d Decision) (standing, bool, error) {
	mode := g.policyFor(v).Backup.mode()
	if mode == BackupOff || d.Verdict != Allow || d.Mode == MFAOff || d.Outage != "" || v.flow.To != "" || g.cameByCode(v) {
		return standing{}, false, nil
	}
	if mode == BackupSuggest {
		if good, err := g.goodMoment(r.Context(), v, d); !good || err != nil {
			return standing{}, false, err
		}
	}
	s, err := g.standing(r.Context(), v)
	return s, err == nil && s.lacks(), err
}

// goodMoment reports whether a backup may be suggested: after a factor was passed on this way, to whoever has not said "not
// now". Nobody prints codes at a desk of many while the next call waits.
func (g *Gateway) goodMoment(ctx context.Context, v *visitor, d Decision) (bool, error) {
	if d.HotDesk || v.flow.NoBackup ||
		!slices.ContainsFunc(v.flow.Proofs, func(p Proof) bool { return !ReservedFactor(p.Factor) }) {
		return false, nil
	}
	later, err := g.saidLater(ctx, v)
	return !later, err
}

// opens reports whether a decision lets the visitor through, and no backup has to be added first.
func (g *Gateway) opens(r *http.Request, v *visitor, d Decision) (bool, error) {
	if d.Verdict != Allow || g.policyFor(v).Backup.mode() != BackupRequire {
		return d.Verdict == Allow, nil
	}
	_, due, err := g.backupDue(r, v, d)
	return !due, err
}

// saidLater reports whether the person said "not now" within the last while.
func (g *Gateway) saidLater(ctx context.Context, v *visitor) (bool, error) {
	_, err := g.store.Memo(ctx, backupKind, hashOf(v.session.User.Key()), g.now())
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// getBackup asks for a backup, or shows the recovery codes that were chosen as one.
func (g *Gateway) getBackup(w http.ResponseWriter, r *http.Request) error {
	v, err := g.onTheWay(w, r)
	if err != nil || v == nil {
		return err
	}
	if s := v.flow.Step; s != nil && s.Kind == stepCodes {
		return g.showCodes(w, v)
	}
	s, due, err := g.backupNow(r, v)
	if err != nil {
		return err
	}
	if !due {
		return g.next(w, r, v)
	}
	p := web.Backup{Frame: g.timed(v, "/backup"), F: v.fid, App: g.label(v.flow.App), Have: "your " + g.factorInSentence(s.only), Due: s.mode == BackupRequire}
	for _, f := range s.add {
		label := g.factorLabel(f.Name())
		if f.Name() == s.only {
			label = "Another " + g.factorInSentence(s.only)
		}
		p.Choices = append(p.Choices, web.Option{Value: f.Name(), Label: label, Script: needsScript(f)})
	}
	if s.codes {
		at := min(len(p.Choices), 1)
		p.Choices = slices.Insert(p.Choices, at, web.Option{Value: RecoveryFactor, Label: "Recovery codes on paper"})
	}
	g.show(w, http.StatusOK, p)
	return nil
}

// backupNow is backupDue for somebody who is at the page of backups.
func (g *Gateway) backupNow(r *http.Request, v *visitor) (standing, bool, error) {
	if v.changes() {
		return standing{}, false, nil
	}
	d, _, err := g.decide(r, v)
	if err != nil {
		return standing{}, false, err
	}
	return g.backupDue(r, v, d)
}

// postBackup takes the choice of a backup, or "not now".
func (g *Gateway) postBackup(w http.ResponseWriter, r *http.Request) error {
	v, err := g.takeStep(w, r)
	if err != nil || v == nil {
		return err
	}
	answer := r.PostForm.Get("add")
	if s := v.flow.Step; s != nil && s.Kind == stepCodes {
		if answer == addKept {
			v.flow.Step = nil
			if err := g.keep(r.Context(), v); err != nil {
				return err
			}
			return g.next(w, r, v)
		}
		return redirect(w, v.withFlow("/backup"))
	}
	s, due, err := g.backupNow(r, v)
	if err != nil {
		return err
	}
	if !due {
		return g.next(w, r, v)
	}
	return g.takeBackup(w, r, v, s, answer)
}

// takeBackup does what somebody chose who is asked for a backup.
func (g *Gateway) takeBackup(w http.ResponseWriter, r *http.Request, v *visitor, s standing, answer string) error {
	v.flow.Add, v.flow.Prove = "", false
	to := "/backup"
	switch {
	case answer == addLater && s.mode == BackupSuggest:
		m := Memo{Kind: backupKind, ID: hashOf(v.session.User.Key()), Owner: v.session.User.Key(), Expires: g.now().Add(backupLater)}
		if err := g.store.PutMemo(context.WithoutCancel(r.Context()), m, 0); err != nil {
			return err
		}
		v.flow.NoBackup = true
		if err := g.keep(r.Context(), v); err != nil {
			return err
		}
		return g.next(w, r, v)
	case answer == RecoveryFactor && s.codes && !g.proved(v):
		v.flow.Prove = true // whoever finds the session open must not walk away with ten ways in
		if err := g.keep(r.Context(), v); err != nil {
			return err
		}
		return g.next(w, r, v)
	case answer == RecoveryFactor && s.codes:
		codes, err := g.newRecoveryCodes(r, v)
		if err != nil {
			return err
		}
		data, err := json.Marshal(codes)
		if err != nil {
			return err
		}
		// The codes count from now on: whoever prints them and closes the window has them. They stay with the sign-in, sealed,
		// so that the page can be loaded again; with it they go.
		v.flow.atHand(&step{Factor: RecoveryFactor, Kind: stepCodes, Memo: data})
	case slices.ContainsFunc(s.add, func(f Factor) bool { return f.Name() == answer }):
		v.flow.Add, v.flow.Prove = answer, true
		to = "/enroll/" + answer
	}
	if err := g.keep(r.Context(), v); err != nil {
		return err
	}
	return redirect(w, v.withFlow(to))
}

// showCodes shows the recovery codes that were made on this way.
func (g *Gateway) showCodes(w http.ResponseWriter, v *visitor) error {
	var codes []string
	if err := json.Unmarshal(v.flow.Step.Memo, &codes); err != nil {
		return err
	}
	g.show(w, http.StatusOK, web.RecoveryCodes{
		Frame: g.timed(v, "/backup"), F: v.fid, App: g.label(v.flow.App), Codes: codes,
		Done: web.Link{Label: "I have kept them", URL: "/backup"},
	})
	return nil
}

// backupNotice reminds somebody of a backup who said "not now".
func (g *Gateway) backupNotice(ctx context.Context, v *visitor) (web.Notice, error) {
	if g.policyFor(v).Backup.mode() == BackupOff {
		return web.Notice{}, nil
	}
	later, err := g.saidLater(ctx, v)
	if err != nil || !later {
		return web.Notice{}, err
	}
	s, err := g.standing(ctx, v)
	if err != nil || !s.lacks() {
		return web.Notice{}, err
	}
	return web.Notice{
		Text: "You have no backup: if your only second step is lost, you cannot sign in until somebody helps you.",
		Link: web.Link{Label: "Add one in your settings", URL: "/settings"},
	}, nil
}
