package duo

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/e2e/duoservice"
	"github.com/gatehouse-sso/gatehouse/idp"
)

const (
	testID     = "DI0123456789ABCDEFGH"
	testSecret = "canary-0123456789012345678901234567890ab"
	callback   = "https://sso.example.com/duo/callback"
)

var (
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	ann  = &idp.User{Source: "corp", ID: "1", Name: "ann@corp.example.com", Attributes: map[string][]string{"duoName": {"annika"}}}
	ben  = &idp.User{Source: "corp", ID: "2", Name: "ben"}
)

// bench is a factor with a Duo behind it, and the clock of both.
type bench struct {
	*testing.T
	*Factor
	service *duoservice.Service
	server  *httptest.Server
	mu      sync.Mutex
	clock   time.Time
}

func newBench(t testing.TB, change func(*Config)) *bench {
	b := &bench{clock: noon}
	if tt, ok := t.(*testing.T); ok {
		b.T = tt
	}
	b.service = duoservice.New(duoservice.Config{ClientID: testID, Secret: testSecret, Now: b.time})
	b.server = httptest.NewTLSServer(b.service)
	t.Cleanup(b.server.Close)
	c := Config{
		APIHostname: b.server.Listener.Addr().String(), ClientID: testID, ClientSecret: idp.NewSecret(testSecret),
		CAs: x509.NewCertPool(), Now: b.time,
	}
	c.CAs.AddCert(b.server.Certificate())
	if change != nil {
		change(&c)
	}
	var err error
	if b.Factor, err = New(c); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) time() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock
}

func (b *bench) move(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = b.clock.Add(d)
}

func attempt(state string) idp.Attempt {
	return idp.Attempt{Callback: callback, State: state + strings.Repeat("x", 40)}
}

// browser goes to Duo and presses a button. It returns the query that Duo sends the browser back with.
func (b *bench) browser(c *http.Client, address, verdict string) url.Values {
	b.Helper()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Get(address)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		var buf strings.Builder
		if err := resp.Write(&buf); err != nil {
			b.Fatal(err)
		}
		id := regexp.MustCompile(`name="id" value="(\w+)"`).FindStringSubmatch(buf.String())
		if id == nil {
			b.Fatalf("no prompt: %s", buf.String())
		}
		if resp, err = c.PostForm(b.server.URL+"/prompt", url.Values{"id": id[1:], "verdict": {verdict}}); err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
	}
	to, err := resp.Location()
	if err != nil || !strings.HasPrefix(to.String(), callback+"?") {
		b.Fatalf("%d to %v: %v", resp.StatusCode, to, err)
	}
	return to.Query()
}

// prompt challenges and lets the browser answer.
func (b *bench) prompt(a idp.Attempt, verdict string) (idp.Step, url.Values) {
	b.Helper()
	step, err := b.Challenge(b.Context(), ann, a)
	if err != nil {
		b.Fatal(err)
	}
	c := *b.server.Client()
	return step, b.browser(&c, step.URL, verdict)
}

func (b *bench) wantReason(err error, reason string) {
	b.Helper()
	var e *idp.Error
	if !errors.As(err, &e) || e.Reason != reason || errors.Is(err, idp.ErrBadCredentials) {
		b.Errorf("got %v, want the reason %s", err, reason)
	}
	b.wantNoSecret(err)
}

func (b *bench) wantNoSecret(err error) {
	b.Helper()
	if err != nil && strings.Contains(err.Error(), testSecret) {
		b.Errorf("the secret is in: %v", err)
	}
}

func TestApprove(t *testing.T) {
	b := newBench(t, nil)
	if r, err := b.Ready(t.Context(), ann); r != idp.Enrolled || err != nil {
		t.Fatalf("ready: %v, %v", r, err)
	}
	step, answer := b.prompt(attempt("s"), "approve")
	if len(step.Memo) == 0 || strings.Contains(step.URL, testSecret) || !step.Expires.Equal(noon.Add(10*time.Minute)) {
		t.Errorf("step %+v", step)
	}
	b.move(30 * time.Second)
	p, err := b.Verify(t.Context(), ann, step.Memo, answer)
	if want := (idp.Proof{Factor: "duo", Credential: "duo_push", ACR: ACR, At: noon.Add(30 * time.Second)}); err != nil || p != want {
		t.Fatalf("proof %+v, want %+v, %v", p, want, err)
	}
	// The code is spent at Duo.
	_, err = b.Verify(t.Context(), ann, step.Memo, answer)
	b.wantReason(err, "bad_code")
}

func TestDenied(t *testing.T) {
	b := newBench(t, nil)
	step, answer := b.prompt(attempt("s"), "refuse")
	if _, err := b.Verify(t.Context(), ann, step.Memo, answer); !errors.Is(err, idp.ErrBadCredentials) {
		t.Errorf("a denial: %v", err)
	}
	step, answer = b.prompt(attempt("s"), "cancel")
	_, err := b.Verify(t.Context(), ann, step.Memo, answer)
	b.wantReason(err, "duo_error")
}

