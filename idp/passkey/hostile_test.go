package passkey_test

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/passkey/passkeytest"
)

// lie changes one thing about an answer.
type lie = func(*passkeytest.Answer)

// lies are told alike when a passkey is made and when it is used (security.md C-33).
var lies = map[string]lie{
	"wrong origin":             func(a *passkeytest.Answer) { a.Client["origin"] = "https://sso.example.com.evil.test" },
	"origin of a sibling":      func(a *passkeytest.Answer) { a.Client["origin"] = "https://www.example.com" },
	"origin without TLS":       func(a *passkeytest.Answer) { a.Client["origin"] = "http://sso.example.com" },
	"origin with another port": func(a *passkeytest.Answer) { a.Client["origin"] = "https://sso.example.com:8443" },
	"no origin":                func(a *passkeytest.Answer) { delete(a.Client, "origin") },
	"wrong RP ID":              func(a *passkeytest.Answer) { a.RPID = "evil.test" },
	"RP ID of the parent":      func(a *passkeytest.Answer) { a.RPID = "example.com" },
	"type of nothing":          func(a *passkeytest.Answer) { a.Client["type"] = "webauthn.other" },
	"another challenge": func(a *passkeytest.Answer) {
		a.Client["challenge"] = base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	},
	"no challenge":          func(a *passkeytest.Answer) { a.Client["challenge"] = "" },
	"in a frame of another": func(a *passkeytest.Answer) { a.Client["crossOrigin"] = true },
	"below another top": func(a *passkeytest.Answer) {
		a.Client["crossOrigin"], a.Client["topOrigin"] = true, "https://evil.test"
	},
	"nobody present":            func(a *passkeytest.Answer) { a.Flags &^= passkeytest.Present },
	"not verified":              func(a *passkeytest.Answer) { a.Flags &^= passkeytest.Verified },
	"backed up, not eligible":   func(a *passkeytest.Answer) { a.Flags |= passkeytest.BackedUp },
	"bytes after the data":      func(a *passkeytest.Answer) { a.Extra = []byte{0xa0} },
	"extensions that are not":   func(a *passkeytest.Answer) { a.Flags |= 0x80 },
	"a credential without bits": func(a *passkeytest.Answer) { a.ID = nil },
}

func TestC33LiesWhenAPasskeyIsMade(t *testing.T) {
	made := maps.Clone(lies)
	made["type swapped"] = func(a *passkeytest.Answer) { a.Client["type"] = "webauthn.get" }
	made["algorithm that was not offered"] = func(a *passkeytest.Answer) {
		a.COSE = []byte(strings.Replace(string(a.COSE), "\x03\x26", "\x03\x2e", 1)) // ES256K's neighbour
	}
	made["key that is none"] = func(a *passkeytest.Answer) { a.COSE = []byte{0xa0} }
	for name, l := range made {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.is(b.enroll(ann, device(), l), idp.ErrBadCredentials)
			if n := len(b.keys(ann)); n != 0 {
				t.Errorf("%d passkeys were stored", n)
			}
		})
	}
}

func TestC33LiesWhenAPasskeyIsUsed(t *testing.T) {
	used := maps.Clone(lies)
	used["type swapped"] = func(a *passkeytest.Answer) { a.Client["type"] = "webauthn.create" }
	used["signature of something else"] = func(a *passkeytest.Answer) { a.Signature = []byte("0123456789") }
	used["became eligible for backup"] = func(a *passkeytest.Answer) { a.Flags |= passkeytest.BackupEligible }
	used["user handle of another"] = func(a *passkeytest.Answer) { a.Handle = []byte("somebody else's handle, 32 bytes") }
	used["credential that nobody has"] = func(a *passkeytest.Answer) { a.ID = []byte("no such credential") }
	for name, l := range used {
		t.Run(name, func(t *testing.T) {
			b, d := newBench(t), device()
			b.mustEnroll(ann, d)
			_, err := b.verify(ann, d, l)
			b.is(err, idp.ErrBadCredentials)
			_, _, err = b.login(d, l)
			b.is(err, idp.ErrBadCredentials)
			if _, err := b.verify(ann, d); err != nil {
				t.Errorf("the truth afterwards: %v", err)
			}
		})
	}
	t.Run("no user handle at sign-in", func(t *testing.T) {
		b, d := newBench(t), device()
		b.mustEnroll(ann, d)
		_, _, err := b.login(d, func(a *passkeytest.Answer) { a.Handle = nil })
		b.is(err, idp.ErrBadCredentials)
	})
	t.Run("another person's passkey", func(t *testing.T) {
		b, anns, bens := newBench(t), device(), device()
		b.mustEnroll(ann, anns)
		b.mustEnroll(ben, bens)
		_, err := b.verify(ann, anns, func(a *passkeytest.Answer) { a.ID, a.Handle = bens.Keys[0].ID, bens.Keys[0].Handle })
		b.is(err, idp.ErrBadCredentials)
		_, _, err = b.login(anns, func(a *passkeytest.Answer) { a.ID, a.Handle = bens.Keys[0].ID, bens.Keys[0].Handle })
		b.is(err, idp.ErrBadCredentials)
	})
	t.Run("another person's handle with one's own passkey", func(t *testing.T) {
		b, anns, bens := newBench(t), device(), device()
		b.mustEnroll(ann, anns)
		b.mustEnroll(ben, bens)
		_, _, err := b.login(anns, func(a *passkeytest.Answer) { a.Handle = bens.Keys[0].Handle })
		b.is(err, idp.ErrBadCredentials)
	})
	t.Run("a credential that is somebody's already", func(t *testing.T) {
		b, d := newBench(t), device()
		b.mustEnroll(ann, d)
		b.is(b.enroll(ben, device(), func(a *passkeytest.Answer) { a.ID = d.Keys[0].ID }), idp.ErrSpent)
		if who, _, err := b.login(d); err != nil || who != ann.Key() {
			t.Errorf("%s, %v", who, err)
		}
	})
}

