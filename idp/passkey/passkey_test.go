package passkey_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/passkey"
	"github.com/gatehouse-sso/gatehouse/idp/passkey/passkeytest"
	"github.com/gatehouse-sso/gatehouse/idp/storetest"
)

var (
	ann = &idp.User{Source: "staff", ID: "ann", Name: "ann", DisplayName: "Ann Agent"}
	ben = &idp.User{Source: "staff", ID: "ben", Name: "ben"}
	// desk is where attempts come from.
	desk = idp.Attempt{Client: netip.MustParseAddr("198.51.100.7"), Device: "Chrome on Windows"}
)

const site = "https://sso.example.com"

// power is everything that the factor can do.
type power interface {
	idp.Factor
	idp.Enroller
	idp.Passwordless
	idp.Decliner
	idp.StoreChecker
}

// bench is a factor with a clock and a store of its own.
type bench struct {
	power
	t     testing.TB
	store *storetest.Memory
	clock *storetest.Clock
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, clock: storetest.NewClock()}
	b.store = storetest.NewMemory(b.clock.Now)
	b.power = b.at(site)
	return b
}

// at is the factor of a portal at another address, on the same store.
func (b *bench) at(portal string) power {
	b.t.Helper()
	u, err := url.Parse(portal)
	if err != nil {
		b.t.Fatal(err)
	}
	f, err := passkey.New(passkey.Config{Portal: u, Title: "Example Apps", Store: b.store, Now: b.clock.Now})
	if err != nil {
		b.t.Fatal(err)
	}
	return f.(power)
}

func device() *passkeytest.Device { return &passkeytest.Device{Origin: site} }

// enroll sets a passkey up on the device.
func (b *bench) enroll(u *idp.User, d *passkeytest.Device, change ...func(*passkeytest.Answer)) error {
	b.t.Helper()
	step, err := b.BeginEnroll(b.t.Context(), u, desk)
	if err != nil {
		return err
	}
	answer, err := d.Create(step.View.Options, change...)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = b.FinishEnroll(b.t.Context(), u, step.Memo, answer)
	return err
}

func (b *bench) mustEnroll(u *idp.User, d *passkeytest.Device, change ...func(*passkeytest.Answer)) {
	b.t.Helper()
	if err := b.enroll(u, d, change...); err != nil {
		b.t.Fatal(err)
	}
}

// verify uses the device as a second step.
func (b *bench) verify(u *idp.User, d *passkeytest.Device, change ...func(*passkeytest.Answer)) (idp.Proof, error) {
	b.t.Helper()
	step, err := b.Challenge(b.t.Context(), u, desk)
	if err != nil {
		return idp.Proof{}, err
	}
	return b.Verify(b.t.Context(), u, step.Memo, b.get(d, step, change...))
}

// login uses the device instead of a password.
func (b *bench) login(d *passkeytest.Device, change ...func(*passkeytest.Answer)) (string, idp.Proof, error) {
	b.t.Helper()
	step, err := b.BeginLogin(b.t.Context(), desk)
	if err != nil {
		return "", idp.Proof{}, err
	}
	return b.FinishLogin(b.t.Context(), step.Memo, b.get(d, step, change...))
}

