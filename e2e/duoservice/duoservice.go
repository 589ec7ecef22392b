// Package duoservice stands in for Duo: its OIDC Auth API with a prompt page whose buttons are the answers. It shares no
// code with the gateway, so that each proves the other; Duo's own SDK proves both.
package duoservice

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Outage is what the service does instead of answering.
type Outage string

// The outages of a service that can be reached. Refusing, hanging and a wrong certificate are the listener's.
const (
	Well   Outage = ""
	Fails  Outage = "fails"  // stat FAIL, as for a wrong client
	Breaks Outage = "breaks" // HTTP 500
	Hangs  Outage = "hangs"  // no answer until the caller has gone
	Slow   Outage = "slow"   // an answer after 9 s
	Floods Outage = "floods" // an answer without an end
	Turns  Outage = "turns"  // a redirect
	Stays  Outage = "stays"  // nothing to show: a browser stays where it is
)

// Config is one application of Duo's panel.
type Config struct {
	ClientID, Secret string
	Now              func() time.Time // default time.Now
}

// Service is an http.Handler. Its address follows from the Host of requests.
type Service struct {
	id     string
	secret []byte
	now    func() time.Time
	mux    *http.ServeMux

	mu      sync.Mutex
	outage  map[string]Outage // by path; "" for every path
	asked   map[string]int    // by path
	prompts map[string]request
	codes   map[string]grant
	spent   map[string]bool // jti
	change  func(map[string]any)
}

// request is a prompt that waits for its answer.
type request struct {
	user, state, nonce, redirect, codeName string
	fresh                                  bool
}

// grant is what a code is exchanged for.
type grant struct {
	request
	result, status, factor, reason string
	authenticated                  time.Time
}

// New returns a service that is well.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Service{
		id: c.ClientID, secret: []byte(c.Secret), now: c.Now, mux: http.NewServeMux(),
		outage: map[string]Outage{}, asked: map[string]int{}, prompts: map[string]request{}, codes: map[string]grant{}, spent: map[string]bool{},
	}
	s.mux.HandleFunc("POST /oauth/v1/health_check", s.health)
	s.mux.HandleFunc("GET /oauth/v1/authorize", s.authorize)
	s.mux.HandleFunc("POST /oauth/v1/token", s.token)
	s.mux.HandleFunc("POST /prompt", s.answer)
	return s
}

// Set lets the service be in an outage from now on, on one path or (path "") on all.
func (s *Service) Set(path string, o Outage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage[path] = o
}

// Asked returns how many requests a path had.
func (s *Service) Asked(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

// Change is called with the claims of every id_token before it is signed.
func (s *Service) Change(f func(claims map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change = f
}

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked[r.URL.Path]++
	o := s.outage[r.URL.Path]
	if o == Well {
		o = s.outage[""]
	}
	s.mu.Unlock()
	switch o {
	case Fails:
		writeJSON(w, http.StatusBadRequest, map[string]any{"stat": "FAIL", "code": 40002, "timestamp": s.now().Unix(), "message": "invalid_client", "message_detail": "The provided client_assertion was invalid."})
		return
	case Breaks:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	case Hangs:
		_ = r.ParseForm() // the end of the caller is seen once its body is read
		<-r.Context().Done()
		return
	case Slow:
		_ = r.ParseForm()
		select {
		case <-time.After(9 * time.Second):
		case <-r.Context().Done():
			return
		}
	case Floods:
		block := []byte(strings.Repeat(" ", 64<<10))
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	case Turns:
		http.Redirect(w, r, "https://"+r.Host+"/elsewhere", http.StatusTemporaryRedirect)
		return
	case Stays:
		w.WriteHeader(http.StatusNoContent)
		return
	case Well:
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Service) health(w http.ResponseWriter, r *http.Request) {
	if err := s.client(r); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"stat": "FAIL", "code": 40002, "timestamp": s.now().Unix(), "message": "invalid_client", "message_detail": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"stat": "OK", "response": map[string]any{"timestamp": s.now().Unix()}})
}

// client checks who sent a form: urlencoded, multipart or in the query, as Duo's SDKs do it.
func (s *Service) client(r *http.Request) error {
	if err := r.ParseMultipartForm(1 << 20); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return err
	}
	claims, err := s.open(r.Form.Get("client_assertion"))
	if err != nil {
		return err
	}
	if claims["iss"] != s.id || claims["sub"] != s.id || !oneAudience(claims["aud"], "https://"+r.Host+r.URL.Path) {
		return fmt.Errorf("the assertion is for %v of %v", claims["aud"], claims["iss"])
	}
	id, _ := claims["jti"].(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" || s.spent[id] {
		return errors.New("the assertion was used before")
	}
	s.spent[id] = true
	return nil
}

