package ldap

import "testing"

// Names of attributes that directories have are taken, and what none has is not.
func TestAttributeNames(t *testing.T) {
	for name, want := range map[string]bool{
		"mail": true, "extensionAttribute1": true, "msDS-cloudExtensionAttribute1": true, "description;lang-de": true, "acme_role": true,
		"a b": false, "@@": false, "(x=y)": false, "1.2.840.113556.1.4.221": false, "-x": false, "mail;": false, "mail\n": false,
	} {
		if err := (&Attributes{More: []string{name}}).check(); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}
