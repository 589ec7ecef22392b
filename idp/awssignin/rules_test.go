package awssignin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// broken is the golden exchange with one thing wrong.
type broken struct {
	rule   string
	name   string
	change func(*exchange)
}

func onAssertion(f func(*etree.Element)) func(*exchange) {
	return func(x *exchange) { x.assertion = f }
}

func onResponse(f func(*etree.Element)) func(*exchange) {
	return func(x *exchange) { x.response = f }
}

func onMetadata(f func(string) string) func(*exchange) {
	return func(x *exchange) { x.metadata = f }
}

func values(name string, v ...string) func(*exchange) {
	return onAssertion(func(a *etree.Element) { setAttribute(a, name, v...) })
}

// resilientHost and resilientQuery are of the form that AWS prints, with its stray ampersand.
const (
	resilientHost  = "https://" + testInstance + ".eu-west-2.sign-in.connect.aws"
	resilientQuery = "?&instanceId=" + testInstance + "&accountId=123456789012&role=ConnectFederation&idp=Gatehouse"
	resilientACS   = resilientHost + "/saml" + resilientQuery
)

// resilient sends the exchange to the sign-in of Global Resiliency, with what follows its path /saml.
func resilient(rest, relay string) func(*exchange) {
	return func(x *exchange) {
		*x = *to(resilientHost+"/saml"+rest, "urn:amazon:webservices", relay)
	}
}

const (
	confirmation = "//saml:SubjectConfirmation"
	data         = "//saml:SubjectConfirmationData"
)

