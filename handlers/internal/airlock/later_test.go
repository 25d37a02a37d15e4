package airlock_test

import (
	"testing"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// TestWhatANewerProgramStoredStays takes a request that a newer program has written to through its whole life.
func TestWhatANewerProgramStoredStays(t *testing.T) {
	w := newWorld(t)
	r := w.create(researcher, airlock.Import)
	before, err := w.store.Request(t.Context(), ws, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	after := before
	after.Version, after.Later = before.Version+1, `{"approvalsFrom":["somewhere"]}`
	if _, err := w.store.Commit(t.Context(), airlock.Commit{Before: before, After: after}); err != nil {
		t.Fatal(err)
	}
	w.upload(r, "a.csv", "1,2,3")
	r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	w.want(r, sm.InReview)
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	w.want(r, sm.Approved)
	if stored := w.read(r.ID); stored.Later != after.Later {
		t.Errorf("it is %q now", stored.Later)
	}
}
