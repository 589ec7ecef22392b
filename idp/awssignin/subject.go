package awssignin

import (
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// nameIDFormats are the formats of AWS's own SP metadata. A missing Format means unspecified.
var nameIDFormats = []string{
	"urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
	"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
	"urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos",
	"urn:oasis:names:tc:SAML:2.0:nameid-format:entity",
	"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
	formatUnspecified,
	"urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName",
	"urn:oasis:names:tc:SAML:1.1:nameid-format:WindowsDomainQualifiedName",
}

const formatUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"

func checkNameID(r *reading, o *outcome) {
	id := nameID(r.assertion)
	if id == nil || strings.TrimSpace(text(id)) == "" {
		o.fail("Subject has no NameID")
		return
	}
	if f := id.SelectAttrValue("Format", formatUnspecified); !slices.Contains(nameIDFormats, f) {
		o.fail("the NameID’s Format is %s", quote(f))
	}
}

func checkNameIDPrivacy(r *reading, o *outcome) {
	if id := nameID(r.assertion); strings.Contains(text(id), "@") {
		o.fail("NameID %s looks like a mail address; CloudTrail keeps it", quote(text(id)))
	}
}

func checkConfirmation(r *reading, o *outcome) {
	all := children(child(r.assertion, nsAssertion, "Subject"), nsAssertion, "SubjectConfirmation")
	if len(all) != 1 {
		o.fail("there are %d SubjectConfirmation elements", len(all))
		return
	}
	if m := all[0].SelectAttrValue("Method", ""); m != bearer {
		o.fail("the confirmation’s Method is %s, not bearer", quote(m))
	}
	data := children(all[0], nsAssertion, "SubjectConfirmationData")
	if len(data) != 1 {
		o.fail("there are %d SubjectConfirmationData elements", len(data))
		return
	}
	for _, name := range []string{"NotOnOrAfter", "Recipient"} {
		if data[0].SelectAttrValue(name, "") == "" {
			o.fail("SubjectConfirmationData has no %s", name)
		}
	}
	r.data = data[0]
}

// checkRecipient takes AWS's addresses of the partition, or the address that is practised with.
func checkRecipient(r *reading, o *outcome) {
	to := r.data.SelectAttrValue("Recipient", "")
	if m := globalResiliency().FindStringSubmatch(to); m != nil {
		regions := r.expect.Assumptions.GlobalResiliencyRegions
		if regions != nil && !slices.Contains(regions, m[2]) {
			o.fail("Recipient %s: region %s has no Global Resiliency", quote(to), m[2])
		}
		return
	}
	if (r.practice || r.global) && to == r.expect.ACS {
		return // G1 judges the form of Global Resiliency's
	}
	m := signInAddress().FindStringSubmatch(to)
	switch {
	case m == nil:
		o.fail("Recipient %s is not a sign-in address of AWS", quote(to))
	case m[2] != r.part.signIn:
		o.fail("Recipient %s is not of partition %s", quote(to), r.expect.Partition)
	}
}

func checkConfirmationExtras(r *reading, o *outcome) {
	for _, name := range []string{"NotBefore", "Address"} {
		if r.data.SelectAttr(name) != nil {
			o.fail("SubjectConfirmationData has %s", name)
		}
	}
}

// checkValidity holds now against every limit of time. An unreadable one is a broken one.
func checkValidity(r *reading, o *outcome) {
	skew := r.expect.Assumptions.ClockSkew
	conditions := child(r.assertion, nsAssertion, "Conditions")
	if conditions == nil {
		o.fail("the assertion has no Conditions")
		return
	}
	for _, el := range []*etree.Element{conditions, r.data} {
		end, ok := instant(el, "NotOnOrAfter")
		switch {
		case !ok:
			o.fail("%s has no proper NotOnOrAfter", el.Tag)
		case !r.now.Add(-skew).Before(end):
			o.fail("%s expired %s ago", el.Tag, r.now.Sub(end).Round(time.Second))
		}
	}
	if conditions.SelectAttr("NotBefore") == nil {
		return
	}
	start, ok := instant(conditions, "NotBefore")
	switch {
	case !ok:
		o.fail("Conditions has no proper NotBefore")
	case start.After(r.now.Add(skew)):
		o.fail("the assertion is not valid for another %s", start.Sub(r.now).Round(time.Second))
	}
}

// The widest times of a response that AWS was seen to accept.
const (
	conditionsWithin = time.Hour
	notBeforeWithin  = 5 * time.Minute
)

func checkWindow(r *reading, o *outcome) {
	issued, _ := instant(r.assertion, "IssueInstant")
	conditions := child(r.assertion, nsAssertion, "Conditions")
	if end, _ := instant(r.data, "NotOnOrAfter"); end.Sub(issued) > redeemWithin {
		o.fail("SubjectConfirmationData allows %s from IssueInstant", end.Sub(issued))
	}
	if end, _ := instant(conditions, "NotOnOrAfter"); end.Sub(issued) > conditionsWithin {
		o.fail("Conditions allows %s from IssueInstant", end.Sub(issued))
	}
	if start, ok := instant(conditions, "NotBefore"); ok && issued.Sub(start) > notBeforeWithin {
		o.fail("Conditions begins %s before IssueInstant", issued.Sub(start))
	}
}

func checkAudience(r *reading, o *outcome) {
	want := r.audiences()
	restrictions := children(child(r.assertion, nsAssertion, "Conditions"), nsAssertion, "AudienceRestriction")
	if len(restrictions) != 1 {
		o.fail("there are %d AudienceRestriction elements", len(restrictions))
		return
	}
	audiences := children(restrictions[0], nsAssertion, "Audience")
	if len(audiences) != 1 || !slices.Contains(want, text(audiences[0])) {
		var got []string
		for _, a := range audiences[:min(len(audiences), 5)] {
			got = append(got, text(a))
		}
		o.fail("the audience is %s, AWS wants %s", quote(strings.Join(got, ", ")), quote(want[0]))
	}
}

func (r *reading) audiences() []string {
	a := r.expect.Assumptions
	m := signInAddress().FindStringSubmatch(r.expect.ACS)
	switch {
	case r.expect.Audience != "":
		return []string{r.expect.Audience}
	case r.global && a.GlobalResiliencyAudience != "":
		return []string{a.GlobalResiliencyAudience}
	case m != nil && m[3] != "" && a.ProviderAudience != "":
		return []string{a.ProviderAudience}
	}
	return r.part.audiences
}

func checkSessionEnd(r *reading, o *outcome) {
	for _, s := range children(r.assertion, nsAssertion, "AuthnStatement") {
		if s.SelectAttr("SessionNotOnOrAfter") != nil {
			o.fail("AuthnStatement has SessionNotOnOrAfter, which shortens the AWS session")
		}
	}
}