func (b *bench) get(d *passkeytest.Device, step idp.Step, change ...func(*passkeytest.Answer)) url.Values {
	b.t.Helper()
	answer, err := d.Get(step.View.Options, change...)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

func (b *bench) keys(u *idp.User) []idp.Enrollment {
	b.t.Helper()
	list, err := b.store.UserEnrollments(b.t.Context(), u.Key(), "")
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

func (b *bench) is(err, want error) {
	b.t.Helper()
	if !errors.Is(err, want) {
		b.t.Errorf("error is %v, want %v", err, want)
	}
}

// reason is that of a refusal.
func reason(err error) string {
	e, ok := errors.AsType[*idp.Error](err)
	if !ok {
		return ""
	}
	return e.Reason
}

func TestASecondStepWithEachAlgorithm(t *testing.T) {
	for name, algorithm := range map[string]int{"ES256": passkeytest.ES256, "EdDSA": passkeytest.EdDSA, "RS256": passkeytest.RS256} {
		t.Run(name, func(t *testing.T) {
			b, d := newBench(t), device()
			d.Algorithm = algorithm
			if state, err := b.Ready(t.Context(), ann); state != idp.NotEnrolled || err != nil {
				t.Errorf("before: %v, %v", state, err)
			}
			b.mustEnroll(ann, d)
			if state, err := b.Ready(t.Context(), ann); state != idp.Enrolled || err != nil {
				t.Errorf("after: %v, %v", state, err)
			}
			b.clock.Advance(time.Hour)
			p, err := b.verify(ann, d)
			if err != nil {
				t.Fatal(err)
			}
			e := b.keys(ann)[0]
			want := idp.Proof{Factor: "passkey", Credential: e.ID, At: b.clock.Now(), UserVerified: true}
			if p != want || !e.Used.Equal(b.clock.Now()) || e.Label != "Chrome on Windows" {
				t.Errorf("proof %+v of %+v", p, e)
			}
			if !strings.Contains(string(e.Secret), "Chrome on Windows, 198.51.100.7") {
				t.Errorf("where it was used is not kept: %s", e.Secret)
			}
		})
	}
}

func TestASignInWithoutAPassword(t *testing.T) {
	b, d := newBench(t), device()
	b.mustEnroll(ann, d)
	b.mustEnroll(ben, device())
	who, p, err := b.login(d)
	if err != nil || who != ann.Key() || !p.UserVerified || p.Factor != "passkey" {
		t.Errorf("%s, %+v, %v", who, p, err)
	}
	t.Run("a mere second step does not", func(t *testing.T) {
		u, err := url.Parse(site)
		if err != nil {
			t.Fatal(err)
		}
		f, err := passkey.New(passkey.Config{Portal: u, Store: b.store, SecondFactor: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := f.(idp.Passwordless); ok {
			t.Error("it can sign in")
		}
	})
	t.Run("a removed passkey is nobody's", func(t *testing.T) {
		if err := b.store.DeleteEnrollment(t.Context(), ann.Key(), "passkey", b.keys(ann)[0].ID); err != nil {
			t.Fatal(err)
		}
		_, _, err := b.login(d)
		b.is(err, idp.ErrBadCredentials)
	})
}

// The browser is asked for what the package doc promises.
func TestWhatTheBrowserIsAsked(t *testing.T) {
	b, d := newBench(t), device()
	b.mustEnroll(ann, d)
	step, err := b.BeginEnroll(t.Context(), ann, desk)
	if err != nil {
		t.Fatal(err)
	}
	var o struct {
		Attestation            string
		RP                     struct{ ID, Name string }
		User                   struct{ ID, Name, DisplayName string }
		PubKeyCredParams       []struct{ Alg int }
		AuthenticatorSelection struct {
			ResidentKey, UserVerification string
			RequireResidentKey            bool
		}
		ExcludeCredentials []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(step.View.Options), &o); err != nil {
		t.Fatal(err)
	}
	var algorithms []int
	for _, p := range o.PubKeyCredParams {
		algorithms = append(algorithms, p.Alg)
	}
	s := o.AuthenticatorSelection
	if o.Attestation != "none" || o.RP.ID != "sso.example.com" || o.RP.Name != "Example Apps" || o.User.Name != "ann" || o.User.DisplayName != "Ann Agent" ||
		!slices.Equal(algorithms, []int{-7, -8, -257}) || s.ResidentKey != "required" || !s.RequireResidentKey || s.UserVerification != "required" || len(o.ExcludeCredentials) != 1 {
		t.Errorf("asked: %s", step.View.Options)
	}
	if strings.Contains(step.View.Options, "YW5u") || o.User.ID == "" { // "ann"
		t.Errorf("the handle tells who it is: %s", o.User.ID)
	}
	answer, err := d.Create(step.View.Options)
	if err != nil || b.Declined(answer) == "" {
		t.Errorf("a device that has one makes a second: %v, %v", answer, err)
	}
	login, err := b.BeginLogin(t.Context(), desk)
	if err != nil || strings.Contains(login.View.Options, "allowCredentials") || !strings.Contains(login.View.Options, `"userVerification":"required"`) {
		t.Errorf("at sign-in: %s, %v", login.View.Options, err)
	}
	if !login.Expires.Equal(b.clock.Now().Add(15*time.Minute)) || !step.Expires.Equal(b.clock.Now().Add(5*time.Minute)) || !step.View.Once {
		t.Errorf("good until %v and %v", login.Expires, step.Expires)
	}
}

func TestSeveralPasskeysAtMostTwenty(t *testing.T) {
	b := newBench(t)
	for range passkey.MaxKeys {
		b.mustEnroll(ann, device())
	}
	labels := map[string]bool{}
	for _, e := range b.keys(ann) {
		labels[e.Label] = true
	}
	if len(labels) != passkey.MaxKeys || !labels["Chrome on Windows 20"] {
		t.Errorf("%v", labels)
	}
	if err := b.enroll(ann, device()); reason(err) != "too_many_credentials" {
		t.Errorf("one more: %v", err)
	}
	b.mustEnroll(ben, device())
}

// Enrollments that end together do not exceed the limit either.
func TestNoMoreByEndingTogether(t *testing.T) {
	b := newBench(t)
	for range passkey.MaxKeys - 1 {
		b.mustEnroll(ann, device())
	}
	const n = 8
	var steps [n]idp.Step
	var answers [n]url.Values
	for i := range n {
		var err error
		if steps[i], err = b.BeginEnroll(t.Context(), ann, desk); err != nil {
			t.Fatal(err)
		}
		if answers[i], err = device().Create(steps[i].View.Options); err != nil {
			t.Fatal(err)
		}
	}
	var errs [n]error
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _, errs[i] = b.FinishEnroll(t.Context(), ann, steps[i].Memo, answers[i]) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		}
	}
	if made != 1 || len(b.keys(ann)) != passkey.MaxKeys {
		t.Errorf("%d were made, there are %d", made, len(b.keys(ann)))
	}
}

func TestAnIPAddressHasNoPasskeys(t *testing.T) {
	for _, portal := range []string{"https://127.0.0.1:8443", "https://[::1]", "https://198.51.100.7"} {
		u, err := url.Parse(portal)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := passkey.New(passkey.Config{Portal: u, Store: storetest.NewMemory(time.Now)}); err == nil || !strings.Contains(err.Error(), "give the portal a name") {
			t.Errorf("%s: %v", portal, err)
		}
	}
}
