package duo

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/duosecurity/duo_universal_golang/duouniversal"
	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-sso/gatehouse/e2e/duoservice"
)

// newSDK is Duo's own client for the same application.
func newSDK(t *testing.T, b *bench) *duouniversal.Client {
	t.Helper()
	c := *b.server.Client()
	sdk, err := duouniversal.NewClient(testID, testSecret, b.server.Listener.Addr().String(), callback, duouniversal.WithHTTPClient(&c), duouniversal.UseDuoCodeAttribute())
	if err != nil {
		t.Fatal(err)
	}
	return sdk
}

// Duo's own client completes a sign-in with the service that ours is tested with, so that the service speaks as Duo does.
func TestSDKAgainstTheService(t *testing.T) {
	b := newBench(t, nil)
	b.clock = time.Now() // the SDK knows no other
	sdk := newSDK(t, b)
	if _, err := sdk.HealthCheck(); err != nil {
		t.Fatal(err)
	}
	state, err := sdk.GenerateState()
	if err != nil {
		t.Fatal(err)
	}
	to, err := sdk.CreateAuthURL("ann", state)
	if err != nil {
		t.Fatal(err)
	}
	c := *b.server.Client()
	answer := b.browser(&c, to, "approve")
	if answer.Get("state") != state {
		t.Errorf("state %q", answer.Get("state"))
	}
	token, err := sdk.ExchangeAuthorizationCodeFor2faResult(answer.Get("duo_code"), "ann")
	if err != nil || token.AuthResult.Result != "allow" {
		t.Fatalf("%+v, %v", token, err)
	}
}

// What ours sends is what Duo's own client sends, and a little more.
func TestRequestIsThatOfTheSDK(t *testing.T) {
	b := newBench(t, nil)
	b.clock = time.Now()
	a := attempt("s")
	theirs, err := newSDK(t, b).CreateAuthURL("ann", a.State)
	if err != nil {
		t.Fatal(err)
	}
	step, err := b.Challenge(t.Context(), ann, a)
	if err != nil {
		t.Fatal(err)
	}
	want, got := requestOf(t, theirs), requestOf(t, step.URL)
	for name, value := range want {
		if name == "exp" || name == "aud" && strings.Trim(value, "[]") == strings.Trim(got[name], "[]") {
			continue
		}
		if got[name] != value {
			t.Errorf("%s is %q, theirs %q", name, got[name], value)
		}
		delete(got, name)
	}
	if got["nonce"] == "" {
		t.Error("no nonce")
	}
}

// requestOf prints the query and the claims of an address at Duo.
func requestOf(t *testing.T, address string) map[string]string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q, claims := u.Query(), jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(q.Get("request"), claims, func(*jwt.Token) (any, error) { return []byte(testSecret), nil }); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"address": u.Scheme + "://" + u.Host + u.Path}
	for name := range q {
		if name != "request" {
			out["?"+name] = q.Get(name)
		}
	}
	for name, v := range claims {
		out[name] = fmt.Sprint(v)
	}
	return out
}

// What Duo's client lets pass ours does not: a denial above all.
func TestDenialThatTheSDKTakesForASuccess(t *testing.T) {
	b := newBench(t, nil)
	b.clock = time.Now()
	sdk := newSDK(t, b)
	to, err := sdk.CreateAuthURL("ann", attempt("s").State)
	if err != nil {
		t.Fatal(err)
	}
	c := *b.server.Client()
	answer := b.browser(&c, to, "refuse")
	if _, err := sdk.ExchangeAuthorizationCodeFor2faResult(answer.Get("duo_code"), "ann"); err != nil {
		t.Errorf("the SDK has learnt to look at the result: %v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	v := newBench(b, nil)
	raw, m := token0(v)
	b.ReportAllocs()
	for b.Loop() {
		t, err := v.client.readToken(raw)
		if err != nil {
			b.Fatal(err)
		}
		if err := t.check(m, noon); err != nil {
			b.Fatal(err)
		}
	}
}

// token0 is a good token and the memo that it answers.
func token0(v *bench) (string, memo) {
	claims := map[string]any{
		"iss": v.client.origin + tokenPath, "aud": testID, "sub": "ann", "preferred_username": "ann", "nonce": asked.Nonce,
		"iat": noon.Unix(), "exp": noon.Add(5 * time.Minute).Unix(), "auth_time": noon.Unix(),
		"auth_result": map[string]any{"result": "allow", "status": "allow"},
	}
	return duoservice.Sign(duoservice.HS512(), claims, []byte(testSecret)), asked
}
