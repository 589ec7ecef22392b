// Package awssignin holds a SAML response against what AWS sign-in checks, as far as that can be known
// without AWS: as a validator, and as a page that stands in for AWS while one practises.
//
// It is built from the metadata document that an admin uploads to IAM and from AWS's published rules,
// never from the types of the code that writes responses, so that both cannot be wrong alike. The rules
// are one table, [Rules]; each [Finding] names its rule. What AWS has not published is a field of
// [Assumptions].
package awssignin

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Expect says what a response is held against.
type Expect struct {
	ACS       string // address the browser posts to; required, absolute
	Audience  string // empty for the partition's own
	Partition string // "aws" (default), "aws-us-gov", "aws-cn" or "aws-eusc"
	Metadata  []byte // SAML metadata document as uploaded to IAM
	Now       func() time.Time

	// Region and InstanceID of the Connect instance. Left empty, the RelayState is only held against itself.
	Region     string
	InstanceID string

	// Encryption is IAM's AssertionEncryptionMode: "" (none), "Allowed" or "Required". ProviderID is the
	// SAMLProviderUUID, which the sign-in address must end in when encryption is required.
	Encryption string
	ProviderID string

	Assumptions Assumptions
}

// Assumptions are the points that AWS has not published. The zero value takes the strict reading, or the
// documented one where there is one. (How many calls a second Connect allows is open as well, but no
// response can be judged by it.)
type Assumptions struct {
	// ClockSkew is how far AWS's clock may differ before a time limit counts. Strict: not at all.
	ClockSkew time.Duration
	// OneUse says that AWS refuses an assertion it has seen before. Otherwise R8 only warns.
	OneUse bool
	// SHA1 says that AWS takes RSA-SHA1 signatures. S2 then warns.
	SHA1 bool
	// ECDSAKeys says that AWS takes ECDSA certificates in metadata. S3 then warns.
	ECDSAKeys bool
	// SingleCertificate says that AWS looks at the first signing certificate only.
	SingleCertificate bool
	// MetadataMinimum is the least length of a metadata document; 0 means the API model's 1000 characters.
	MetadataMinimum int
	// SourceIdentityMax is the longest SourceIdentity; 0 means the API model's 64.
	SourceIdentityMax int
	// ProviderAudience is the audience at addresses that end in /saml/acs/ID; empty for the partition's own.
	ProviderAudience string
	// GlobalResiliencyAudience is the audience at Connect's Global Resiliency sign-in; empty for the partition's own.
	GlobalResiliencyAudience string
	// GlobalResiliencyDecrypts says that this sign-in takes encrypted assertions.
	GlobalResiliencyDecrypts bool
	// GlobalResiliencyRegions are the source regions of Global Resiliency; nil takes any.
	GlobalResiliencyRegions []string
	// ConnectPartitions are where Connect is offered; nil means aws and aws-us-gov.
	ConnectPartitions []string
	// ConnectRegions are where Connect is offered; nil means those of AWS's page of endpoints.
	ConnectRegions []string
}

// Validator judges responses. It may be used by many goroutines at once.
type Validator struct {
	expect   Expect
	part     partition
	metadata *metadata
	practice bool // ACS is not an address of AWS
	global   bool // ACS is Global Resiliency's
	used     *ledger
}

// New checks what is expected. A metadata document that IAM would refuse is no error here but a
// finding of every verdict, because that is what an admin would see.
func New(e Expect) (*Validator, error) {
	u, err := url.Parse(e.ACS)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("sign-in address %q is not an absolute web address", e.ACS)
	}
	if e.Partition == "" {
		e.Partition = "aws"
	}
	part, ok := partitions[e.Partition]
	if !ok {
		return nil, fmt.Errorf("unknown partition %q; known are aws, aws-us-gov, aws-cn, aws-eusc", e.Partition)
	}
	if !slices.Contains([]string{"", "Allowed", "Required"}, e.Encryption) {
		return nil, fmt.Errorf("unknown encryption mode %q; known are Allowed, Required", e.Encryption)
	}
	if len(e.Metadata) == 0 {
		return nil, errors.New("the metadata document is empty")
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	global := isResiliency(u)
	return &Validator{
		expect:   e,
		part:     part,
		metadata: readMetadata(e.Metadata),
		practice: !global && !signInAddress().MatchString(e.ACS),
		global:   global,
		used:     newLedger(),
	}, nil
}

