package idp_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func TestRescue(t *testing.T) {
	open := func(t testing.TB) *venue {
		h := newVenue(t)
		c := baseConfig(t, h.store, h.clock.Now)
		c.Policies = append(
			c.Policies,
			&idp.Policy{Name: "strict", Rescue: &idp.RescueSection{Mode: idp.RescueOff}},
			&idp.Policy{Name: "called", Rescue: &idp.RescueSection{Mode: idp.RescueBypass}},
		)
		c.Applications = append(
			c.Applications,
			idp.AppConfig{Application: &sender{name: "strict"}, Policy: "strict"},
			idp.AppConfig{Application: &sender{name: "called"}, Policy: "called"},
		)
		g, err := idp.New(c)
		if err != nil {
			t.Fatal(err)
		}
		h.gateway = g
		return h
	}
	runScripts(t, "testdata/rescue", open, map[string]func(*venue, *testscript.TestScript, []string){
		"bypass": func(h *venue, ts *testscript.TestScript, args []string) {
			life, err := time.ParseDuration(args[1])
			ts.Check(err)
			uses, err := strconv.Atoi(args[2])
			ts.Check(err)
			b, err := h.gateway.IssueBypass(context.Background(), args[0], life, uses, "the test")
			ts.Check(err)
			h.code = b.Code
		},
		"revoke": func(h *venue, ts *testscript.TestScript, args []string) {
			_, err := h.gateway.Revoke(context.Background(), args[0], "the test")
			ts.Check(err)
		},
		"keep": (*venue).keepPaper, "type": (*venue).typePaper, "again": again((*venue).post),
		"get-f": func(h *venue, ts *testscript.TestScript, args []string) {
			h.get(ts, []string{args[0] + "?f=" + flowID.FindStringSubmatch(h.now.body)[1]})
		},
	})
}

// keepPaper writes the recovery codes of the page down.
func (h *venue) keepPaper(ts *testscript.TestScript, _ []string) {
	h.paper = nil
	for _, m := range regexp.MustCompile(`<li><code>([^<]+)</code>`).FindAllStringSubmatch(h.now.body, -1) {
		h.paper = append(h.paper, m[1])
	}
	if len(h.paper) != 10 || len(slices.Compact(slices.Sorted(slices.Values(h.paper)))) != 10 {
		ts.Fatalf("codes: %d", len(h.paper))
	}
}

// typePaper types one of them.
func (h *venue) typePaper(ts *testscript.TestScript, args []string) {
	i, err := strconv.Atoi(args[0])
	ts.Check(err)
	h.post(ts, []string{"/rescue", "code=" + h.paper[i-1]})
}

