package caddymodule

import (
	"fmt"
	"slices"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// HelpDeskConfig says who helps whom, on the page /helpdesk of the portal.
type HelpDeskConfig struct {
	// Groups whose members help.
	Groups []string `json:"groups"`
	// For are the groups whose members are helped, but for those who help as well.
	For []string `json:"for"`
}

// parseHelpDesk reads
//
//	helpdesk <group...> for <group...>
func parseHelpDesk(b *block) *HelpDeskConfig {
	const usage = "GROUP… for GROUP…"
	a := b.leaf(3, -1, usage)
	i := slices.Index(a, "for")
	switch {
	case len(a) == 0:
		return nil
	case i < 1 || i == len(a)-1:
		b.fail("helpdesk in %s takes: helpdesk %s", b.where, usage)
		return nil
	}
	c := &HelpDeskConfig{Groups: a[:i], For: a[i+1:]}
	for _, g := range c.For {
		if slices.Contains(c.Groups, g) {
			b.fail("helpdesk: the people of group %q would help each other, which nobody of a help desk does; write it on one side", g)
		}
	}
	return c
}

// groupNames are all groups that the help desk names.
func (c *HelpDeskConfig) groupNames() []string { return slices.Concat(c.Groups, c.For) }

// checkHelpDesks finds the first group that is none, and a help desk that could not open.
func (a *App) checkHelpDesks(n names) *mistake {
	for _, c := range a.HelpDesks {
		for _, g := range c.groupNames() {
			if err := n.checkGroup(g); err != nil {
				return &mistake{within: [2]string{"helpdesk", ""}, name: g, text: err.Error()}
			}
		}
	}
	if len(a.HelpDesks) > 0 && len(a.Factors) == 0 {
		return &mistake{within: [2]string{"helpdesk", ""}, name: "helpdesk", text: "it opens with a second factor of whoever helps, and there is none: write a factor"}
	}
	return nil
}

// helpDesks builds what idp wants.
func (a *App) helpDesks(group func(string) (idp.GroupRef, error)) ([]idp.HelpDesk, error) {
	var out []idp.HelpDesk
	for _, c := range a.HelpDesks {
		helpers, err := groupRefs(c.Groups, group)
		if err != nil {
			return nil, fmt.Errorf("helpdesk: %w", err)
		}
		helped, err := groupRefs(c.For, group)
		if err != nil {
			return nil, fmt.Errorf("helpdesk: %w", err)
		}
		out = append(out, idp.HelpDesk{Groups: helpers, For: helped})
	}
	return out, nil
}

// addHelpDesk reads one into the app.
func (a *App) addHelpDesk(b *block) {
	if c := parseHelpDesk(b); c != nil {
		a.HelpDesks = append(a.HelpDesks, c)
	}
}
