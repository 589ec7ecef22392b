package visit_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp/visit"
)

const (
	windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
	mac     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	android = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
	linux   = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
)

// agents is shared by the tests as by the requests of a server.
var agents = visit.NewAgents()

// words writes an agent in one line: system, version, "+" where it is frozen, browser, version, m where mobile.
func words(a visit.Agent) string {
	s := string(a.OS) + " " + a.OSVersion.String()
	if a.Frozen {
		s += "+"
	}
	s += ", " + string(a.Browser) + " " + a.BrowserVersion.String()
	if a.Mobile {
		s += ", mobile"
	}
	return s
}

// TestReadUserAgent is what browsers, apps and robots sent in 2025 and 2026, and some that are old.
func TestReadUserAgent(t *testing.T) {
	for _, c := range []struct{ name, agent, want string }{
		{"Chrome on Windows does not say which", windows + "Chrome/141.0.0.0 Safari/537.36", "windows 10+, chrome 141"},
		{"Edge contains Chrome", windows + "Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "windows 10+, edge 141"},
		{"Edge before it was Chromium", windows + "Chrome/70.0.3538.102 Safari/537.36 Edge/18.19582", "windows 10+, edge 18.19582"},
		{"Opera contains Chrome", windows + "Chrome/140.0.0.0 Safari/537.36 OPR/124.0.0.0", "windows 10+, opera 124"},
		{"Vivaldi contains Chrome", windows + "Chrome/140.0.0.0 Safari/537.36 Vivaldi/7.6.3797.63", "windows 10+, other 7.6.3797"},
		{"Yandex contains Chrome", windows + "Chrome/140.0.0.0 YaBrowser/25.8.0.0 Safari/537.36", "windows 10+, other 25.8"},
		{"Whale contains Chrome", windows + "Chrome/130.0.0.0 Safari/537.36 Whale/4.29.282.14", "windows 10+, other 4.29.282"},
		{"Electron is an app", windows + "Teams/1.6.00.4472 Chrome/102.0.5005.167 Electron/19.1.8 Safari/537.36", "windows 10+, other 19.1.8"},
		{"Internet Explorer", "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "windows 10+, other 11"},
		{"Firefox on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", "windows 10+, firefox 144"},
		{"Windows 7 says so", "Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:115.0) Gecko/20100101 Firefox/115.0", "windows 7, firefox 115"},
		{"Windows 8.1 says so", "Mozilla/5.0 (Windows NT 6.3; Win64; x64; rv:115.0) Gecko/20100101 Firefox/115.0", "windows 8.1, firefox 115"},
		{"Windows XP is older than 7", "Mozilla/5.0 (Windows NT 5.1; rv:52.0) Gecko/20100101 Firefox/52.0", "windows 5, firefox 52"},
		{"Windows 98 is not newer than 11", "Mozilla/4.0 (compatible; MSIE 6.0; Windows 98)", "windows unknown, other 6"},
		{"Safari on a Mac, or on an iPad that claims to be one", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15", "macos 10.15.7+, safari 18.6"},
		{"Chrome on a Mac", mac + "Chrome/141.0.0.0 Safari/537.36", "macos 10.15.7+, chrome 141"},
		{"Firefox on a Mac", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0", "macos 10.15+, firefox 144"},
		{"an old Mac says so", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.2 Safari/605.1.15", "macos 10.13.6, safari 13.1.2"},
		{"a page in a Mac app", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)", "macos 10.15.7+, other 605.1.15"},
		{"Safari on an iPhone", iphone + "Version/18.6 Mobile/15E148 Safari/604.1", "ios 18.6, safari 18.6, mobile"},
		{"Safari of iOS 26 with the system frozen", iphone + "Version/26.3 Mobile/15E148 Safari/604.1", "ios 26.3, safari 26.3, mobile"},
		{"Safari of iOS 17", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1", "ios 17.5.1, safari 17.5, mobile"},
		{"Chrome on an iPhone", iphone + "CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1", "ios 18.6+, chrome 141.0.7390, mobile"},
		{"Firefox on an iPhone", iphone + "FxiOS/143.2 Mobile/15E148 Safari/605.1.15", "ios 18.6+, firefox 143.2, mobile"},
		{"Edge on an iPhone", iphone + "Version/18.0 EdgiOS/140.0.3485.94 Mobile/15E148 Safari/605.1.15", "ios 18.6+, edge 140.0.3485, mobile"},
		{"a page in an iPhone app", iphone + "Mobile/15E148", "ios 18.6+, other unknown, mobile"},
		{"a page in Facebook", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/470.0.0.41.108;FBBV/620000;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/17.5.1;FBSS/3;FBID/phone;FBLC/en_US;FBOP/5]", "ios 17.5.1, other 470, mobile"},
		{"Safari on an iPad, mobile pages", "Mozilla/5.0 (iPad; CPU OS 17_7_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 Mobile/15E148 Safari/604.1", "ipados 17.7.1, safari 17.7, mobile"},
		{"Chrome on an iPad", "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1", "ipados 17.7, chrome 141.0.7390, mobile"},
		{"Chrome on any Android says 10", android + "Chrome/141.0.0.0 Mobile Safari/537.36", "android unknown, chrome 141, mobile"},
		{"Chrome on a tablet", android + "Chrome/141.0.0.0 Safari/537.36", "android unknown, chrome 141, mobile"},
		{"Edge on Android", android + "Chrome/141.0.0.0 Mobile Safari/537.36 EdgA/141.0.0.0", "android unknown, edge 141, mobile"},
		{"Samsung Internet contains Chrome", android + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "android unknown, samsung 28, mobile"},
		{"Opera on Android", android + "Chrome/140.0.0.0 Mobile Safari/537.36 OPR/91.0.0.0", "android unknown, opera 91, mobile"},
		{"Firefox on Android", "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0", "android 15, firefox 144, mobile"},
		{"WebView is an app", "Mozilla/5.0 (Linux; Android 14; SM-S911B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/127.0.6533.103 Mobile Safari/537.36", "android 14, other 127.0.6533, mobile"},
		{"Silk is no Safari", "Mozilla/5.0 (Linux; Android 9; KFONWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/108.4.6 like Chrome/108.0.5359.220 Safari/537.36", "android 9, other 108.4.6, mobile"},
		{"Chromebook", "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", "chromeos 14541+, chrome 141"},
		{"Chrome on Linux", linux + "Chrome/141.0.0.0 Safari/537.36", "linux unknown, chrome 141"},
		{"Chromium without a screen", linux + "HeadlessChrome/141.0.0.0 Safari/537.36", "linux unknown, chrome 141"},
		{"Firefox on Ubuntu", "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "linux unknown, firefox 144"},
		{"Firefox on FreeBSD", "Mozilla/5.0 (X11; FreeBSD amd64; rv:143.0) Gecko/20100101 Firefox/143.0", "other unknown, firefox 143"},
		{"WebKit on Linux is no Safari", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15", "linux unknown, other 18"},
		{"Epiphany", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15 Epiphany/605.1.15", "linux unknown, other 605.1.15"},
		{"a robot", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "unknown unknown, other 2.1"},
		{"a robot that contains Chrome", "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html) Chrome/141.0.0.0 Safari/537.36", "unknown unknown, other 2.1"},
		{"curl", "curl/8.5.0", "unknown unknown, other 8.5"},
		{"the word Mozilla", "Mozilla/5.0", "unknown unknown, unknown unknown"},
		{"nothing", "", "unknown unknown, unknown unknown"},
		{"a version of zeros is no version", windows + "Chrome/0.0.0.0 Safari/537.36", "windows 10+, chrome unknown"},
		{"a version that is too large for one", windows + "Chrome/99999999999.0.0.0 Safari/537.36", "windows 10+, chrome unknown"},
		{"more than a browser sends", windows + "Chrome/141.0.0.0 Safari/537.36 " + strings.Repeat("x", 1024), "unknown unknown, unknown unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := words(agents.Read(http.Header{"User-Agent": {c.agent}})); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestReadTwoUserAgents: of two values each is what somebody else looks at.
func TestReadTwoUserAgents(t *testing.T) {
	h := http.Header{"User-Agent": {windows + "Chrome/141.0.0.0 Safari/537.36", "curl/8.5.0"}}
	if got := words(agents.Read(h)); got != "unknown unknown, unknown unknown" {
		t.Error(got)
	}
}

func TestLabel(t *testing.T) {
	for agent, want := range map[string]string{
		windows + "Chrome/141.0.0.0 Safari/537.36":                                "Chrome on Windows",
		iphone + "Version/18.6 Mobile/15E148 Safari/604.1":                        "Safari on iPhone",
		android + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36":     "Samsung Internet on Android",
		windows + "Chrome/140.0.0.0 Safari/537.36 Vivaldi/7.6.3797.63":            "Browser on Windows",
		"Mozilla/5.0 (X11; FreeBSD amd64; rv:143.0) Gecko/20100101 Firefox/143.0": "Firefox",
		"": "Browser",
	} {
		if got := agents.Read(http.Header{"User-Agent": {agent}}).Label(); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}

// TestReadTogether runs readers side by side from the first on, for the race detector.
func TestReadTogether(t *testing.T) {
	fresh := visit.NewAgents()
	var group sync.WaitGroup
	for _, product := range []string{"Edg/1", "OPR/2", "Edg/3", "OPR/4", "Edg/1"} {
		group.Go(func() {
			for range 5 {
				if a := fresh.Read(http.Header{"User-Agent": {windows + "Chrome/9 Safari/537.36 " + product}}); a.OS != visit.Windows {
					t.Errorf("%s: %+v", product, a)
				}
			}
		})
	}
	group.Wait()
}

// FuzzRead puts anything into the fields: nothing panics, and every answer is in the words of a Caddyfile.
func FuzzRead(f *testing.F) {
	f.Add(windows+"Chrome/141.0.0.0 Safari/537.36", `"Chromium";v="141", "Google Chrome";v="141", "Not?A_Brand";v="8"`, `"Windows"`, `"19.0.0"`, "?0")
	f.Add(iphone+"Version/26.0 Mobile/15E148 Safari/604.1", `"a";v=1, ("b" "c");v, :eA==:`, `Windows`, `"..1"`, "?1")
	f.Add("Mozilla/5.0 (iPad; CPU OS 4294967296_1 like Mac OS X)", `"\"";v="4294967296.1"`, `"macOS"`, `"-1.0"`, "1")
	f.Fuzz(func(t *testing.T, agent, brands, platform, version, mobile string) {
		a := agents.Read(hinted(agent, brands, platform, version, mobile))
		if _, err := visit.ParseOS(string(a.OS)); err != nil {
			t.Error(err)
		}
		if _, err := visit.ParseBrowser(string(a.Browser)); err != nil {
			t.Error(err)
		}
		if a.Frozen && !a.OSVersion.Known() {
			t.Errorf("frozen at nothing: %+v", a)
		}
		if a.Label() == "" {
			t.Error("no label")
		}
	})
}

func BenchmarkReadSeen(b *testing.B) {
	h := hinted(windows+"Chrome/141.0.0.0 Safari/537.36", `"Chromium";v="141.0.7390.54", "Google Chrome";v="141.0.7390.54"`, `"Windows"`, `"19.0.0"`, "?0")
	for b.Loop() {
		agents.Read(h)
	}
}
