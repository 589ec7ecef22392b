package idp

import (
	"net/http"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// getHelp shows the page that agents print.
func (g *Gateway) getHelp(w http.ResponseWriter, r *http.Request) error {
	v, err := g.visitor(r)
	if err != nil {
		return err
	}
	p := web.Help{
		Frame: g.frame(v), Address: g.origin + "/",
		Password: g.passwordHelp(),
		Gate:     g.gateHelp(v),
		NewPhone: "Keep the old phone until the new one is set up. If it is gone, ask for help at the contact below: they can give you a code.",
	}
	for _, f := range g.factors {
		p.Factors = append(p.Factors, g.factorLabel(f.Name()))
	}
	for _, a := range g.applications {
		p.Apps = append(p.Apps, a.tile.Label)
	}
	g.show(w, http.StatusOK, p)
	return nil
}

// gateHelp says what the first second step needs besides the password, by the policies of the person, or of anybody.
func (g *Gateway) gateHelp(v *visitor) string {
	var u *User
	if v.session != nil {
		u = &v.session.User
	}
	from := false
	for _, guard := range g.guards() {
		p := guard.For(u)
		switch first := p.EnrollFirst; {
		case p.MFA == nil || p.MFA.Mode == MFAOff:
		case first == nil, first.Mode == EnrollWithCode:
			return "If you are asked for an invitation code then, get one from the contact below."
		case first.Mode == EnrollFrom:
			from = true
		}
	}
	if from {
		return "Do that at work: elsewhere you are asked for an invitation code, which you get from the contact below."
	}
	return ""
}

// passwordHelp says what becomes of a password that has expired. Nobody may be signed in, so that it has to
// hold for the people of every source.
func (g *Gateway) passwordHelp() string {
	changed, kept := false, false
	for _, o := range g.everywhere() {
		if _, ok := o.passwords.(PasswordChanger); ok && !o.KeepPasswords {
			changed = true
		} else if o.passwords != nil {
			kept = true
		}
	}
	switch {
	case !changed:
		return "If your password has expired or you have forgotten it, ask for help at the contact below."
	case kept:
		return "If your password has expired, sign in with it as usual: most people can choose a new one there. If you cannot, or have forgotten it, ask for help at the contact below."
	}
	return "If your password has expired, sign in with it as usual: you choose a new one there. If you have forgotten it, ask for help at the contact below."
}
