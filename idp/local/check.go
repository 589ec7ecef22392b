package local

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// Check reports names that fit two users, hashes that are cheaper than they should be, and hashes
// whose cost tells their user from a name that nobody has.
func (s *Source) Check(context.Context) []idp.Finding {
	where := "source " + s.name
	if len(s.users) == 0 {
		return []idp.Finding{{
			Level: "warning", Where: where,
			What: "it has no users, so that nobody can sign in with it",
			Cure: "add a user, or take the source away",
		}}
	}
	findings := s.checkNames(where)
	for _, a := range s.users {
		if a.hash.work() < advisedWork {
			findings = append(findings, idp.Finding{
				Level: "warning", Where: where,
				What: fmt.Sprintf("the hash of user %q is cheap to guess: m=%d, t=%d", a.user.Name, a.hash.memory, a.hash.time),
				Cure: "hash the password anew with `" + hashCommand + "`",
			})
		}
		if a.hash.params != s.dummy.params {
			findings = append(findings, idp.Finding{
				Level: "warning", Where: where,
				What: fmt.Sprintf("the hash of user %q has other parameters than most, so that the time of an answer tells that the name exists", a.user.Name),
				Cure: "hash all passwords of the source with the same parameters",
			})
		}
	}
	return append(findings, idp.Finding{
		Level: "ok", Where: where, What: fmt.Sprintf("users: %d", len(s.users)),
	})
}

// checkNames reports what Find answers with ErrAmbiguous.
func (s *Source) checkNames(where string) []idp.Finding {
	var findings []idp.Finding
	for _, key := range slices.Sorted(maps.Keys(s.byName)) {
		found := s.byName[key]
		if len(found) < 2 {
			continue
		}
		names := make([]string, len(found))
		typed := found[0].user.Email
		for i, a := range found {
			names[i] = a.user.Name
			if fold(a.user.Name) == key {
				typed = a.user.Name
			}
		}
		findings = append(findings, idp.Finding{
			Level: "error", Where: where,
			What: fmt.Sprintf("%q fits the users %s, so that none of them can sign in with it", typed, strings.Join(names, ", ")),
			Cure: "give each user a mail address that is nobody else's name or mail",
		})
	}
	return findings
}