// a memo counts for the step, the person and the factor that it was made for, and not for long.
func TestR43AMemoIsOfOneStepOfOnePerson(t *testing.T) {
	b, d := newBench(t), device()
	b.mustEnroll(ann, d)
	b.mustEnroll(ben, device())
	ctx := t.Context()
	verify, err := b.Challenge(ctx, ann, desk)
	if err != nil {
		t.Fatal(err)
	}
	login, err := b.BeginLogin(ctx, desk)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Verify(ctx, ben, verify.Memo, b.get(d, verify))
	if reason(err) != "wrong_user" {
		t.Errorf("another person's: %v", err)
	}
	_, err = b.Verify(ctx, ann, login.Memo, b.get(d, login))
	if reason(err) != "bad_memo" {
		t.Errorf("that of a sign-in: %v", err)
	}
	_, _, err = b.FinishLogin(ctx, verify.Memo, b.get(d, verify))
	if reason(err) != "bad_memo" {
		t.Errorf("that of a second step: %v", err)
	}
	_, err = b.FinishEnroll(ctx, ann, verify.Memo, b.get(d, verify))
	if reason(err) != "bad_memo" {
		t.Errorf("enrolled by a second step: %v", err)
	}
	_, err = b.Verify(ctx, ann, []byte("{"), b.get(d, verify))
	if reason(err) != "bad_memo" {
		t.Errorf("none: %v", err)
	}
	b.clock.Advance(5 * time.Minute)
	_, err = b.Verify(ctx, ann, verify.Memo, b.get(d, verify))
	if reason(err) != "expired" {
		t.Errorf("after five minutes: %v", err)
	}
	if _, _, err = b.FinishLogin(ctx, login.Memo, b.get(d, login)); err != nil {
		t.Errorf("a sign-in after five minutes: %v", err)
	}
	b.clock.Advance(10 * time.Minute)
	_, _, err = b.FinishLogin(ctx, login.Memo, b.get(d, login))
	if reason(err) != "expired" {
		t.Errorf("a sign-in after fifteen: %v", err)
	}
}

