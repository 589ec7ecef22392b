package idp

import "strings"

// factorLabel is what people call a factor.
func (g *Gateway) factorLabel(name string) string { return FactorLabel(name, g.factorLabels[name]) }

// FactorLabel is what people call a factor: as the configuration says by label, or else after its name.
func FactorLabel(name, label string) string {
	if label != "" {
		return label
	}
	switch name {
	case "totp":
		return "Authenticator app"
	case "duo":
		return "Duo"
	case "passkey":
		return "Passkey"
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// factorInSentence is its label amid other words. A name keeps its capital letters.
func (g *Gateway) factorInSentence(name string) string {
	label := g.factorLabel(name)
	if g.factorLabels[name] != "" || strings.HasPrefix(label, "Duo") {
		return label
	}
	return strings.ToLower(label)
}

// heading is what stands above a factor's page. One that has a label of its own may be one of two of its kind, which their
// titles do not tell apart; where there is nothing to answer the title says what is wrong.
func (g *Gateway) heading(f Factor, view View, kind stepKind) string {
	label := g.factorLabels[f.Name()]
	switch {
	case label == "" || view.Closed:
		return view.Title
	case kind == stepEnroll:
		return "Set up " + label
	}
	return label
}
