package caddymodule

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap/zapcore"

	"github.com/gatehouse-sso/gatehouse/idp"
)

func init() {
	caddy.RegisterModule(new(capture))
}

// capture is an event handler that remembers what it was told.
type capture struct{}

var captured []caddy.Event

func (*capture) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.gatehouse_capture", New: func() caddy.Module { return new(capture) }}
}

func (*capture) Handle(_ context.Context, e caddy.Event) error {
	captured = append(captured, e)
	return nil
}

func (*capture) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

var _ caddyevents.Handler = (*capture)(nil)

// active returns the app in force.
func active(t *testing.T) *App {
	t.Helper()
	v, err := caddy.ActiveContext().AppIfConfigured(appName)
	if err != nil {
		t.Fatal(err)
	}
	return v.(*App)
}

func TestEventsReachLogMetricsAndHandlers(t *testing.T) {
	s := newSite(t)
	on := ""
	for _, kind := range []string{idp.EventLogin, idp.EventMFA, idp.EventLaunch, idp.EventOutage, idp.EventDecision} {
		on += "on gatehouse_" + kind + " gatehouse_capture\n"
	}
	logFile := filepath.Join(s.dir, "audit.log")
	s.load(s.caddyfileWith("events {\n"+on+"}\nlog audit {\noutput file "+logFile+"\ninclude gatehouse.audit\n}", ""))
	captured = nil
	app := active(t)
	launched := idp.LaunchRecord{Role: "arn:aws:iam::123456789012:role/ConnectAgent", SessionName: "jo@example.com", AssertionID: "_1", Notes: []string{"as in usernames_file"}}
	for _, e := range []idp.Event{
		{Time: time.Now(), Kind: idp.EventLogin, Result: idp.Failure, Reason: "bad_credentials", Ref: "7K3M-9QXT", User: "people:jo", Name: "jo", Source: "people", Client: netip.MustParseAddr("192.0.2.7")},
		{Time: time.Now(), Kind: idp.EventLaunch, Result: idp.Success, App: "connect", User: "people:jo", Policy: "weekly", Rule: "mfa every 7d", Digest: "d1", Launch: &launched, CrossSite: true},
		{Time: time.Now(), Kind: idp.EventMFA, Result: idp.Success, Factor: "totp", User: "people:jo"},
		{Time: time.Now(), Kind: idp.EventOutage, Result: idp.Success, Factor: "duo", User: "people:jo", Detail: "timeout", BreakGlass: true, By: "helpdesk"},
		{Time: time.Now(), Kind: idp.EventDecision, Result: idp.Denied, User: "people:jo"},
	} {
		app.observe.event(t.Context(), e)
	}

	log, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"logger":"gatehouse.audit"`, `"msg":"login"`, `"reason":"bad_credentials"`, `"client":"192.0.2.7"`, "role/ConnectAgent", `"msg":"config"`} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	wantCaptured(t, []map[string]string{
		{"kind": "login", "result": "failure", "reason": "bad_credentials", "ref": "7K3M-9QXT", "user": "people:jo", "name": "jo", "source": "people", "client": "192.0.2.7"},
		{"kind": "launch", "result": "success", "app": "connect", "user": "people:jo", "policy": "weekly", "rule": "mfa every 7d", "digest": "d1", "cross_site": "true", "role": launched.Role, "session_name": launched.SessionName, "assertion_id": "_1", "notes": "as in usernames_file"},
		{"kind": "mfa", "result": "success", "factor": "totp", "user": "people:jo"},
		{"kind": "outage", "result": "success", "factor": "duo", "user": "people:jo", "detail": "timeout", "break_glass": "true", "by": "helpdesk"},
	})
	counted := map[string]bool{}
	families, err := app.ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "caddy_gatehouse_") {
			continue
		}
		counted[f.GetName()] = true
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				// A label with a user or an address would make series without end, and tell on people.
				if !slices.Contains([]string{"app", "source", "factor", "result", "verdict"}, l.GetName()) || strings.Contains(l.GetValue(), "jo") {
					t.Errorf("%s has the label %s=%s", f.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
	for _, name := range []string{"caddy_gatehouse_logins_total", "caddy_gatehouse_mfa_total", "caddy_gatehouse_launches_total", "caddy_gatehouse_outages_total"} {
		if !counted[name] {
			t.Errorf("no metric %s", name)
		}
	}
}

// wantCaptured compares what handlers were told. Every member is there, empty where the line does not say: a placeholder of one that is
// not would be left as it is written.
func wantCaptured(t *testing.T, want []map[string]string) {
	t.Helper()
	for i, e := range captured {
		if i >= len(want) || e.Name() != "gatehouse_"+want[i]["kind"] {
			t.Errorf("a handler was told of %s: %v", e.Name(), e.Data)
			continue
		}
		at, ok := e.Data["time"].(string)
		if !ok || at == "" {
			t.Errorf("%s was when? %v", e.Name(), e.Data)
		}
		want[i]["time"] = at
		for _, c := range auditColumns {
			if got, ok := e.Data[c]; !ok || got != want[i][c] {
				t.Errorf("%s: %s is %v, want %q", e.Name(), c, got, want[i][c])
			}
		}
		if len(e.Data) != len(auditColumns) {
			t.Errorf("%s tells what the audit line does not: %v", e.Name(), e.Data)
		}
	}
	if len(captured) != len(want) {
		t.Errorf("%d events, want %d", len(captured), len(want))
	}
}

// The log says of a launch what the audit line says, and a member that is new to it as well.
func TestLaunchIsLoggedWhole(t *testing.T) {
	l := idp.LaunchRecord{Role: "a", SessionName: "b", NameID: "c", AssertionID: "d", Destination: "e", Notes: []string{"f", "g"}}
	if v := reflect.ValueOf(l); v.NumField() != 6 {
		t.Errorf("a launch has %d members: does launchFields know them all?", v.NumField())
	}
	for _, l := range []idp.LaunchRecord{l, {}, {Role: "a"}} {
		want, err := json.Marshal(map[string]any{"launch": l})
		if err != nil {
			t.Fatal(err)
		}
		line, err := zapcore.NewJSONEncoder(zapcore.EncoderConfig{}).EncodeEntry(zapcore.Entry{}, auditFields(idp.Event{Launch: &l})[1:])
		if err != nil || strings.TrimSpace(line.String()) != string(want) {
			t.Errorf("%s, %v; want %s", line, err, want)
		}
	}
}
