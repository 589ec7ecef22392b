package visit

// Browser is a family of browsers by the word that a Caddyfile has for it.
type Browser string

// The browsers. OtherBrowser is one that says its name, which is none of these, or an app, a robot or a library;
// UnknownBrowser is nobody's name. Chromium without a maker's name counts as Chrome.
const (
	Chrome         Browser = "chrome"
	Edge           Browser = "edge"
	Firefox        Browser = "firefox"
	Safari         Browser = "safari"
	Opera          Browser = "opera"
	Samsung        Browser = "samsung"
	OtherBrowser   Browser = "other"
	UnknownBrowser Browser = "unknown"
)

// Browsers returns every browser in the order of the documentation.
func Browsers() []Browser {
	return []Browser{Chrome, Edge, Firefox, Safari, Opera, Samsung, OtherBrowser, UnknownBrowser}
}

// ParseBrowser reads the word of a Caddyfile. The error lists the words that there are.
func ParseBrowser(word string) (Browser, error) { return parseWord("browser", word, Browsers()) }

func (b Browser) label() string {
	switch b {
	case Chrome:
		return "Chrome"
	case Edge:
		return "Edge"
	case Firefox:
		return "Firefox"
	case Safari:
		return "Safari"
	case Opera:
		return "Opera"
	case Samsung:
		return "Samsung Internet"
	case OtherBrowser, UnknownBrowser:
	}
	return "Browser"
}
