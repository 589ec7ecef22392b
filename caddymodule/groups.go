package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// groupTime bounds how long directories are asked for the groups of a configuration.
const groupTime = time.Minute

// checkGroups asks the sources that keep their groups elsewhere for each group that the configuration
// names, and says which policy or application names one that is not there: nobody could be in it.
func (a *App) checkGroups(ctx context.Context) []idp.Finding {
	finders := map[string]idp.GroupFinder{}
	for i, s := range a.sources {
		if f, ok := s.(idp.GroupFinder); ok && !a.Sources[i].Off {
			finders[s.Name()] = f
		}
	}
	var found []idp.Finding
	n, known := a.names(), map[idp.GroupRef]error{}
	for _, g := range a.groupsNamed() {
		ref, err := n.group(g.name)
		if err != nil || finders[ref.Source] == nil {
			continue // a group without a source fails the configuration
		}
		answer, asked := known[ref]
		if !asked {
			answer = finders[ref.Source].FindGroup(ctx, ref.Name)
			known[ref] = answer
		}
		where := strings.TrimSpace(strings.Join(g.within[:], " "))
		if at := a.WrittenAt[g.key()]; at != "" {
			where += ", at " + at
		}
		found = append(found, groupFinding(where, ref, answer))
	}
	return found
}

// namedGroup is a group as a policy, an application or the help desk names it.
type namedGroup struct {
	within [2]string // "policy", "weekly"
	name   string    // as written
}

func (g namedGroup) key() string { return strings.Join(g.within[:], " ") + ": " + g.name }

// groupsNamed returns each group that the configuration names, once for each section.
func (a *App) groupsNamed() []namedGroup {
	var out []namedGroup
	add := func(kind, owner string, groups []string) {
		groups = slices.Clone(groups)
		slices.Sort(groups)
		for _, g := range slices.Compact(groups) {
			out = append(out, namedGroup{[2]string{kind, owner}, g})
		}
	}
	for _, p := range a.Policies {
		add("policy", p.Name, p.groupNames())
	}
	of := func(policies []GroupPolicyConfig) (names []string) {
		for _, p := range policies {
			names = append(names, p.Groups...)
		}
		return names
	}
	if a.Portal != nil {
		add("portal", "", of(a.Portal.GroupPolicies))
	}
	var helping []string
	for _, c := range a.HelpDesks {
		helping = append(helping, c.groupNames()...)
	}
	add("helpdesk", "", helping)
	for _, e := range a.Applications {
		add("application", e.Name, append(of(e.GroupPolicies), e.groupRefs()...))
	}
	return out
}

// placeGroups writes down where the groups of directories were written, since only the directory can say
// later that one is not there. Local groups were checked already.
func (a *App) placeGroups(s caddyfile.Segment) {
	n := a.names()
	for _, g := range a.groupsNamed() {
		ref, err := n.group(g.name)
		if err != nil || n.groups[ref.Source] != nil {
			continue
		}
		t, found := (&mistake{within: g.within, name: g.name}).find(s)
		if _, placed := a.WrittenAt[g.key()]; placed || !found {
			continue // an earlier block wrote it
		}
		if a.WrittenAt == nil {
			a.WrittenAt = map[string]string{}
		}
		a.WrittenAt[g.key()] = fmt.Sprintf("%s:%d", t.File, t.Line)
	}
}

func groupFinding(where string, ref idp.GroupRef, answer error) idp.Finding {
	f := idp.Finding{Level: idp.LevelError, Where: where}
	switch {
	case answer == nil:
		f.Level, f.What = idp.LevelOK, fmt.Sprintf("the directory has the group %q", ref)
	case errors.Is(answer, idp.ErrNotFound):
		f.What = fmt.Sprintf("the directory has no group %q, so nobody is in it (%v)", ref, answer)
		f.Cure = "write the group's CN, sAMAccountName or DN as the directory has it"
	case errors.Is(answer, idp.ErrAmbiguous):
		f.What = fmt.Sprintf("the directory has more than one group %q, so the name means none (%v)", ref, answer)
		f.Cure = "write the DN of the one that is meant"
	default:
		f.Level, f.What = idp.LevelWarning, fmt.Sprintf("the directory cannot be asked for the group %q: %v", ref, answer)
	}
	return f
}

// warnGroups logs the groups that are not there. It asks after the start, because a configuration has to
// load while a directory is down.
func (a *App) warnGroups() {
	ctx, cancel := context.WithTimeout(a.ctx, groupTime)
	defer cancel()
	for _, f := range a.checkGroups(ctx) {
		if a.ctx.Err() != nil {
			return // another configuration is in force
		}
		if f.Level != idp.LevelOK {
			a.log.Warn(f.What, zap.String("named_by", f.Where), zap.String("cure", f.Cure))
		}
	}
}
