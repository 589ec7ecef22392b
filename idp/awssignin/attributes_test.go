package awssignin

import (
	"regexp"
	"strings"
	"testing"
)

// TestNamesByHand compares what counts by hand with the patterns of AWS's API models.
func TestNamesByHand(t *testing.T) {
	role := regexp.MustCompile(`^(?:[!-.0-~][!-~]{0,510}/)?[\w+=,.@-]{1,64}$`)
	key := regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$`)
	value := regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$`)
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, s := range []string{
		"", "a", "a/", "/", "/a", "//a", "a/b", "a//b", "a/b/c", "a /b", "a/b c", "é/b", "a/é", "a/b\n", "a\x7f/b", "a,b/c", "a,b",
		x(64), x(65), x(128), x(129), x(256), x(257), x(510) + "/a", x(511) + "/a", x(512) + "/a", x(511) + "/" + x(64), x(511) + "/" + x(65),
		strings.Repeat("é", 128), strings.Repeat("é", 129), strings.Repeat("日", 256), strings.Repeat("日", 257),
		"team lead", "x\u00a0y", "x\ty", "x\ny", "x\xffy", "x\ufffdy", "aws:x", "a+b=c@d.e:f/g-h_i", "½", "a*b", "a~b",
	} {
		if got, want := isRole(s), role.MatchString(s); got != want {
			t.Errorf("role %q: %v, want %v", s, got, want)
		}
		if got, want := s != "" && tagText(s, 128), key.MatchString(s); got != want {
			t.Errorf("tag key %q: %v, want %v", s, got, want)
		}
		if got, want := tagText(s, 256), value.MatchString(s); got != want {
			t.Errorf("tag value %q: %v, want %v", s, got, want)
		}
	}
}
