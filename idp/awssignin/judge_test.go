package awssignin

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// to sends the golden exchange to another address of AWS.
func to(acs, audience, relay string) *exchange {
	x := golden()
	x.expect.ACS, x.relay = acs, relay
	x.assertion = func(a *etree.Element) {
		at(a, data).CreateAttr("Recipient", acs)
		at(a, "//saml:Audience").SetText(audience)
	}
	x.response = func(r *etree.Element) { r.CreateAttr("Destination", acs) }
	return x
}

func TestAccepted(t *testing.T) {
	tests := map[string]*exchange{
		"regional":               golden(),
		"us-east-1":              to("https://signin.aws.amazon.com/saml", "urn:amazon:webservices", strings.ReplaceAll(testRelay, "eu-west-2", "us-east-1")),
		"audience Entra":         to("https://signin.aws.amazon.com/saml", "https://signin.aws.amazon.com/saml", strings.ReplaceAll(testRelay, "eu-west-2", "us-east-1")),
		"provider id":            to(testACS+"/acs/SAMLSPD9IMTW2LM46J042K", "urn:amazon:webservices", testRelay),
		"no query":               to(testACS, "urn:amazon:webservices", strings.SplitN(testRelay, "?", 2)[0]),
		"older page":             to(testACS, "urn:amazon:webservices", strings.Replace(testRelay, "&", "%26", 1)),
		"old domain":             to(testACS, "urn:amazon:webservices", strings.Replace(strings.TrimSuffix(testRelay, "&new_domain=true"), "%2F", "%2Fconnect%2F", 1)),
		"VDI":                    to(testACS, "urn:amazon:webservices", strings.Replace(testRelay, "%2Fccp-v2", "%2Fagent-app-v2?VDIPlatform=CITRIX_413", 1)),
		"resiliency":             to(resilientACS, "urn:amazon:webservices", ""),
		"resiliency with a page": to(resilientACS+"&destination=/agent-app-v2", "urn:amazon:webservices", ""),
		"resiliency with ARNs":   to(strings.Replace(resilientACS, "=ConnectFederation", "=arn:aws:iam::123456789012:role/ConnectFederation", 1), "urn:amazon:webservices", ""),
	}
	gov := to("https://signin.amazonaws-us-gov.com/saml", "urn:amazon:webservices:govcloud", "https://console.amazonaws-us-gov.com/connect/federate/"+testInstance)
	gov.expect.Partition = "aws-us-gov"
	plain := gov.assertion
	gov.assertion = func(a *etree.Element) {
		plain(a)
		setAttribute(a, attrRole, strings.ReplaceAll(testRole, "arn:aws:", "arn:aws-us-gov:"))
	}
	tests["GovCloud"] = gov
	both := golden()
	both.wholly = true
	tests["both signed"] = both
	next := golden()
	next.certs = [][]byte{theirs().cert, ours().cert}
	tests["the second certificate of two"] = next
	tagged := golden()
	tagged.assertion = func(a *etree.Element) {
		addAttribute(a, attrTag+"Team Größe", "Süd")
		addAttribute(a, attrTag+"empty", "")
		addAttribute(a, attrTransitive, "empty")
		addAttribute(a, attrSourceIdentity, "anna")
	}
	tests["tags"] = tagged
	path := golden()
	path.assertion = func(a *etree.Element) {
		setAttribute(a, attrRole, strings.Replace(testRole, "role/", "role/contact/centre/", 1))
	}
	tests["role with a path"] = path
	known := golden()
	known.expect.Region, known.expect.InstanceID = "eu-west-2", testInstance
	tests["known instance"] = known

	for name, x := range tests {
		t.Run(name, func(t *testing.T) {
			v := x.judge(t)
			if !v.Accepted || len(v.Findings) != 0 || len(v.Skipped) != 0 {
				t.Fatalf("%+v", v)
			}
			if v.SessionName != "anna@example.com" || !strings.Contains(v.Role, ":role/") || v.Roles != 1 || v.NameID != "f3a9c1" || v.Issuer != testIssuer || v.AssertionID != "_a1" || v.Practice {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	tests := []broken{
		{"R1", "nearly too long", func(x *exchange) {
			x.assertion = func(a *etree.Element) {
				for i := range 50 {
					addAttribute(a, fmt.Sprintf("%s%d", attrTag, i), strings.Repeat("x", 256))
				}
			}
			x.posted = func(s string) string { return padded(s, 60_500) }
		}},
		{"S2", "rsa-sha512", func(x *exchange) { x.method = dsig.RSASHA512SignatureMethod }},
		{"R7", "issued in two minutes", onResponse(func(r *etree.Element) { r.CreateAttr("IssueInstant", stamp(2*time.Minute)) })},
		{"M6", "certificate near its end", func(x *exchange) {
			x.certs = append(x.certs, expiring())
		}},
		{"U4", "mail address as name id", onAssertion(func(a *etree.Element) { at(a, "//saml:NameID").SetText("anna@example.com") })},
		{"C4", "session end", onAssertion(func(a *etree.Element) {
			at(a, "//saml:AuthnStatement").CreateAttr("SessionNotOnOrAfter", stamp(time.Hour))
		})},
		{"T2", "provider first", values(attrRole, "arn:aws:iam::123456789012:saml-provider/Gatehouse,arn:aws:iam::123456789012:role/ConnectFederation")},
		{"T3", "two roles", values(attrRole, testRole, strings.Replace(testRole, "ConnectFederation", "Other", 1))},
		{"T12", "eduPerson", onAssertion(func(a *etree.Element) { addAttribute(a, "urn:oid:1.3.6.1.4.1.5923.1.1.1.6", "anna") })},
		{"X1", "no RelayState", func(x *exchange) { x.relay = "" }},
		{"X1", "RelayState of the console", func(x *exchange) { x.relay = "https://console.aws.amazon.com/s3" }},
		{"X2", "path of the old domain at the new one", func(x *exchange) { x.relay = strings.Replace(x.relay, "%2Fccp-v2", "%2Fconnect%2Fccp-v2", 1) }},
		{"X2", "own site", func(x *exchange) { x.relay = strings.Replace(x.relay, "%2Fccp-v2", "https%3A%2F%2Fapp.example.com", 1) }},
		{"X2", "own site by http", func(x *exchange) { x.relay = strings.Replace(x.relay, "%2Fccp-v2", "http%3A%2F%2Flocalhost", 1) }},
		{"X7", "Connect's own address", func(x *exchange) {
			x.relay = strings.Replace(x.relay, "%2Fccp-v2", "https%3A%2F%2Fexample.my.connect.aws%2Flogin", 1)
		}},
		{"X7", "Connect's own old address", func(x *exchange) {
			x.relay = strings.Replace(x.relay, "%2Fccp-v2", "https%3A%2F%2Fexample.awsapps.com%2Fconnect%2Flogin", 1)
		}},
		{"X2", "unknown parameter", func(x *exchange) { x.relay += "&x=y" }},
		{"X6", "another region's sign-in", func(x *exchange) { x.relay = strings.ReplaceAll(x.relay, "eu-west-2", "eu-central-1") }},
		{"X6", "us-east-1 with a region", func(x *exchange) {
			*x = *to("https://us-east-1.signin.aws.amazon.com/saml", "urn:amazon:webservices", strings.ReplaceAll(testRelay, "eu-west-2", "us-east-1"))
		}},
		{"X6", "region without Connect", func(x *exchange) {
			*x = *to("https://eu-north-1.signin.aws.amazon.com/saml", "urn:amazon:webservices", strings.ReplaceAll(testRelay, "eu-west-2", "eu-north-1"))
		}},
	}
	covered := map[string]bool{"R8": true} // TestOneUse
	for _, b := range tests {
		covered[b.rule] = true
		t.Run(b.rule+" "+b.name, func(t *testing.T) {
			x := golden()
			b.change(x)
			v := x.judge(t)
			if !v.Accepted || len(v.Findings) != 1 || v.Findings[0].Rule != b.rule || v.Findings[0].Level != Warn {
				t.Errorf("%+v", v)
			}
		})
	}
	for _, r := range Rules() {
		if r.Level == Warn && !covered[r.ID] {
			t.Errorf("nothing makes %s warn", r.ID)
		}
	}
}

// padded adds white space to a document until it is long.
func padded(posted string, size int) string {
	doc, err := base64.StdEncoding.DecodeString(posted)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(append(doc, strings.Repeat(" ", max(0, size-len(doc)))...))
}

// expiring is a certificate whose last day is near.
func expiring() []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: testNow.AddDate(-1, 0, 0), NotAfter: testNow.AddDate(0, 0, 20)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &theirs().key.PublicKey, theirs().key)
	if err != nil {
		panic(err)
	}
	return der
}

func TestOneUse(t *testing.T) {
	x := golden()
	v := x.validator(t)
	form := x.form()
	if first := v.Judge(form, x.relay); len(first.Findings) != 0 {
		t.Fatalf("%+v", first)
	}
	second := v.Judge(form, x.relay)
	if !second.Accepted || len(second.Findings) != 1 || second.Findings[0].Rule != "R8" {
		t.Errorf("%+v", second)
	}
	x.expect.Assumptions.OneUse = true
	v = x.validator(t)
	v.Judge(form, x.relay)
	if second := v.Judge(form, x.relay); second.Accepted || !second.Refused() {
		t.Errorf("%+v", second)
	}
}

// TestAssumptions turns each open point and sees the verdict turn.
func TestAssumptions(t *testing.T) {
	find := func(rule string) func(*exchange) {
		for _, b := range brokenExchanges {
			if b.rule+" "+b.name == rule {
				return b.change
			}
		}
		t.Fatal(rule)
		return nil
	}
	tests := []struct {
		field  string
		change func(*exchange)
		assume func(*Assumptions)
		before bool // accepted without the assumption
		rules  []string
	}{
		{"ClockSkew", find("C1 not yet valid"), func(a *Assumptions) { a.ClockSkew = time.Minute }, false, []string{"C1"}},
		{"SHA1", find("S2 sha-1"), func(a *Assumptions) { a.SHA1 = true }, false, []string{"S2"}},
		{"ECDSAKeys", find("S3 an ECDSA key"), func(a *Assumptions) { a.ECDSAKeys = true }, false, []string{"S3"}},
		{"SourceIdentityMax", values(attrSourceIdentity, strings.Repeat("a", 200)), func(a *Assumptions) { a.SourceIdentityMax = 256 }, false, []string{"T9"}},
		{"MetadataMinimum", func(*exchange) {}, func(a *Assumptions) { a.MetadataMinimum = 1 << 20 }, true, []string{"M1"}},
		{"SingleCertificate", func(x *exchange) { x.certs = [][]byte{theirs().cert, ours().cert} }, func(a *Assumptions) { a.SingleCertificate = true }, true, []string{"S1"}},
		{"ProviderAudience", func(x *exchange) { *x = *to(testACS+"/acs/SAMLSPABC", "urn:other", testRelay) }, func(a *Assumptions) { a.ProviderAudience = "urn:other" }, false, []string{"C3"}},
		{"GlobalResiliencyAudience", func(x *exchange) { *x = *to(resilientACS, "urn:other", "") }, func(a *Assumptions) { a.GlobalResiliencyAudience = "urn:other" }, false, []string{"C3"}},
		{"GlobalResiliencyRegions", func(x *exchange) { *x = *to(resilientACS, "urn:amazon:webservices", "") }, func(a *Assumptions) { a.GlobalResiliencyRegions = []string{"us-east-1"} }, true, []string{"U3"}},
		{"ConnectPartitions", func(*exchange) {}, func(a *Assumptions) { a.ConnectPartitions = []string{"aws-cn"} }, true, []string{"X1"}},
		{"ConnectRegions", func(*exchange) {}, func(a *Assumptions) { a.ConnectRegions = []string{"us-east-1"} }, true, []string{"X6"}},
		{"GlobalResiliencyDecrypts", func(x *exchange) {
			*x = *to(resilientACS, "urn:amazon:webservices", "")
			answer := x.response
			x.response = func(r *etree.Element) { answer(r); encrypted(r, encryptionMethods[0], keyTransports[0]) }
		}, func(a *Assumptions) { a.GlobalResiliencyDecrypts = true }, false, []string{"E1", "E2"}},
	}
	named := map[string]bool{"OneUse": true} // TestOneUse
	for _, test := range tests {
		named[test.field] = true
		t.Run(test.field, func(t *testing.T) {
			x := golden()
			test.change(x)
			before := x.judge(t)
			test.assume(&x.expect.Assumptions)
			after := x.judge(t)
			if before.Accepted != test.before {
				t.Errorf("before: %+v", before)
			}
			if reflect.DeepEqual(before.Findings, after.Findings) {
				t.Errorf("the assumption changes nothing: %+v", after)
			}
			for _, f := range append(before.Findings, after.Findings...) {
				if !slices.Contains(test.rules, f.Rule) {
					t.Errorf("unexpected: %+v", f)
				}
			}
		})
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Assumptions]()) {
		if !named[f.Name] {
			t.Errorf("no test turns %s", f.Name)
		}
	}
}

func TestPractice(t *testing.T) {
	const acs = "https://signin.localhost:9443/saml"
	v := to(acs, "urn:amazon:webservices", testRelay).judge(t)
	if !v.Accepted || len(v.Findings) != 0 || !v.Practice || v.AWSAddress != testACS {
		t.Errorf("%+v", v)
	}
	if v := to(acs, "urn:amazon:webservices", strings.ReplaceAll(testRelay, "eu-west-2", "us-east-1")).judge(t); v.AWSAddress != "https://signin.aws.amazon.com/saml" {
		t.Errorf("us-east-1: %+v", v)
	}
	// The console of GovCloud has no region in its name; the sign-in address of the instance's region has, and the
	// gateway posts there once practice is over.
	gov := to(acs, "urn:amazon:webservices:govcloud", "https://console.amazonaws-us-gov.com/connect/federate/"+testInstance)
	gov.expect.Partition = "aws-us-gov"
	for region, want := range map[string]string{
		"us-gov-west-1": "https://us-gov-west-1.signin.amazonaws-us-gov.com/saml",
		"":              "https://signin.amazonaws-us-gov.com/saml",
	} {
		gov.expect.Region = region
		if v := gov.judge(t); v.AWSAddress != want {
			t.Errorf("GovCloud region %q: %s, want %s", region, v.AWSAddress, want)
		}
	}
	// A practice address of somebody else is still no address of AWS.
	x := to(acs, "urn:amazon:webservices", testRelay)
	x.expect.ACS = testACS
	if v := x.judge(t); v.Accepted || v.Findings[0].Rule != "U3" {
		t.Errorf("%+v", v)
	}
}

// TestNothingUnverifiedIsShown: what a response asks for is only told when its signature was good.
func TestNothingUnverifiedIsShown(t *testing.T) {
	x := golden()
	x.signer = theirs()
	v := x.judge(t)
	if v.Role+v.SessionName+v.NameID+v.Issuer+v.AssertionID != "" {
		t.Errorf("%+v", v)
	}
	if !slices.Contains(v.Skipped, "T6") || v.Findings[0].AWS != "Response signature invalid" {
		t.Errorf("%+v", v)
	}
}

func TestNewRefuses(t *testing.T) {
	good := func() Expect { return Expect{ACS: testACS, Metadata: golden().document()} }
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Expect){
		"relative address":   func(e *Expect) { e.ACS = "/saml" },
		"address javascript": func(e *Expect) { e.ACS = "javascript:alert(1)" },
		"unknown partition":  func(e *Expect) { e.Partition = "commercial" },
		"unknown encryption": func(e *Expect) { e.Encryption = "Sometimes" },
		"no metadata":        func(e *Expect) { e.Metadata = nil },
	} {
		e := good()
		change(&e)
		if _, err := New(e); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestSignInAddress(t *testing.T) {
	for _, test := range [][3]string{
		{"aws", "us-east-1", "https://signin.aws.amazon.com/saml"},
		{"aws", "eu-west-2", "https://eu-west-2.signin.aws.amazon.com/saml"},
		{"aws-us-gov", "", "https://signin.amazonaws-us-gov.com/saml"},
		{"aws-us-gov", "us-gov-west-1", "https://us-gov-west-1.signin.amazonaws-us-gov.com/saml"},
		{"moon", "", ""},
	} {
		if got := SignInAddress(test[0], test[1]); got != test[2] {
			t.Errorf("%v: got %s", test, got)
		}
	}
}

func TestMetadataLength(t *testing.T) {
	for n, want := range map[int]int{999: 1, 1000: 0} {
		r := &reading{Validator: &Validator{metadata: &metadata{raw: []byte(strings.Repeat("ä", n))}}}
		o := outcome{rule: &rules[0]}
		checkMetadataText(r, &o)
		if len(o.findings) != want {
			t.Errorf("%d characters: %+v", n, o.findings)
		}
	}
}

func TestLedgerIsBounded(t *testing.T) {
	l := newLedger()
	for i := range 3 * ledgerSize {
		l.use(fmt.Sprint(i), testNow, testNow.Add(time.Hour))
	}
	if len(l.seen) > ledgerSize {
		t.Errorf("%d entries", len(l.seen))
	}
}

// FuzzJudge promises that nothing posted panics the validator, and that nothing unsigned by our key is
// ever accepted: the fuzzer cannot sign, so that what is accepted must say what a seed said.
func FuzzJudge(f *testing.F) {
	add := func(x *exchange) {
		posted := x.form()
		if doc, err := base64.StdEncoding.DecodeString(posted); err == nil {
			f.Add(doc, x.relay)
			f.Add(doc, "https://eu-west-2.console.aws.amazon.com/s3") // another service, which more names may open
		}
	}
	add(golden())
	for _, b := range brokenExchanges {
		x := golden()
		b.change(x)
		add(x)
	}
	v := golden().validator(f)
	if x := golden(); !v.Judge(x.form(), x.relay).Accepted {
		f.Fatal("the seed is not accepted")
	}
	// The names that seeds sign and AWS takes; Connect takes the first alone.
	signed := []string{"anna@example.com", "anna+test@example.com", "anna@example"}
	f.Fuzz(func(t *testing.T, doc []byte, relayState string) {
		verdict := v.Judge(base64.StdEncoding.EncodeToString(doc), relayState)
		if verdict.Accepted && (!slices.Contains(signed, verdict.SessionName) || verdict.Connect && verdict.SessionName != signed[0] || !strings.HasPrefix(testRole, verdict.Role+",")) {
			t.Fatalf("accepted what was never signed: %+v", verdict)
		}
		for _, finding := range verdict.Findings {
			if strings.ContainsFunc(finding.Seen, func(r rune) bool { return r < ' ' }) {
				t.Fatalf("control character in %q", finding.Seen)
			}
		}
	})
}
