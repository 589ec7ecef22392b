package idp

import (
	"strings"
	"testing"
)

// Names are told apart by a glance at their first letters, where that is enough: it must say what the whole comparison says.
func TestSameName(t *testing.T) {
	letters := []string{"", "a", "A", "z", "[", "{", "@", "`", "k", "K", "\u212a", "s", "S", "\u017f", "ß", "ẞ", "ä", "Ä", "\x00", " ", "\xff", "1", "\x11"}
	for _, a := range letters {
		for _, b := range letters {
			for _, rest := range []string{"", "x", "ö"} {
				a, b := a+rest, b+rest
				//nolint:staticcheck // SA6005 wants EqualFold alone, which takes ſ for s
				want := a == b || strings.EqualFold(a, b) && strings.ToLower(a) == strings.ToLower(b) && strings.ToUpper(a) == strings.ToUpper(b)
				if got := sameName(a, b); got != want {
					t.Errorf("%q and %q: %v, want %v", a, b, got, want)
				}
			}
		}
	}
}