var brokenExchanges = []broken{
	{"M1", "metadata too short", func(x *exchange) { x.expect.Assumptions.MetadataMinimum = 5000 }},
	{"M1", "metadata with a byte order mark", onMetadata(func(s string) string { return byteOrderMark + s })},
	{"M3", "metadata without an endpoint", onMetadata(func(s string) string {
		return s[:strings.Index(s, "<SingleSignOnService")] + "</IDPSSODescriptor></EntityDescriptor>"
	})},
	{"M3", "metadata that is cut short", onMetadata(func(s string) string { return s[:len(s)-10] })},
	{"M3", "metadata of SAML 1.1", onMetadata(func(s string) string { return strings.Replace(s, "SAML:2.0:protocol", "SAML:1.1:protocol", 1) })},
	{"M3", "metadata with an encryption key only", onMetadata(func(s string) string { return strings.Replace(s, "signing", "encryption", 1) })},
	{"M4", "a certificate that is none", func(x *exchange) { x.certs = append(x.certs, []byte("no certificate")) }},
	{"M4", "a key of 768 bits", func(x *exchange) { x.certs = append(x.certs, shortKey(768)) }},
	{"M5", "eleven keys", func(x *exchange) {
		for range 10 {
			x.certs = append(x.certs, ours().cert)
		}
	}},
	{"M8", "validUntil in two days' time", onMetadata(func(s string) string {
		return strings.Replace(s, "entityID=", `validUntil="`+stamp(48*time.Hour)+`" entityID=`, 1)
	})},
	{"S3", "a key of 1024 bits", func(x *exchange) { x.certs = append(x.certs, shortKey(1024)) }},
	{"S3", "an ECDSA key", func(x *exchange) { x.certs = append(x.certs, ecdsaCertificate()) }},

	{"X1", "instance id that is no UUID", func(x *exchange) { x.relay = strings.Replace(x.relay, testInstance, "12345678", 1) }},
	{"X1", "GovCloud host in the commercial partition", func(x *exchange) {
		x.relay = "https://console.amazonaws-us-gov.com/connect/federate/" + testInstance
	}},
	{"X1", "http", func(x *exchange) { x.relay = strings.Replace(x.relay, "https:", "http:", 1) }},
	{"X1", "another instance", func(x *exchange) { x.expect.InstanceID = "00000000-90ab-cdef-1234-567890abcdef" }},
	{"X1", "another region", func(x *exchange) { x.expect.Region = "us-west-2" }},
	{"X1", "no RelayState for a known instance", func(x *exchange) { x.expect.InstanceID, x.relay = testInstance, "" }},
	{"G1", "resiliency without a query", resilient("", "")},
	{"G1", "resiliency with the id of another instance", resilient("?instanceId=00000000-90ab-cdef-1234-567890abcdef&accountId=123456789012&role=A&idp=B", "")},
	{"G1", "resiliency without a provider", resilient("?instanceId="+testInstance+"&accountId=123456789012&role=A", "")},
	{"G1", "resiliency with an empty role", resilient("?instanceId="+testInstance+"&accountId=123456789012&role=&idp=B", "")},
	{"G1", "resiliency with two accounts", resilient(resilientQuery+"&accountId=999999999999", "")},
	{"G1", "resiliency at another path", resilient("/acs"+resilientQuery, "")},
	{"G1", "resiliency of no instance", func(x *exchange) {
		*x = *to("https://support.eu-west-2.sign-in.connect.aws/saml"+resilientQuery, "urn:amazon:webservices", "")
	}},
	{"G1", "resiliency of another instance than is known", func(x *exchange) {
		resilient(resilientQuery, "")(x)
		x.expect.InstanceID = "00000000-90ab-cdef-1234-567890abcdef"
	}},
	{"G2", "resiliency with a RelayState", resilient(resilientQuery, testRelay)},
	{"G2", "resiliency with another RelayState", resilient(resilientQuery, "/ccp-v2")},
	{"X2", "destination not encoded", func(x *exchange) { x.relay = strings.Replace(x.relay, "%2F", "/", 1) }},
	{"X2", "destination of another site", func(x *exchange) { x.relay = strings.Replace(x.relay, "%2F", "%2F%2F", 1) }},
	{"X2", "destination javascript", func(x *exchange) { x.relay = strings.Replace(x.relay, "%2Fccp-v2", "javascript%3Aalert", 1) }},
	{"X2", "two destinations", func(x *exchange) { x.relay += "&destination=%2F" }},

	{"R1", "not base64", func(x *exchange) { x.posted = func(s string) string { return s[:40] + " " + s[41:] } }},
	{"R1", "too long", func(x *exchange) { x.posted = func(string) string { return strings.Repeat("QUFB", 25001) } }},
	{"R2", "two assertions", onResponse(func(r *etree.Element) {
		evil := goldenAssertion()
		evil.CreateAttr("ID", "_evil")
		r.InsertChildAt(2, evil)
	})},
	{"R2", "version 1.1", onResponse(func(r *etree.Element) { r.CreateAttr("Version", "1.1") })},
	{"R2", "comment in the session name", func(x *exchange) {
		x.posted = func(s string) string {
			doc, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				panic(err)
			}
			return base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(doc), ">anna@", ">anna<!-- -->@", 1)))
		}
	}},
	{"S2", "sha-1", func(x *exchange) { x.method = dsig.RSASHA1SignatureMethod }},
	{"S2", "reference to something else", onResponse(func(r *etree.Element) { at(r, "//ds:Reference").CreateAttr("URI", "#_r1") })},
	{"S2", "two references", onResponse(func(r *etree.Element) {
		ref := at(r, "//ds:Reference")
		ref.Parent().AddChild(ref.Copy())
	})},
	{"R3", "status Responder", onResponse(func(r *etree.Element) {
		at(r, "//samlp:StatusCode").CreateAttr("Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")
	})},
	{"E1", "encryption required", func(x *exchange) { x.expect.Encryption = "Required" }},
	{"E2", "encrypted with triple DES", onResponse(func(r *etree.Element) { encrypted(r, nsEnc+"tripledes-cbc", keyTransports[0]) })},
	{"E2", "key encrypted with PKCS #1 v1.5", onResponse(func(r *etree.Element) { encrypted(r, encryptionMethods[3], nsEnc+"rsa-1_5") })},
	{"E2", "encrypted, so that it cannot be read", onResponse(func(r *etree.Element) { encrypted(r, encryptionMethods[3], keyTransports[0]) })},

	{"S1", "signed with another key, whose certificate comes along", func(x *exchange) { x.signer = theirs() }},
	{"S1", "our certificate beside another key's signature", func(x *exchange) { x.signer = signer{theirs().key, ours().cert} }},
	{"S1", "not signed", onResponse(func(r *etree.Element) {
		sig := at(r, "//ds:Signature")
		sig.Parent().RemoveChild(sig)
	})},
	{"S1", "only the response is signed", func(x *exchange) {
		x.wholly = true
		x.response = func(r *etree.Element) {
			sig := at(r, "//ds:Signature")
			sig.Parent().RemoveChild(sig)
		}
	}},
	{"S1", "role changed after signing", onResponse(func(r *etree.Element) {
		setAttribute(at(r, "//saml:Assertion"), attrRole, strings.Replace(testRole, "ConnectFederation", "Admin", 1))
	})},
	{"S1", "the first certificate of two, where only the first counts", func(x *exchange) {
		x.certs = [][]byte{theirs().cert, ours().cert}
		x.expect.Assumptions.SingleCertificate = true
	}},
	{"R6", "another issuer", onAssertion(func(a *etree.Element) { at(a, "//saml:Issuer").SetText("https://other.example.com") })},
	{"R6", "another issuer of the response", onResponse(func(r *etree.Element) { at(r, "./saml:Issuer").SetText("https://other.example.com") })},
	{"R7", "issued six minutes ago", onResponse(func(r *etree.Element) { r.CreateAttr("IssueInstant", stamp(-6*time.Minute)) })},
	{"R7", "issued in six minutes", onResponse(func(r *etree.Element) { r.CreateAttr("IssueInstant", stamp(6*time.Minute)) })},
	{"R7", "issued at no time", onResponse(func(r *etree.Element) { r.CreateAttr("IssueInstant", "yesterday") })},

	{"U1", "no name id", onAssertion(func(a *etree.Element) {
		id := at(a, "//saml:NameID")
		id.Parent().RemoveChild(id)
	})},
	{"U1", "empty name id", onAssertion(func(a *etree.Element) { at(a, "//saml:NameID").SetText(" ") })},
	{"U1", "name id of a format AWS does not list", onAssertion(func(a *etree.Element) {
		at(a, "//saml:NameID").CreateAttr("Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted")
	})},
	{"U2", "two confirmations", onAssertion(func(a *etree.Element) {
		c := at(a, confirmation)
		c.Parent().AddChild(c.Copy())
	})},
	{"U2", "holder of key", onAssertion(func(a *etree.Element) {
		at(a, confirmation).CreateAttr("Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")
	})},
	{"U2", "no confirmation data", onAssertion(func(a *etree.Element) { at(a, confirmation).RemoveChild(at(a, data)) })},
	{"U2", "no recipient", onAssertion(func(a *etree.Element) { at(a, data).RemoveAttr("Recipient") })},
	{"U2", "no subject", onAssertion(func(a *etree.Element) { at(a, confirmation).Parent().RemoveChild(at(a, confirmation)) })},
	{"U3", "recipient elsewhere", onAssertion(func(a *etree.Element) {
		at(a, data).CreateAttr("Recipient", "https://signin.aws.amazon.com.evil.example/saml")
	})},
	{"U3", "recipient of GovCloud", onAssertion(func(a *etree.Element) {
		at(a, data).CreateAttr("Recipient", "https://signin.amazonaws-us-gov.com/saml")
	})},
	{"R4", "recipient of another region", onAssertion(func(a *etree.Element) { at(a, data).CreateAttr("Recipient", "https://signin.aws.amazon.com/saml") })},
	{"R4", "destination of another region", onResponse(func(r *etree.Element) { r.CreateAttr("Destination", "https://signin.aws.amazon.com/saml") })},
	{"R4", "no destination", onResponse(func(r *etree.Element) { r.RemoveAttr("Destination") })},
	{"R5", "answer to a request, in the response", onResponse(func(r *etree.Element) { r.CreateAttr("InResponseTo", "_q") })},
	{"R5", "answer to a request, in the confirmation", onAssertion(func(a *etree.Element) { at(a, data).CreateAttr("InResponseTo", "_q") })},
	{"U5", "address with a port", onAssertion(func(a *etree.Element) { at(a, data).CreateAttr("Address", "192.0.2.1:5000") })},
	{"U5", "not before in the confirmation", onAssertion(func(a *etree.Element) { at(a, data).CreateAttr("NotBefore", stamp(0)) })},

	{"C1", "conditions expired this second", onAssertion(func(a *etree.Element) { at(a, "//saml:Conditions").CreateAttr("NotOnOrAfter", stamp(0)) })},
	{"C1", "confirmation expired", onAssertion(func(a *etree.Element) { at(a, data).CreateAttr("NotOnOrAfter", stamp(-time.Second)) })},
	{"C1", "not yet valid", onAssertion(func(a *etree.Element) { at(a, "//saml:Conditions").CreateAttr("NotBefore", stamp(time.Second)) })},
	{"C1", "time in another zone", onAssertion(func(a *etree.Element) {
		at(a, "//saml:Conditions").CreateAttr("NotOnOrAfter", "2026-11-22T12:04:00+02:00")
	})},
	{"C2", "redeemable for six minutes", onAssertion(func(a *etree.Element) { at(a, data).CreateAttr("NotOnOrAfter", stamp(6*time.Minute)) })},
	{"C2", "valid for two hours", onAssertion(func(a *etree.Element) { at(a, "//saml:Conditions").CreateAttr("NotOnOrAfter", stamp(2*time.Hour)) })},
	{"C2", "valid since an hour ago", onAssertion(func(a *etree.Element) { at(a, "//saml:Conditions").CreateAttr("NotBefore", stamp(-time.Hour)) })},
	{"C3", "another audience", onAssertion(func(a *etree.Element) { at(a, "//saml:Audience").SetText("urn:amazon:webservices:govcloud") })},
	{"C3", "two restrictions", onAssertion(func(a *etree.Element) {
		c := at(a, "//saml:AudienceRestriction")
		c.Parent().AddChild(c.Copy())
	})},
	{"C3", "no restriction", onAssertion(func(a *etree.Element) {
		c := at(a, "//saml:AudienceRestriction")
		c.Parent().RemoveChild(c)
	})},

	{"T1", "no role", values(attrRole)},
	{"T2", "role without provider", values(attrRole, "arn:aws:iam::123456789012:role/A")},
	{"T2", "space after the comma", values(attrRole, strings.Replace(testRole, ",", ", ", 1))},
	{"T2", "two accounts", values(attrRole, strings.Replace(testRole, "123456789012:role", "999999999999:role", 1))},
	{"T2", "partition of GovCloud", values(attrRole, strings.ReplaceAll(testRole, "arn:aws:", "arn:aws-us-gov:"))},
	{"T4", "account of eleven digits", values(attrRole, strings.ReplaceAll(testRole, "123456789012", "12345678901"))},
	{"T4", "provider with a plus", values(attrRole, testRole+"+x")},
	{"T4", "role of Identity Center", values(attrRole, strings.Replace(testRole, "ConnectFederation", "AWSReservedSSO_Admin_1", 1))},
	{"T5", "no session name", values(attrSessionName)},
	{"T5", "two session names", values(attrSessionName, "anna@example.com", "admin@example.com")},
	{"T5", "empty session name", values(attrSessionName, "")},
	{"T6", "space in the session name", values(attrSessionName, "Anna Agent")},
	{"T6", "session name of one letter", values(attrSessionName, "a")},
	{"T6", "session name of 65", values(attrSessionName, strings.Repeat("a", 65))},
	{"T6", "session name with a letter beyond ASCII", values(attrSessionName, "änna@example.com")},
	{"X4", "plus addressing", values(attrSessionName, "anna+test@example.com")},
	{"X4", "half an address", values(attrSessionName, "anna@example")},
	{"T7", "duration of a day", values(attrDuration, "86400")},
	{"T7", "duration with a sign", values(attrDuration, "+3600")},
	{"T9", "source identity of AWS", values(attrSourceIdentity, "aws:anna")},
	{"T9", "source identity with a space", values(attrSourceIdentity, "Anna Agent")},
	{"T10", "reserved tag", values(attrTag+"aws:team", "x")},
	{"T10", "tag with two values", values(attrTag+"team", "x", "y")},
	{"T10", "tags that differ by case", onAssertion(func(a *etree.Element) {
		addAttribute(a, attrTag+"team", "x")
		addAttribute(a, attrTag+"Team", "x")
	})},
	{"T10", "transitive key that is no tag", values(attrTransitive, "team")},
	{"T11", "name in another case", onAssertion(func(a *etree.Element) { addAttribute(a, attrPrefix+"sessionduration", "3600") })},
	{"T11", "duration twice", onAssertion(func(a *etree.Element) { addAttribute(a, attrDuration, "3600") })},
}

