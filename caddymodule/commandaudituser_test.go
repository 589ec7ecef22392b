package caddymodule

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Whoever asks for a person by any of their names is not told of a failure alone: what was typed is in the line of a failed
// sign-in only, all else has the name that their source gives them.
func TestAuditOfAPersonByAnyName(t *testing.T) {
	s := newSite(t)
	file := s.caddyfile("")
	away := s.caddyfile(s.corpSource(s.secret("ad", "x"), ""))
	s.load(file)
	for i, e := range []idp.Event{
		{Ref: "failed", User: "people:demo", Name: "demo@example.com"},
		{Ref: "opened", User: "people:demo", Name: "demo"},
		{Ref: "unknown", Name: "demo@example.com"}, // their source was away
		{Ref: "another", User: "people:ben", Name: "ben"},
		{Ref: "gone", User: "corp:1", Name: "ann@corp.example.test"},
		{Ref: "hers", User: "corp:1", Name: "ann"},
	} {
		e.Time, e.Kind, e.Result = time.Now().Add(time.Duration(i)*time.Second-time.Hour), idp.EventLogin, idp.Success
		if err := active(t).store.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, config, user, want, warning string }{
		{"mail", file, "Demo@example.com", "failed opened unknown", ""},
		{"name", file, "demo", "failed opened", ""},
		{"key", file, "people:demo", "failed opened", ""},
		{"key that no source knows", file, "corp:1", "gone hers", ""},
		{"nobody's now", file, "ann@corp.example.test", "gone", "only the lines with that very name"},
		{"a local account while a directory is away", away, "demo@example.com", "failed opened unknown", "a source does not answer"},
		{"somebody of a directory that is away", away, "ann@corp.example.test", "gone", "only the lines with that very name"},
		{"key while a directory is away", away, "corp:1", "gone hers", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			warning := ""
			for line := range strings.Lines(s.mustCommand(c.config, "audit", "--json", "--user", c.user)) {
				var e idp.Event
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					warning += line
					continue
				}
				got = append(got, e.Ref)
			}
			if strings.Join(got, " ") != c.want || (warning == "") != (c.warning == "") || !strings.Contains(warning, c.warning) {
				t.Errorf("%q and the warning %q, want %q", got, warning, c.want)
			}
		})
	}
}

// A directory that takes the connection and says nothing keeps nobody from the audit log.
func TestAuditDoesNotWaitForADirectory(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := newSite(t)
	source := strings.Replace(s.corpSource(s.secret("ad", "x"), "dial_timeout 60s\noperation_timeout 60s\nwait_timeout 60s"), "127.0.0.1:1", fmt.Sprint(silent.Addr()), 1)
	s.load(s.caddyfile(source))
	var said strings.Builder
	cmd := &cobra.Command{}
	cmd.SetErr(&said)
	began := time.Now()
	got := (&loaded{App: active(t)}).whoseLines(t.Context(), cmd, "ann@corp.example.test", 50*time.Millisecond)
	if !slices.Equal(got, []string{"ann@corp.example.test"}) || !strings.Contains(said.String(), "only the lines with that very name") || time.Since(began) > 20*time.Second {
		t.Errorf("%q after %s: %s", got, time.Since(began), said.String())
	}
}