// partition is one of AWS's separate clouds.
type partition struct {
	signIn    string   // domain of the sign-in host
	audiences []string // the first is the documented one
	relay     func() *regexp.Regexp
	regional  bool // the console's host carries the region
}

const (
	uuidPattern   = `[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}`
	regionPattern = `[a-z]{2,4}(?:-[a-z]+)+-\d`
)

var (
	// signInAddress is every form of AWS's sign-in address: optional region, optional provider id.
	signInAddress = pattern(`^https://(?:(` + regionPattern + `)\.)?signin\.` +
		`(aws\.amazon\.com|amazonaws-us-gov\.com|amazonaws\.cn|amazonaws-eusc\.eu)/saml(?:/acs/(SAMLSP[A-Z0-9]+))?$`)
	// globalResiliency is the sign-in address of Connect Global Resiliency.
	globalResiliency = pattern(`^https://(` + uuidPattern + `)\.(` + regionPattern + `)\.sign-in\.connect\.aws/saml(?:\?.*)?$`)
)

// pattern returns a regular expression that is compiled at its first use: the package is part of every Caddy that
// has Gatehouse, and most of them never judge a response.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

func relayForm(host string) func() *regexp.Regexp {
	return pattern(`^https://` + host + `/connect/federate/(` + uuidPattern + `)(?:\?(.*))?$`)
}

var partitions = map[string]partition{
	"aws": {
		"aws.amazon.com",
		// The second is what Microsoft's gallery application sends; AWS takes it.
		[]string{"urn:amazon:webservices", "https://signin.aws.amazon.com/saml"},
		relayForm(`(` + regionPattern + `)\.console\.aws\.amazon\.com`), true,
	},
	"aws-us-gov": {
		"amazonaws-us-gov.com",
		[]string{"urn:amazon:webservices:govcloud"},
		relayForm(`()console\.amazonaws-us-gov\.com`), false,
	},
	"aws-cn": {
		"amazonaws.cn",
		[]string{"urn:amazon:webservices:cn-north-1"},
		relayForm(`(` + regionPattern + `)\.console\.amazonaws\.cn`), true,
	},
	"aws-eusc": {
		"amazonaws-eusc.eu",
		[]string{"urn:amazon:webservices"},
		relayForm(`(` + regionPattern + `)\.console\.amazonaws-eusc\.eu`), true,
	},
}

// SignInAddress returns where AWS expects the response: the regional address, except for us-east-1,
// whose documented address carries no region, and except where the region is empty.
// It returns "" for an unknown partition.
func SignInAddress(partition, region string) string {
	p, ok := partitions[partition]
	if !ok {
		return ""
	}
	if region == "" || region == "us-east-1" {
		return "https://signin." + p.signIn + "/saml"
	}
	return "https://" + region + ".signin." + p.signIn + "/saml"
}

// connectRegions is AWS's page of Connect endpoints.
var connectRegions = []string{
	"us-east-1", "us-west-2", "af-south-1", "ap-northeast-1", "ap-northeast-2", "ap-southeast-1",
	"ap-southeast-2", "ca-central-1", "eu-central-1", "eu-west-2", "us-gov-west-1",
}

// ledger remembers which assertions were judged, for as long as they could be used again.
type ledger struct {
	mu   sync.Mutex
	seen map[string]time.Time // assertion id → when to forget it
}

// ledgerSize bounds the memory of a ledger: about 100 bytes an entry.
const ledgerSize = 10_000

func newLedger() *ledger { return &ledger{seen: map[string]time.Time{}} }

// use reports whether the id was used before, and remembers it.
func (l *ledger) use(id string, now, until time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if end, ok := l.seen[id]; ok && now.Before(end) {
		return true
	}
	if len(l.seen) >= ledgerSize {
		for k, end := range l.seen {
			if !now.Before(end) {
				delete(l.seen, k)
			}
		}
	}
	if len(l.seen) >= ledgerSize {
		clear(l.seen) // a flood of valid assertions; only a warning is lost
	}
	l.seen[id] = until
	return false
}