// C-31, R-43: an answer counts for the step it was made for: this person, factor and prompt, in time.
func TestC31AndR43AnswersThatDoNotFit(t *testing.T) {
	b := newBench(t, nil)
	step, good := b.prompt(attempt("s"), "approve")
	with := func(name string, values ...string) url.Values {
		v := url.Values{"state": good["state"], "duo_code": good["duo_code"]}
		v[name] = values
		return v
	}
	for name, try := range map[string]struct {
		user   *idp.User
		memo   []byte
		answer url.Values
		reason string
	}{
		"another state":       {ann, step.Memo, with("state", attempt("t").State), "bad_state"},
		"no state":            {ann, step.Memo, with("state"), "bad_state"},
		"two states":          {ann, step.Memo, with("state", good.Get("state"), good.Get("state")), "bad_state"},
		"no code":             {ann, step.Memo, with("duo_code"), "bad_code"},
		"an empty code":       {ann, step.Memo, with("duo_code", ""), "bad_code"},
		"two codes":           {ann, step.Memo, with("duo_code", "a", "b"), "bad_code"},
		"a code that is huge": {ann, step.Memo, with("duo_code", strings.Repeat("a", 2000)), "bad_code"},
		"a code of nobody":    {ann, step.Memo, with("duo_code", "made-up"), "bad_code"},
		"another name":        {ann, step.Memo, url.Values{"state": good["state"], "code": good["duo_code"]}, "bad_code"},
		"another person":      {ben, step.Memo, good, "wrong_user"},
		"no memo":             {ann, nil, good, "bad_memo"},
		"an empty memo":       {ann, []byte("{}"), good, "bad_memo"},
		"no answer":           {ann, step.Memo, nil, "bad_state"},
	} {
		t.Run(name, func(*testing.T) {
			_, err := b.Verify(t.Context(), try.user, try.memo, try.answer)
			b.wantReason(err, try.reason)
		})
	}
	sales := newBench(t, func(c *Config) { c.Name = "duo-sales" })
	_, err := sales.Verify(t.Context(), ann, step.Memo, good)
	b.wantReason(err, "bad_memo")
	b.move(11 * time.Minute)
	_, err = b.Verify(t.Context(), ann, step.Memo, good)
	b.wantReason(err, "expired")
}

// A code that belongs to another prompt brings the token of another nonce, or of another person.
func TestCodeOfAnotherPrompt(t *testing.T) {
	b := newBench(t, nil)
	step, answer := b.prompt(attempt("s"), "approve")
	_, other := b.prompt(attempt("t"), "approve")
	answer.Set("duo_code", other.Get("duo_code"))
	_, err := b.Verify(t.Context(), ann, step.Memo, answer)
	b.wantReason(err, "bad_nonce")
}

// C-28: "always" is not satisfied by what Duo remembers. Duo is asked not to, and does not always listen.
func TestC28RememberedAtDuo(t *testing.T) {
	b := newBench(t, nil)
	fresh := attempt("s")
	fresh.Fresh = true
	step, answer := b.prompt(fresh, "approve")
	if _, err := b.Verify(t.Context(), ann, step.Memo, answer); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"by its reason": func(c map[string]any) { c["auth_context"].(map[string]any)["reason"] = "remembered_device" },
		"by its factor": func(c map[string]any) { c["auth_context"].(map[string]any)["factor"] = "remembered_device" },
		"by its time":   func(c map[string]any) { c["auth_time"] = noon.Add(-2 * time.Minute).Unix() },
	} {
		b.service.Change(change)
		step, answer := b.prompt(fresh, "approve")
		_, err := b.Verify(t.Context(), ann, step.Memo, answer)
		b.wantReason(err, "duo_remembered")
		t.Log(name)
	}

	weekly := attempt("s")
	weekly.MaxAge = 7 * 24 * time.Hour
	for days, reason := range map[int]string{6: "", 8: "duo_remembered"} {
		at := noon.AddDate(0, 0, -days)
		b.service.Change(func(c map[string]any) { c["auth_time"] = at.Unix() })
		step, answer := b.prompt(weekly, "approve")
		p, err := b.Verify(t.Context(), ann, step.Memo, answer)
		if reason != "" {
			b.wantReason(err, reason)
		} else if err != nil || !p.At.Equal(at) {
			t.Errorf("%d days: %v, %v", days, p.At, err)
		}
	}
	b.service.Change(func(c map[string]any) { delete(c, "auth_time") })
	step, answer = b.prompt(weekly, "approve")
	_, err := b.Verify(t.Context(), ann, step.Memo, answer)
	b.wantReason(err, "bad_token")
}

