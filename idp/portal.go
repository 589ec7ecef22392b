package idp

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-sso/gatehouse/idp/web"
)

// getPortal shows the tiles, once the portal's own policy is content.
func (g *Gateway) getPortal(w http.ResponseWriter, r *http.Request) error {
	v, err := g.visitor(r)
	if err != nil {
		return err
	}
	if v.session == nil {
		return g.setOut(w, r, v, &flow{Late: late(r)})
	}
	v.flow = &flow{}
	d, own, err := g.decide(r, v)
	if err != nil {
		return err
	}
	if open, err := g.opens(r, v, d); !open || err != nil {
		if err != nil {
			return err
		}
		return g.setOut(w, r, v, &flow{Late: late(r)})
	}
	if err := g.recordOutage(r, v, d); err != nil {
		return err
	}
	p := web.Portal{Frame: g.frame(v), F: v.session.Form, BreakGlass: v.session.User.BreakGlass}
	if d.Warning != "" {
		p.Notices = append(p.Notices, web.Notice{Text: d.Warning})
	}
	if n, ok := g.expiryNotice(&v.session.User); ok {
		p.Notices = append(p.Notices, n)
	}
	for _, notice := range []func(context.Context, *visitor) (web.Notice, error){g.recoveryNotice, g.backupNotice, g.keyNotice} {
		if n, err := notice(r.Context(), v); err != nil {
			return err
		} else if n.Text != "" {
			p.Notices = append(p.Notices, n)
		}
	}
	if p.News, err = g.newsFor(r.Context(), v); err != nil {
		return err
	}
	for i := range g.applications {
		t, ok, err := g.tile(r, v, own, &g.applications[i])
		if err != nil {
			return err
		}
		if ok {
			p.Tiles = append(p.Tiles, t)
		}
	}
	g.show(w, http.StatusOK, p)
	return nil
}

// expiryNotice tells of a password that expires soon.
func (g *Gateway) expiryNotice(u *User) (web.Notice, bool) {
	n := web.Notice{Text: expiryInWords(u.PasswordExpires, g.now(), g.portal.PasswordNotice)}
	if _, c := g.changer(u); c != nil {
		n.Link = web.Link{Label: "Change it now", URL: "/password"}
	}
	return n, n.Text != ""
}

// tile returns the tile of an application that the person may open, with what it will ask for.
func (g *Gateway) tile(r *http.Request, v *visitor, own *Device, a *application) (web.Tile, bool, error) {
	u := &v.session.User
	d, err := g.judgeVisit(r, v, own, a.tile.Name)
	closed := closedTile(d)
	if err != nil || d.Verdict == Deny && closed == "" {
		return web.Tile{}, false, err
	}
	if own == nil && v.session.NoDevice {
		d.Keep = 0 // others use this browser too: whatever is passed counts for the session
	}
	p := a.guard.current().For(u)
	if e, ok := a.Application.(Entitler); ok && !e.Entitled(u) {
		return web.Tile{}, false, nil
	}
	t := web.Tile{
		Name: a.tile.Name, Label: a.tile.Label, Icon: a.tile.Icon,
		Initials: initials(a.tile.Label), Hue: hue(a.tile.Name), Asks: p.asks(d, g.askedLabel(p, d)),
	}
	if closed != "" {
		t.Asks, t.Closed = closed, true
	}
	return t, true, nil
}

// closedTile says in a few words why an application does not open where and when somebody is, or returns "" where it does
// or never will: what is not for a person they do not see.
func closedTile(d Decision) string {
	if d.Verdict != Deny {
		return ""
	}
	switch d.Section {
	case "hours":
		return "closed at this hour"
	case "networks", "locations", "anonymous_networks", "require":
		return "does not open from here"
	case "trusted_endpoints":
		return "opens on company computers only"
	case SystemsSectionName:
		return "does not open with this operating system"
	case BrowsersSectionName:
		return "does not open with this browser"
	case "outage":
		return "waits for your second step, which does not answer"
	case "new_user":
		return "needs a second step that you have not set up"
	}
	return ""
}

// askedLabel names the factor that a decision asks for, or will ask for.
func (g *Gateway) askedLabel(p *Policy, d Decision) string {
	names := d.Factors
	if names == nil {
		names = g.taken(p)
	}
	switch len(names) {
	case 0:
		return "second step"
	case 1:
		return g.factorInSentence(names[0])
	}
	return "second step"
}

// taken returns the factors that a policy takes: all, where it does not say.
func (g *Gateway) taken(p *Policy) []string {
	if p.Factors != nil {
		return p.Factors.Names
	}
	return g.wanted(Decision{})
}

// wanted returns the factors that would do for a decision, strongest first: all, where it does not say.
func (g *Gateway) wanted(d Decision) []string {
	if d.Factors != nil {
		return d.Factors
	}
	names := make([]string, len(g.factors))
	for i, f := range g.factors {
		names[i] = f.Name()
	}
	return names
}

// initials returns one or two letters for a tile without an icon.
func initials(label string) string {
	var out []rune
	for word := range strings.FieldsSeq(label) {
		c, _ := utf8.DecodeRuneInString(word)
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			out = append(out, unicode.ToUpper(c))
		}
		if len(out) == 2 {
			break
		}
	}
	return string(out)
}

// hue picks a colour that stays with the name.
func hue(name string) int {
	sum := hashOf(name)
	return (int(sum[0])<<8 | int(sum[1])) % 360
}

// getMetadata serves the document that IAM and service providers read.
func (g *Gateway) getMetadata(w http.ResponseWriter, _ *http.Request) error {
	if g.metadata == nil {
		return &Error{Status: http.StatusNotFound, Public: "No application here is signed in to by SAML.", Reason: "no_saml"}
	}
	doc, err := g.metadata()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	w.Header().Set("Content-Disposition", `inline; filename="gatehouse-metadata.xml"`)
	_, err = w.Write(doc)
	return err
}

// ssoPath is where applications that begin a sign-in send people, by either binding that the metadata names.
const ssoPath = "/saml/sso"

// sso answers applications that begin a sign-in by themselves.
func (g *Gateway) sso(http.ResponseWriter, *http.Request) error {
	return &Error{Status: http.StatusBadRequest, Title: "Start from the portal", Public: "This application is opened from its tile in the portal.", Reason: "sp_initiated"}
}

// getHealth answers for any host: the process serves.
func (g *Gateway) getHealth(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(v)
}

// hashOf is the SHA-256 of a text.
func hashOf(s string) Hash { return sha256.Sum256([]byte(s)) }
