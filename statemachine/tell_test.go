package statemachine_test

import (
	"slices"
	"testing"

	sm "airlock/statemachine"
)

// TestWhoIsTold: somebody hears of every status in which a request can rest, among them whoever has to act next, and
// nothing is told twice.
func TestWhoIsTold(t *testing.T) {
	for _, s := range sm.Statuses() {
		told := sm.Told(s.Status, sm.StatusChanged)
		if s.Rests() && len(told) == 0 {
			t.Errorf("nobody is told of %s", s.Status)
		}
		if acts := s.Turn.Acts(); acts != "" && !slices.Contains(told, acts) {
			t.Errorf("%s: the %s have to act and are not told", s.Status, acts)
		}
		if len(sm.Waits(s.Status)) > 0 && s.Turn.Acts() == "" {
			t.Errorf("%s waits for nobody, and somebody is told that it waits", s.Status)
		}
	}
	type row struct {
		status   sm.Status
		occasion sm.Occasion
	}
	seen := map[row]bool{}
	for _, telling := range sm.Tellings() {
		r := row{telling.Status, telling.Occasion}
		if _, ok := sm.Of(telling.Status); !ok || seen[r] || len(telling.To) == 0 {
			t.Errorf("the row of %s and %s: exists %v, twice %v, tells %v", telling.Status, telling.Occasion, ok, seen[r], telling.To)
		}
		seen[r] = true
		for i, a := range telling.To {
			if slices.Contains(telling.To[:i], a) {
				t.Errorf("%s is told twice of %s", a, telling.Status)
			}
		}
		if got := sm.Told(telling.Status, telling.Occasion); !slices.Equal(got, telling.To) {
			t.Errorf("Told(%s, %s) is %v, the row says %v", telling.Status, telling.Occasion, got, telling.To)
		}
	}
	if got := sm.Waits(sm.InReview); !slices.Equal(got, []sm.Occasion{sm.ReviewReminder, sm.ReviewEscalation}) {
		t.Errorf("a review that waits is told of by %v", got)
	}
}