func TestEachRuleFailsAlone(t *testing.T) {
	for _, b := range brokenExchanges {
		t.Run(b.rule+" "+b.name, func(t *testing.T) {
			x := golden()
			b.change(x)
			v := x.judge(t)
			if v.Accepted {
				t.Error("accepted")
			}
			var got []string
			for _, f := range v.Findings {
				got = append(got, f.Rule)
				if f.Level == Warn {
					t.Errorf("warning beside it: %+v", f)
				}
				if f.Seen == "" || f.Cure == "" {
					t.Errorf("a finding without words: %+v", f)
				}
			}
			if got = slices.Compact(got); len(got) != 1 || got[0] != b.rule {
				t.Errorf("got %v, want %s alone: %+v", got, b.rule, v.Findings)
			}
		})
	}
}

func TestEachRuleHasAFixture(t *testing.T) {
	covered := map[string]bool{}
	for _, b := range brokenExchanges {
		covered[b.rule] = true
	}
	for _, r := range Rules() {
		if r.Level != Warn && !covered[r.ID] {
			t.Errorf("no fixture breaks %s alone", r.ID)
		}
		delete(covered, r.ID)
	}
	for id := range covered {
		t.Errorf("fixture for %s, which is no rule", id)
	}
}

func shortKey(bits int) []byte {
	// A modulus of the right length is all that a certificate of such a key needs here.
	n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
	return certificate("short", &rsa.PublicKey{N: n, E: 65537}, ours().key)
}

func ecdsaCertificate() []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return certificate("ecdsa", &key.PublicKey, ours().key)
}

// encrypted puts an envelope in the place of the assertion.
func encrypted(r *etree.Element, method, transport string) {
	a := at(r, "//saml:Assertion")
	r.RemoveChild(a)
	doc := etree.NewDocument()
	if err := doc.ReadFromString(`<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#">` +
		`<xenc:EncryptionMethod Algorithm="` + method + `"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey>` +
		`<xenc:EncryptionMethod Algorithm="` + transport + `"/><xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>` +
		`<xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>`); err != nil {
		panic(err)
	}
	r.AddChild(doc.Root())
}
