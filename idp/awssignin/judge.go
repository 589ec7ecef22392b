package awssignin

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/gatehouse-sso/gatehouse/idp/samlguard"
)

// reading is one response while it is judged. Each field is set by the rule named beside it; rules that
// need it name that rule in their needs.
type reading struct {
	*Validator
	now    time.Time
	posted string // base64
	relay  relay

	page      *url.URL           // X2: the destination, if there is one
	document  []byte             // R1
	refused   *samlguard.Refused // R2: what only S2 reports
	shape     *samlguard.Shape   // R2
	response  *etree.Element     // R2: as posted; only its own attributes, Status and Issuer are read
	entity    *entity            // S1
	assertion *etree.Element     // S1: parsed anew from the bytes whose signature was good
	data      *etree.Element     // U2: SubjectConfirmationData
	attrs     []attribute        // S1
}

// Judge holds a posted form's SAMLResponse and RelayState against the rules. It never fails: whatever
// was posted gets a verdict.
func (v *Validator) Judge(samlResponse, relayState string) Verdict {
	r := &reading{
		Validator: v,
		now:       v.expect.Now().UTC(),
		posted:    samlResponse,
		relay:     readRelay(v.part, relayState),
	}
	out := Verdict{
		RelayState: shorten(relayState, 400),
		Connect:    r.relay.connect,
		ACS:        v.expect.ACS,
		Practice:   v.practice,
		AWSAddress: v.awsAddress(r.relay),
	}
	broken := map[string]bool{}
	for i := range rules {
		rule := &rules[i]
		if slices.ContainsFunc(rule.needs, func(id string) bool { return broken[id] }) {
			broken[rule.ID] = true
			out.Skipped = append(out.Skipped, rule.ID)
			continue
		}
		o := outcome{rule: rule}
		rule.check(r, &o)
		out.Findings = append(out.Findings, o.findings...)
		broken[rule.ID] = o.broken
	}
	out.Accepted = !out.has(Error) && !out.has(Strict) && r.assertion != nil
	r.describe(&out)
	return out
}

func (v *Validator) awsAddress(rel relay) string {
	if !v.practice {
		return v.expect.ACS
	}
	region := rel.region
	if region == "" { // GovCloud's RelayState names none
		region = v.expect.Region
	}
	return SignInAddress(v.expect.Partition, region)
}

// describe fills in what the response asks for.
func (r *reading) describe(out *Verdict) {
	if r.assertion == nil {
		return
	}
	roles := r.values(attrRole)
	out.Roles = len(roles)
	if len(roles) > 0 {
		for part := range strings.SplitSeq(roles[0], ",") {
			switch {
			case strings.Contains(part, ":role/"):
				out.Role = shorten(part, 400)
			case strings.Contains(part, ":saml-provider/"):
				out.Provider = shorten(part, 400)
			}
		}
	}
	if names := r.values(attrSessionName); len(names) > 0 {
		out.SessionName = shorten(names[0], 160)
	}
	if id := nameID(r.assertion); id != nil {
		out.NameID = shorten(text(id), 256)
	}
	out.Issuer = shorten(text(child(r.assertion, nsAssertion, "Issuer")), 400)
	out.AssertionID = r.assertion.SelectAttrValue("ID", "")
}

// The limits of the SAMLAssertion parameter in the API model of AWS STS.
const (
	postedMin  = 4
	postedMax  = 100_000
	postedMuch = 80_000
)

func checkEncoding(r *reading, o *outcome) {
	n := len(r.posted)
	if n < postedMin || n > postedMax {
		o.fail("SAMLResponse has %d characters; AWS takes %d to %d", n, postedMin, postedMax)
		return
	}
	doc, err := base64.StdEncoding.DecodeString(r.posted)
	if err != nil {
		o.fail("SAMLResponse is not base64 (a + that became a space, perhaps)")
		return
	}
	r.document = doc
	if n > postedMuch {
		o.warn("SAMLResponse has %d characters; AWS takes at most %d", n, postedMax)
	}
}

