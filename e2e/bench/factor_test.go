package bench

import (
	"crypto/rand"
	"net/url"
	"runtime"
	"slices"
	"testing"
	"time"

	otp "github.com/pquerna/otp/totp"

	"github.com/gatehouse-sso/gatehouse/e2e"
	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/duo"
	"github.com/gatehouse-sso/gatehouse/idp/passkey"
	"github.com/gatehouse-sso/gatehouse/idp/passkey/passkeytest"
	"github.com/gatehouse-sso/gatehouse/idp/totp"
)

// contender is a factor that somebody has set up. Each question is answered once, and the answer made before its judgement
// is measured: a code counts once, and so does a challenge.
type contender struct {
	idp.Factor
	user   *idp.User
	answer func(idp.Step) (url.Values, error)
	with   string // what else is in the figures
}

// theWrite is the durable one by which an answer counts once.
const theWrite = "the write in the store"

// BenchmarkFactors: how long the judgement of an answer takes for each factor, with what is written on disk of it.
func BenchmarkFactors(b *testing.B) {
	s := openStore(b, b.TempDir(), 1)
	now := time.Now()
	clock := func() time.Time { return now }
	for _, c := range []contender{authenticatorApp(b, s, clock), key(b, s, clock), duoOverLoopback(b)} {
		const rounds = 200
		var all times
		var allocs []uint64
		for range rounds {
			now = now.Add(31 * time.Second)
			asked, err := c.Challenge(b.Context(), c.user, idp.Attempt{Callback: "https://sso.example.test/duo/callback", State: rand.Text() + rand.Text()})
			if err != nil {
				b.Fatal(err)
			}
			answer, err := c.answer(asked)
			if err != nil {
				b.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			all = append(all, took(func() {
				if _, err := c.Verify(b.Context(), c.user, asked.Memo, answer); err != nil {
					b.Fatal(err)
				}
			}))
			runtime.ReadMemStats(&after)
			allocs = append(allocs, after.Mallocs-before.Mallocs)
		}
		slices.Sort(allocs)
		report(b, c.Name()+"_verify", float64(all.median().Nanoseconds())/1e3, "us", goal{},
			"N=%d right answers, median, with %s; 99th percentile %s", rounds, c.with, ms(all.at(0.99)))
		report(b, c.Name()+"_verify_allocs", float64(allocs[rounds/2]), "allocs", goal{}, "N=%d, median, with %s", rounds, c.with)
	}
}

// authenticatorApp is a person's app, whose codes are those of the clock.
func authenticatorApp(b *testing.B, s idp.Store, clock func() time.Time) contender {
	b.Helper()
	f, err := totp.New(totp.Config{Issuer: "Example Apps", Store: s, Now: clock})
	if err != nil {
		b.Fatal(err)
	}
	u := agent(1)
	var seed string
	code := func(idp.Step) (url.Values, error) {
		text, err := otp.GenerateCode(seed, clock())
		return url.Values{"code": {text}}, err
	}
	begun, err := f.BeginEnroll(b.Context(), u, idp.Attempt{})
	if err != nil {
		b.Fatal(err)
	}
	address, err := url.Parse(begun.View.OTPAuth)
	if err != nil {
		b.Fatal(err)
	}
	seed = address.Query().Get("secret")
	setUp(b, f, u, begun, code)
	return contender{f, u, code, theWrite}
}

// key is a person's passkey.
func key(b *testing.B, s idp.Store, clock func() time.Time) contender {
	b.Helper()
	portal, err := url.Parse("https://sso.example.test")
	if err != nil {
		b.Fatal(err)
	}
	f, err := passkey.New(passkey.Config{Portal: portal, Store: s, Now: clock})
	if err != nil {
		b.Fatal(err)
	}
	u, device := agent(2), &passkeytest.Device{Origin: portal.String()}
	own := f.(idp.Enroller)
	begun, err := own.BeginEnroll(b.Context(), u, idp.Attempt{Device: "Chrome on Windows"})
	if err != nil {
		b.Fatal(err)
	}
	setUp(b, own, u, begun, func(asked idp.Step) (url.Values, error) { return device.Create(asked.View.Options) })
	return contender{f, u, func(asked idp.Step) (url.Values, error) { return device.Get(asked.View.Options) }, theWrite}
}

// duoOverLoopback is somebody who has confirmed at Duo: the exchange of the code over TLS, and all checks of what it brings. The
// double of the service is in this process, and pays for its half here.
func duoOverLoopback(b *testing.B) contender {
	b.Helper()
	d := e2e.NewDuo(b)
	f, err := duo.New(duo.Config{APIHostname: d.Host, ClientID: e2e.DuoClientID, ClientSecret: idp.NewSecret(d.Secret), CAs: d.Roots()})
	if err != nil {
		b.Fatal(err)
	}
	return contender{f, agent(3), func(asked idp.Step) (url.Values, error) {
		back, err := d.Confirm(asked.URL)
		if err != nil {
			return nil, err
		}
		u, err := url.Parse(back)
		if err != nil {
			return nil, err
		}
		return u.Query(), nil
	}, "the service's half, over loopback"}
}

func setUp(b *testing.B, f idp.Enroller, u *idp.User, begun idp.Step, answer func(idp.Step) (url.Values, error)) {
	b.Helper()
	values, err := answer(begun)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := f.FinishEnroll(b.Context(), u, begun.Memo, values); err != nil {
		b.Fatal(err)
	}
}
