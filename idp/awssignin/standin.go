package awssignin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// StandInConfig is what a stand-in is built from.
type StandInConfig struct {
	Address *url.URL // its own base address; it judges responses against Address + "/saml"
	Console *url.URL // base address, on a third site, that shows the verdicts; default Address

	Partition  string // default "aws"
	Region     string // of the Connect instance; may be empty
	InstanceID string

	// Metadata returns the document that an admin would upload to IAM. It is called for every response,
	// so that a new key is seen at once; ctx ends after ten seconds.
	Metadata func(ctx context.Context) ([]byte, error)

	// Verdicts is where verdicts wait to be shown. A stand-in that is mounted on several sites needs one
	// for all of them; nil makes a new one.
	Verdicts *Verdicts

	Now         func() time.Time
	Log         *slog.Logger // default: nothing is logged
	Assumptions Assumptions
}

// standIn answers for both roles: the sign-in host that takes the response and the console host that
// shows what came of it.
type standIn struct {
	config StandInConfig
	expect Expect
	used   *ledger
}

// bodyMax holds the longest SAMLResponse that AWS takes, percent-encoded throughout, and a RelayState.
const bodyMax = 3*postedMax + 16<<10

// NewStandIn makes a page that stands in for AWS sign-in while one practises. It signs nobody in, keeps
// verdicts in memory only and answers a POST as AWS does, by a redirect to another site, so that what
// breaks there breaks here too: cookies, form-action, the opener of a popup.
//
// Its addresses are POST /saml, GET /verdict/{id}, GET / and GET /awssignin.css.
func NewStandIn(c StandInConfig) (http.Handler, error) {
	if c.Address == nil || c.Metadata == nil {
		return nil, errors.New("a stand-in needs its address and the gateway's metadata")
	}
	if c.Console == nil {
		c.Console = c.Address
	}
	for _, u := range []*url.URL{c.Address, c.Console} {
		if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
			return nil, fmt.Errorf("%q is not the base address of a site", u)
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Verdicts == nil {
		c.Verdicts = NewVerdicts()
	}
	if c.Partition == "" {
		c.Partition = "aws"
	}
	s := &standIn{config: c, used: newLedger(), expect: Expect{
		ACS: base(c.Address) + "/saml", Partition: c.Partition, Region: c.Region,
		InstanceID: c.InstanceID, Now: c.Now, Assumptions: c.Assumptions,
	}}
	probe := s.expect
	probe.Metadata = []byte("x")
	if _, err := New(probe); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /saml", s.take)
	mux.HandleFunc("GET /saml", s.explain)
	mux.HandleFunc("GET /verdict/{id}", s.show)
	mux.HandleFunc("GET /{$}", s.explain)
	mux.HandleFunc("GET /awssignin.css", style)
	return withHeaders(mux), nil
}

func base(u *url.URL) string { return u.Scheme + "://" + u.Host }

// withHeaders sets what every answer carries. There is no script, no form and no frame here, so that
// nothing a response carries can become one. No Cross-Origin-Opener-Policy: AWS sets none, and Amazon
// Connect's login popup needs its opener.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// take judges what was posted and redirects to the console, as AWS does.
func (s *standIn) take(w http.ResponseWriter, r *http.Request) {
	response, relayState, status, wrong := readForm(w, r)
	if wrong != "" {
		render(w, status, "error", errorPage{s.frame("Not a sign-in"), wrong})
		return
	}
	v, err := s.judge(r.Context(), response, relayState)
	if err != nil {
		s.config.Log.WarnContext(r.Context(), "aws sign-in stand-in: no metadata", "error", err)
		render(w, http.StatusBadGateway, "error", errorPage{
			s.frame("No metadata"),
			"The gateway’s SAML metadata could not be read, so there is nothing to judge by. See the log of the stand-in.",
		})
		return
	}
	id := s.config.Verdicts.put(v, s.config.Now())
	http.Redirect(w, r, base(s.config.Console)+"/verdict/"+id, http.StatusFound)
}

// readForm takes a form of the HTTP-POST binding and nothing that merely resembles one: no query, no
// multipart, no artifact, no second SAMLResponse that another reader might take instead.
func readForm(w http.ResponseWriter, r *http.Request) (response, relayState string, status int, wrong string) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || r.Header.Get("Content-Encoding") != "" {
		return "", "", http.StatusUnsupportedMediaType, "A sign-in is posted as a plain form (application/x-www-form-urlencoded)."
	}
	r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return "", "", http.StatusRequestEntityTooLarge, "The form is longer than any that AWS takes."
		}
		return "", "", http.StatusBadRequest, "The form did not arrive whole."
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", "", http.StatusBadRequest, "The form cannot be read."
	}
	if len(form["SAMLResponse"]) != 1 || len(form["RelayState"]) > 1 || r.URL.RawQuery != "" {
		return "", "", http.StatusBadRequest, "A sign-in has one SAMLResponse and at most one RelayState, and nothing in the address."
	}
	return form.Get("SAMLResponse"), form.Get("RelayState"), 0, ""
}

func (s *standIn) judge(ctx context.Context, response, relayState string) (Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	doc, err := s.config.Metadata(ctx)
	if err != nil {
		return Verdict{}, fmt.Errorf("reading the gateway's metadata: %w", err)
	}
	expect := s.expect
	expect.Metadata = doc
	v, err := New(expect)
	if err != nil {
		return Verdict{}, err
	}
	v.used = s.used
	return v.Judge(response, relayState), nil
}

func (s *standIn) show(w http.ResponseWriter, r *http.Request) {
	v, ok := s.config.Verdicts.get(r.PathValue("id"), s.config.Now())
	if !ok {
		render(w, http.StatusNotFound, "error", errorPage{
			s.frame("No such verdict"),
			"It was shown long ago, or another one took its place. Start again from the portal.",
		})
		return
	}
	render(w, http.StatusOK, "verdict", newVerdictPage(s.frame(""), v))
}

func (s *standIn) explain(w http.ResponseWriter, _ *http.Request) {
	v := Validator{expect: s.expect, part: partitions[s.expect.Partition], practice: true}
	render(w, http.StatusOK, "about", aboutPage{
		frame: s.frame("What this is"), ACS: s.expect.ACS, Rules: Rules(), AWS: v.awsAddress(relay{}),
	})
}
