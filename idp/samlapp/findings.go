package samlapp

import (
	"fmt"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// findings collects what a check says of one application.
type findings struct {
	where string
	list  []idp.Finding
}

func (f *findings) ok(rule, format string, args ...any) {
	f.list = append(f.list, idp.Finding{Level: "ok", Where: f.where, Rule: rule, What: fmt.Sprintf(format, args...)})
}

func (f *findings) warn(rule, what, cure string) {
	f.list = append(f.list, idp.Finding{Level: "warning", Where: f.where, Rule: rule, What: what, Cure: cure})
}

func (f *findings) fail(rule, what, cure string) {
	f.list = append(f.list, idp.Finding{Level: "error", Where: f.where, Rule: rule, What: what, Cure: cure})
}

// key looks at the key that would sign, rule S3.
func (f *findings) key(i *Issuer) {
	key, err := i.activeKey()
	if err != nil {
		f.fail("S3", "no key can sign: "+err.Error(), "see caddy gatehouse keys list")
		return
	}
	f.ok("S3", "signs with RSA-%d and SHA-256", key.modulus*8)
}
