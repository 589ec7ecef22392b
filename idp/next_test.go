package idp

import (
	"testing"
	"time"
)

// TestTheDeviceOnlyAdds: a launch that is allowed without looking at the device must be the same launch with
// whatever the device remembers; decideLaunch leans on it.
func TestTheDeviceOnlyAdds(t *testing.T) {
	always, weekly := headline(t)
	fresh := Passed{Proof: Proof{Factor: "totp", At: monday}, Scope: SharedScope}
	old := Passed{Proof: Proof{Factor: "totp", At: monday.Add(-8 * 24 * time.Hour)}, Scope: SharedScope}
	guarded := weekly
	guarded.Groups = &GroupsSection{Allow: []GroupRef{{Source: "corp", Name: "Agents"}}}
	alice := &User{Source: "corp", ID: "1"}
	for _, p := range []Policy{always, weekly, guarded, {}} {
		for _, v := range []Visit{
			{Now: monday, User: alice, App: "connect"},
			{Now: monday, User: alice, App: "connect", Session: []Passed{fresh}},
			{Now: monday, User: alice, App: "connect", Session: []Passed{old}},
			{Now: monday, User: alice, App: "connect", Flow: []Proof{fresh.Proof}},
			{Now: monday, App: "connect", Session: []Passed{fresh}},
		} {
			without := p.Decide(v)
			for _, device := range [][]Passed{{fresh}, {old}, {fresh, old}} {
				v.Device = device
				with := p.Decide(v)
				if without.Verdict == Allow && (with.Verdict != Allow || with.Rule != without.Rule || with.Keep != without.Keep) {
					t.Errorf("%+v: %+v, but with the device %+v", v, without, with)
				}
				if without.Verdict == Deny && with.Verdict != Deny {
					t.Errorf("%+v: denied, but with the device %+v", v, with)
				}
			}
		}
	}
}
