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
	logFile := filepath.Join(s.dir, "audit.log")
	s.load(s.caddyfileWith("events {\non gatehouse_login gatehouse_capture\n}\nlog audit {\noutput file "+logFile+"\ninclude gatehouse.audit\n}", ""))
	captured = nil
	app := active(t)
	for _, e := range []idp.Event{
		{Time: time.Now(), Kind: idp.EventLogin, Result: idp.Failure, Reason: "bad_credentials", Ref: "7K3M-9QXT", User: "people:jo", Name: "jo", Source: "people", Client: netip.MustParseAddr("192.0.2.7")},
		{Time: time.Now(), Kind: idp.EventLaunch, Result: idp.Success, App: "connect", User: "people:jo", Launch: &idp.LaunchRecord{Role: "arn:aws:iam::123456789012:role/ConnectAgent"}},
		{Time: time.Now(), Kind: idp.EventMFA, Result: idp.Success, Factor: "totp", User: "people:jo"},
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
	if len(captured) != 1 || captured[0].Data["name"] != "jo" {
		t.Errorf("the handler of gatehouse_login was told %v", captured)
	}
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
				if !slices.Contains([]string{"app", "source", "factor", "result"}, l.GetName()) || strings.Contains(l.GetValue(), "jo") {
					t.Errorf("%s has the label %s=%s", f.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
	for _, name := range []string{"caddy_gatehouse_logins_total", "caddy_gatehouse_mfa_total", "caddy_gatehouse_launches_total"} {
		if !counted[name] {
			t.Errorf("no metric %s", name)
		}
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
