package passkey

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-sso/gatehouse/idp"
)

// CheckStore tells how many people hold passkeys that cannot be asked for any more: because the portal had another host
// when they were made, or because a copy of them was in use.
func (f *Factor) CheckStore(ctx context.Context) []idp.Finding {
	where := "factor " + f.name
	list, err := f.store.FactorEnrollments(ctx, f.name)
	if err != nil {
		return []idp.Finding{{Level: idp.LevelError, Where: where, What: "the passkeys cannot be read: " + err.Error(), Cure: "look at the store"}}
	}
	people, elsewhere, copied := map[string]bool{}, map[string]bool{}, map[string]bool{}
	hosts := map[string]bool{}
	for _, e := range list {
		k, err := readKey(e)
		if err != nil {
			return []idp.Finding{{Level: idp.LevelError, Where: where, What: err.Error(), Cure: "look at the store"}}
		}
		people[e.User] = true
		if k.RPID != f.rpID {
			elsewhere[e.User], hosts[k.RPID] = true, true
		}
		if k.cloned() {
			copied[e.User] = true
		}
	}
	out := []idp.Finding{{Level: idp.LevelOK, Where: where, What: fmt.Sprintf("%d people have passkeys for %s", len(people)-len(elsewhere), f.rpID)}}
	if len(elsewhere) > 0 {
		out[0] = idp.Finding{
			Level: idp.LevelWarning, Where: where,
			What: fmt.Sprintf("%d people have passkeys for %s, which browsers do not offer to a portal at %s",
				len(elsewhere), strings.Join(slices.Sorted(maps.Keys(hosts)), ", "), f.rpID),
			Cure: "keep the portal's host, or have these people set up new passkeys: by another factor, or with an invitation",
		}
	}
	if len(copied) > 0 {
		out = append(out, idp.Finding{
			Level: idp.LevelWarning, Where: where,
			What: fmt.Sprintf("copies of passkeys of %d people were in use: %s", len(copied), strings.Join(slices.Sorted(maps.Keys(copied)), ", ")),
			Cure: "ask them which devices they use, remove the passkey in their settings, and look for the audit lines with the reason cloned",
		})
	}
	return out
}
