package visit

import (
	"net/http"
	"strings"
	"sync"

	"github.com/ua-parser/uap-go/uaparser"
)

// longest is how many bytes of one header field are looked at. A longer field is not read at all: the rules cost time
// for each byte, and no browser needs as many.
const longest = 1 << 10

// remembered is how many User-Agents are kept with what they mean. A company has few, each many times; whoever
// sends new ones pays with a slot that is soon taken by the next.
const remembered = 256

// Agents reads what clients say about themselves. It is safe for concurrent use.
type Agents struct {
	parser func() *uaparser.Parser
}

// NewAgents returns a reader. Its tables are built when it first reads, since they take 50 ms and some megabytes.
func NewAgents() *Agents { return &Agents{parser: sync.OnceValue(newParser)} }

// newParser compiles the rules of ua-parser that are compiled into the library.
func newParser() *uaparser.Parser {
	p, err := uaparser.New(uaparser.WithMode(uaparser.EUserAgentLookUpMode|uaparser.EOsLookUpMode), uaparser.WithCacheSize(remembered))
	if err != nil {
		panic("visit: the rules of the User-Agent library do not compile: " + err.Error())
	}
	// The rules that name telephone models are compiled whatever the mode, and are two thirds of the memory.
	p.Device = nil
	return p
}

// Read returns what the header of a request says. Client hints, where there are some, stand over the User-Agent.
func (g *Agents) Read(h http.Header) Agent {
	return hintsOf(h).over(g.userAgent(field(h, "User-Agent")))
}

// field returns the one value of a field. Of a field that is there twice, either value might be the one that
// somebody else looks at, so it counts as absent.
func field(h http.Header, name string) string {
	v := h.Values(name)
	if len(v) != 1 || len(v[0]) > longest {
		return ""
	}
	return v[0]
}

// userAgent reads the User-Agent alone.
func (g *Agents) userAgent(text string) Agent {
	a := Agent{OS: UnknownOS, Browser: UnknownBrowser}
	if text == "" {
		return a
	}
	ua, system := g.parser().ParseUserAgent(text), g.parser().ParseOs(text)
	a.Browser, a.BrowserVersion = browserNamed(ua.Family), versionOf(ua.Major, ua.Minor, ua.Patch)
	if a.Browser == UnknownBrowser {
		a.BrowserVersion = Version{}
	}
	a.OS = osNamed(system.Family)
	if a.OS == IOS && strings.Contains(text, "iPad") {
		a.OS = IPadOS
	}
	if a.Browser == Safari && a.OS != MacOS && a.OS != IOS && a.OS != IPadOS {
		// Apple makes it for no other system; what says Safari there is another WebKit.
		a.Browser = OtherBrowser
	}
	a.OSVersion, a.Frozen = systemVersion(a, system)
	a.Mobile = a.OS.mobile()
	return a
}

// systemVersion reads the version of the system, and whether browsers have stopped counting there.
func systemVersion(a Agent, system *uaparser.Os) (v Version, frozen bool) {
	v = versionOf(system.Major, system.Minor, system.Patch, system.PatchMinor)
	switch a.OS {
	case Windows:
		switch {
		case system.Major == "Vista":
			return Version{6}, false
		case system.Major == "XP":
			return Version{5}, false
		case v[0] < 7 || v[0] > 10:
			return Version{}, false // 95, 98 and 2000 would be newer than 11
		}
		return v, v[0] == 10
	case MacOS:
		return v, v[0] == 10 && v[1] == 15
	case IOS, IPadOS:
		// The version of Safari is that of the system it came with, which since iOS 26 only Safari tells
		// (webkit.org, News from WWDC25 and Safari 26.0).
		if a.Browser == Safari && a.BrowserVersion.Known() {
			if a.BrowserVersion.Compare(v) > 0 {
				return a.BrowserVersion, false
			}
			return v, false
		}
		return v, v.AtLeast(Version{18, 6})
	case Android:
		// Chrome says 10 whatever runs it (User-Agent reduction), older or newer.
		if v[0] == 10 {
			return Version{}, false
		}
		return v, false
	case ChromeOS:
		return v, v[0] == 14541 // where Chrome stopped
	case Linux, OtherOS, UnknownOS:
	}
	return Version{}, false
}

// osNamed turns a name of ua-parser into ours.
func osNamed(family string) OS {
	switch family {
	case "Windows":
		return Windows
	case "Mac OS X":
		return MacOS
	case "iOS":
		return IOS
	case "Android":
		return Android
	case "Chrome OS":
		return ChromeOS
	case "Linux", "Ubuntu", "Kubuntu", "Lubuntu", "Debian", "Fedora", "Red Hat", "CentOS", "SUSE", "openSUSE", "Arch Linux",
		"Linux Mint", "Gentoo", "Slackware", "Mageia", "Mandriva", "PCLinuxOS", "Puppy", "BackTrack":
		return Linux
	case "Other", "":
		return UnknownOS
	}
	return OtherOS
}

// browserNamed turns a name of ua-parser into ours. "Chrome Mobile WebView", "Mobile Safari UI/WKWebView", robots and the
// many browsers built on Chromium are others.
func browserNamed(family string) Browser {
	switch family {
	case "Chrome", "Chrome Mobile", "Chrome Mobile iOS", "Chromium", "HeadlessChrome":
		return Chrome
	case "Edge", "Edge Mobile":
		return Edge
	case "Firefox", "Firefox Mobile", "Firefox iOS", "Firefox Alpha", "Firefox Beta":
		return Firefox
	case "Safari", "Mobile Safari":
		return Safari
	case "Opera", "Opera Mobile":
		return Opera
	case "Samsung Internet":
		return Samsung
	case "Other", "":
		return UnknownBrowser
	}
	return OtherBrowser
}
