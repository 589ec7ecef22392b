package idp_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// TestFlow runs the scripts of testdata/flow: each is a journey of browsers through one gateway.
//
//	browser NAME              another browser, with cookies of its own
//	client ADDRESS            where requests come from
//	get PATH [HEADER=VALUE…]  a navigation; redirects are not followed
//	post PATH [FIELD=VALUE…]  a form; f is taken from the last page unless given, :now is the code of now
//	follow                    gets the Location of the last answer, again and again, to the first page
//	status N, location PATH, page NAME, see TEXT, nosee TEXT, header NAME TEXT
//	clock +D                  moves the clock
//	audit FIELD=VALUE…        the last line of the audit log that has this kind says so
//	signin NAME PASSWORD PATH from PATH through name and password
//	enroll                    sets up an authenticator app on the page that offers it
//	invite NAME, reset NAME   what the service desk does: a code (then :invitation), a lost phone
//	save NAME, load NAME      keeps the cookies of this browser, takes them back
func TestFlow(t *testing.T) {
	runScripts(t, "testdata/flow", newVenue, nil)
}

// runScripts runs each script of a directory at a venue of its own, with further commands.
func runScripts(t *testing.T, dir string, open func(testing.TB) *venue, further map[string]func(*venue, *testscript.TestScript, []string)) {
	commands := map[string]func(*testscript.TestScript, bool, []string){}
	for name, f := range map[string]func(*venue, *testscript.TestScript, []string){
		"browser": (*venue).browser, "client": (*venue).from,
		"get": (*venue).get, "post": (*venue).post, "follow": (*venue).follow,
		"code": (*venue).wantStatus, "location": (*venue).wantLocation, "page": (*venue).wantPage,
		"see": (*venue).see, "nosee": (*venue).nosee, "header": (*venue).wantHeader,
		"clock": (*venue).moveClock, "audit": (*venue).wantAudit,
		"signin": (*venue).signin, "enroll": (*venue).enroll, "invite": (*venue).invite, "reset": (*venue).reset,
		"save": (*venue).save, "load": (*venue).load,
	} {
		commands[name] = scripted(f)
	}
	for name, f := range further {
		commands[name] = scripted(f)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir, Cmds: commands,
		Setup: func(e *testscript.Env) error {
			e.Values["venue"] = open(t)
			return nil
		},
	})
}

func scripted(f func(*venue, *testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command takes no !")
		}
		f(ts.Value("venue").(*venue), ts, args)
	}
}

// venue is a gateway with the browsers in front of it.
type venue struct {
	gateway *idp.Gateway
	store   idp.Store
	clock   *clock

	browsers map[string]*browser
	now      *browser
	client   netip.Addr
	saved    map[string][]*http.Cookie
	code     string   // last invitation or bypass code
	paper    []string // recovery codes
	former   string   // code before the last
	once     string   // of the last form that does something once; see again
	shown    string   // page that was remembered
	push     *push    // where a test has one
}

// browser has cookies and remembers the last answer.
type browser struct {
	jar    *cookiejar.Jar
	answer *http.Response
	body   string
	secret string // of the authenticator app of the person in front of it
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const site = "https://sso.example.com"

func (h *venue) browser(_ *testscript.TestScript, args []string) { h.use(args[0]) }

func (h *venue) use(name string) {
	if h.browsers[name] == nil {
		jar, _ := cookiejar.New(nil)
		h.browsers[name] = &browser{jar: jar}
	}
	h.now = h.browsers[name]
}

func (h *venue) from(ts *testscript.TestScript, args []string) {
	a, err := netip.ParseAddr(args[0])
	ts.Check(err)
	h.client = a
}

// do sends a request as the browser would.
func (h *venue) do(r *http.Request) {
	b := h.now
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	if r.Header.Get("Sec-Fetch-Site") == "" {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	w := httptest.NewRecorder()
	h.gateway.ServeHTTP(w, r)
	b.answer = w.Result()
	b.jar.SetCookies(r.URL, b.answer.Cookies())
	body, _ := io.ReadAll(b.answer.Body)
	b.body = string(body)
	if m := otpauth.FindStringSubmatch(b.body); m != nil {
		u, err := url.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
		if err == nil {
			b.secret = u.Query().Get("secret")
		}
	}
}

var (
	otpauth   = regexp.MustCompile(`data-otpauth="([^"]+)"`)
	flowID    = regexp.MustCompile(`name="f" value="([^"]*)"`)
	onceField = regexp.MustCompile(`name="once" value="([^"]*)"`)
	pageName  = regexp.MustCompile(`data-page="([^"]+)"`)
)

func (h *venue) request(method, path string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, site+path, body)
	r.RemoteAddr = "192.0.2.1:1234"
	return r.WithContext(context.WithValue(r.Context(), clientKey{}, h.client))
}

type clientKey struct{}

func (h *venue) get(_ *testscript.TestScript, args []string) {
	r := h.request(http.MethodGet, args[0], nil)
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		r.Header.Set(name, value)
	}
	h.do(r)
}

