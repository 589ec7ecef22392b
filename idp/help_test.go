package idp_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// The guide says beforehand what the first second step needs.
func TestTheGuideTellsOfTheInvitationCode(t *testing.T) {
	const code, work = "asked for an invitation code then", "Do that at work"
	for name, c := range map[string]struct {
		mfa   idp.MFAMode
		first *idp.EnrollFirstSection
		want  string
	}{
		"anywhere":      {idp.MFAAlways, &idp.EnrollFirstSection{Mode: idp.EnrollAnywhere}, ""},
		"with a code":   {idp.MFAAlways, &idp.EnrollFirstSection{Mode: idp.EnrollWithCode}, code},
		"from a place":  {idp.MFAAlways, &idp.EnrollFirstSection{Mode: idp.EnrollFrom, Networks: []idp.Network{floorNet}}, work},
		"nothing asked": {idp.MFAOff, &idp.EnrollFirstSection{Mode: idp.EnrollWithCode}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := policed(t, &idp.Policy{MFA: &idp.MFASection{Mode: c.mfa}, EnrollFirst: c.first}, nil)
			h.visit("/help")
			for _, words := range []string{code, work} {
				if got := strings.Contains(h.words(), words); got != (words == c.want) {
					t.Errorf("%q is said: %v\n%s", words, got, h.words())
				}
			}
		})
	}
}
