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
		Password: "If your password has expired or you have forgotten it, ask for help at the contact below.",
		NewPhone: "Keep the old phone until the new one is set up. If it is gone, ask for help at the contact below: they can give you a code.",
	}
	for _, f := range g.factors {
		p.Factors = append(p.Factors, factorLabel(f.Name()))
	}
	for _, a := range g.applications {
		p.Apps = append(p.Apps, a.tile.Label)
	}
	g.show(w, http.StatusOK, p)
	return nil
}