func (h *venue) post(ts *testscript.TestScript, args []string) {
	form := url.Values{}
	if m := flowID.FindStringSubmatch(h.now.body); m != nil {
		form.Set("f", m[1])
	}
	if m := onceField.FindStringSubmatch(h.now.body); m != nil {
		form.Set("once", m[1])
		h.once = m[1]
	}
	headers := http.Header{}
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		switch {
		case strings.HasPrefix(name, "@"):
			headers.Set(name[1:], value)
		case value == ":now":
			form.Set(name, h.totp(ts))
		case value == ":invitation":
			form.Set(name, h.code)
		default:
			form.Set(name, value)
		}
	}
	r := h.request(http.MethodPost, args[0], strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	maps.Copy(r.Header, headers)
	h.do(r)
}

// again sends the form before once more, as a browser does that loads its answer again.
func again(send func(*venue, *testscript.TestScript, []string)) func(*venue, *testscript.TestScript, []string) {
	return func(h *venue, ts *testscript.TestScript, args []string) {
		former := h.once
		send(h, ts, append(args, "once="+former))
		h.once = former
	}
}

// totp returns the code of now.
func (h *venue) totp(ts *testscript.TestScript) string {
	code, err := totp.GenerateCode(h.now.secret, h.clock.Now())
	ts.Check(err)
	return code
}

func (h *venue) follow(ts *testscript.TestScript, _ []string) {
	for range 8 {
		to := h.now.answer.Header.Get("Location")
		if to == "" {
			return
		}
		if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
			ts.Fatalf("a redirect leads off our origin: %s", to)
		}
		h.get(ts, []string{to})
	}
	ts.Fatalf("redirects do not end; the last leads to %s", h.now.answer.Header.Get("Location"))
}

func (h *venue) wantStatus(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := h.now.answer.StatusCode; got != want {
		ts.Fatalf("status %d, want %d (location %q)\n%s", got, want, h.now.answer.Header.Get("Location"), h.words())
	}
}

func (h *venue) wantLocation(ts *testscript.TestScript, args []string) {
	got := h.now.answer.Header.Get("Location")
	if path, _, _ := strings.Cut(got, "?"); path != args[0] {
		ts.Fatalf("location %q, want %s\n%s", got, args[0], h.words())
	}
}

func (h *venue) wantPage(ts *testscript.TestScript, args []string) {
	m := pageName.FindStringSubmatch(h.now.body)
	if m == nil || m[1] != args[0] {
		ts.Fatalf("page %v, want %s (status %d, location %q)\n%s", m, args[0], h.now.answer.StatusCode, h.now.answer.Header.Get("Location"), h.words())
	}
}

var tags = regexp.MustCompile(`<[^>]*>|\n\s*`)

// words returns what a person reads on the page.
func (h *venue) words() string { return tags.ReplaceAllString(h.now.body, " ") }

func (h *venue) see(ts *testscript.TestScript, args []string) {
	if !strings.Contains(h.now.body, args[0]) {
		ts.Fatalf("the page does not say %q:\n%s", args[0], h.words())
	}
}

