package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/e2e"
	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/samlapp"
)

// userAgent is what a browser of today says of itself.
const userAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

// anybody is a source and a factor that let everybody in: signing a thousand people in must not cost a
// thousand password hashes. What is measured begins after the sign-in.
type anybody struct{}

var (
	_ idp.PasswordSource = anybody{}
	_ idp.Factor         = anyCode{}
)

func (anybody) Name() string { return "people" }

func (anybody) Find(_ context.Context, name string) (*idp.User, error) {
	return &idp.User{Source: "people", ID: name, Name: name, Email: name + "@example.test", Groups: []idp.Group{{Names: []string{"Agents"}}}}, nil
}

func (anybody) Authenticate(context.Context, *idp.User, string) error { return nil }

type anyCode struct{}

func (anyCode) Name() string { return "totp" }

func (anyCode) Ready(context.Context, *idp.User) (idp.Readiness, error) { return idp.Enrolled, nil }

func (anyCode) Challenge(context.Context, *idp.User, idp.Attempt) (idp.Step, error) {
	return idp.Step{View: idp.View{Title: "Authenticator app", Digits: 6}}, nil
}

func (anyCode) Verify(context.Context, *idp.User, []byte, url.Values) (idp.Proof, error) {
	return idp.Proof{Factor: "totp", Credential: "1", At: time.Now()}, nil
}

// openGateway builds the gateway of testdata/bench.Caddyfile in this process, but for its source and factor.
func openGateway(b *testing.B, origin string, s idp.Store) *idp.Gateway {
	b.Helper()
	portal, err := url.Parse(origin)
	if err != nil {
		b.Fatal(err)
	}
	var come atomic.Uint32
	g, err := idp.New(idp.Config{
		Portal: idp.Portal{URL: portal, Title: "Example Apps", Help: "Service desk, extension 4400", Policy: "weekly"},
		Store:  s, Sources: []idp.Source{anybody{}}, Factors: []idp.Factor{anyCode{}},
		Policies: []*idp.Policy{
			{Name: "default", MFA: &idp.MFASection{Mode: idp.MFAAlways}, Factors: &idp.FactorsSection{Names: []string{"totp"}}},
			{Name: "weekly", MFA: &idp.MFASection{Mode: idp.MFAEvery, Every: 7 * 24 * time.Hour, Shared: true}},
		},
		Applications: []idp.AppConfig{{Application: newConnect(b, origin, s, 0), Policy: "weekly"}},
		// Very many come, and an address may begin so many sign-ins a minute.
		Client: func(*http.Request) netip.Addr {
			n := come.Add(1)
			return netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), 1})
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	return g
}

// newConnect is the application of testdata/bench.Caddyfile; signers bounds how many responses are signed at once.
func newConnect(t testing.TB, origin string, keys idp.Keys, signers int) *samlapp.Connect {
	t.Helper()
	c, err := connect(origin, keys, signers)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func connect(origin string, keys idp.Keys, signers int) (*samlapp.Connect, error) {
	agents := []idp.GroupRef{{Source: "people", Name: "Agents"}}
	supervisors := []idp.GroupRef{{Source: "people", Name: "Supervisors"}}
	return samlapp.NewConnect(samlapp.ConnectConfig{
		Name: "connect", Label: "Contact centre",
		Issuer:       &samlapp.Issuer{EntityID: origin + "/saml/metadata", Keys: keys.SAMLKeys, Signers: signers},
		Instance:     "arn:aws:connect:us-east-1:123456789012:instance/12345678-90ab-cdef-1234-567890abcdef",
		ProviderName: "Gatehouse", Roles: []samlapp.RoleRow{{Role: "ConnectFederation", Groups: append(agents, supervisors...)}},
		Destinations:    []samlapp.DestinationRow{{Path: "/real-time-metrics", Groups: supervisors}, {Path: "/ccp-v2"}},
		SessionDuration: 12 * time.Hour,
	})
}

// inside sends requests to a handler of this process.
type inside struct{ http.Handler }

// RoundTrip serves the request.
func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	w, in := httptest.NewRecorder(), r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if in.Host == "" {
		in.Host = in.URL.Host
	}
	i.ServeHTTP(w, in)
	res := w.Result()
	res.Request = r
	return res, nil
}

// person is somebody who is signed in with two factors at a device of their own, and looks at the tiles.
type person struct {
	name, origin, cookies, body string
}

// admit signs people in, page by page, each at a browser of their own.
func admit(b *testing.B, g *idp.Gateway, origin, prefix string, n int) []person {
	b.Helper()
	at, err := url.Parse(origin)
	if err != nil {
		b.Fatal(err)
	}
	people := make([]person, n)
	for i := range people {
		who := &e2e.Person{Name: fmt.Sprintf("%s-%d", prefix, i), Password: "any", Own: true}
		if err := who.Enroll("otpauth://totp/any?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"); err != nil {
			b.Fatal(err)
		}
		hc := &http.Client{Transport: inside{g}}
		c := e2e.NewClient(b, hc)
		tiles, _ := c.Walk(c.Get(origin+"/"), who, "portal")
		f, err := tiles.Form("/apps/connect", "f")
		if err != nil {
			b.Fatal(err)
		}
		var cookies []string
		for _, k := range hc.Jar.Cookies(at) {
			cookies = append(cookies, k.Name+"="+k.Value)
		}
		if len(cookies) != 2 {
			b.Fatalf("%d cookies of %s", len(cookies), who.Name)
		}
		people[i] = person{who.Name, origin, strings.Join(cookies, "; "), f.Fields.Encode()}
	}
	return people
}

// launch is the click on the tile.
func (p person) launch(ctx context.Context, base, path string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, strings.NewReader(p.body))
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{
		"Cookie": {p.cookies}, "Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {p.origin}, "User-Agent": {userAgent},
		"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {"text/html"},
	}
	return r, nil
}

// send does a request and reads the answer, which must have a word in it.
func send(hc *http.Client, r *http.Request, word string) error {
	res, err := hc.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), word) {
		return fmt.Errorf("%s %s: %s: %.500s", r.Method, r.URL, res.Status, body)
	}
	return nil
}
