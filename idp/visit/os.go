package visit

import (
	"fmt"
	"slices"
	"strings"
)

// OS is an operating system by the word that a Caddyfile has for it.
type OS string

// The operating systems. OtherOS is one that says its name, which is none of these; UnknownOS is nobody's name.
const (
	Windows   OS = "windows"
	MacOS     OS = "macos"
	IOS       OS = "ios"
	IPadOS    OS = "ipados"
	Android   OS = "android"
	ChromeOS  OS = "chromeos"
	Linux     OS = "linux"
	OtherOS   OS = "other"
	UnknownOS OS = "unknown"
)

// OSes returns every operating system in the order of the documentation.
func OSes() []OS {
	return []OS{Windows, MacOS, IOS, IPadOS, Android, ChromeOS, Linux, OtherOS, UnknownOS}
}

// ParseOS reads the word of a Caddyfile. The error lists the words that there are.
func ParseOS(word string) (OS, error) { return parseWord("operating system", word, OSes()) }

func (o OS) label() string {
	switch o {
	case Windows:
		return "Windows"
	case MacOS:
		return "macOS"
	case IOS:
		return "iPhone"
	case IPadOS:
		return "iPad"
	case Android:
		return "Android"
	case ChromeOS:
		return "ChromeOS"
	case Linux:
		return "Linux"
	case OtherOS, UnknownOS:
	}
	return ""
}

// mobile reports whether the system runs telephones and tablets only.
func (o OS) mobile() bool { return o == IOS || o == IPadOS || o == Android }

// parseWord finds a word among those allowed, as it is written.
func parseWord[W ~string](what, word string, allowed []W) (W, error) {
	if w := W(word); slices.Contains(allowed, w) {
		return w, nil
	}
	words := make([]string, len(allowed))
	for i, w := range allowed {
		words[i] = string(w)
	}
	return "", fmt.Errorf("unknown %s %q; there are %s", what, word, strings.Join(words, ", "))
}
