package duo

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/e2e/duoservice"
	"github.com/gatehouse-sso/gatehouse/idp"
)

// soon is long enough for a Duo on this machine and short enough to wait for.
const soon = 400 * time.Millisecond

// outages are the ways in which Duo may not answer.
var outages = map[string]func(*bench){
	"refused":     func(b *bench) { b.server.Close() },
	"fails":       func(b *bench) { b.service.Set("", duoservice.Fails) },
	"breaks":      func(b *bench) { b.service.Set("", duoservice.Breaks) },
	"hangs":       func(b *bench) { b.service.Set("", duoservice.Hangs) },
	"slow":        func(b *bench) { b.service.Set("", duoservice.Slow) },
	"floods":      func(b *bench) { b.service.Set("", duoservice.Floods) },
	"redirects":   func(b *bench) { b.service.Set("", duoservice.Turns) },
	"certificate": func(b *bench) { b.client = withoutCA(b) },
	"silent":      func(b *bench) { b.client.origin = "https://" + silent(b) },
}

// withoutCA is the client of somebody who does not know who vouches for the service.
func withoutCA(b *bench) *client {
	c := newClient(Config{APIHostname: b.server.Listener.Addr().String(), ClientID: testID, ClientSecret: idp.NewSecret(testSecret), CAs: x509.NewCertPool(), Timeout: soon, Now: b.time, Rand: b.rand})
	b.health.probe = c.health
	return c
}

// silent takes connections and says nothing.
func silent(b *bench) string {
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// F-13, C-31: Duo that does not answer is unreachable in time, whichever way, and an answer that cannot be judged, or has no
// end, or leads elsewhere, is none.
func TestF13Outages(t *testing.T) {
	if DefaultTimeout > 3500*time.Millisecond {
		t.Errorf("by default a decision takes %s", DefaultTimeout)
	}
	for name, begin := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(c *Config) { c.Timeout = soon })
			step, answer := b.prompt(attempt("s"), "approve")
			begin(b)
			started := time.Now()
			r, err := b.Ready(t.Context(), ann)
			if r != idp.Unreachable || err == nil {
				t.Errorf("ready: %v, %v", r, err)
			}
			b.wantNoSecret(err)
			_, err = b.Verify(t.Context(), ann, step.Memo, answer)
			if err == nil || errors.Is(err, idp.ErrBadCredentials) {
				t.Errorf("verify: %v", err)
			}
			b.wantNoSecret(err)
			if d := time.Since(started); d > 3*time.Second {
				t.Errorf("both took %s", d)
			}
			found := b.Check(t.Context())
			if len(found) != 1 || found[0].Level != idp.LevelError || found[0].Cure == "" || strings.Contains(found[0].What+found[0].Cure, testSecret) {
				t.Errorf("check: %+v", found)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	b := newBench(t, nil)
	if f := b.Check(t.Context()); len(f) != 1 || f[0].Level != idp.LevelOK || f[0].Where != "factor duo" {
		t.Errorf("%+v", f)
	}
	// Their clock is ours in this test: let it be apart by what the service believes.
	b.service = duoservice.New(duoservice.Config{ClientID: testID, Secret: testSecret, Now: func() time.Time { return noon.Add(3 * time.Minute) }})
	late := httptest.NewTLSServer(b.service)
	t.Cleanup(late.Close)
	b.client.origin = late.URL
	if f := b.Check(t.Context()); f[0].Level != idp.LevelWarning || !strings.Contains(f[0].What, "3m0s") {
		t.Errorf("%+v", f)
	}
}

// A hundred people at once ask Duo once, and again when what is known has grown old.
func TestHealthIsAskedOnce(t *testing.T) {
	b := newBench(t, nil)
	everybody := func() {
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if r, err := b.Ready(t.Context(), ann); r != idp.Enrolled || err != nil {
					t.Errorf("%v, %v", r, err)
				}
			})
		}
		group.Wait()
	}
	everybody()
	b.move(wellFor - time.Second)
	everybody()
	if n := b.service.Asked(healthPath); n != 1 {
		t.Errorf("asked %d times", n)
	}
	b.move(2 * time.Second)
	everybody()
	if n := b.service.Asked(healthPath); n != 2 {
		t.Errorf("asked %d times after a while", n)
	}
}

// While Duo hangs and is asked again, one waits; the others are told what was known.
func TestWhileDuoHangsOneWaits(t *testing.T) {
	b := newBench(t, nil)
	answer := make(chan error)
	begun := make(chan struct{}, 1)
	b.health.probe = func(context.Context) (time.Time, error) {
		begun <- struct{}{}
		return time.Time{}, <-answer
	}
	first := make(chan error, 1)
	ask := func() { first <- b.health.check(t.Context()) }
	go ask()
	<-begun
	answer <- errors.New("down")
	if err := <-first; err == nil {
		t.Fatal("well")
	}
	b.move(illFor + time.Second)
	go ask()
	<-begun
	for range 10 {
		if err := b.health.check(t.Context()); err == nil {
			t.Error("well while it is asked")
		}
	}
	answer <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := b.health.check(t.Context()); err != nil {
		t.Error(err)
	}
	// Whoever goes away does not wait, and does not keep the others from the answer.
	b.move(wellFor + time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- b.health.check(ctx) }()
	<-begun
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	answer <- nil
	if err := b.health.check(t.Context()); err != nil {
		t.Error(err)
	}
}

// After an exchange that got no answer, the next person's way begins with a question.
func TestFailedExchangeForgetsHealth(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Timeout = soon })
	step, answer := b.prompt(attempt("s"), "approve")
	if _, err := b.Ready(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	b.service.Set("", duoservice.Hangs)
	if _, err := b.Verify(t.Context(), ann, step.Memo, answer); err == nil {
		t.Error("verified")
	}
	if r, _ := b.Ready(t.Context(), ann); r != idp.Unreachable {
		t.Errorf("ready: %v", r)
	}
}
