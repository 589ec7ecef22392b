package caddymodule

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// observer passes audit events on: to the log gatehouse.audit, to the metrics, and to Caddy's events.
// The line in the store was written before.
type observer struct {
	ctx    caddy.Context
	audit  *zap.Logger
	events *caddyevents.App
}

func newObserver(ctx caddy.Context) (*observer, error) {
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("getting the events app: %w", err)
	}
	return &observer{ctx: ctx, audit: ctx.Logger().Named("audit"), events: app.(*caddyevents.App)}, nil
}

// event passes one event on.
func (o *observer) event(_ context.Context, e idp.Event) {
	count(e)
	if entry := o.audit.Check(zap.InfoLevel, e.Kind); entry != nil {
		entry.Write(auditFields(e)...)
	}
	switch e.Kind {
	case idp.EventLogin, idp.EventMFA, idp.EventLaunch, idp.EventOutage:
		name := "gatehouse_" + e.Kind
		if !o.events.ShouldEmit(name) {
			return
		}
		o.events.Emit(o.ctx, name, handed(e))
	}
}

// handed is what handlers of Caddy's events get. They run in the request and may be anybody's program: nothing that the audit line does
// not hold. What that does not say is there and empty, because a placeholder of what is not there stays as it is written.
func handed(e idp.Event) map[string]any {
	data, cells := make(map[string]any, len(auditColumns)), auditCells(e)
	for i, name := range auditColumns {
		data[name] = cells[i]
	}
	return data
}

// auditFields are the event's members that say something, under the names of its JSON.
func auditFields(e idp.Event) []zap.Field {
	fields := append(make([]zap.Field, 0, 20), zap.String("result", e.Result))
	for _, f := range []struct{ key, value string }{
		{"reason", e.Reason},
		{"detail", e.Detail},
		{"by", e.By},
		{"ref", e.Ref},
		{"user", e.User},
		{"name", e.Name},
		{"source", e.Source},
		{"app", e.App},
		{"factor", e.Factor},
		{"client", client(e)},
		{"agent", e.Agent},
		{"section", e.Section},
		{"policy", e.Policy},
		{"rule", e.Rule},
		{"digest", e.Digest},
	} {
		if f.value != "" {
			fields = append(fields, zap.String(f.key, f.value))
		}
	}
	if e.Visit != nil {
		fields = append(fields, zap.Reflect("visit", e.Visit))
	}
	if e.Launch != nil {
		fields = append(fields, zap.Object("launch", (*launchFields)(e.Launch)))
	}
	if e.CrossSite {
		fields = append(fields, zap.Bool("cross_site", true))
	}
	if e.BreakGlass {
		fields = append(fields, zap.Bool("break_glass", true))
	}
	return fields
}

// launchFields writes a launch as its JSON is, without reflection.
type launchFields idp.LaunchRecord

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (l *launchFields) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for _, f := range []struct{ key, value string }{
		{"role", l.Role},
		{"session_name", l.SessionName},
		{"name_id", l.NameID},
		{"assertion_id", l.AssertionID},
		{"destination", l.Destination},
	} {
		if f.value != "" {
			enc.AddString(f.key, f.value)
		}
	}
	if len(l.Notes) == 0 {
		return nil
	}
	return enc.AddArray("notes", zapcore.ArrayMarshalerFunc(func(a zapcore.ArrayEncoder) error {
		for _, n := range l.Notes {
			a.AppendString(n)
		}
		return nil
	}))
}

func client(e idp.Event) string {
	if !e.Client.IsValid() {
		return ""
	}
	return e.Client.String()
}
