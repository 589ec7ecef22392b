package visit

import (
	"net/http"
	"strings"

	"github.com/dunglas/httpsfv"
)

// AcceptCH is the value of the header fields Accept-CH and Critical-CH that make Chromium tell the versions, which it
// leaves out otherwise. With Critical-CH it asks the first page once more, hints and all.
const AcceptCH = "Sec-CH-UA-Full-Version-List, Sec-CH-UA-Platform-Version"

// hints is what the client hints of a request say (WICG User-Agent Client Hints). Fields that are absent, or are no
// structured field (RFC 9651 section 4.2: ignore them), leave their part unknown.
type hints struct {
	browser    Browser // "" without hints
	version    Version
	engineOnly bool // Chromium, and no maker's name
	os         OS   // "" without hints
	osVersion  Version
	mobile     bool
}

// hintsOf reads the hints in a header.
func hintsOf(h http.Header) hints {
	var out hints
	brands := brandsOf(h, "Sec-CH-UA-Full-Version-List")
	if len(brands) == 0 {
		brands = brandsOf(h, "Sec-CH-UA")
	}
	out.browser, out.version, out.engineOnly = pick(brands)
	out.os = platformNamed(text(h, "Sec-CH-UA-Platform"))
	if out.os != "" {
		out.osVersion = platformVersion(out.os, text(h, "Sec-CH-UA-Platform-Version"))
	}
	if it, err := item(h, "Sec-CH-UA-Mobile"); err == nil {
		out.mobile, _ = it.Value.(bool)
	}
	return out
}

// over returns what the User-Agent says with what the hints say over it.
func (t hints) over(a Agent) Agent {
	named := a.Browser != UnknownBrowser && a.Browser != Chrome
	if t.browser != "" && (!t.engineOnly || !named) {
		a.Browser, a.BrowserVersion = t.browser, t.version
	}
	if t.os != "" && t.os != a.OS && (t.os != IOS || a.OS != IPadOS) {
		a.OS, a.OSVersion, a.Frozen = t.os, Version{}, false
	}
	if t.osVersion.Known() {
		a.OSVersion, a.Frozen = t.osVersion, false
	}
	a.Mobile = a.OS.mobile() || t.mobile
	return a
}

// brand is one entry of Sec-CH-UA.
type brand struct {
	name    string
	version Version
}

// brandsOf reads a list of brands: "Chromium";v="141", "Google Chrome";v="141", "Not?A_Brand";v="8".
func brandsOf(h http.Header, name string) []brand {
	value := field(h, name)
	if value == "" {
		return nil
	}
	list, err := httpsfv.UnmarshalList([]string{value})
	if err != nil {
		return nil
	}
	var out []brand
	for _, m := range list {
		it, ok := m.(httpsfv.Item)
		if !ok {
			return nil
		}
		b := brand{}
		if b.name, ok = it.Value.(string); !ok {
			return nil
		}
		if v, ok := it.Params.Get("v"); ok {
			s, _ := v.(string)
			b.version = versionOf(strings.Split(s, ".")...)
		}
		out = append(out, b)
	}
	return out
}

// brandNames are the brands that say which browser it is. Those of an embedded engine are another browser's
// whatever stands beside them.
var brandNames = map[string]Browser{
	"Google Chrome":           Chrome,
	"HeadlessChrome":          Chrome,
	"Microsoft Edge":          Edge,
	"Opera":                   Opera,
	"Opera GX":                Opera,
	"OperaMobile":             Opera,
	"Samsung Internet":        Samsung,
	"Android WebView":         OtherBrowser,
	"Microsoft Edge WebView2": OtherBrowser,
}

// pick chooses the brand that is the browser's own, in whatever order they come: the order changes on purpose. A
// brand that we do not know makes it another browser only where none stands beside it that we know: the brand that
// Chromium invents, to keep servers from relying on the list, has changed its form before.
func pick(brands []brand) (name Browser, version Version, engineOnly bool) {
	var own, foreign, engine []brand
	for _, b := range brands {
		switch known := brandNames[b.name]; {
		case known == OtherBrowser:
			return OtherBrowser, b.version, false
		case known != "":
			own = append(own, b)
		case b.name == "Chromium":
			engine = append(engine, b)
		case !invented(b.name):
			foreign = append(foreign, b)
		}
	}
	switch {
	case len(own) > 0:
		return brandNames[own[0].name], own[0].version, false
	case len(foreign) > 0:
		return OtherBrowser, foreign[0].version, false
	case len(engine) > 0:
		return Chrome, engine[0].version, true
	}
	return "", Version{}, false
}

// invented reports whether a brand is that which Chromium makes up: "Not A;Brand", "Not/A)Brand", "(Not(A:Brand".
func invented(name string) bool {
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, name)
	return strings.EqualFold(letters, "NotABrand") || letters == ""
}

// platformNamed turns a platform into our name for it, "" where nothing is said.
func platformNamed(platform string) OS {
	switch platform {
	case "", "Unknown":
		return ""
	case "Windows":
		return Windows
	case "macOS":
		return MacOS
	case "iOS":
		return IOS
	case "Android":
		return Android
	case "Chrome OS", "Chromium OS":
		return ChromeOS
	case "Linux":
		return Linux
	}
	return OtherOS
}

// platformVersion reads the version of a platform. That of Windows is of its programming interface: 0.1 to 0.3 are
// Windows 7 to 8.1, 1 to 10 are Windows 10, from 13 on it is Windows 11 (learn.microsoft.com, Detect Windows 11).
func platformVersion(os OS, s string) Version {
	v := versionOf(strings.Split(s, ".")...)
	switch os {
	case Windows:
		switch {
		case v[0] >= 13:
			return Version{11}
		case v[0] >= 1:
			return Version{10}
		}
		return map[uint32]Version{1: {7}, 2: {8}, 3: {8, 1}}[v[1]]
	case Linux, OtherOS, UnknownOS:
		return Version{} // a kernel's, if any
	case MacOS, IOS, IPadOS, Android, ChromeOS:
	}
	return v
}

// text reads a field that is one string.
func text(h http.Header, name string) string {
	it, err := item(h, name)
	if err != nil {
		return ""
	}
	s, _ := it.Value.(string)
	return s
}

func item(h http.Header, name string) (httpsfv.Item, error) {
	return httpsfv.UnmarshalItem([]string{field(h, name)})
}
