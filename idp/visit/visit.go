// Package visit finds out facts about a visit that a policy may ask for: the operating system and the browser that
// a request names, the country of an address, and whether an address stands in a list that is kept in a file.
//
// It decides nothing. What cannot be known is unknown and never a guess that looks like a fact, so that a policy
// can refuse it.
//
// # What a browser says is no proof
//
// User-Agent and client hints are written by the client. They serve hygiene: an honest employee with an old browser
// is told to renew it. They stop nobody who means harm, and no policy may open a door because of them.
//
// Even the honest ones say little (2026):
//   - Browsers have frozen the system's version. "Windows NT 10.0" is Windows 10 or 11, "Mac OS X 10_15_7" every
//     macOS since, "Android 10" in a User-Agent any Android at all, "iPhone OS 18_6" every iOS since. [Agent.Frozen] says so. Only
//     client hints tell more; Chromium sends them when asked by [AcceptCH], Firefox and Safari never do.
//   - Safari on an iPad says that it runs on a Mac unless the person asked for mobile pages. It cannot be told from
//     one, here or elsewhere, and counts as macOS.
//   - Chromium writes itself by its major version alone; the rest is zeros unless the hints tell.
//   - A browser inside an app (WebView, Electron) is not the browser whose engine it borrows: it is [OtherBrowser].
package visit

// Agent is what a client says it is.
type Agent struct {
	OS OS
	// OSVersion is of the system, not of its kernel: 11 for Windows 11. On ChromeOS it is the platform's build, not
	// the milestone; on Linux and on other systems it is never known.
	OSVersion Version
	// Frozen says that browsers stopped counting at OSVersion: the system is this or newer, and nobody can tell.
	Frozen bool

	Browser        Browser
	BrowserVersion Version

	// Mobile is a telephone or a tablet.
	Mobile bool
}

// Label names the browser in words that its owner knows: "Chrome on Windows".
func (a Agent) Label() string {
	browser, system := a.Browser.label(), a.OS.label()
	if system == "" {
		return browser
	}
	return browser + " on " + system
}
