package awssignin

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// Names of the attributes that AWS reads; they are compared byte for byte.
const (
	attrPrefix         = "https://aws.amazon.com/SAML/Attributes/"
	attrRole           = attrPrefix + "Role"
	attrSessionName    = attrPrefix + "RoleSessionName"
	attrDuration       = attrPrefix + "SessionDuration"
	attrSourceIdentity = attrPrefix + "SourceIdentity"
	attrTag            = attrPrefix + "PrincipalTag:"
	attrTransitive     = attrPrefix + "TransitiveTagKeys"
)

type attribute struct {
	name   string
	values []string
}

func readAttributes(assertion *etree.Element) []attribute {
	var out []attribute
	for _, statement := range children(assertion, nsAssertion, "AttributeStatement") {
		for _, el := range children(statement, nsAssertion, "Attribute") {
			a := attribute{name: el.SelectAttrValue("Name", "")}
			for _, v := range children(el, nsAssertion, "AttributeValue") {
				a.values = append(a.values, text(v))
			}
			out = append(out, a)
		}
	}
	return out
}

// values returns the values of every attribute of that name.
func (r *reading) values(name string) []string {
	var out []string
	for _, a := range r.attrs {
		if a.name == name {
			out = append(out, a.values...)
		}
	}
	return out
}

func checkRolePresent(r *reading, o *outcome) {
	if len(r.values(attrRole)) > 0 {
		return
	}
	for _, a := range r.attrs {
		if strings.EqualFold(a.name, attrRole) {
			o.fail("there is no attribute %s, only %s", attrRole, quote(a.name))
			return
		}
	}
	o.fail("there is no attribute %s with a value", attrRole)
}

var arn = pattern(`^arn:(aws|aws-us-gov|aws-cn|aws-eusc):iam::([^:]*):(role|saml-provider)/(.+)$`)

// rolePair is one value of the Role attribute. Resource names are for T4.
type rolePair struct {
	account, role, provider string
	swapped                 bool
}

// readPair returns what is wrong with a value, or "".
func readPair(value, partition string) (p rolePair, wrong string) {
	if strings.ContainsAny(value, " \t\r\n") {
		return p, "has a space or line end in it"
	}
	parts := strings.Split(value, ",")
	if len(parts) != 2 {
		return p, "is not two ARNs with a comma between them"
	}
	a, b := arn().FindStringSubmatch(parts[0]), arn().FindStringSubmatch(parts[1])
	if a == nil || b == nil || a[3] == b[3] {
		return p, "is not the ARN of a role and the ARN of a SAML provider"
	}
	if a[1] != partition || b[1] != partition {
		return p, "is not of partition " + partition
	}
	if a[2] != b[2] {
		return p, "names a role and a provider of two accounts"
	}
	p = rolePair{account: a[2], role: a[4], provider: b[4]}
	if a[3] == "saml-provider" {
		p.role, p.provider, p.swapped = b[4], a[4], true
	}
	return p, ""
}

func checkRolePairs(r *reading, o *outcome) {
	for _, v := range r.values(attrRole) {
		p, wrong := readPair(v, r.expect.Partition)
		switch {
		case wrong != "":
			o.fail("Role %s %s", quote(v), wrong)
		case p.swapped:
			o.warn("Role %s has the provider first; AWS documents the role first", quote(v))
		}
	}
}

var (
	accountForm  = pattern(`^\d{12}$`)
	roleForm     = pattern(`^[\w+=,.@-]{1,64}$`)
	providerForm = pattern(`^[\w._-]{1,128}$`)
)

// isRole reports whether name is the name of a role, with its path if it has one. Like tagText it counts by
// hand: a regular expression with a count in the hundreds takes megabytes and milliseconds to compile,
// at every start of Caddy.
func isRole(name string) bool {
	path, last := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		path, last = name[:i+1], name[i+1:]
	}
	visible := func(r rune) bool { return r >= '!' && r <= '~' }
	if path != "" && (len(path) < 2 || len(path) > 512 || path[0] == '/' || !all(path, visible)) {
		return false
	}
	return roleForm().MatchString(last)
}

// all reports whether every character of s is of the kind.
func all(s string, kind func(rune) bool) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !kind(r) }) < 0
}

func checkRoleNames(r *reading, o *outcome) {
	for _, v := range r.values(attrRole) {
		p, _ := readPair(v, r.expect.Partition)
		if !accountForm().MatchString(p.account) {
			o.fail("account %s is not twelve digits", quote(p.account))
		}
		if !isRole(p.role) {
			o.fail("%s is not the name of a role", quote(p.role))
		}
		if !providerForm().MatchString(p.provider) {
			o.fail("%s is not the name of a SAML provider", quote(p.provider))
		}
		if strings.HasPrefix(p.role[strings.LastIndexByte(p.role, '/')+1:], "AWSReservedSSO_") {
			o.fail("role %s belongs to IAM Identity Center and cannot be assumed", quote(p.role))
		}
	}
}

