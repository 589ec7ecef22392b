package local

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// recommended is the second choice of RFC 9106 §4, with one lane.
var recommended = params{memory: 64 << 10, time: 3, lanes: 1, salt: 16, key: 32}

func BenchmarkLogin(b *testing.B) {
	for name, p := range map[string]params{"caddy": caddyParams, "rfc9106": recommended} {
		s := benchSource(b, p)
		for what, password := range map[string]string{"right": "correct horse", "wrong": "guess"} {
			b.Run(name+"/"+what, func(b *testing.B) {
				for b.Loop() {
					login(b, s, "ann", password)
				}
			})
		}
		b.Run(name+"/unknown", func(b *testing.B) {
			for b.Loop() {
				login(b, s, "nobody", "guess")
			}
		})
	}
}

// BenchmarkUnknownVsWrong alternates both and reports the ratio of their medians, which must not
// tell one from the other.
func BenchmarkUnknownVsWrong(b *testing.B) {
	s := benchSource(b, caddyParams)
	var unknown, wrong []time.Duration
	for b.Loop() {
		unknown = append(unknown, login(b, s, "nobody", "guess"))
		wrong = append(wrong, login(b, s, "ann", "guess"))
	}
	b.ReportMetric(float64(median(unknown))/float64(median(wrong)), "unknown/wrong")
	b.ReportMetric(float64(median(unknown)), "unknown-ns")
	b.ReportMetric(float64(median(wrong)), "wrong-ns")
}

func benchSource(b *testing.B, p params) *Source {
	b.Helper()
	s, err := New(Config{Name: "local", Hasher: NewHasher(Bounds{}), Users: []User{{
		Name: "ann", Hash: hashOf("correct horse", p),
	}}})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func login(b *testing.B, s *Source, name, password string) time.Duration {
	b.Helper()
	begin := time.Now()
	u, err := s.Find(b.Context(), name)
	if err != nil && !errors.Is(err, idp.ErrNoUser) {
		b.Fatal(err)
	}
	err = s.Authenticate(b.Context(), u, password)
	if (err == nil) != (password == "correct horse") {
		b.Fatalf("%s: %v", name, err)
	}
	return time.Since(begin)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
