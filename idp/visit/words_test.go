package visit_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

func TestParseWords(t *testing.T) {
	for _, o := range visit.OSes() {
		if got, err := visit.ParseOS(string(o)); got != o || err != nil {
			t.Errorf("%s: %q, %v", o, got, err)
		}
	}
	for _, b := range visit.Browsers() {
		if got, err := visit.ParseBrowser(string(b)); got != b || err != nil {
			t.Errorf("%s: %q, %v", b, got, err)
		}
	}
	const systems = `unknown operating system "win"; there are windows, macos, ios, ipados, android, chromeos, linux, other, unknown`
	if _, err := visit.ParseOS("win"); err == nil || err.Error() != systems {
		t.Error(err)
	}
	const browsers = `unknown browser "Chrome"; there are chrome, edge, firefox, safari, opera, samsung, other, unknown`
	if _, err := visit.ParseBrowser("Chrome"); err == nil || err.Error() != browsers {
		t.Error(err)
	}
}

func TestParseVersion(t *testing.T) {
	for s, want := range map[string]visit.Version{
		"17": {17}, "17.5": {17, 5}, "141.0.7390.54": {141, 0, 7390, 54}, "10.15.7": {10, 15, 7}, "0.3": {0, 3}, "007": {7}, "4294967295": {4294967295},
	} {
		if got, err := visit.ParseVersion(s); got != want || err != nil {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "0.0.0", "17.", ".5", "17..5", "1.2.3.4.5", "v17", "17a", "-1", "+1", " 17", "4294967296", "1_0", "0x10", "१७"} {
		if v, err := visit.ParseVersion(s); err == nil || v.Known() || !strings.Contains(err.Error(), "like 17, 17.5") {
			t.Errorf("%q: %v, %v", s, v, err)
		}
	}
}

// TestVersionOrder: from old to new, by number and not by letter.
func TestVersionOrder(t *testing.T) {
	order := []string{"0.3", "7", "8", "8.1", "9.9", "9.10", "10", "10.15", "10.15.7", "11", "99", "100", "100.0.0.1"}
	for i, a := range order {
		for j, b := range order {
			v, w := version(t, a), version(t, b)
			if got, want := v.AtLeast(w), i >= j; got != want {
				t.Errorf("%s at least %s: %v", a, b, got)
			}
			if got, want := v.Compare(w) < 0, i < j; got != want {
				t.Errorf("%s before %s: %v", a, b, got)
			}
		}
	}
	if v, w := version(t, "17"), version(t, "17.0.0.0"); v != w {
		t.Errorf("%v and %v differ", v, w)
	}
	// What is not known is never new enough, whatever is asked for.
	if (visit.Version{}).AtLeast(visit.Version{}) {
		t.Error("an unknown version is new enough")
	}
}

func TestVersionText(t *testing.T) {
	for _, s := range []string{"unknown", "17", "10.15.7", "141.0.7390.54", "0.3", "1.0.0.1"} {
		var v visit.Version
		if err := json.Unmarshal([]byte(`"`+s+`"`), &v); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		if back, err := json.Marshal(v); string(back) != `"`+s+`"` || err != nil {
			t.Errorf("%s became %s, %v", s, back, err)
		}
	}
	v := visit.Version{1}
	if err := v.UnmarshalText([]byte("x")); err == nil || v != (visit.Version{1}) {
		t.Errorf("%v, %v", v, err)
	}
}

// FuzzParseVersion: what is read is written so that it reads the same.
func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"17", "10.15.7", "1.2.3.4", "0", "1..2", "00.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := visit.ParseVersion(s)
		if (err == nil) != v.Known() {
			t.Fatalf("%q: %v, %v", s, v, err)
		}
		if err == nil {
			if w := version(t, v.String()); w != v {
				t.Fatalf("%q is %v, read again %v", s, v, w)
			}
		}
	})
}

func version(t *testing.T, s string) visit.Version {
	t.Helper()
	v, err := visit.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
