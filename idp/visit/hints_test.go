package visit_test

import (
	"net/http"
	"strings"
	"testing"
)

// hinted is the header of a browser that sends hints.
func hinted(agent, brands, platform, version, mobile string) http.Header {
	h := http.Header{}
	for name, value := range map[string]string{
		"User-Agent": agent, "Sec-CH-UA-Full-Version-List": brands, "Sec-CH-UA-Platform": platform,
		"Sec-CH-UA-Platform-Version": version, "Sec-CH-UA-Mobile": mobile,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return h
}

func TestReadHints(t *testing.T) {
	const (
		onWindows   = windows + "Chrome/141.0.0.0 Safari/537.36"
		chrome      = `"Google Chrome";v="141.0.7390.54", "Not?A_Brand";v="8.0.0.0", "Chromium";v="141.0.7390.54"`
		samsungText = android + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"
	)
	for _, c := range []struct{ name, agent, brands, platform, version, mobile, want string }{
		{"Windows 11", onWindows, chrome, `"Windows"`, `"19.0.0"`, "?0", "windows 11, chrome 141.0.7390.54"},
		{"the first Windows 11", onWindows, chrome, `"Windows"`, `"13.0.0"`, "?0", "windows 11, chrome 141.0.7390.54"},
		{"Windows 10", onWindows, chrome, `"Windows"`, `"10.0.0"`, "?0", "windows 10, chrome 141.0.7390.54"},
		{"the first Windows 10", onWindows, chrome, `"Windows"`, `"1.0.0"`, "?0", "windows 10, chrome 141.0.7390.54"},
		{"Windows 8.1", onWindows, chrome, `"Windows"`, `"0.3.0"`, "?0", "windows 8.1, chrome 141.0.7390.54"},
		{"Windows 7", onWindows, chrome, `"Windows"`, `"0.1.0"`, "?0", "windows 7, chrome 141.0.7390.54"},
		{"no version of Windows", onWindows, chrome, `"Windows"`, "", "?0", "windows 10+, chrome 141.0.7390.54"},
		{"a version of zeros", onWindows, chrome, `"Windows"`, `"0.0.0"`, "?0", "windows 10+, chrome 141.0.7390.54"},
		{"macOS", mac + "Chrome/141.0.0.0 Safari/537.36", chrome, `"macOS"`, `"15.6.1"`, "?0", "macos 15.6.1, chrome 141.0.7390.54"},
		{"Android", android + "Chrome/141.0.0.0 Mobile Safari/537.36", chrome, `"Android"`, `"15.0.0"`, "?1", "android 15, chrome 141.0.7390.54, mobile"},
		{"Android 10 that is one", android + "Chrome/141.0.0.0 Mobile Safari/537.36", chrome, `"Android"`, `"10.0.0"`, "?1", "android 10, chrome 141.0.7390.54, mobile"},
		{"ChromeOS", "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", chrome, `"Chrome OS"`, `"16371.41.0"`, "?0", "chromeos 16371.41, chrome 141.0.7390.54"},
		{"a kernel is no system", linux + "Chrome/141.0.0.0 Safari/537.36", chrome, `"Linux"`, `"6.8.0"`, "?0", "linux unknown, chrome 141.0.7390.54"},
		{"a system that is none of ours", linux + "Chrome/141.0.0.0 Safari/537.36", chrome, `"Fuchsia"`, `"1.0"`, "?0", "other unknown, chrome 141.0.7390.54"},
		{"a system that is not said", linux + "Chrome/141.0.0.0 Safari/537.36", chrome, `"Unknown"`, `"1.0"`, "?0", "linux unknown, chrome 141.0.7390.54"},
		{"an iPad stays one", "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1", chrome, `"iOS"`, "", "?1", "ipados 17.7, chrome 141.0.7390.54, mobile"},
		{"another system than the User-Agent's", onWindows, chrome, `"macOS"`, "", "?0", "macos unknown, chrome 141.0.7390.54"},
		{"a foldable with a desktop's page", linux + "Chrome/141.0.0.0 Safari/537.36", chrome, `"Linux"`, "", "?1", "linux unknown, chrome 141.0.7390.54, mobile"},

		{"Edge", onWindows, `"Chromium";v="141.0.7390.54", "Microsoft Edge";v="141.0.3537.57", "Not A;Brand";v="99.0.0.0"`, "", "", "", "windows 10+, edge 141.0.3537.57"},
		{"Opera", onWindows, `"Opera";v="124.0.5705.15", "Chromium";v="140.0.7339.249", "(Not(A:Brand";v="99.0.0.0"`, "", "", "", "windows 10+, opera 124.0.5705.15"},
		{"Samsung Internet", samsungText, `"Samsung Internet";v="28.0.0.59", "Chromium";v="130.0.6723.86"`, `"Android"`, `"14.0.0"`, "?1", "android 14, samsung 28.0.0.59, mobile"},
		{"Brave is another", onWindows, `"Brave";v="141.0.0.0", "Not?A_Brand";v="8.0.0.0", "Chromium";v="141.0.0.0"`, "", "", "", "windows 10+, other 141"},
		{"WebView is an app", onWindows, `"Chromium";v="141.0.0.0", "Android WebView";v="141.0.0.0", "Google Chrome";v="141"`, "", "", "", "windows 10+, other 141"},
		{"WebView2 is an app", onWindows, `"Microsoft Edge";v="141", "Microsoft Edge WebView2";v="141.0.3537.57", "Chromium";v="141"`, "", "", "", "windows 10+, other 141.0.3537.57"},
		{"a bare Chromium", onWindows, `"Chromium";v="141.0.7390.54", "Not)A;Brand";v="8"`, "", "", "", "windows 10+, chrome 141.0.7390.54"},
		{"an app on a bare Chromium", windows + "Chrome/130.0.0.0 Electron/33.0.1 Safari/537.36", `"Chromium";v="130.0.6723.44", "Not?A_Brand";v="99"`, "", "", "", "windows 10+, other 33.0.1"},
		{"an invented brand of a new form does not hide Chrome", onWindows, `"Zorg&7";v="99", "Google Chrome";v="141.0.1.2", "Chromium";v="141"`, "", "", "", "windows 10+, chrome 141.0.1.2"},
		{"only an invented brand", onWindows, `" Not A;Brand";v="99"`, "", "", "", "windows 10+, chrome 141"},
		{"a brand without a version", onWindows, `"Google Chrome"`, "", "", "", "windows 10+, chrome unknown"},
		{"a version that is no string", onWindows, `"Google Chrome";v=141`, "", "", "", "windows 10+, chrome unknown"},

		{"no structured field", onWindows, `"Google Chrome;v="1`, `Windows"`, `13`, "yes", "windows 10+, chrome 141"},
		{"not a list of strings", onWindows, `Chrome;v="1", 3`, `Windows`, `13.0`, "1", "windows 10+, chrome 141"},
		{"a list in a list", onWindows, `("Google Chrome" "x");v="1"`, `"Windows", "Windows"`, `"13.0", "13.0"`, "?1, ?1", "windows 10+, chrome 141"},
		{"more than a browser sends", onWindows, `"Google Chrome";v="1` + strings.Repeat("0", 1024) + `"`, "", "", "", "windows 10+, chrome 141"},
		{"hints without a User-Agent", "", chrome, `"Windows"`, `"19.0.0"`, "?0", "windows 11, chrome 141.0.7390.54"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := words(agents.Read(hinted(c.agent, c.brands, c.platform, c.version, c.mobile))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestReadHintsUnasked is what Chromium sends of itself: major versions and the system's name.
func TestReadHintsUnasked(t *testing.T) {
	h := hinted(windows+"Chrome/141.0.0.0 Safari/537.36", "", `"Windows"`, "", "?0")
	h.Set("Sec-CH-UA", `"Google Chrome";v="142", "Not?A_Brand";v="8", "Chromium";v="142"`)
	if got := words(agents.Read(h)); got != "windows 10+, chrome 142" {
		t.Error(got)
	}
	h.Set("Sec-CH-UA-Full-Version-List", "broken")
	if got := words(agents.Read(h)); got != "windows 10+, chrome 142" {
		t.Error(got)
	}
}
