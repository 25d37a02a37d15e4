package statemachine_test

import (
	"slices"
	"testing"

	sm "airlock/statemachine"
)

// TestOfferedIsAccepted: an action is offered if and only if some input makes the server accept it.
func TestOfferedIsAccepted(t *testing.T) {
	actions := []sm.Action{sm.ActionReview, sm.ActionCancel, sm.ActionSubmit, sm.ActionRevoke, sm.ActionRetry, sm.ActionHold, sm.ActionLift,
		sm.ActionClaim, sm.ActionUnclaim, sm.ActionHandOver}
	decisions := []sm.Decision{"", sm.DecisionApproved, sm.DecisionRejected, sm.DecisionChangesRequested}
	offered := map[sm.Action]int{}
	allFacts(func(f sm.Facts) {
		if f.Idle || f.Sealed || f.FileProblem != "" || f.Explanation {
			return // what only the system's events look at, and what this test sets itself
		}
		allowed := sm.AllowedActions(f)
		for _, a := range actions {
			accepted := false
			for _, d := range decisions {
				if (d != "") != (a == sm.ActionReview) {
					continue // only a review has a decision
				}
				for _, explained := range []bool{false, true} {
					with := f
					with.FileProblem, with.Explanation, with.HeirUnfit = "", explained, false
					got, _ := sm.Choose(with, a, d)
					accepted = accepted || got != nil
				}
			}
			if accepted != slices.Contains(allowed, a) {
				t.Fatalf("%s: accepted %v, offered %v, for %+v", a, accepted, allowed, f)
			}
			if accepted {
				offered[a]++
			}
		}
	})
	for _, a := range actions {
		if offered[a] == 0 {
			t.Errorf("%s was never offered", a)
		}
	}
}
