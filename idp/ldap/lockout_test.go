package ldap_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
	"github.com/gatehouse-sso/gatehouse/idp/ldap"
)

func TestLimit(t *testing.T) {
	now := time.Now()
	s := open(t, corp(), 1, func(c *ldap.Config) { c.Now = func() time.Time { return now } })
	want := func(failures int, window time.Duration) {
		t.Helper()
		l, err := s.Limit(t.Context(), nil)
		if l != (idp.Lockout{Failures: failures, Window: window}) || err != nil {
			t.Errorf("%+v, %v; want %d within %s", l, err, failures, window)
		}
	}
	want(5, 10*time.Minute)
	s.dir.mu.Lock()
	s.dir.entries[0].attributes["lockoutThreshold"] = []string{"3"}
	s.dir.mu.Unlock()
	want(5, 10*time.Minute)
	now = now.Add(10 * time.Minute)
	want(3, 10*time.Minute)
	s.dir.mu.Lock()
	s.dir.entries[0].attributes["lockoutThreshold"] = nil
	s.dir.mu.Unlock()
	now = now.Add(10 * time.Minute)
	if l, err := s.Limit(t.Context(), nil); err == nil {
		t.Errorf("a policy that is not shown is read as %+v", l)
	}
}

// TestFailures: the directory leaves a count as it is after its time. It is known when that was before anything else is,
// or somebody would be kept out by what they mistyped last week.
func TestFailures(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) string { return fileTime(now.Add(time.Duration(minutes) * time.Minute)) }
	plain := func(*directory) {}
	own := func(d *directory) { strict(d, "0") } // eight in half an hour
	hidden := func(d *directory) { d.entries[0].attributes["lockoutThreshold"] = nil }
	for name, c := range map[string]struct {
		policy      func(*directory)
		count, last string
		want        int
	}{
		"within the window":               {plain, "2", at(-9), 2},
		"in the minute of the clocks":     {plain, "2", at(-10), 2},
		"old":                             {plain, "2", at(-11), 0},
		"of a clock that is ahead":        {plain, "2", at(1), 2},
		"without its moment":              {plain, "2", "", 0},
		"of one who never mistyped":       {plain, "0", "0", 0},
		"none":                            {plain, "", "", 0},
		"no number":                       {plain, "x", at(-1), 0},
		"below zero":                      {plain, "-1", at(-1), 0},
		"of their own policy":             {own, "4", at(-29), 4},
		"of their own policy, old":        {own, "4", at(-32), 0},
		"of a policy nobody may read":     {hidden, "2", at(-29), 2},
		"of a policy nobody may see, old": {hidden, "2", at(-32), 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := corp()
			c.policy(dir)
			dir.set("badPwdCount", c.count)
			dir.set("badPasswordTime", c.last)
			s := open(t, dir, 1, func(cfg *ldap.Config) { cfg.Now = func() time.Time { return now } })
			for range 2 {
				u := s.find(t, "alice")
				if l, _ := s.Limit(t.Context(), u); u.Failures != c.want || l.Counted != c.want || l.Account != u.ID {
					t.Errorf("%d, %+v; want %d", u.Failures, l, c.want)
				}
			}
		})
	}
}

func TestCheckLockout(t *testing.T) {
	for threshold, want := range map[string]string{
		"0":  "warning the domain never locks an account",
		"1":  `warning the domain locks an account after 1 failures within 10m0s, by ["` + strings.ToLower(domain) + `"]; the gateway passes 1 on, which is not two fewer`,
		"2":  "warning the domain locks an account after 2 failures",
		"3":  "ok the domain locks an account after 3 failures within 10m0s, by",
		"10": `ok the domain locks an account after 10 failures within 10m0s, by ["` + strings.ToLower(domain) + `"]; the gateway passes 8 on, or 7 and then 1 more from devices`,
		"":   "warning the lockout policy of the domain cannot be read, so that one failure in 30 minutes is passed on",
	} {
		dir := corp()
		dir.entries[0].attributes["lockoutThreshold"] = []string{threshold}
		var lines []string
		for _, f := range open(t, dir, 1, nil).Check(t.Context()) {
			if f.Level != idp.LevelOK && f.Cure == "" {
				t.Errorf("no cure of %q", f.What)
			}
			lines = append(lines, f.Level+" "+f.What)
		}
		if all := strings.Join(lines, "\n"); !strings.Contains(all, want) {
			t.Errorf("threshold %q: no %q in\n%s", threshold, want, all)
		}
	}
}
