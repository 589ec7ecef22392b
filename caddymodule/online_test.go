package caddymodule

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func (s *site) socket() string { return "unix/" + filepath.Join(s.dir, "admin.sock") }

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// order asks the admin endpoint as anybody may, and returns what it says against it.
func (s *site) order(method, authorization, body string) (answer, string) {
	s.t.Helper()
	res, err := caddycmd.AdminAPIRequest(s.socket(), method, ordersPath, http.Header{"Authorization": {authorization}}, strings.NewReader(body))
	if err != nil {
		return answer{}, err.Error()
	}
	defer res.Body.Close()
	var a answer
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		s.t.Fatal(err)
	}
	return a, ""
}

// lastBy is who gave the last command of that kind, as the audit log says.
func (s *site) lastBy(file, kind string) (by string) {
	s.t.Helper()
	for line := range strings.Lines(s.mustCommand(file, "audit", "--json")) {
		var e idp.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatal(err)
		}
		if e.Kind == kind {
			by = e.By
		}
	}
	return by
}

// TestOrders goes the way of an operator: commands of the owner of the database are done by the Caddy that runs, and by nobody
// else's leave than a token's those of others.
func TestOrders(t *testing.T) {
	s := newSite(t)
	log := filepath.Join(s.dir, "caddy.log")
	file := s.caddyfileWith("log {\n\t\toutput file "+log+"\n\t\tlevel DEBUG\n\t}", "")
	s.load(file)
	mine := operator()

	if out := s.mustCommand(file, "user", "revoke", "demo"); !strings.Contains(out, "people:demo") {
		t.Errorf("the owner's command: %s", out)
	}
	if by := s.lastBy(file, idp.EventLogout); by != mine {
		t.Errorf("it was by %q, want %q", by, mine)
	}
	if said := read(t, log); !strings.Contains(said, `"msg":"logout"`) {
		t.Error("Caddy's log does not tell of it: it was not the Caddy that runs who did it")
	}
	_, err := s.command(file, "user", "show", "nobody")
	wantError(t, err, "nobody", idp.ErrNoUser.Error())
	if no := new(refusal); !errors.As(err, &no) {
		t.Errorf("a refusal of the Caddy that runs is %T", err)
	}
	_, err = s.command(file, "user", "bypass", "demo", "--uses", "99")
	wantFailure(t, err, "1 to 10 times")

	var made struct{ Token string }
	if err := json.Unmarshal([]byte(s.mustCommand(file, "token", "make", "desk", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	_, err = s.command(file, "token", "make", "desk")
	wantError(t, err, "revoke it first")
	if out := s.mustCommand(file, "token", "list"); !strings.Contains(out, "desk: made") || strings.Contains(out, made.Token) {
		t.Errorf("the list: %s", out)
	}
	t.Setenv(tokenVariable, made.Token)
	// Whoever holds the token may not read the configuration.
	if out := s.mustCommand("", "user", "bypass", "demo", "--uses", "2", "--address", s.socket()); !strings.Contains(out, "good 2 times") {
		t.Errorf("by token: %s", out)
	}
	s.wantRefusals(made.Token)
	s.mustCommand(file, "user", "bypass", "demo", "--json")
	if by := s.lastBy(file, idp.EventBypass); by != "token desk, "+mine {
		t.Errorf("it was by %q", by)
	}
	s.mustCommand(file, "token", "revoke", "desk")
	_, err = s.command(file, "user", "show", "demo")
	wantFailure(t, err, "operator token is not good")
	_, err = s.command(file, "token", "revoke", "desk")
	wantError(t, err, "not found")
	if said := read(t, log); strings.Contains(said, made.Token) {
		t.Error("the log holds the token")
	}
}

// wantRefusals asks for what is not to be had.
func (s *site) wantRefusals(token string) {
	s.t.Helper()
	show := `{"args":["show","demo"],"by":"x"}`
	for name, c := range map[string]struct{ method, authorization, body, want string }{
		"no token":        {http.MethodPost, "", show, "HTTP 401"},
		"another token":   {http.MethodPost, bearer + token + "x", show, "HTTP 401"},
		"no scheme":       {http.MethodPost, token, show, "HTTP 401"},
		"a read":          {http.MethodGet, bearer + token, show, "HTTP 405"},
		"no JSON":         {http.MethodPost, bearer + token, "show demo", "HTTP 400"},
		"a flood":         {http.MethodPost, bearer + token, `{"by":"` + strings.Repeat("x", orderMost) + `"}`, "HTTP 400"},
		"no token, flood": {http.MethodPost, "", strings.Repeat(" ", 2*orderMost), "HTTP 400"},
	} {
		if _, refused := s.order(c.method, c.authorization, c.body); !strings.Contains(refused, c.want) || strings.Contains(refused, token) {
			s.t.Errorf("%s: %q, want %s", name, refused, c.want)
		}
	}
	// Commands that are not about people are not done for a token, nor is anything that a flag names.
	for _, args := range []string{`["backup","/tmp/x"]`, `["keys","list"]`, `["show","demo","--config","/etc/passwd"]`, `[]`, `null`} {
		a, refused := s.order(http.MethodPost, bearer+token, `{"args":`+args+`}`)
		if refused != "" || a.Code != couldNotRun && !strings.Contains(a.Out, "Available Commands") {
			s.t.Errorf("%s: %+v %s", args, a, refused)
		}
	}
}

// TestOrdersWithoutACaddy: where none runs, commands of the owner work on the store; where one runs that cannot be asked, none does.
func TestOrdersWithoutACaddy(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	off := strings.Replace(file, "admin "+s.socket()+"|0600", "admin off", 1)
	if off == file {
		t.Fatal("the configuration has no admin endpoint")
	}
	s.load(off)
	_, err := s.command(off, "user", "invite", "demo")
	wantFailure(t, err, "turns the admin endpoint off", "admin unix//run/caddy/admin.sock|0600", "stop Caddy")
	_, err = s.command(file, "user", "invite", "demo")
	wantFailure(t, err, "the Caddy that runs was asked at "+s.socket())
	s.mustCommand(off, "token", "list")

	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if out := s.mustCommand(off, "user", "invite", "demo"); !strings.Contains(out, "people:demo") {
		t.Errorf("with Caddy stopped: %s", out)
	}
	if err := caddy.Load([]byte(`{"admin":{"listen":"`+s.socket()+`|0600","config":{"persist":false}}}`), true); err != nil {
		t.Fatal(err)
	}
	if _, refused := s.order(http.MethodPost, "", "{}"); !strings.Contains(refused, "no gatehouse option") {
		t.Errorf("a Caddy without a gateway: %s", refused)
	}
	t.Setenv(tokenVariable, "x")
	_, err = s.command(file, "user", "show", "demo")
	wantFailure(t, err, "no gatehouse option")
}

// After a reload that failed, the admin endpoint is the failed configuration's, and the orders are for the one in force.
func TestOrdersAfterAFailedReload(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	broken := strings.Replace(file, "auto_https off", "auto_https off\n\tservers :1 {\n\t\tname x\n\t}\n\tdefault_bind 203.0.113.1", 1)
	broken = strings.Replace(broken, "	bind 127.0.0.1\n", "", 1)
	if err := caddy.Load(s.json(broken), true); err == nil {
		t.Fatal("the broken configuration is loaded")
	}
	if out := s.mustCommand(file, "user", "invite", "demo"); !strings.Contains(out, "people:demo") {
		t.Errorf("%s", out)
	}
}

// The address of the admin endpoint may have placeholders, which a command reads as Caddy does.
func TestOrdersToAnAddressOfTheEnvironment(t *testing.T) {
	s := newSite(t)
	file := strings.Replace(s.caddyfile(""), "admin "+s.socket(), "admin unix/{env.GATEHOUSE_TEST_SOCKET}", 1)
	t.Setenv("GATEHOUSE_TEST_SOCKET", strings.TrimPrefix(s.socket(), "unix/"))
	s.load(file)
	if out := s.mustCommand(file, "user", "invite", "demo"); !strings.Contains(out, "people:demo") {
		t.Errorf("%s", out)
	}
	t.Setenv("GATEHOUSE_TEST_SOCKET", "")
	_, err := s.command(file, "user", "invite", "demo")
	wantFailure(t, err, "unix/{env.GATEHOUSE_TEST_SOCKET}", "not what Caddy had for it", "--address")
}

// What the owner's command shows to the wrong endpoint is worth nothing at the right one.
func TestOrdersToTheWrongEndpoint(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	var shown string
	other := endpointOf(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
		shown = r.Header.Get("Authorization")
		http.NotFound(w, r)
	})
	_, err := s.command(file, "user", "show", "demo", "--address", other.address)
	wantFailure(t, err, "asked at "+other.address, "it has no Gatehouse")
	if _, refused := s.order(http.MethodPost, shown, `{"args":["show","demo"]}`); shown == "" || !strings.Contains(refused, "HTTP 401") {
		t.Errorf("the token %q: %q", shown, refused)
	}
}

// What answers like a Caddy and takes no order has done none.
func TestOrdersThatNobodyTakes(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	token := strings.Fields(s.mustCommand(file, "token", "make", "desk"))[0]
	for _, c := range []struct{ token, said, want string }{
		{"", "{}", "its answer is not to be read"},
		{"", "null", "its answer is not to be read"},
		{"", `{"code":0,"out":"done"}`, "what answers there has not taken the order"},
		{"", `{"code":1}`, "what answers there has not taken the order"},
		{token, "{}", "its answer is not to be read"},
		{token, "null", "its answer is not to be read"},
		{token, `{"code":null}`, "its answer is not to be read"},
	} {
		other := endpointOf(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
			if _, err := io.WriteString(w, c.said); err != nil {
				t.Error(err)
			}
		})
		t.Setenv(tokenVariable, c.token)
		out, err := s.command(file, "user", "revoke", "demo", "--address", other.address)
		wantFailure(t, err, "asked at "+other.address, c.want)
		if strings.HasPrefix(out, "done") {
			t.Errorf("%s: it is told as an answer: %s", c.said, out)
		}
	}
}

// A configuration that names no endpoint leaves the owner the store as one that nobody listens at does, and says that a Caddy serves
// where one does.
func TestOrdersToNoAddress(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	token := strings.Fields(s.mustCommand(file, "token", "make", "desk"))[0]
	listen := "admin " + s.socket() + "|0600"
	nameless := map[string]string{
		"turns the admin endpoint off":  strings.Replace(file, listen, "admin off", 1),
		"has not what Caddy had for it": strings.Replace(file, listen, "admin unix/{env.GATEHOUSE_TEST_NO_SOCKET}", 1),
	}
	for why, file := range nameless {
		for _, shown := range []string{"", token} {
			t.Setenv(tokenVariable, shown)
			_, err := s.command(file, "user", "invite", "demo")
			wantFailure(t, err, "a Caddy serves from the store, and ", why)
		}
	}
	if err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}}}`), true); err != nil {
		t.Fatal(err)
	}
	for why, file := range nameless {
		if out := s.mustCommand(file, "user", "invite", "demo"); !strings.Contains(out, "people:demo") {
			t.Errorf("with Caddy stopped, where the configuration %s: %s", why, out)
		}
	}
	if err := os.Rename(filepath.Join(s.dir, "db"), filepath.Join(s.dir, "gone")); err != nil {
		t.Fatal(err)
	}
	for why, file := range nameless {
		_, err := s.command(file, "user", "invite", "demo")
		wantFailure(t, err, why, "nor does the store do without it")
		if strings.Contains(err.Error(), "a Caddy serves") {
			t.Errorf("nobody knows whether one serves: %v", err)
		}
	}
}

// Where no Caddy runs, the owner's command works on the store with a token in the environment as without one, and says so.
func TestOrdersByTokenWithoutACaddy(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	token := strings.Fields(s.mustCommand(file, "token", "make", "desk"))[0]
	t.Setenv(tokenVariable, token)

	const doneHere = "No Caddy was reached: done on the store"

	// One that serves from the store is asked, or nothing is done.
	elsewhere := strings.Replace(file, "admin "+s.socket(), "admin "+s.socket()+"x", 1)
	_, err := s.command(elsewhere, "user", "invite", "demo")
	wantFailure(t, err, "asked at "+s.socket()+"x", "does it run")

	if err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}}}`), true); err != nil { // a Caddy that only stops keeps its endpoint
		t.Fatal(err)
	}
	if out := s.mustCommand(file, "user", "revoke", "demo"); !strings.Contains(out, "people:demo") || !strings.Contains(out, doneHere) {
		t.Errorf("as the owner: %s", out)
	}
	if by := s.lastBy(file, idp.EventLogout); by != operator() {
		t.Errorf("it was by %q, want %q", by, operator())
	}
	out, err := s.command(file, "user", "revoke", "nobody")
	wantError(t, err, idp.ErrNoUser.Error())
	if strings.Contains(out, doneHere) {
		t.Errorf("nothing was done, and it says: %s", out)
	}
	_, err = s.command(file, "user", "invite", "demo", "--address", s.socket())
	wantFailure(t, err, "asked at "+s.socket(), "does it run")
	if err := os.Rename(filepath.Join(s.dir, "db"), filepath.Join(s.dir, "gone")); err != nil {
		t.Fatal(err)
	}
	_, err = s.command(file, "user", "invite", "demo")
	wantFailure(t, err, "asked at "+s.socket(), "nor does the store do without it", "never run")
}

// An address that was typed is of a Caddy: where none is there that serves from the store, nothing is done, with a token or without.
func TestOrdersToAnAddressWithoutACaddy(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	s.load(file)
	if err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}}}`), true); err != nil {
		t.Fatal(err)
	}
	out, err := s.command(file, "user", "revoke", "demo", "--address", s.socket())
	wantFailure(t, err, "asked at "+s.socket(), "does it run")
	if strings.Contains(out, "people:demo") || strings.Contains(err.Error(), "a Caddy serves") {
		t.Errorf("nothing was to be done: %v\n%s", err, out)
	}
	other := endpointOf(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.WriteString(w, `{"code":0,"out":"done"}`); err != nil {
			t.Error(err)
		}
	})
	_, err = s.command(file, "user", "revoke", "demo", "--address", other.address)
	wantFailure(t, err, "asked at "+other.address, "has not taken the order")
	if by := s.lastBy(file, idp.EventLogout); by != "" {
		t.Errorf("it was done, by %q", by)
	}
	if out := s.mustCommand(file, "user", "revoke", "demo"); !strings.Contains(out, "people:demo") {
		t.Errorf("without an address: %s", out)
	}
}
