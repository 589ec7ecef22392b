package caddymodule

import (
	"context"
	"log/slog"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// lastingLog is for what outlives a configuration: the log of a configuration is closed with it, so this
// one looks for the present log at each message.
func lastingLog() *slog.Logger { return slog.New(lasting{}) }

// lasting is a slog.Handler that keeps no log.
type lasting struct{ attrs []slog.Attr }

// Enabled implements [slog.Handler]. Caddy's log drops what it does not want.
func (lasting) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements [slog.Handler].
func (l lasting) Handle(_ context.Context, r slog.Record) error {
	var fields []zap.Field
	for _, a := range l.attrs {
		fields = append(fields, zap.Any(a.Key, a.Value.Resolve().Any()))
	}
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, zap.Any(a.Key, a.Value.Resolve().Any()))
		return true
	})
	log := caddy.Log().Named(appName)
	switch {
	case r.Level >= slog.LevelError:
		log.Error(r.Message, fields...)
	case r.Level >= slog.LevelWarn:
		log.Warn(r.Message, fields...)
	case r.Level >= slog.LevelInfo:
		log.Info(r.Message, fields...)
	default:
		log.Debug(r.Message, fields...)
	}
	return nil
}

// WithAttrs implements [slog.Handler].
func (l lasting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return lasting{append(slices.Clip(l.attrs), attrs...)}
}

// WithGroup implements [slog.Handler]; groups are left out.
func (l lasting) WithGroup(string) slog.Handler { return l }

var _ slog.Handler = lasting{}