// request reads what a client asks for, out of the query and the token in it.
func (s *Service) request(r *http.Request) (request, error) {
	q := r.URL.Query()
	claims, err := s.open(q.Get("request"))
	if err != nil {
		return request{}, err
	}
	text := func(name string) string { v, _ := claims[name].(string); return v }
	p := request{user: text("duo_uname"), state: text("state"), nonce: text("nonce"), redirect: text("redirect_uri"), codeName: "code"}
	if q.Get("nonce") != "" {
		p.nonce = q.Get("nonce") // Python's SDK
	}
	if b := claims["use_duo_code_attribute"]; b == true || b == "true" {
		p.codeName = "duo_code"
	}
	p.fresh = claims["prompt"] == "login" || claims["max_age"] == float64(0)
	aud, host := claims["aud"], "https://"+r.Host
	switch {
	case q.Get("client_id") != s.id || text("client_id") != s.id:
		return p, errors.New("a request of another client")
	case q.Get("response_type") != "code" || text("response_type") != "code" || text("scope") != "openid":
		return p, errors.New("not a request for a code")
	case aud != nil && !oneAudience(aud, host) && !oneAudience(aud, host+r.URL.Path):
		return p, fmt.Errorf("a request for %v", aud)
	}
	return p, p.check()
}

// check holds a request to what Duo documents.
func (p request) check() error {
	back, err := url.Parse(p.redirect)
	switch {
	case p.user == "":
		return errors.New("there is no duo_uname")
	case len(p.state) < 16 || len(p.state) > 1024 || p.nonce != "" && len(p.nonce) < 16:
		return errors.New("state or nonce is too short or too long")
	case err != nil || back.Scheme != "https":
		return errors.New("the redirect_uri is not https")
	}
	return nil
}

func (s *Service) authorize(w http.ResponseWriter, r *http.Request) {
	p, err := s.request(r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "unauthorized_request", "error_description": err.Error()})
		return
	}
	if c, err := r.Cookie("remembered"); err == nil && c.Value == p.user && !p.fresh {
		s.sendBack(w, r, grant{request: p, result: "allow", status: "allow", factor: "remembered_device", reason: "remembered_device", authenticated: s.now()})
		return
	}
	id := rand.Text()
	s.mu.Lock()
	s.prompts[id] = p
	s.mu.Unlock()
	show(w, page{ID: id, User: p.user, Says: "Check for a Duo Push"})
}

// sayings are the pages that Duo leads nowhere from.
var sayings = map[string]string{
	"deny":    "Login request denied",
	"fraud":   "Login request reported as fraud",
	"timeout": "Duo Push timed out",
	"locked":  "Your account has been locked out due to excessive authentication failures. Please contact your administrator.",
}

// answer is a press of a button.
func (s *Service) answer(w http.ResponseWriter, r *http.Request) {
	id, verdict := r.PostFormValue("id"), r.PostFormValue("verdict")
	s.mu.Lock()
	p, ok := s.prompts[id]
	if _, stays := sayings[verdict]; !stays {
		delete(s.prompts, id)
	}
	s.mu.Unlock()
	if !ok {
		http.Error(w, "this prompt has ended", http.StatusGone)
		return
	}
	g := grant{request: p, result: "allow", status: "allow", factor: "duo_push", reason: "user_approved", authenticated: s.now()}
	switch verdict {
	case "approve":
	case "remember":
		http.SetCookie(w, &http.Cookie{Name: "remembered", Value: p.user, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	case "refuse": // the answer that clients have to expect, though Duo keeps such people on its page
		g.result, g.status, g.reason = "deny", "deny", "user_mistake"
	case "cancel":
		http.Redirect(w, r, with(p.redirect, url.Values{"state": {p.state}, "error": {"access_denied"}, "error_description": {"cancelled"}}), http.StatusFound)
		return
	default:
		show(w, page{ID: id, User: p.user, Says: sayings[verdict]})
		return
	}
	s.sendBack(w, r, g)
}

func (s *Service) sendBack(w http.ResponseWriter, r *http.Request, g grant) {
	code := rand.Text()
	s.mu.Lock()
	s.codes[code] = g
	s.mu.Unlock()
	http.Redirect(w, r, with(g.redirect, url.Values{"state": {g.state}, g.codeName: {code}}), http.StatusFound)
}

// with adds to an address whatever query it has.
func with(address string, more url.Values) string {
	if strings.Contains(address, "?") {
		return address + "&" + more.Encode()
	}
	return address + "?" + more.Encode()
}

type page struct{ ID, User, Says string }

var prompt = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Duo</title>
<main data-page="duo"><h1>{{.Says}}</h1><p>{{.User}}</p>
<form method="post" action="/prompt"><input type="hidden" name="id" value="{{.ID}}">
<button name="verdict" value="approve">Approve</button> <button name="verdict" value="remember">Yes, this is my device</button>
<button name="verdict" value="deny">Deny</button> <button name="verdict" value="fraud">Fraud</button>
<button name="verdict" value="timeout">Time out</button> <button name="verdict" value="locked">Lock out</button>
<button name="verdict" value="refuse">Return denied</button> <button name="verdict" value="cancel">Cancel</button>
</form></main>`))

func show(w http.ResponseWriter, p page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = prompt.Execute(w, p) // whoever does not read it has gone
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever does not read it has gone
}
