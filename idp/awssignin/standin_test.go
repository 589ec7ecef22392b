package awssignin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
)

const practiceHost = "https://signin.localhost:9443"

func address(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// practice is the golden exchange sent to a stand-in.
func practice() *exchange { return to(practiceHost+"/saml", "urn:amazon:webservices", testRelay) }

func newTestStandIn(t testing.TB, x *exchange, change func(*StandInConfig)) http.Handler {
	c := StandInConfig{
		Address:  address(practiceHost),
		Console:  address("https://console.localtest.me:9443"),
		Metadata: func(context.Context) ([]byte, error) { return x.document(), nil },
		Now:      func() time.Time { return testNow },
	}
	if change != nil {
		change(&c)
	}
	h, err := NewStandIn(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func post(h http.Handler, form url.Values) *http.Response {
	return send(h, "POST", "/saml", "application/x-www-form-urlencoded", form.Encode())
}

func send(h http.Handler, method, path, contentType, body string) *http.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) string {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// followed posts an exchange and follows the redirect.
func followed(t testing.TB, h http.Handler, x *exchange) string {
	r := post(h, url.Values{"SAMLResponse": {x.form()}, "RelayState": {x.relay}})
	if r.StatusCode != http.StatusFound {
		t.Fatalf("status %d: %s", r.StatusCode, body(t, r))
	}
	path, found := strings.CutPrefix(r.Header.Get("Location"), "https://console.localtest.me:9443")
	if !found || !strings.HasPrefix(path, "/verdict/") {
		t.Fatalf("redirected to %s", r.Header.Get("Location"))
	}
	page := send(h, "GET", path, "", "")
	if page.StatusCode != http.StatusOK {
		t.Fatalf("verdict: %d", page.StatusCode)
	}
	return body(t, page)
}

func TestStandInAccepts(t *testing.T) {
	x := practice()
	page := followed(t, newTestStandIn(t, x, nil), x)
	for _, want := range []string{
		`data-page="verdict"`, `data-verdict="accepted"`, "AWS would accept this sign-in",
		"practice address: AWS would expect <code>" + testACS + "</code>",
		"role/ConnectFederation", "anna@example.com", "connect/federate/" + testInstance, "This is not AWS",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
	if strings.Contains(page, "data-rule=") {
		t.Errorf("findings on %s", page)
	}
}

func TestStandInRefuses(t *testing.T) {
	x := practice()
	answer := x.assertion
	x.assertion = func(a *etree.Element) { answer(a); setAttribute(a, attrSessionName, "Anna <script>") }
	page := followed(t, newTestStandIn(t, x, nil), x)
	for _, want := range []string{
		`data-verdict="refused"`, "AWS would refuse", `data-rule="T6"`, "must match [a-zA-Z_0-9&#43;=,.@-]{2,64}", "Anna &lt;script&gt;",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("the page holds a script")
	}
}

// R-31: nothing that is posted comes back as markup, and the page would not run it if it did.
func TestStandInEscapes(t *testing.T) {
	x := practice()
	x.relay = `https://x/connect/federate/"><svg onload=1>`
	page := followed(t, newTestStandIn(t, x, nil), x)
	if strings.Contains(page, "<svg") {
		t.Error(page)
	}
}

func TestStandInHeaders(t *testing.T) {
	h := newTestStandIn(t, practice(), nil)
	for _, path := range []string{"/", "/saml", "/verdict/none", "/awssignin.css", "/elsewhere"} {
		r := send(h, "GET", path, "", "")
		csp := r.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, r.Header)
		}
		if page := body(t, r); strings.Contains(page, "<script") || strings.Contains(page, " style=") || strings.Contains(page, "<style") {
			t.Errorf("%s holds inline script or style", path)
		}
	}
	about := body(t, send(h, "GET", "/", "", ""))
	for _, r := range Rules() {
		if !strings.Contains(about, ">"+r.ID+"<") {
			t.Errorf("/ does not list %s", r.ID)
		}
	}
}

// X-40: what resembles a sign-in form without being one is refused before it is read.
func TestStandInTakesPlainFormsOnly(t *testing.T) {
	x := practice()
	h := newTestStandIn(t, x, nil)
	form := url.Values{"SAMLResponse": {x.form()}, "RelayState": {x.relay}}.Encode()
	const plain = "application/x-www-form-urlencoded"
	tests := []struct {
		name, path, kind, body string
		want                   int
	}{
		{"json", "/saml", "application/json", `{"SAMLResponse":"x"}`, http.StatusUnsupportedMediaType},
		{"multipart", "/saml", "multipart/form-data; boundary=x", "--x--", http.StatusUnsupportedMediaType},
		{"no type", "/saml", "", form, http.StatusUnsupportedMediaType},
		{"in the query", "/saml?" + form, plain, "", http.StatusBadRequest},
		{"query beside the form", "/saml?RelayState=x", plain, form, http.StatusBadRequest},
		{"twice", "/saml", plain, form + "&SAMLResponse=x", http.StatusBadRequest},
		{"two RelayStates", "/saml", plain, form + "&RelayState=x", http.StatusBadRequest},
		{"artifact", "/saml", plain, "SAMLart=AAQA", http.StatusBadRequest},
		{"nothing", "/saml", plain, "", http.StatusBadRequest},
		{"bad escape", "/saml", plain, "SAMLResponse=%zz", http.StatusBadRequest},
		{"too long", "/saml", plain, "SAMLResponse=" + strings.Repeat("A", bodyMax), http.StatusRequestEntityTooLarge},
		{"elsewhere", "/verdict/x", plain, form, http.StatusMethodNotAllowed},
	}
	for _, test := range tests {
		if r := send(h, "POST", test.path, test.kind, test.body); r.StatusCode != test.want {
			t.Errorf("%s: got %d, want %d", test.name, r.StatusCode, test.want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/saml", strings.NewReader(form))
	r.Header.Set("Content-Type", plain)
	r.Header.Set("Content-Encoding", "gzip")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("gzip: got %d", w.Code)
	}
}

func TestStandInWithoutMetadata(t *testing.T) {
	x := practice()
	h := newTestStandIn(t, x, func(c *StandInConfig) {
		c.Metadata = func(context.Context) ([]byte, error) { return nil, errors.New("dial tcp 192.0.2.1: refused") }
	})
	r := post(h, url.Values{"SAMLResponse": {x.form()}})
	if page := body(t, r); r.StatusCode != http.StatusBadGateway || strings.Contains(page, "192.0.2.1") {
		t.Errorf("%d %s", r.StatusCode, page)
	}
}

// TestStandInRemembersUse: the back button on the gateway's post page sends an old assertion again.
func TestStandInRemembersUse(t *testing.T) {
	x := practice()
	h := newTestStandIn(t, x, nil)
	followed(t, h, x)
	if page := followed(t, h, x); !strings.Contains(page, `data-rule="R8" data-level="W"`) {
		t.Error(page)
	}
}

func TestStandInOnSeveralSites(t *testing.T) {
	x := practice()
	shared := NewVerdicts()
	share := func(c *StandInConfig) { c.Verdicts = shared }
	signIn, console := newTestStandIn(t, x, share), newTestStandIn(t, x, share)
	r := post(signIn, url.Values{"SAMLResponse": {x.form()}, "RelayState": {x.relay}})
	if got := send(console, "GET", address(r.Header.Get("Location")).Path, "", ""); got.StatusCode != http.StatusOK {
		t.Errorf("got %d", got.StatusCode)
	}
}

func TestVerdictsAreBounded(t *testing.T) {
	k := NewVerdicts()
	first := k.put(Verdict{}, testNow)
	if _, ok := k.get(first, testNow.Add(verdictsLast-time.Second)); !ok {
		t.Error("forgotten too early")
	}
	if _, ok := k.get(first, testNow.Add(verdictsLast)); ok {
		t.Error("kept too long")
	}
	ids := map[string]bool{}
	for range 3 * verdictsMax {
		ids[k.put(Verdict{}, testNow)] = true
	}
	if len(k.byID) != verdictsMax || len(k.order) != verdictsMax || len(ids) != 3*verdictsMax {
		t.Errorf("%d kept, %d in order, %d ids", len(k.byID), len(k.order), len(ids))
	}
	k.put(Verdict{}, testNow.Add(time.Hour))
	if len(k.byID) != 1 {
		t.Errorf("%d kept after an hour", len(k.byID))
	}
}

func TestNewStandInRefuses(t *testing.T) {
	meta := func(context.Context) ([]byte, error) { return nil, nil }
	for name, c := range map[string]StandInConfig{
		"no address":         {Metadata: meta},
		"no metadata":        {Address: address(practiceHost)},
		"address with path":  {Address: address(practiceHost + "/x"), Metadata: meta},
		"console javascript": {Address: address(practiceHost), Console: address("javascript:alert(1)"), Metadata: meta},
		"console with user":  {Address: address(practiceHost), Console: address("https://a@b.example"), Metadata: meta},
		"unknown partition":  {Address: address(practiceHost), Metadata: meta, Partition: "moon"},
	} {
		if _, err := NewStandIn(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func ExampleSignInAddress() {
	fmt.Println(SignInAddress("aws", "eu-west-2"))
	fmt.Println(SignInAddress("aws", "us-east-1"))
	// Output:
	// https://eu-west-2.signin.aws.amazon.com/saml
	// https://signin.aws.amazon.com/saml
}
