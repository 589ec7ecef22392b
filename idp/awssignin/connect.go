package awssignin

import (
	"net/url"
	"slices"
	"strings"
)

// relay is a RelayState as Amazon Connect reads it.
type relay struct {
	raw      string
	connect  bool // meant for Connect, well-formed or not
	formed   bool
	region   string // empty in GovCloud, whose console host has none
	instance string
	query    string
}

func readRelay(p partition, raw string) relay {
	r := relay{raw: raw, connect: strings.Contains(raw, "/connect/federate")}
	if m := p.relay().FindStringSubmatch(raw); m != nil {
		r.formed, r.region, r.instance, r.query = true, m[1], m[2], m[3]
	}
	return r
}

func checkRelayState(r *reading, o *outcome) {
	if r.global {
		return // the destination travels in the address instead
	}
	offered := r.expect.Assumptions.ConnectPartitions
	if offered == nil {
		offered = []string{"aws", "aws-us-gov"}
	}
	wanted := r.expect.InstanceID != ""
	switch {
	case r.relay.raw == "" && wanted:
		o.fail("there is no RelayState")
	case r.relay.raw == "":
		o.warn("there is no RelayState: this signs in to the AWS console, not to Connect")
	case !r.relay.connect && wanted:
		o.fail("RelayState %s is not Connect’s", quote(r.relay.raw))
	case !r.relay.connect:
		o.warn("RelayState %s is not Connect’s", quote(r.relay.raw))
	case !slices.Contains(offered, r.expect.Partition):
		o.fail("Connect is not offered in partition %s", r.expect.Partition)
	case !r.relay.formed:
		o.fail("RelayState %s is not of the form for partition %s", quote(r.relay.raw), r.expect.Partition)
	case wanted && r.relay.instance != r.expect.InstanceID:
		o.fail("RelayState is for instance %s, not %s", r.relay.instance, quote(r.expect.InstanceID))
	case r.expect.Region != "" && r.part.regional && r.relay.region != r.expect.Region:
		o.fail("RelayState is for region %s, the instance is in %s", r.relay.region, quote(r.expect.Region))
	}
}

// checkDestination reads the query of Connect's RelayState without decoding it first: what must be
// percent-encoded is judged as it was sent.
func checkDestination(r *reading, o *outcome) {
	if !r.relay.connect || r.relay.query == "" {
		return
	}
	// AWS's older page joins new_domain with an encoded ampersand; both work.
	query := strings.Split(strings.Replace(r.relay.query, "%26new_domain=true", "&new_domain=true", 1), "&")
	moved := slices.Contains(query, "new_domain=true")
	found := 0
	for _, part := range query {
		key, value, _ := strings.Cut(part, "=")
		switch {
		case key == "destination":
			if found++; found > 1 {
				o.fail("there are several destinations")
				return
			}
			judgeDestination(r, o, value, moved)
		case part == "new_domain=true":
		default:
			o.warn("RelayState has %s, which Connect does not document", quote(part))
		}
	}
}

// judgeDestination takes /connect/… from an instance that was not moved from awsapps.com: there the paths begin so.
func judgeDestination(r *reading, o *outcome, raw string, moved bool) {
	if strings.ContainsAny(raw, "/:#+\"<>\\ ") {
		o.fail("destination %s is not percent-encoded", quote(raw))
		return
	}
	to, err := url.PathUnescape(raw)
	if err != nil || strings.ContainsAny(to, "\x00\r\n\t\\") {
		o.fail("destination %s is not properly percent-encoded", quote(raw))
		return
	}
	lower := strings.ToLower(to)
	u, err := url.Parse(to)
	r.page = u
	switch {
	case err != nil:
		o.fail("destination %s is not an address", quote(to))
	case strings.HasPrefix(to, "//"):
		o.fail("destination %s leads to another site", quote(to))
	case moved && (lower == "/connect" || strings.HasPrefix(lower, "/connect/")):
		o.warn("destination %s is of the old domain, and RelayState says new_domain=true; leave /connect away", quote(to))
	case strings.HasPrefix(to, "/"):
	case opensDirectly(u): // X7 says so
	case u.Scheme == "https" && u.Host != "":
		o.warn("destination %s must be among the instance’s approved origins", quote(to))
	case u.Scheme == "http" && u.Host != "":
		o.warn("destination %s: Connect turns http into https", quote(to))
	default:
		o.fail("destination %s does not start with /", quote(to))
	}
}

// opensDirectly reports whether the address is on an instance's own host, where only a password signs in.
func opensDirectly(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	return (u.Scheme == "https" || u.Scheme == "http") && (strings.HasSuffix(host, ".my.connect.aws") || strings.HasSuffix(host, ".awsapps.com"))
}

func checkDirectly(r *reading, o *outcome) {
	if r.page != nil && opensDirectly(r.page) {
		o.fail("destination %s opens Amazon Connect directly; with SAML that ends in “Session Expired”", quote(r.page.String()))
	}
}

var (
	plainUsername = pattern(`^[A-Za-z0-9_.-]{2,64}$`)
	mailUsername  = pattern(`^[A-Za-z0-9_.-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
)

// checkUsername holds the session name against what a Connect user can be called. STS takes more.
func checkUsername(r *reading, o *outcome) {
	if !r.relay.connect && !r.global {
		return
	}
	name := r.values(attrSessionName)[0]
	if !plainUsername().MatchString(name) && (len(name) > 64 || !mailUsername().MatchString(name)) {
		o.fail("no Connect user can be called %s", quote(name))
	}
}

func checkRegions(r *reading, o *outcome) {
	if !r.relay.connect || !r.relay.formed {
		return
	}
	region := r.relay.region
	if region == "" {
		region = r.expect.Region
	}
	known := r.expect.Assumptions.ConnectRegions
	if known == nil {
		known = connectRegions
	}
	if region != "" && !slices.Contains(known, region) {
		o.fail("Connect is not known to be in region %s", quote(region))
	}
	m := signInAddress().FindStringSubmatch(r.expect.ACS)
	if m == nil {
		return
	}
	switch {
	case m[1] == "us-east-1":
		o.fail("the address of us-east-1 carries no region: %s", SignInAddress(r.expect.Partition, m[1]))
	case r.part.regional && region != "" && m[1] == "" && region != "us-east-1":
		o.fail("the instance is in %s, the sign-in address is us-east-1’s; AWS recommends %s", region, SignInAddress(r.expect.Partition, region))
	case m[1] != "" && region != "" && m[1] != region:
		o.fail("the instance is in %s, the sign-in address is in %s", region, m[1])
	}
}
