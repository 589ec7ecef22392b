package visit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Version is up to four numbers, the first of which counts most; what is left out is zero. The zero value is a
// version that is not known. It is an array so that it compares without allocating, and converts to a type of
// the same form elsewhere.
type Version [4]uint32

// ParseVersion reads what a Caddyfile has: 17, 17.5 or 141.0.7390.54.
func ParseVersion(s string) (Version, error) {
	parts := strings.Split(s, ".")
	var v Version
	if len(parts) > len(v) {
		return Version{}, badVersion(s)
	}
	for i, p := range parts {
		n, ok := number(p)
		if !ok {
			return Version{}, badVersion(s)
		}
		v[i] = n
	}
	if !v.Known() {
		return Version{}, badVersion(s)
	}
	return v, nil
}

func badVersion(s string) error {
	return fmt.Errorf("%q is no version; write one to four numbers with dots between, like 17, 17.5 or 141.0.7390.54", s)
}

// versionOf takes the numbers that a client wrote as far as they are numbers. If the first is none, or all are zero,
// the version is not known.
func versionOf(parts ...string) Version {
	var v Version
	for i, p := range parts {
		n, ok := number(p)
		if !ok || i == len(v) {
			break
		}
		v[i] = n
	}
	return v
}

// number reads digits and nothing else: strconv alone would take a sign.
func number(s string) (uint32, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// Known reports whether there is a version at all.
func (v Version) Known() bool { return v != Version{} }

// Compare returns -1, 0 or 1 as v is older than, the same as or newer than w, number by number: 9.10 is newer than 9.9.
// A version that is not known has no place in the order: ask Known first, or [Version.AtLeast].
func (v Version) Compare(w Version) int { return slices.Compare(v[:], w[:]) }

// AtLeast reports whether v is known and not older than the least that is asked for.
func (v Version) AtLeast(least Version) bool { return v.Known() && v.Compare(least) >= 0 }

// String returns the version without zeros at its end, or "unknown".
func (v Version) String() string {
	if !v.Known() {
		return "unknown"
	}
	end := len(v)
	for v[end-1] == 0 {
		end--
	}
	var b strings.Builder
	for i, n := range v[:end] {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(strconv.FormatUint(uint64(n), 10))
	}
	return b.String()
}

// MarshalText returns what String does.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Version) UnmarshalText(text []byte) error {
	if string(text) == (Version{}).String() {
		*v = Version{}
		return nil
	}
	parsed, err := ParseVersion(string(text))
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}
