package idp_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// stateful is a directory that says of a right password what state the account is in.
type stateful struct {
	*countingSource
	state string
}

func (s stateful) Authenticate(ctx context.Context, u *idp.User, password string) error {
	if err := s.countingSource.Authenticate(ctx, u, password); err != nil || s.state == "" {
		return err
	}
	return &idp.AccountState{State: s.state}
}

func TestCheckPassword(t *testing.T) {
	for name, c := range map[string]struct {
		typed, password, state string
		down                   error
		want                   string
		shown                  int
	}{
		"right":        {"alice", "right", "", nil, "ok : source corp signs in corp:alice with it", 1},
		"wrong":        {"alice", "canary-5d", "", nil, "error bad_credentials: source corp does not sign in corp:alice with it: wrong credentials", 1},
		"a state":      {"alice", "right", "disabled", nil, "error disabled: it is right, and source corp does not sign in corp:alice", 1},
		"its password": {"alice", "right", "must_change", nil, "error must_change: it is right", 1},
		"nobody":       {"zoe", "canary-5d", "", nil, "error : it was not shown to anybody, because a sign-in finds nobody", 0},
		"empty":        {"alice", "\x00", "", nil, "error : it was not shown to anybody, because it is empty", 0},
		"down":         {"alice", "right", "", errors.New("no answer"), "error : it was not shown to anybody, because a sign-in finds nobody", 0},
	} {
		t.Run(name, func(t *testing.T) {
			corp := &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: 9, down: c.down}
			v := routed(t, func(*idp.Config) {}, stateful{corp, c.state})
			f := v.gateway.CheckPassword(t.Context(), c.typed, netip.Addr{}, idp.NewSecret(c.password), "by root")
			if got := fmt.Sprintf("%s %s: %s", f.Level, f.Rule, f.What); !strings.HasPrefix(got, c.want) || f.Level != idp.LevelOK && f.Cure == "" || strings.Contains(got+f.Cure, "canary") {
				t.Errorf("%+v, want %s", f, c.want)
			}
			if corp.shown != c.shown {
				t.Errorf("the directory was shown %d passwords", corp.shown)
			}
		})
	}
}

// TestCheckPasswordIsCharged: whoever runs the command over and over locks no account, and nor do those who guess
// at the same time.
func TestCheckPasswordIsCharged(t *testing.T) {
	corp := &countingSource{name: "corp", users: map[string]string{"alice": "right"}, limit: 5}
	v := routed(t, func(*idp.Config) {}, corp)
	if status, _ := v.try(t, "alice", "wrong"); status != 401 {
		t.Fatal(status)
	}
	var levels []string
	for range 4 {
		levels = append(levels, v.gateway.CheckPassword(t.Context(), "alice", netip.Addr{}, idp.NewSecret("wrong"), "by root").Level)
	}
	if !slices.Equal(levels, []string{"error", "error", "warning", "warning"}) {
		t.Errorf("answered %v", levels)
	}
	if corp.shown != 3 {
		t.Errorf("the directory was shown %d wrong passwords", corp.shown)
	}
	v.wantHeld(t, "alice", "wrong")
	if e := lines(t, v.store, "password_checked"); len(e) != 2 || e[0].User != "corp:alice" || e[0].Kind != idp.EventAdmin || e[0].By != "by root" {
		t.Errorf("audit: %+v", e)
	}
}
