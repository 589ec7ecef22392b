package ldap

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// ActiveDirectory is Microsoft's directory, and Samba's.
const ActiveDirectory = "active_directory"

func activeDirectory() kind {
	return kind{
		name:      ActiveDirectory,
		addresses: "proxyAddresses",
		state:     adState,
		counts:    adCounts,
		person:    "(sAMAccountType=805306368)", // SAM_USER_OBJECT, indexed: neither contacts nor computers ([MS-SAMR] §2.2.1.9)
		group:     "(objectCategory=group)",
		typed:     []string{"mail", "userPrincipalName", "sAMAccountName"},
		account:   "sAMAccountName",
		ids:       []string{"objectGUID"},
		names:     []string{"userPrincipalName", "sAMAccountName"},
		shortly:   []string{"cn", "sAMAccountName"},
		defaults:  Attributes{Email: "mail", FirstName: "givenName", LastName: "sn", DisplayName: "displayName"},
		clock:     "currentTime",
		scope:     []goldap.Control{goldap.NewControlString(goldap.ControlTypeMicrosoftDomainScope, false, "")},
		idText:    guidText,
		idFilter:  guidFilter,
		refusal:   refusalOfActiveDirectory,

		apart:            true,
		rootOf:           domainOf,
		gather:           gatherActiveDirectory,
		groupEntries:     groupsBySID,
		accountState:     stateOfActiveDirectory,
		mustChange:       mustChangeInActiveDirectory,
		lockIn:           lockInActiveDirectory,
		failures:         failuresOfActiveDirectory,
		policyAttributes: adPolicy,
		readPolicy:       readActiveDirectoryPolicy,
		policyCure:       "let the service account read the domain's lockoutThreshold, lockOutObservationWindow and lockoutDuration, and the entries in CN=Password Settings Container,CN=System",
		change:           changeUnicodePwd,
		changeRefused:    changeRefusedByActiveDirectory,
	}
}

// guidText writes a GUID as Microsoft's tools do: the first three parts are stored lowest byte first ([MS-DTYP] §2.3.4).
func guidText(b []byte) (string, error) {
	if len(b) != 16 {
		return "", fmt.Errorf("an objectGUID has 16 bytes, not %d", len(b))
	}
	return fmt.Sprintf("%08x-%04x-%04x-%s-%s", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]),
		binary.LittleEndian.Uint16(b[6:]), hex.EncodeToString(b[8:10]), hex.EncodeToString(b[10:])), nil
}

// guidFilter finds an account by its GUID, written as guidText writes it.
func guidFilter(id string) (string, error) {
	parts := strings.Split(id, "-")
	raw, err := hex.DecodeString(strings.Join(parts, ""))
	if err != nil || len(raw) != 16 || len(parts) != 5 {
		return "", fmt.Errorf("%q is no objectGUID: %w", id, idp.ErrNoUser)
	}
	slices.Reverse(raw[:4])
	slices.Reverse(raw[4:6])
	slices.Reverse(raw[6:8])
	return "(objectGUID=" + escapeBytes(string(raw)) + ")", nil
}

// subCode is where Active Directory puts the reason of a refused bind.
var subCode = regexp.MustCompile(`\bdata ([0-9a-f]+)\b`)

// refusalOfActiveDirectory maps result code 49. The states are told for the right password alone; Samba answers 52e
// to a wrong one whatever the state. 775, locked, comes for a wrong one as well: whoever guesses would
// learn from it that the account exists, and the right password from nothing, so it counts as wrong
// and only the audit line says more.
func refusalOfActiveDirectory(e *goldap.Error, _ []goldap.Control) error {
	if e == nil || e.ResultCode != goldap.LDAPResultInvalidCredentials {
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

// changeUnicodePwd deletes the old value and adds the new one, in one request: a replace would be a reset,
// which needs no old password and a right that the service account must not have ([MS-ADTS]
// §3.1.1.3.1.5).
func changeUnicodePwd(c *goldap.Conn, dn, old, replacement string, _ bool) error {
	r := goldap.NewModifyRequest(dn, nil)
	r.Delete("unicodePwd", []string{quoted(old)})
	r.Add("unicodePwd", []string{quoted(replacement)})
	return c.Modify(r)
}

// quoted writes a password as unicodePwd takes it: in quotes, as UTF-16 with the lowest byte first.
func quoted(password string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// win32 is where Active Directory puts the Windows error that a modify ended in.
var win32 = regexp.MustCompile(`^([0-9A-Fa-f]{8}):`)

// samba are the words of Samba's that tell more than the Windows error does.
var samba = []struct{ words, reason string }{
	{"too short", "too_short"},
	{"complexity", "complexity"},
	{"already used", "history"},
	{"too young", "min_age"},
	{"changes disabled", "not_allowed"},
	{"can't be changed", "not_allowed"},
	// An account that may not change its password: the access list says no.
	{"module acl", "not_allowed"},
}

// changeRefusedByActiveDirectory maps the answer to a change. Windows tells no more of a new password than that it
// does not fit (ERROR_PASSWORD_RESTRICTION); Samba says why.
func changeRefusedByActiveDirectory(e *goldap.Error) error {
	text, code := e.Err.Error(), ""
	if m := win32.FindStringSubmatch(text); m != nil {
		code = strings.ToUpper(m[1])
	}
	switch {
	case code == "00000056": // ERROR_INVALID_PASSWORD
		return fmt.Errorf("%w (%s)", idp.ErrBadCredentials, code)
	case code == "00000775": // ERROR_ACCOUNT_LOCKED_OUT
		return fmt.Errorf("%w: the account is locked (%s)", idp.ErrBadCredentials, code)
	case code == "00000005", e.ResultCode == goldap.LDAPResultInsufficientAccessRights:
		return &idp.PasswordRefused{Reason: "not_allowed", Detail: text}
	}
	for _, s := range samba {
		if strings.Contains(text, s.words) {
			return &idp.PasswordRefused{Reason: s.reason, Detail: text}
		}
	}
	if code == "0000052D" { // ERROR_PASSWORD_RESTRICTION
		return &idp.PasswordRefused{Reason: "policy", Detail: text}
	}
	return nil
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

// never is how Active Directory writes a date that does not come.
const never = 1<<63 - 1

// epoch is when Active Directory's time begins, in seconds before 1970.
const epoch = 11_644_473_600

// fileTime reads a date in hundreds of nanoseconds since 1601; zero where it is none, or one that does not come.
func fileTime(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n == never {
		return time.Time{}
	}
	// Later years than four digits write cannot be written down (RFC 3339 §1), and do not come either.
	if at := time.Unix(n/10_000_000-epoch, n%10_000_000*100).UTC(); at.Year() <= 9999 {
		return at
	}
	return time.Time{}
}

// span reads a length of time, which Active Directory writes in hundreds of nanoseconds below zero, so that it is
// no date.
func span(text string) (time.Duration, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > 0 || n < -int64(366*24*time.Hour/100) {
		return 0, fmt.Errorf("%q is no length of time", text)
	}
	return time.Duration(-n) * 100, nil
}