// The hints reach Duo: a session that it remembers is passed over where the policy says always.
func TestFreshHint(t *testing.T) {
	b := newBench(t, nil)
	c := *b.server.Client()
	jar := http.Cookie{Name: "remembered", Value: "ann"}
	c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		r.AddCookie(&jar)
		return b.server.Client().Transport.RoundTrip(r)
	})
	for fresh, want := range map[bool]string{false: "remembered_device", true: "duo_push"} {
		a := attempt("s")
		a.Fresh = fresh
		step, err := b.Challenge(t.Context(), ann, a)
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.Verify(t.Context(), ann, step.Memo, b.browser(&c, step.URL, "approve"))
		if err != nil || p.Credential != want {
			t.Errorf("fresh %v: %s, want %s, %v", fresh, p.Credential, want, err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestUsernames(t *testing.T) {
	for _, c := range []struct{ attribute, normalize, name, want string }{
		{"", "", "ann@corp.example.com", "ann"},
		{"", Simple, `CORP\ann`, "ann"},
		{"", Simple, "ann", "ann"},
		{"", None, "ann@corp.example.com", "ann@corp.example.com"},
		{"", None, `CORP\ann`, `CORP\ann`},
		{"duoName", None, "ann", "annika"},
		{"missing", Simple, "ann", ""},
		{"", Simple, "@example.com", ""},
	} {
		b := newBench(t, func(o *Config) { o.Attribute, o.Normalize = c.attribute, c.normalize })
		u := *ann
		u.Name = c.name
		if got := b.username(&u); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
		if r, err := b.Ready(t.Context(), &u); err != nil || (r == idp.Enrolled) != (c.want != "") {
			t.Errorf("%+v: %v, %v", c, r, err)
		}
		if _, err := b.Challenge(t.Context(), &u, attempt("s")); (err == nil) != (c.want != "") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := Config{APIHostname: "api-1234abcd.duosecurity.com", ClientID: testID, ClientSecret: idp.NewSecret(testSecret)}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no host":              func(c *Config) { c.APIHostname = "" },
		"another host":         func(c *Config) { c.APIHostname = "api-1234abcd.example.com" },
		"the panel":            func(c *Config) { c.APIHostname = "admin-1234abcd.duosecurity.com" },
		"a URL":                func(c *Config) { c.APIHostname = "https://api-1234abcd.duosecurity.com" },
		"a path":               func(c *Config) { c.APIHostname = "api-1234abcd.duosecurity.com/x" },
		"a user":               func(c *Config) { c.APIHostname = "x@127.0.0.1:443" },
		"loopback and no port": func(c *Config) { c.APIHostname = "localhost" },
		"another machine":      func(c *Config) { c.APIHostname = "192.0.2.1:443" },
		"the secret as id":     func(c *Config) { c.ClientID = testSecret },
		"a short id":           func(c *Config) { c.ClientID = "DI" },
		"a short secret":       func(c *Config) { c.ClientSecret = idp.NewSecret("short-secret") },
		"no secret":            func(c *Config) { c.ClientSecret = idp.Secret{} },
		"another form":         func(c *Config) { c.Normalize = "upper" },
		"a name with a slash":  func(c *Config) { c.Name = "a/b" },
		"no time":              func(c *Config) { c.Timeout = -1 },
		"a minute":             func(c *Config) { c.Timeout = time.Minute },
		"a proxy's password":   func(c *Config) { c.Proxy = &url.URL{Scheme: "http", User: url.UserPassword("a", "b"), Host: "p:1"} },
		"a SOCKS proxy":        func(c *Config) { c.Proxy = &url.URL{Scheme: "socks5", Host: "p:1"} },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "short-secret") || strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProxy(t *testing.T) {
	b := newBench(t, nil)
	var asked []string
	proxy := httptest.NewServer(connect(&asked))
	t.Cleanup(proxy.Close)
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.client.http.Transport.(*http.Transport).Proxy = nil
	c := Config{APIHostname: b.server.Listener.Addr().String(), ClientID: testID, ClientSecret: idp.NewSecret(testSecret), Proxy: u, CAs: x509.NewCertPool(), Now: b.time}
	c.CAs.AddCert(b.server.Certificate())
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := f.Ready(t.Context(), ann); r != idp.Enrolled || err != nil || len(asked) != 1 || asked[0] != c.APIHostname {
		t.Errorf("%v, %v, the proxy was asked for %q", r, err, asked)
	}
}

// Of a hundred who bring the same code at once, one has it.
func TestCodeCountsOnce(t *testing.T) {
	b := newBench(t, nil)
	step, answer := b.prompt(attempt("s"), "approve")
	var passed atomic.Int64
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			_, err := b.Verify(t.Context(), ann, step.Memo, answer)
			if err == nil {
				passed.Add(1)
			} else {
				b.wantReason(err, "bad_code")
			}
		})
	}
	group.Wait()
	if n := passed.Load(); n != 1 {
		t.Errorf("passed %d times", n)
	}
}