func checkOneRole(r *reading, o *outcome) {
	if n := len(r.values(attrRole)); r.relay.connect && n > 1 {
		o.fail("there are %d roles: AWS shows its role picker before Connect", n)
	}
}

func checkSessionNamePresent(r *reading, o *outcome) {
	n, values := 0, r.values(attrSessionName)
	for _, a := range r.attrs {
		if a.name == attrSessionName {
			n++
		}
	}
	if n != 1 || len(values) != 1 || values[0] == "" {
		o.fail("there are %d RoleSessionName attributes with %d values", n, len(values))
	}
}

var sessionNameForm = pattern(`^[A-Za-z0-9_+=,.@-]{2,64}$`)

func checkSessionName(r *reading, o *outcome) {
	if name := r.values(attrSessionName)[0]; !sessionNameForm().MatchString(name) {
		o.fail("the session name is %s (%d characters)", quote(name), len([]rune(name)))
	}
}

var durationForm = pattern(`^[0-9]{1,6}$`)

func checkDuration(r *reading, o *outcome) {
	for _, v := range r.values(attrDuration) {
		n, err := strconv.Atoi(v)
		if !durationForm().MatchString(v) || err != nil || n < 900 || n > 43200 {
			o.fail("SessionDuration is %s", quote(v))
		}
	}
}

func checkSourceIdentity(r *reading, o *outcome) {
	most := r.expect.Assumptions.SourceIdentityMax
	if most <= 0 {
		most = 64
	}
	values := r.values(attrSourceIdentity)
	if len(values) > 1 {
		o.fail("SourceIdentity has %d values", len(values))
	}
	for _, v := range values {
		if len(v) < 2 || len(v) > most || strings.Trim(v, sessionNameBytes) != "" || strings.HasPrefix(v, "aws:") {
			o.fail("SourceIdentity is %s", quote(v))
		}
	}
}

// sessionNameBytes is the alphabet of RoleSessionName and SourceIdentity.
const sessionNameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-"

// tagText reports whether s is what AWS takes for a tag, with at most so many characters.
func tagText(s string, most int) bool {
	return utf8.RuneCountInString(s) <= most && all(s, func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.Z, unicode.N) || strings.ContainsRune("_.:/=+-@", r)
	})
}

func checkTags(r *reading, o *outcome) {
	var keys []string
	folded := map[string]bool{}
	for _, a := range r.attrs {
		key, isTag := strings.CutPrefix(a.name, attrTag)
		if !isTag {
			continue
		}
		keys = append(keys, key)
		switch {
		case key == "" || !tagText(key, 128):
			o.fail("tag key %s is not 1 to 128 letters, digits, spaces or _.:/=+-@", quote(key))
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			o.fail("tag key %s is reserved", quote(key))
		case folded[strings.ToLower(key)]:
			o.fail("tag key %s is there twice, case aside", quote(key))
		case len(a.values) != 1:
			o.fail("tag %s has %d values", quote(key), len(a.values))
		case !tagText(a.values[0], 256):
			o.fail("tag %s has a value that AWS does not take", quote(key))
		}
		folded[strings.ToLower(key)] = true
	}
	if len(keys) > 50 {
		o.fail("there are %d tags, AWS takes 50", len(keys))
	}
	for _, k := range r.values(attrTransitive) {
		if !slices.Contains(keys, k) {
			o.fail("TransitiveTagKeys names %s, which is not a tag of this response", quote(k))
		}
	}
}

func checkAttributeNames(r *reading, o *outcome) {
	known := []string{attrRole, attrSessionName, attrDuration, attrSourceIdentity, attrTransitive}
	seen := map[string]bool{}
	for _, a := range r.attrs {
		if seen[a.name] {
			o.fail("attribute %s is there more than once; AWS reads one", quote(a.name))
		}
		seen[a.name] = true
		ours := len(a.name) >= len(attrPrefix) && strings.EqualFold(a.name[:len(attrPrefix)], attrPrefix)
		if ours && !slices.Contains(known, a.name) && !strings.HasPrefix(a.name, attrTag) {
			o.fail("AWS knows no attribute %s; case counts", quote(a.name))
		}
	}
}

func checkOtherAttributes(r *reading, o *outcome) {
	var names []string
	for _, a := range r.attrs {
		if len(a.name) < len(attrPrefix) || !strings.EqualFold(a.name[:len(attrPrefix)], attrPrefix) {
			names = append(names, shorten(a.name, 60))
		}
	}
	if len(names) > 0 {
		o.fail("attributes that are not for AWS (%d): %s", len(names), strings.Join(names[:min(len(names), 5)], ", "))
	}
}