// C-35: ten codes of 80 bits, of which the store holds nothing that signs in.
func TestC35RecoveryCodesAreNotKept(t *testing.T) {
	h := newVenue(t)
	codes, err := h.gateway.MakeRecoveryCodes(t.Context(), "staff:alice")
	if err != nil {
		t.Fatal(err)
	}
	if len(codes) != 10 {
		t.Errorf("%d codes", len(codes))
	}
	for _, c := range codes {
		if !regexp.MustCompile(`^([0-9A-Z]{4}-){3}[0-9A-Z]{4}$`).MatchString(c) {
			t.Errorf("%q is not of 16 characters of 5 bits", c)
		}
	}
	kept, err := h.store.UserEnrollments(t.Context(), "staff:alice", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range kept {
		if slices.Contains(codes, e.ID) || slices.Contains(codes, e.Label) || len(e.Secret) > 0 {
			t.Errorf("%+v holds a code", e)
		}
	}
}

// sealBroken is a store whose enrollments were written by somebody without its keys.
type sealBroken struct{ idp.Store }

var errSeal = errors.New("the seal is broken")

func (sealBroken) UserEnrollments(context.Context, string, string) ([]idp.Enrollment, error) {
	return nil, errSeal
}

// A row that somebody wrote into the database is no code, as it is no key of any other factor: nothing is taken whose seal
// was not looked at.
func TestC35ACodeWithoutItsSealIsNone(t *testing.T) {
	h := newVenue(t)
	codes, err := h.gateway.MakeRecoveryCodes(t.Context(), "staff:alice")
	must(t, err)
	g, err := idp.New(baseConfig(t, sealBroken{h.store}, h.clock.Now))
	must(t, err)
	if p, err := g.TakeRecoveryCode(t.Context(), "staff:alice", codes[0]); !errors.Is(err, errSeal) || p.Factor != "" {
		t.Errorf("%+v, %v", p, err)
	}
}

// C-30, C-35: of any number who send one code at the same moment, one is let in.
func TestACodeSentAHundredTimesAtOnce(t *testing.T) {
	h, ctx := newVenue(t), t.Context()
	codes, err := h.gateway.MakeRecoveryCodes(ctx, "staff:alice")
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.gateway.IssueBypass(ctx, "alice", time.Hour, 3, "the test")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		take func() (idp.Proof, error)
		want int32
	}{
		{"recovery", func() (idp.Proof, error) { return h.gateway.TakeRecoveryCode(ctx, "staff:alice", codes[0]) }, 1},
		{"bypass", func() (idp.Proof, error) { return h.gateway.TakeBypass(ctx, b.User.Key(), b.Code) }, 3},
	} {
		var in atomic.Int32
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				switch p, err := c.take(); {
				case err == nil && p.Factor == c.name:
					in.Add(1)
				case !errors.Is(err, idp.ErrNotFound):
					t.Errorf("%s: %+v, %v", c.name, p, err)
				}
			})
		}
		wg.Wait()
		if got := in.Load(); got != c.want {
			t.Errorf("%s: %d were let in, want %d", c.name, got, c.want)
		}
	}
}

func TestBoundsOfBypassCodes(t *testing.T) {
	h := newVenue(t)
	for _, c := range []struct {
		life time.Duration
		uses int
	}{{0, 1}, {-time.Minute, 1}, {25 * time.Hour, 1}, {time.Hour, 0}, {time.Hour, 11}} {
		if b, err := h.gateway.IssueBypass(t.Context(), "alice", c.life, c.uses, "the test"); err == nil {
			t.Errorf("%v: %+v", c, b)
		}
	}
	if _, err := h.gateway.IssueBypass(t.Context(), "nobody", time.Hour, 1, "the test"); !errors.Is(err, idp.ErrNoUser) {
		t.Error(err)
	}
}

// C-35: new recovery codes end the old ones, of which one that was used is worth nothing anyway.
func TestC35NewCodesEndTheOldOnes(t *testing.T) {
	h := newBesieged(t, unchanged)
	h.signIn(t, "alice")
	codes := func() (out []string) {
		h.visit("/settings")
		h.form("/settings", "kind", "recovery", "make", "yes")
		for _, m := range regexp.MustCompile(`<li><code>([^<]+)</code>`).FindAllStringSubmatch(h.now.body, -1) {
			out = append(out, m[1])
		}
		return out
	}
	old := codes()
	later := codes()
	if len(old) != 10 || len(later) != 10 || slices.ContainsFunc(old, func(c string) bool { return slices.Contains(later, c) }) {
		t.Fatalf("%d and %d codes", len(old), len(later))
	}
	if h.visit("/settings"); strings.Contains(h.now.body, later[0]) {
		t.Error("a code is shown again")
	}
	owner := h.now
	for code, status := range map[string]int{old[0]: http.StatusUnauthorized, later[0]: http.StatusSeeOther} {
		b := h.besiege(t, 1, "/rescue")[0]
		if w := h.beside(b, "/rescue", url.Values{"code": {code}}); w.Code != status {
			t.Errorf("%d, want %d", w.Code, status)
		}
	}
	again := h.besiege(t, 1, "/rescue")[0]
	if w := h.beside(again, "/rescue", url.Values{"code": {later[0]}}); w.Code != http.StatusUnauthorized {
		t.Errorf("a code that was used: %d", w.Code)
	}
	h.now = owner
	h.mustBeTold(t, 1, "One of your recovery codes was used to sign in.")
}
