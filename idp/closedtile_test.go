package idp

import "testing"

// TestClosedTile: a tile that circumstances close stays where people look for it; what is not for a person is not there.
func TestClosedTile(t *testing.T) {
	for i, name := range sectionNames {
		shut := closedTile(Decision{Verdict: Deny, Section: name})
		hidden := i == onAuthentication || i == onGroups || i == onSession || i == onPasswordless || i == onShared // the last three never deny
		if (shut == "") != hidden {
			t.Errorf("%s: %q", name, shut)
		}
		if open := closedTile(Decision{Verdict: Ask, Section: name}); open != "" {
			t.Errorf("%s asks, and the tile says %q", name, open)
		}
	}
	if got := closedTile(Decision{Verdict: Deny, Reason: "incomplete"}); got != "" {
		t.Errorf("what cannot be judged has a tile: %q", got)
	}
}