// C-33: a counter that does not rise has a twin. Neither of the two is taken any more, and that is told.
func TestC33ACounterThatGoesBack(t *testing.T) {
	counted := func(n uint32) lie { return func(a *passkeytest.Answer) { a.Count = n } }
	for name, next := range map[string]uint32{"back": 6, "the same": 7, "to nothing": 0} {
		t.Run(name, func(t *testing.T) {
			b, d := newBench(t), device()
			b.mustEnroll(ann, d, counted(5))
			if _, err := b.verify(ann, d, counted(7)); err != nil {
				t.Fatal(err)
			}
			_, err := b.verify(ann, d, counted(next))
			if reason(err) != "cloned" {
				t.Errorf("error is %v", err)
			}
			_, _, err = b.login(d, counted(100))
			if reason(err) != "cloned" && !errors.Is(err, idp.ErrBadCredentials) {
				t.Errorf("at sign-in, with a counter that rises again: %v", err)
			}
			step, err := b.Challenge(t.Context(), ann, desk)
			if err != nil || !step.View.Closed || step.View.Options != "" {
				t.Errorf("it is asked for: %+v, %v", step.View, err)
			}
			if state, err := b.Ready(t.Context(), ann); state != idp.Enrolled || err != nil {
				t.Errorf("ready: %v, %v: the password alone would set up another one", state, err)
			}
			found := b.CheckStore(t.Context())
			if len(found) != 2 || !strings.Contains(found[1].What, ann.Key()) || found[1].Level != idp.LevelWarning {
				t.Errorf("%+v", found)
			}
		})
	}
	t.Run("one that never counts is taken", func(t *testing.T) {
		b, d := newBench(t), device()
		b.mustEnroll(ann, d)
		for range 3 {
			if _, err := b.verify(ann, d); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("of a hundred with one count one is taken", func(t *testing.T) {
		b, d := newBench(t), device()
		b.mustEnroll(ann, d, counted(5))
		const n = 100
		var steps [n]idp.Step
		var answers [n]url.Values
		for i := range n {
			var err error
			if steps[i], err = b.Challenge(t.Context(), ann, desk); err != nil {
				t.Fatal(err)
			}
			answers[i] = b.get(d, steps[i], counted(6))
		}
		var errs [n]error
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { _, errs[i] = b.Verify(t.Context(), ann, steps[i].Memo, answers[i]) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			}
		}
		if won != 1 {
			t.Errorf("%d won", won)
		}
	})
}

// A passkey may be copied to the person's other devices at any time; whether it can be never changes.
func TestBackupState(t *testing.T) {
	b, d := newBench(t), device()
	eligible := func(a *passkeytest.Answer) { a.Flags |= passkeytest.BackupEligible }
	backedUp := func(a *passkeytest.Answer) { a.Flags |= passkeytest.BackupEligible | passkeytest.BackedUp }
	b.mustEnroll(ann, d, eligible)
	for _, l := range []lie{backedUp, eligible, backedUp} {
		if _, err := b.verify(ann, d, l); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(string(b.keys(ann)[0].Secret), `"backed_up":true`) {
		t.Errorf("%s", b.keys(ann)[0].Secret)
	}
	_, err := b.verify(ann, d)
	b.is(err, idp.ErrBadCredentials)
}

// A portal that moves to another host keeps its people's passkeys, asks for none, and tells how many that are.
func TestAPortalThatMoved(t *testing.T) {
	b, d := newBench(t), device()
	b.mustEnroll(ann, d)
	b.mustEnroll(ann, device())
	b.mustEnroll(ben, device())
	if found := b.CheckStore(t.Context()); len(found) != 1 || found[0].Level != idp.LevelOK {
		t.Errorf("before: %+v", found)
	}
	b.power = b.at("https://login.example.com")
	found := b.CheckStore(t.Context())
	if len(found) != 1 || found[0].Level != idp.LevelWarning || !strings.HasPrefix(found[0].What, "2 people have passkeys for sso.example.com, ") {
		t.Errorf("after: %+v", found)
	}
	step, err := b.Challenge(t.Context(), ann, desk)
	if err != nil || !step.View.Closed || !strings.Contains(step.View.Text, "sso.example.com") {
		t.Errorf("%+v, %v", step, err)
	}
	if state, err := b.Ready(t.Context(), ann); state != idp.Enrolled || err != nil {
		t.Errorf("%v, %v", state, err)
	}
	_, _, err = b.login(d, func(a *passkeytest.Answer) { a.Client["origin"] = "https://login.example.com" })
	b.is(err, idp.ErrBadCredentials)
}

// C-66: what a form says went wrong is a word that we know, or none of our business.
func TestC66TheBrowsersErrorIsAWordThatWeKnow(t *testing.T) {
	b := newBench(t)
	seen := map[string]bool{}
	for _, name := range []string{"NotAllowedError", "InvalidStateError", "NotSupportedError", "SecurityError", "", "x\r\n\x1b[31mfake line"} {
		said := b.Declined(url.Values{"error": {name}})
		if said == "" || strings.ContainsAny(said, "\r\n\x1b") || name != "" && strings.Contains(said, name) {
			t.Errorf("%q: %q", name, said)
		}
		seen[said] = true
	}
	if len(seen) != 6 {
		t.Errorf("%v", slices.Collect(maps.Keys(seen)))
	}
	if said := b.Declined(url.Values{"credential": {"{}"}, "error": {"NotAllowedError"}}); said != "" {
		t.Errorf("an answer is taken for none: %q", said)
	}
	for _, junk := range []string{"{}", "null", "[", `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{}}`, strings.Repeat("[", 20_000)} {
		step, err := b.BeginLogin(t.Context(), desk)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = b.FinishLogin(t.Context(), step.Memo, url.Values{"credential": {junk}})
		b.is(err, idp.ErrBadCredentials)
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("the error quotes what was sent: %.300s", err)
		}
	}
}
