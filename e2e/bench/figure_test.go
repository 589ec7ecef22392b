package bench

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"
)

// goal is what a figure should be. The zero value asks for nothing.
type goal struct{ least, most float64 }

func (g goal) String() string {
	switch {
	case g.least > 0 && g.most > 0:
		return fmt.Sprintf("goal %v to %v", g.least, g.most)
	case g.least > 0:
		return fmt.Sprintf("goal >= %v", g.least)
	}
	return fmt.Sprintf("goal <= %v", g.most)
}

func (g goal) met(v float64) bool { return v >= g.least && (g.most == 0 || v <= g.most) }

// report prints a figure: what was measured, then the line itself.
func report(b *testing.B, name string, value float64, unit string, g goal, how string, args ...any) {
	b.Helper()
	path := os.Getenv("GATEHOUSE_FIGURES")
	if path == "" {
		path = "/dev/stdout"
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if math.IsNaN(value) || math.IsInf(value, 0) {
		b.Fatalf("%s is %v", name, value)
	}
	verdict := ""
	switch {
	case g == goal{}:
	case g.met(value):
		verdict = "; " + g.String() + ": met"
	default:
		verdict = "; " + g.String() + ": MISSED"
	}
	if _, err := fmt.Fprintf(f, "# %s%s\n%s %s %s\n", fmt.Sprintf(how, args...), verdict, name, digits(value), unit); err != nil {
		b.Fatal(err)
	}
}

// digits prints four digits that count.
func digits(v float64) string {
	decimals := 3
	for n := math.Abs(v); n >= 10 && decimals > 0; n /= 10 {
		decimals--
	}
	return fmt.Sprintf("%.*f", decimals, v)
}

// times are how long something took, again and again.
type times []time.Duration

// median is the middle one, at is the one at a share of them: at(0.99) is the 99th percentile.
func (t times) median() time.Duration { return t.at(0.5) }

func (t times) at(share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(t))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// ratio of a to b.
func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// ms prints milliseconds for a comment.
func ms(d time.Duration) string { return digits(d.Seconds()*1e3) + " ms" }

// took runs f and says how long it was.
func took(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}
