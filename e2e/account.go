package e2e

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// adminPassword is of Administrator, as whom tests edit the domain while it runs.
const adminPassword = "Adm1n-Passw0rd!"

// flagLocked is a bit of msDS-User-Account-Control-Computed.
const flagLocked = 0x10

// filterText escapes what a filter would read as its own (RFC 4515 §3).
var filterText = strings.NewReplacer(`\`, `\5c`, `*`, `\2a`, `(`, `\28`, `)`, `\29`)

// DN is where an account, or a group by its CN, is just now.
func (d *Domain) DN(account string) string {
	d.t.Helper()
	return ldifValues(d.find(account, "cn"), "dn")[0]
}

// Values are the values of an attribute of an account or a group; constructed ones that a search below the top
// gives, as tokenGroups is not.
func (d *Domain) Values(account, attribute string) []string {
	d.t.Helper()
	return ldifValues(d.find(account, attribute), attribute)
}

// find reads the one entry of an account or a group.
func (d *Domain) find(account, attribute string) string {
	d.t.Helper()
	name := filterText.Replace(account)
	out := d.search(d.BaseDN, "sub", "(|(sAMAccountName="+name+")(&(objectClass=group)(cn="+name+")))", attribute)
	if n := len(ldifValues(out, "dn")); n != 1 {
		d.t.Fatalf("%d entries are named %s:\n%s", n, account, out)
	}
	return out
}

// BadPasswords is badPwdCount. It keeps its value when the window ends, until the next bind.
func (d *Domain) BadPasswords(account string) int {
	d.t.Helper()
	return d.number(account, "badPwdCount")
}

// Locked reports whether the account is locked just now.
func (d *Domain) Locked(account string) bool {
	d.t.Helper()
	return d.number(account, "msDS-User-Account-Control-Computed")&flagLocked != 0
}

func (d *Domain) number(account, attribute string) int {
	d.t.Helper()
	values := d.Values(account, attribute)
	if len(values) == 0 { // as for who has not signed in yet
		return 0
	}
	n, err := strconv.Atoi(values[0])
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// Modify changes an entry: the LDIF is what follows the line with its DN, with or without a changetype.
func (d *Domain) Modify(dn, ldif string) {
	d.t.Helper()
	if !strings.HasPrefix(ldif, "changetype:") {
		ldif = "changetype: modify\n" + ldif
	}
	d.asAdmin("ldapmodify", "-f", WriteFile(d.t, filepath.Join(d.t.TempDir(), "change.ldif"), coded("dn", dn)+strings.TrimSpace(ldif)+"\n"))
}

// Replace gives an attribute of an account other values, or none.
func (d *Domain) Replace(account, attribute string, values ...string) {
	d.t.Helper()
	var ldif strings.Builder
	ldif.WriteString("replace: " + attribute + "\n")
	for _, v := range values {
		ldif.WriteString(coded(attribute, v))
	}
	d.Modify(d.DN(account), ldif.String())
}

// SetMail gives an account another mail, or none where it is empty.
func (d *Domain) SetMail(account, mail string) {
	d.t.Helper()
	d.Replace(account, "mail", slices.DeleteFunc([]string{mail}, func(s string) bool { return s == "" })...)
}

// SetUPN gives an account another user principal name.
func (d *Domain) SetUPN(account, upn string) {
	d.t.Helper()
	d.Replace(account, "userPrincipalName", upn)
}

// Rename gives an account another name, as after a marriage: the CN, sAMAccountName and the UPN.
func (d *Domain) Rename(account, name string) {
	d.t.Helper()
	dn := d.DN(account)
	d.Modify(dn, "changetype: modrdn\n"+coded("newrdn", "CN="+name)+"deleteoldrdn: 1")
	d.Modify("CN="+name+","+parent(dn), "replace: sAMAccountName\n"+coded("sAMAccountName", name)+
		"-\nreplace: userPrincipalName\n"+coded("userPrincipalName", name+"@corp.example.test"))
}

// Move puts an account into an organizational unit right below the top, which is made where it is not there.
func (d *Domain) Move(account, ou string) {
	d.t.Helper()
	above := "OU=" + ou + "," + d.BaseDN
	if !strings.Contains(d.search(d.BaseDN, "one", "(ou="+filterText.Replace(ou)+")", "dn"), "dn:") {
		d.Modify(above, "changetype: add\nobjectClass: organizationalUnit")
	}
	dn := d.DN(account)
	d.Modify(dn, "changetype: modrdn\n"+coded("newrdn", strings.TrimSuffix(dn, ","+parent(dn)))+"deleteoldrdn: 1\n"+coded("newsuperior", above))
}

// Disable keeps an account from signing in, and Enable lets it again.
func (d *Domain) Disable(account string) {
	d.t.Helper()
	d.Replace(account, "userAccountControl", "514")
}

// Enable undoes Disable.
func (d *Domain) Enable(account string) {
	d.t.Helper()
	d.Replace(account, "userAccountControl", "512")
}

// Delete removes an account.
func (d *Domain) Delete(account string) {
	d.t.Helper()
	d.Modify(d.DN(account), "changetype: delete")
}

// AddToGroup makes an account, or a group, a member of a group.
func (d *Domain) AddToGroup(account, group string) {
	d.t.Helper()
	d.Modify(d.DN(group), "add: member\n"+coded("member", d.DN(account)))
}

// RemoveFromGroup undoes AddToGroup.
func (d *Domain) RemoveFromGroup(account, group string) {
	d.t.Helper()
	d.Modify(d.DN(group), "delete: member\n"+coded("member", d.DN(account)))
}

// SetPassword is an administrator's reset, which asks no old password, history or minimum age.
func (d *Domain) SetPassword(account, password string) {
	d.t.Helper()
	d.Replace(account, "unicodePwd", unicodePwd(password))
}

// MustChange makes an account change its password at the next sign-in.
func (d *Domain) MustChange(account string) {
	d.t.Helper()
	d.Replace(account, "pwdLastSet", "0")
}

// AgePassword makes the password of an account that old. Only the database's own tools may.
func (d *Domain) AgePassword(account string, by time.Duration) {
	d.t.Helper()
	change := fmt.Sprintf("%schangetype: modify\nreplace: pwdLastSet\npwdLastSet: %d\n", coded("dn", d.DN(account)), fileTime(time.Now().Add(-by)))
	asRoot(d.t, []byte(change), "ldbmodify", "-H", d.database(), "--configfile="+d.conf, "--controls=local_oid:1.3.6.1.4.1.7165.4.3.12:0")
}

// Lock locks an account as too many wrong passwords would, and Unlock lets it sign in again.
func (d *Domain) Lock(account string) {
	d.t.Helper()
	d.Replace(account, "lockoutTime", strconv.FormatInt(fileTime(time.Now()), 10))
}

// Unlock undoes Lock, and sets badPwdCount to 0.
func (d *Domain) Unlock(account string) {
	d.t.Helper()
	d.Replace(account, "lockoutTime", "0")
}

// Bind signs in to the domain itself, past the gateway, as a UPN or a DN, and returns what the client says.
func (d *Domain) Bind(who, password string) (string, error) {
	d.t.Helper()
	return Try(d.trusting(), "ldapsearch", "-x", "-H", d.alive().URL, "-D", who, "-w", password, "-b", "", "-s", "base", "dnsHostName")
}

// ChangePassword changes a password as its owner does, past the gateway, and returns what the client says.
func (d *Domain) ChangePassword(account, password, next string) (string, error) {
	d.t.Helper()
	dn := d.DN(account)
	ldif := coded("dn", dn) + "changetype: modify\ndelete: unicodePwd\n" + coded("unicodePwd", unicodePwd(password)) +
		"-\nadd: unicodePwd\n" + coded("unicodePwd", unicodePwd(next))
	return Try(d.trusting(), "ldapmodify", "-x", "-H", d.alive().URL, "-D", dn, "-w", password, "-f", WriteFile(d.t, filepath.Join(d.t.TempDir(), "change.ldif"), ldif))
}

// alive is the first controller that runs.
func (d *Domain) alive() *Controller {
	if !d.runs() && d.second.runs() {
		return &d.second
	}
	return &d.Controller
}

func (d *Domain) trusting() []string { return []string{"LDAPTLS_CACERT=" + d.CA} }

func (d *Domain) search(base, scope, filter, attribute string) string {
	d.t.Helper()
	return d.asAdmin("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", base, "-s", scope, filter, attribute)
}

func (d *Domain) asAdmin(client string, args ...string) string {
	d.t.Helper()
	return Run(d.t, d.trusting(), client, append([]string{"-x", "-H", d.alive().URL, "-D", "Administrator@corp.example.test", "-w", adminPassword}, args...)...)
}

// coded is a line of LDIF, whatever is in the value.
func coded(attribute, value string) string {
	return attribute + ":: " + base64.StdEncoding.EncodeToString([]byte(value)) + "\n"
}

// unicodePwd is a password as Active Directory takes it.
func unicodePwd(password string) string {
	var quoted []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		quoted = append(quoted, byte(unit), byte(unit>>8))
	}
	return string(quoted)
}

// parent is the DN above another; a comma of a name has a backslash before it.
func parent(dn string) string {
	for i := 1; i < len(dn); i++ {
		if dn[i] == ',' && dn[i-1] != '\\' {
			return dn[i+1:]
		}
	}
	return ""
}

// fileTime counts 100 ns since 1601, as Windows does.
func fileTime(at time.Time) int64 { return at.Unix()*1e7 + 116444736e9 }
