package awssignin

import (
	"net/url"
	"strings"
)

// isResiliency reports whether the address is on a host of Connect's Global Resiliency, well-formed or not: its name
// begins with the instance's id.
func isResiliency(u *url.URL) bool {
	return strings.HasSuffix(strings.ToLower(u.Hostname()), ".sign-in.connect.aws")
}

// checkResiliencyAddress holds the sign-in address against the form that AWS gives, with its ampersand before the
// first parameter or without. What the page to land on is called is AWS's to say.
func checkResiliencyAddress(r *reading, o *outcome) {
	if !r.global {
		return
	}
	m := globalResiliency().FindStringSubmatch(r.expect.ACS)
	u, err := url.Parse(r.expect.ACS)
	if m == nil || err != nil {
		o.fail("the sign-in address %s is not of the form https://INSTANCE.REGION.sign-in.connect.aws/saml?…", quote(r.expect.ACS))
		return
	}
	if want := r.expect.InstanceID; want != "" && m[1] != want {
		o.fail("the sign-in address is for instance %s, not %s", m[1], quote(want))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		o.fail("the query of the sign-in address cannot be read")
		return
	}
	for _, name := range []string{"instanceId", "accountId", "role", "idp"} {
		switch v := query[name]; {
		case len(v) == 0 || v[0] == "":
			o.fail("the sign-in address has no %s", name)
		case len(v) > 1:
			o.fail("the sign-in address has %d of %s", len(v), name)
		case name == "instanceId" && v[0] != m[1]:
			o.fail("the sign-in address has the instanceId %s, its host is that of %s", quote(v[0]), m[1])
		}
	}
}

func checkResiliencyRelay(r *reading, o *outcome) {
	if r.global && r.relay.raw != "" {
		o.fail("RelayState is %s; Global Resiliency takes none", quote(r.relay.raw))
	}
}
