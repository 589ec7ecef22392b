package ldap

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// ActiveDirectory is Microsoft's directory, and Samba's.
const ActiveDirectory = "active_directory"

// kind is what tells one make of directory from another.
type kind struct {
	person   string   // filter that the accounts of people fit
	group    string   // filter that groups fit
	typed    []string // attributes that a typed name may be in
	account  string   // attribute that a name typed as DOMAIN\name is in
	id       string   // attribute that never changes
	names    []string // attributes that a person is called by, the first that has a value
	shortly  []string // attributes that a group is called by
	defaults Attributes
	// idText writes the id for people.
	idText func([]byte) (string, error)
	// refusal says what the answer to a bind means.
	refusal func(*goldap.Error) error
}

func kindOf(name string) (kind, error) {
	if name != "" && name != ActiveDirectory {
		return kind{}, fmt.Errorf("no kind of directory is named %q; there is: %s", name, ActiveDirectory)
	}
	return kind{
		person:   "(objectCategory=person)(objectClass=user)",
		group:    "(objectCategory=group)",
		typed:    []string{"mail", "userPrincipalName", "sAMAccountName"},
		account:  "sAMAccountName",
		id:       "objectGUID",
		names:    []string{"userPrincipalName", "sAMAccountName"},
		shortly:  []string{"cn", "sAMAccountName"},
		defaults: Attributes{Email: "mail", FirstName: "givenName", LastName: "sn", DisplayName: "displayName"},
		idText:   guidText,
		refusal:  refusalOfActiveDirectory,
	}, nil
}

func (k kind) attributes(a Attributes) Attributes {
	for _, d := range []struct {
		to *string
		is string
	}{
		{&a.Email, k.defaults.Email},
		{&a.FirstName, k.defaults.FirstName},
		{&a.LastName, k.defaults.LastName},
		{&a.DisplayName, k.defaults.DisplayName},
	} {
		if *d.to == "" {
			*d.to = d.is
		}
	}
	return a
}

// guidText writes a GUID as Microsoft's tools do: the first three parts are stored lowest byte first ([MS-DTYP] §2.3.4).
func guidText(b []byte) (string, error) {
	if len(b) != 16 {
		return "", fmt.Errorf("an objectGUID has 16 bytes, not %d", len(b))
	}
	return fmt.Sprintf("%08x-%04x-%04x-%s-%s", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]),
		binary.LittleEndian.Uint16(b[6:]), hex.EncodeToString(b[8:10]), hex.EncodeToString(b[10:])), nil
}

// subCode is where Active Directory puts the reason of a refused bind.
var subCode = regexp.MustCompile(`\bdata ([0-9a-f]+)\b`)

// refusalOfActiveDirectory maps result code 49. The states are told for the right password alone. 775, locked, comes
// for a wrong one as well: whoever guesses would learn from it that the account exists, and the
// right password from nothing, so it counts as wrong and only the audit line says more.
func refusalOfActiveDirectory(e *goldap.Error) error {
	if e.ResultCode != goldap.LDAPResultInvalidCredentials {
		return nil
	}
	data := ""
	if m := subCode.FindStringSubmatch(e.Err.Error()); m != nil {
		data = m[1]
	}
	state := map[string]string{
		"530": "hours", "531": "workstation", "532": "password_expired", "533": "disabled",
		"701": "expired", "773": "must_change",
	}[data]
	switch {
	case state != "":
		return &idp.AccountState{State: state}
	case data == "775":
		return fmt.Errorf("%w: the account is locked (data 775)", idp.ErrBadCredentials)
	case data == "":
		return idp.ErrBadCredentials
	}
	return fmt.Errorf("%w (data %s)", idp.ErrBadCredentials, data)
}

// domainOf returns the part of a DN that names the domain: its last DC components.
func domainOf(dn string) (string, error) {
	parsed, err := goldap.ParseDN(dn)
	if err != nil {
		return "", err
	}
	from := len(parsed.RDNs)
	for from > 0 && len(parsed.RDNs[from-1].Attributes) == 1 && strings.EqualFold(parsed.RDNs[from-1].Attributes[0].Type, "DC") {
		from--
	}
	if from == len(parsed.RDNs) {
		return "", errors.New("it does not end in a domain")
	}
	return (&goldap.DN{RDNs: parsed.RDNs[from:]}).String(), nil
}

func sameDN(a, b string) bool {
	x, err := goldap.ParseDN(a)
	if err != nil {
		return false
	}
	y, err := goldap.ParseDN(b)
	return err == nil && x.EqualFold(y)
}
