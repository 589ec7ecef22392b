package idp

import (
	"errors"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// bodyLimit bounds every form; the largest is a password of 1 KiB.
const bodyLimit = 64 << 10

// handler is a handler of ours: it returns what went wrong, and the adapter shows, logs and audits it.
type handler func(http.ResponseWriter, *http.Request) error

func (g *Gateway) routes() {
	g.cross = http.NewCrossOriginProtection()
	g.cross.AddInsecureBypassPattern("POST /saml/sso") // an application's own form, which it answers with a page
	g.mux = http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /{$}":              g.getPortal,
		"GET /login":            g.getLogin,
		"POST /login":           g.postLogin,
		"POST /login/{factor}":  g.postLoginFactor,
		"GET /logout":           g.getLogout,
		"POST /logout":          g.postLogout,
		"GET /mfa":              g.getMFA,
		"POST /mfa":             g.postDevice,
		"GET /mfa/{factor}":     g.getFactor,
		"POST /mfa/{factor}":    g.postFactor,
		"GET " + callbackPath:   g.getCallback,
		"POST /cancel":          g.postCancel,
		"GET /rescue":           g.getRescue,
		"POST /rescue":          g.postRescue,
		"GET /backup":           g.getBackup,
		"POST /backup":          g.postBackup,
		"GET /enroll":           g.getEnroll,
		"POST /enroll":          g.postEnrollCode,
		"GET /enroll/{factor}":  g.getEnrollFactor,
		"POST /enroll/{factor}": g.postEnrollFactor,
		"GET /apps/{name}":      g.getApp,
		"POST /apps/{name}":     g.postApp,
		"GET /settings":         g.getSettings,
		"POST /settings":        g.postSettings,
		"GET /password":         g.getPassword,
		"POST /password":        g.postPassword,
		"GET /help":             g.getHelp,
		"GET /helpdesk":         g.getHelpDesk,
		"POST /helpdesk":        g.postHelpDesk,
		"GET /saml/metadata":    g.getMetadata,
		"GET " + ssoPath:        g.sso,
		"POST " + ssoPath:       g.sso,
		"GET /healthz":          g.getHealth,
		"GET /readyz":           g.getReady,
	} {
		g.mux.Handle(pattern, g.adapt(h))
	}
	g.mux.Handle("GET /assets/", g.pages.Assets())
}

// ServeHTTP serves one request of the portal's host.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.adapt(g.serve).ServeHTTP(w, r)
}

// serve applies the rules that hold for every address, then finds the handler.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) error {
	g.setHeaders(w, r)
	health := r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
	if !health && !strings.EqualFold(r.Host, g.portal.URL.Host) {
		return &Error{Status: http.StatusMisdirectedRequest, Public: "This server is not " + g.portal.URL.Host + ". Open the portal by its own address.", Reason: "foreign_host"}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		return &Error{Status: http.StatusMethodNotAllowed, Public: "This address does not take that kind of request.", Reason: "method"}
	}
	if !health && !strings.HasPrefix(r.URL.Path, "/assets/") {
		if err := g.store.Ready(); err != nil {
			w.Header().Set("Retry-After", "2")
			return &Error{Status: http.StatusServiceUnavailable, Public: "The portal is starting. Try again in a few seconds.", Reason: "starting", Err: err}
		}
	}
	if r.Method == http.MethodPost {
		if err := g.checkPost(w, r); err != nil {
			return err
		}
	}
	h, pattern := g.mux.Handler(r)
	if pattern == "" {
		return unknownAddress(h, w, r)
	}
	g.mux.ServeHTTP(w, r)
	return nil
}

// checkPost refuses forms that another site sent, that are too large, or that are no forms.
func (g *Gateway) checkPost(w http.ResponseWriter, r *http.Request) error {
	if err := errors.Join(g.cross.Check(r), g.checkOrigin(r)); err != nil {
		return &Error{Status: http.StatusForbidden, Public: "This form was sent from another site. Open the portal and try again.", Reason: "cross_origin", Err: err}
	}
	if r.Header.Get("Content-Encoding") != "" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return &Error{Status: http.StatusUnsupportedMediaType, Public: "The portal takes its own forms only.", Reason: "content_type"}
	}
	r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return &Error{Status: http.StatusRequestEntityTooLarge, Public: "That is more than the portal takes.", Reason: "too_large", Err: err}
		}
		return &Error{Status: http.StatusBadRequest, Public: "The form could not be read. Go back and try again.", Reason: "bad_form", Err: err}
	}
	return nil
}

// checkOrigin looks at what browsers before 2023 say of where a form is from: they send no Sec-Fetch-Site, and of their Origin
// [http.CrossOriginProtection] compares the host alone, so that http of our own host, which anybody on the way can write, would pass
// (security.md R-13).
func (g *Gateway) checkOrigin(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") != "" || r.URL.Path == ssoPath {
		return nil
	}
	from := r.Header.Get("Origin")
	if from == "" {
		from = r.Header.Get("Referer")
	}
	if u, err := url.Parse(from); from == "" || err == nil && strings.EqualFold(u.Scheme+"://"+u.Host, g.origin) {
		return nil
	}
	return errors.New("neither Origin nor Referer is the portal's")
}

// unknownAddress turns the mux's plain 404 or 405 into an error of ours.
func unknownAddress(h http.Handler, w http.ResponseWriter, r *http.Request) error {
	rec := statusOnly{header: http.Header{}}
	h.ServeHTTP(&rec, r)
	switch {
	case rec.status == http.StatusMethodNotAllowed:
		w.Header().Set("Allow", rec.header.Get("Allow"))
		return &Error{Status: rec.status, Public: "This address does not take that kind of request.", Reason: "method"}
	case rec.status >= 300 && rec.status < 400:
		// The mux cleaned the path; the cleaned address is one of ours or it answers 404 itself.
		http.Redirect(w, r, rec.header.Get("Location"), rec.status)
		return nil
	}
	return &Error{Status: http.StatusNotFound, Public: "There is no such page here. Perhaps the link is old.", Reason: "not_found"}
}

// statusOnly records what a handler would have answered.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header { return s.header }

func (s *statusOnly) Write(b []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return len(b), nil
}

func (s *statusOnly) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
}

// setHeaders sets what every answer carries, pages and refusals alike (security.md C-03).
func (g *Gateway) setHeaders(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", web.CSP)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if !g.loopback {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	switch p := r.URL.Path; {
	case p == "/settings", p == "/helpdesk", strings.HasPrefix(p, "/admin/"), p == "/password" && r.Method != http.MethodPost && !r.URL.Query().Has("f"):
		// Not elsewhere: the Streams popup of an embedded CCP needs its opener. See showNewPassword for those on their way.
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
}

// adapt turns a handler of ours into an http.Handler. A panic becomes the error page, because
// nothing above us recovers (Caddy does not).
func (g *Gateway) adapt(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // the exact value is the contract of net/http
					panic(p)
				}
				g.log.Error("panic in a handler", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				g.fail(w, r, &Error{Status: http.StatusInternalServerError, Public: "Something broke on our side. Try again; if it stays, call the service desk.", Reason: "panic"})
			}
		}()
		if err := h(w, r); err != nil {
			g.fail(w, r, err)
		}
	})
}
