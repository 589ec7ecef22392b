package caddymodule

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// checkLoaded holds the file against the configuration that Caddy loaded last. Caddy does not see a
// changed file before a reload, and loads an unchanged configuration no second time, so that a rotated
// secret is not seen until a reload is forced.
func (l *loaded) checkLoaded(ctx context.Context) []idp.Finding {
	const where = "configuration"
	last, err := l.lastLoad(ctx, time.Now())
	switch {
	case err != nil:
		return []idp.Finding{{Level: idp.LevelError, Where: where, What: err.Error()}}
	case last == nil:
		return []idp.Finding{{Level: idp.LevelWarning, Where: where, What: "the audit log knows of no load", Cure: "start Caddy with this file"}}
	}
	at := last.Time.UTC().Format(time.RFC3339)
	f := idp.Finding{Level: idp.LevelOK, Where: where, What: "this file is what was loaded last, at " + at}
	if !strings.Contains(last.Detail, l.digest) {
		f = idp.Finding{Level: idp.LevelWarning, Where: where, What: "this file is not what was loaded last, at " + at, Cure: "caddy reload --config " + l.file}
	}
	return append([]idp.Finding{f}, l.checkSecrets(last.Time)...)
}

// lastLoad finds the last line of a load. The log is read oldest first, so it is asked for ever longer
// times before now: most loads are not long ago, and the log may have a million lines.
func (l *loaded) lastLoad(ctx context.Context, now time.Time) (last *idp.Event, err error) {
	var to time.Time // of the first question: open, for lines from the future
	for days := 1; last == nil && err == nil; days *= 4 {
		q := idp.EventQuery{From: now.AddDate(0, 0, -days), To: to}
		if days > 10_000 {
			q.From = time.Time{}
		}
		err = l.store.Events(ctx, q, func(e idp.Event) bool {
			if e.Kind == idp.EventConfig {
				last = &e
			}
			return true
		})
		if to = q.From; to.IsZero() {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return last, nil
}

var fileRef = regexp.MustCompile(`\{file\.([^{}]+)\}`)

// checkSecrets finds the files that have changed since the load.
func (l *loaded) checkSecrets(loaded time.Time) (found []idp.Finding) {
	seen := map[string]bool{}
	for _, m := range fileRef.FindAllSubmatch(l.raw, -1) {
		file := string(m[1])
		if seen[file] {
			continue
		}
		seen[file] = true
		if info, err := os.Stat(file); err == nil && info.ModTime().After(loaded) {
			found = append(found, idp.Finding{
				Level: idp.LevelWarning, Where: "secrets", What: file + " has changed since the configuration was loaded",
				Cure: "caddy reload --force",
			})
		}
	}
	return found
}
