package duo

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// What Duo's panel gives out.
const (
	idLength     = 20
	secretLength = 40
)

// longestTimeout is less than what servers in front of us wait for an answer.
const longestTimeout = 10 * time.Second

// How a user name is normalized before Duo sees it.
const (
	Simple = "simple" // "CORP\ann" and "ann@example.com" are "ann", as Duo's setting of that name has it
	None   = "none"   // as it is
)

var (
	apiHostname = regexp.MustCompile(`^api-[a-z0-9]+\.(duosecurity|duofederal)\.com$`)
	clientID    = regexp.MustCompile(`^[A-Z0-9]+$`)
)

// CheckHostname refuses what is not one of Duo's API hosts: the client secret vouches for us there, and people are sent
// there. A name on this machine with a port passes, for stand-ins.
func CheckHostname(host string) error {
	if apiHostname.MatchString(host) || onThisMachine(host) {
		return nil
	}
	return fmt.Errorf("api_hostname %q is none of Duo's: it looks like api-1234abcd.duosecurity.com", host)
}

// CheckTimeout refuses a time in which nobody gets an answer, and one that people would not wait for.
func CheckTimeout(d time.Duration) error {
	if d <= 0 || d > longestTimeout {
		return fmt.Errorf("timeout is how long Duo may take for one answer, at most %s; people wait as long before an outage decides", longestTimeout)
	}
	return nil
}

func onThisMachine(host string) bool {
	u, err := url.Parse("https://" + host)
	if err != nil || u.Host != host || u.Port() == "" {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && a.IsLoopback()
}

// CheckClientID refuses what is not a client id, above all a secret that was written in its place. It does not repeat it.
func CheckClientID(id string) error {
	if len(id) == idLength && clientID.MatchString(id) {
		return nil
	}
	return fmt.Errorf("client_id is the Client ID of the application in Duo's panel, %d capital letters and digits", idLength)
}

// CheckProxy refuses a proxy that we cannot use, and a password in its address, which logs would show.
func CheckProxy(u *url.URL) error {
	switch {
	case u == nil:
		return nil
	case u.User != nil:
		return errors.New("proxy: an address with a user or password is shown in logs; let the proxy know this machine by its address")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("proxy %q is no address of an HTTP proxy; write it as http://proxy.example.com:3128", u)
	}
	return nil
}

// username returns what Duo calls the person, or "" where the attribute is missing.
func (f *Factor) username(u *idp.User) string {
	values := u.Attribute(f.attribute)
	if len(values) == 0 {
		return ""
	}
	name := values[0]
	if f.normalize == Simple {
		if _, after, ok := strings.Cut(name, `\`); ok {
			name = after
		}
		name, _, _ = strings.Cut(name, "@")
	}
	return name
}