func checkDocument(r *reading, o *outcome) {
	shape, err := samlguard.Check(r.document, samlguard.Response, samlguard.Limits{SHA1: r.expect.Assumptions.SHA1})
	if err != nil {
		refused := asRefused(err)
		switch refused.Reason {
		case samlguard.BadAlgorithm, samlguard.BadReference, samlguard.SignatureShape:
			r.refused = refused // S2 says so
		default:
			o.fail("%s: %s", refused.Reason, refused.Detail)
		}
		return
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(r.document); err != nil || doc.Root() == nil {
		o.fail("the document cannot be read")
		return
	}
	r.shape, r.response = shape, doc.Root()
	if v := r.response.SelectAttrValue("Version", ""); v != "2.0" {
		o.fail("the Response has Version %s", quote(v))
	}
	for _, a := range children(r.response, nsAssertion, "Assertion") {
		if v := a.SelectAttrValue("Version", ""); v != "2.0" {
			o.fail("the Assertion has Version %s", quote(v))
		}
	}
}

func checkStatus(r *reading, o *outcome) {
	if r.shape.Status != statusSuccess {
		o.fail("StatusCode is %s", quote(r.shape.Status))
	}
}

// checkAddresses compares the form's action, Destination and Recipient. A Recipient that is no sign-in
// address at all is U3's finding.
func checkAddresses(r *reading, o *outcome) {
	acs := r.expect.ACS
	if !strings.HasPrefix(acs, "https://") {
		o.fail("the form is posted to %s, which is not https", quote(acs))
	}
	if d := r.response.SelectAttrValue("Destination", ""); d != acs {
		o.fail("Destination is %s, the form is posted to %s", quote(d), quote(acs))
	}
	if to := r.data.SelectAttrValue("Recipient", ""); to != acs {
		o.fail("Recipient is %s, the form is posted to %s", quote(to), quote(acs))
	}
}

func checkUnsolicited(r *reading, o *outcome) {
	for _, el := range []*etree.Element{r.response, r.data} {
		if a := el.SelectAttr("InResponseTo"); a != nil {
			o.fail("%s has InResponseTo, but AWS sends no requests", el.Tag)
		}
	}
}

func checkIssuer(r *reading, o *outcome) {
	issuer := text(child(r.assertion, nsAssertion, "Issuer"))
	if r.entity == nil || issuer != r.entity.id {
		o.fail("the assertion’s Issuer is %s, the metadata’s entityID is %s", quote(issuer), quote(r.metadata.ids()))
	}
	if el := child(r.response, nsAssertion, "Issuer"); el != nil && text(el) != issuer {
		o.fail("the Response’s Issuer is %s, the assertion’s is %s", quote(text(el)), quote(issuer))
	}
}

// redeemWithin is AWS STS's "Token must be redeemed within 5 minutes of issuance".
const redeemWithin = 5 * time.Minute

func checkIssueInstant(r *reading, o *outcome) {
	for _, el := range []*etree.Element{r.response, r.assertion} {
		at, ok := instant(el, "IssueInstant")
		if !ok {
			o.fail("%s has no proper IssueInstant", el.Tag)
			continue
		}
		age, skew := r.now.Sub(at), r.expect.Assumptions.ClockSkew
		switch {
		case age > redeemWithin+skew:
			o.fail("%s was issued %s ago", el.Tag, age.Round(time.Second))
		case -age > redeemWithin+skew:
			o.fail("%s is issued %s in the future", el.Tag, (-age).Round(time.Second))
		case -age > time.Minute:
			o.warn("%s is issued %s in the future: the gateway’s clock is fast", el.Tag, (-age).Round(time.Second))
		}
	}
}

// checkOneUse is not in AWS's pages: whether it remembers assertions is open.
func checkOneUse(r *reading, o *outcome) {
	id := r.assertion.SelectAttrValue("ID", "")
	if !r.used.use(id, r.now, r.now.Add(time.Hour)) {
		return
	}
	if r.expect.Assumptions.OneUse {
		o.at(Error, "assertion %s was posted before", quote(id))
		return
	}
	o.warn("assertion %s was posted before (the back button, perhaps)", quote(id))
}