func (h *venue) nosee(ts *testscript.TestScript, args []string) {
	if strings.Contains(h.now.body, args[0]) {
		ts.Fatalf("the page says %q:\n%s", args[0], h.words())
	}
}

func (h *venue) wantHeader(ts *testscript.TestScript, args []string) {
	if got := h.now.answer.Header.Get(args[0]); !strings.Contains(got, args[1]) {
		ts.Fatalf("header %s is %q, want %q in it", args[0], got, args[1])
	}
}

func (h *venue) moveClock(ts *testscript.TestScript, args []string) {
	text := strings.TrimPrefix(args[0], "+")
	if n, ok := strings.CutSuffix(text, "d"); ok {
		d, err := strconv.Atoi(n)
		ts.Check(err)
		h.clock.move(time.Duration(d) * 24 * time.Hour)
		return
	}
	d, err := time.ParseDuration(text)
	ts.Check(err)
	h.clock.move(d)
}

func (h *venue) signin(ts *testscript.TestScript, args []string) {
	h.get(ts, []string{args[2]})
	h.follow(ts, nil)
	h.wantPage(ts, []string{"login"})
	h.post(ts, []string{"/login", "username=" + args[0]})
	h.follow(ts, nil)
	h.wantPage(ts, []string{"password"})
	h.post(ts, []string{"/login", "username=" + args[0], "password=" + args[1]})
	h.follow(ts, nil)
}

func (h *venue) enroll(ts *testscript.TestScript, _ []string) {
	h.wantPage(ts, []string{"enroll"})
	h.post(ts, []string{"/enroll/totp", "code=:now"})
	h.follow(ts, nil)
}

func (h *venue) invite(ts *testscript.TestScript, args []string) {
	code, _, _, err := h.gateway.Invite(context.Background(), args[0], idp.InviteLife, "the test")
	ts.Check(err)
	h.code = code
}

func (h *venue) reset(ts *testscript.TestScript, args []string) {
	_, gone, err := h.gateway.ResetMFA(context.Background(), args[0], "", "the test")
	ts.Check(err)
	if len(gone) != 1 {
		ts.Fatalf("%d enrollments were reset", len(gone))
	}
}

func (h *venue) save(_ *testscript.TestScript, args []string) {
	u, _ := url.Parse(site)
	h.saved[args[0]] = slices.Clone(h.now.jar.Cookies(u))
}

func (h *venue) load(_ *testscript.TestScript, args []string) {
	u, _ := url.Parse(site)
	jar, _ := cookiejar.New(nil)
	for _, c := range h.saved[args[0]] {
		c.Path, c.Secure = "/", true
	}
	jar.SetCookies(u, h.saved[args[0]])
	h.now.jar = jar
}

// wantAudit looks at the newest line of the kind.
func (h *venue) wantAudit(ts *testscript.TestScript, args []string) {
	want := map[string]string{}
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		want[k] = v
	}
	var last *idp.Event
	ts.Check(h.store.Events(context.Background(), idp.EventQuery{}, func(e idp.Event) bool {
		if want["kind"] == "" || e.Kind == want["kind"] {
			last = &e
		}
		return true
	}))
	if last == nil {
		ts.Fatalf("no audit line of kind %s", want["kind"])
	}
	got := map[string]string{
		"kind": last.Kind, "result": last.Result, "reason": last.Reason, "user": last.User, "name": last.Name, "app": last.App, "factor": last.Factor,
		"client": last.Client.String(), "by": last.By, "policy": last.Policy, "rule": last.Rule, "crosssite": fmt.Sprint(last.CrossSite), "breakglass": fmt.Sprint(last.BreakGlass),
	}
	_, shown := want["shown"] // the page shows the line's reference number
	delete(want, "shown")
	for k, v := range want {
		if got[k] != v {
			ts.Fatalf("audit line %s=%q, want %q: %+v", k, got[k], v, *last)
		}
	}
	if last.Ref == "" || last.Time.IsZero() {
		ts.Fatalf("the audit line has no reference or time: %+v", *last)
	}
	if shown && !strings.Contains(h.now.body, last.Ref) {
		ts.Fatalf("the page does not show the reference %s", last.Ref)
	}
}
