package duo

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	healthPath    = "/oauth/v1/health_check"
	authorizePath = "/oauth/v1/authorize"
	tokenPath     = "/oauth/v1/token" //nolint:gosec // an address, and no credential

	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	requestLife   = 5 * time.Minute // of the tokens that we sign; Duo takes no more
	answerLimit   = 1 << 20
)

// client speaks Duo's OIDC Auth API for one application of Duo's panel.
type client struct {
	origin string // "https://api-….duosecurity.com"
	id     string
	key    []byte // the client secret: HMAC takes its letters as they are
	http   *http.Client
	wait   time.Duration
	now    func() time.Time
	rand   io.Reader
}

func newClient(c Config) *client {
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: c.CAs, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: c.Timeout, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 16,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if c.Proxy != nil {
		transport.Proxy = http.ProxyURL(c.Proxy)
	}
	return &client{
		origin: "https://" + c.APIHostname, id: c.ClientID, key: []byte(c.ClientSecret.Reveal()), wait: c.Timeout, now: c.Now, rand: c.Rand,
		http: &http.Client{
			Transport: transport,
			// Duo does not redirect us. Whoever does is not to be told what we assert.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// authorize returns the address at Duo, with the signed request.
func (c *client) authorize(m memo) (string, error) {
	claims := jwt.MapClaims{
		"iss": c.id, "aud": c.origin, "exp": c.now().Add(requestLife).Unix(),
		"scope": "openid", "response_type": "code", "client_id": c.id, "redirect_uri": m.Callback,
		"state": m.State, "nonce": m.Nonce, "duo_uname": m.Username, "use_duo_code_attribute": true,
	}
	// As OpenID Connect names them (Core §3.1.2.1): a session that Duo remembers may be too old.
	switch {
	case m.Fresh:
		claims["prompt"], claims["max_age"] = "login", 0
	case m.MaxAge > 0:
		claims["max_age"] = int64(m.MaxAge / time.Second)
	}
	request, err := c.sign(claims)
	if err != nil {
		return "", err
	}
	q := url.Values{"response_type": {"code"}, "client_id": {c.id}, "request": {request}}
	return c.origin + authorizePath + "?" + q.Encode(), nil
}

func (c *client) sign(claims jwt.MapClaims) (string, error) {
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS512, claims).SignedString(c.key)
	if err != nil {
		return "", fmt.Errorf("signing for duo: %w", err)
	}
	return signed, nil
}

// assertion says who we are to one address of Duo, once.
func (c *client) assertion(address string) (string, error) {
	id, err := randomText(c.rand)
	if err != nil {
		return "", err
	}
	now := c.now()
	return c.sign(jwt.MapClaims{"iss": c.id, "sub": c.id, "aud": address, "jti": id, "iat": now.Unix(), "exp": now.Add(requestLife).Unix()})
}

// answered is what Duo says of itself in a health check.
type answered struct {
	Stat     string `json:"stat"`
	Message  string `json:"message"`
	Detail   string `json:"message_detail"`
	Response struct {
		Timestamp float64 `json:"timestamp"`
	} `json:"response"`
}

// health asks whether Duo would take somebody now, and returns its time.
func (c *client) health(ctx context.Context) (time.Time, error) {
	address := c.origin + healthPath
	assertion, err := c.assertion(address)
	if err != nil {
		return time.Time{}, err
	}
	body, status, err := c.post(ctx, address, url.Values{"client_id": {c.id}, "client_assertion": {assertion}})
	if err != nil {
		return time.Time{}, fmt.Errorf("asking duo for its health: %w", err)
	}
	var a answered
	err = json.Unmarshal(body, &a)
	switch {
	case err == nil && a.Stat == "FAIL":
		return time.Time{}, &healthError{status: status, message: short(a.Message), detail: short(a.Detail)}
	case status != http.StatusOK:
		return time.Time{}, &healthError{status: status}
	case err != nil || a.Stat != "OK":
		return time.Time{}, errors.New("asking duo for its health: the answer cannot be read")
	}
	return time.Unix(int64(a.Response.Timestamp), 0), nil
}

// healthError is what Duo answered instead of being well.
type healthError struct {
	status          int
	message, detail string
}

func (e *healthError) Error() string {
	s := fmt.Sprintf("duo's health check failed: HTTP %d", e.status)
	if e.message != "" {
		s += fmt.Sprintf(", %s (%s)", e.message, e.detail)
	}
	return s
}

// exchange turns a code into the token that says what became of the prompt.
func (c *client) exchange(ctx context.Context, code, callback string) (string, error) {
	address := c.origin + tokenPath
	assertion, err := c.assertion(address)
	if err != nil {
		return "", err
	}
	body, status, err := c.post(ctx, address, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "client_id": {c.id},
		"client_assertion_type": {assertionType}, "client_assertion": {assertion},
	})
	if err != nil {
		return "", fmt.Errorf("exchanging a code at duo: %w", err)
	}
	var answer struct {
		Token       string `json:"id_token"`
		Type        string `json:"token_type"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	err = json.Unmarshal(body, &answer)
	switch {
	case status >= 500 || status == http.StatusTooManyRequests:
		return "", fmt.Errorf("exchanging a code at duo: HTTP %d", status)
	case status != http.StatusOK:
		return "", refused("bad_code", fmt.Errorf("duo refused the code: HTTP %d, %q: %q", status, short(answer.Error), short(answer.Description)))
	case err != nil || answer.Token == "" || !strings.EqualFold(answer.Type, "Bearer"):
		return "", refused("bad_token", errors.New("duo's answer holds no token"))
	}
	return answer.Token, nil
}

// post sends a form and reads the whole answer within the time that Duo has.
func (c *client) post(ctx context.Context, address string, form url.Values) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "gatehouse")
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("reading the answer: %w", err)
	case len(body) > answerLimit:
		return nil, 0, errors.New("the answer is too large")
	}
	return body, resp.StatusCode, nil
}
