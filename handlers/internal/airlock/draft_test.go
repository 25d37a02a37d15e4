package airlock_test

import (
	"testing"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// TestNobodyHasTooManyDrafts: each draft has a container, so one person can have only so many at a time. Others, and requests
// that are no draft any more, do not count.
func TestNobodyHasTooManyDrafts(t *testing.T) {
	w := newWorld(t)
	w.MaxDrafts = 2
	w.store.Span = 1 // the pages of a table can end before they are full
	create := func(who airlock.Identity) error {
		return second2(w.Create(t.Context(), who, ws, airlock.NewRequest{Type: airlock.Import, Title: "T", Justification: "J"}))
	}
	first := w.create(researcher, airlock.Import)
	w.create(researcher, airlock.Export)
	if p := refusal(t, create(researcher)); p.Kind != airlock.Ruled || p.Code != string(sm.DraftsLeft) {
		t.Errorf("a third draft: %+v", p)
	}
	if err := create(colleague); err != nil {
		t.Errorf("somebody else's first draft: %v", err)
	}
	if p := refusal(t, create(manager)); p.Kind != airlock.Forbidden {
		t.Errorf("somebody who may make none: %+v", p)
	}
	w.do(w.Cancel(t.Context(), researcher, ws, first.ID))
	if err := create(researcher); err != nil {
		t.Errorf("after one was cancelled: %v", err)
	}
	w.MaxDrafts = airlock.MaxPage + 1
	if err := create(researcher); err != nil {
		t.Errorf("a limit of more than a page: %v", err)
	}
}
