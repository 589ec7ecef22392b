package awssignin

import "time"

// metadataRules are the rules that a metadata document can be held against by itself, as IAM does when it
// is uploaded.
var metadataRules = []string{"M1", "M3", "M4", "S3", "M5", "M6", "M8"}

// CheckMetadata holds an identity provider's metadata document against what IAM checks at upload (rules
// M1, M3 to M6, M8 and S3), with the strict [Assumptions]. No finding means that IAM takes it.
func CheckMetadata(document []byte, now time.Time) []Finding {
	r := &reading{Validator: &Validator{metadata: readMetadata(document)}, now: now.UTC()}
	var out []Finding
	for i := range rules {
		for _, id := range metadataRules {
			if rules[i].ID == id {
				o := outcome{rule: &rules[i]}
				rules[i].check(r, &o)
				out = append(out, o.findings...)
			}
		}
	}
	return out
}
