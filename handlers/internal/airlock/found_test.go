package airlock_test

import (
	"context"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// The tests of this file are about mistakes that were made once. Each was found by the crash table or the simulation.

// dieAt lets the process die at the n-th write of a name from now on, after it was done.
func (w *world) dieAt(name string, n int) {
	w.onWrite = func(write string) effect {
		if write != name {
			return passes
		}
		if n--; n == 0 {
			return diesAfter
		}
		return passes
	}
}

// A crash after the released files were deleted, and before that was noted, made the next process compare the refused
// files with sources that were gone, and delete them: the last copies.
func TestRevokedFilesSurviveACrashAfterTheirSourceIsDeleted(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "1,2,3")
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	w.dieAt("Erase", 1)
	r = w.do(w.Revoke(t.Context(), manager, ws, r.ID, "why"))
	w.later(time.Hour)
	r = w.read(r.ID)
	w.want(r, sm.Revoked)
	if content, ok := w.zones.Content(w.place(r, sm.Refused, 1), "data/ä b.csv"); !ok || string(content) != "1,2,3" {
		t.Errorf("put aside is %q, %v", content, ok)
	}
}

// The time of the first sealing counted for every later round: after a review of some hours the scanner's deadline had
// passed before the files of the second round were sealed.
func TestEveryRoundHasItsOwnScanDeadline(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	w.now = w.now.Add(w.Timing.ScanDeadline)
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "no"}))
	w.want(r, sm.Draft)
	w.scanner = func(string) airlock.ScanResult { return airlock.NotScanned }
	r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	if r.Status != sm.Submitted || !r.SealedAt.Equal(w.now) {
		t.Errorf("it is %s (%s), sealed at %s", r.Status, r.StatusMessage, r.SealedAt)
	}
}

// A failure after which nothing was left to do stayed with the request for good, and each later one made the pauses
// longer, as if all had been in a row.
func TestFailuresThatAreOverAreForgotten(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	w.Service.Store = noSettings{w.store}
	if err := w.Reconcile(t.Context(), ws, r.ID); err != nil {
		t.Fatal(err)
	}
	if r = w.read(r.ID); r.Tries != 1 || r.LastError == "" {
		t.Fatalf("it failed %d times: %q", r.Tries, r.LastError)
	}
	w.Service.Store = w.store
	w.later(time.Hour)
	if r = w.read(r.ID); r.Tries != 0 || r.LastError != "" || r.Due.Sub(w.now) < 24*time.Hour {
		t.Errorf("it failed %d times: %q; due at %s", r.Tries, r.LastError, r.Due)
	}
}

// noSettings is a store that cannot read settings.
type noSettings struct{ airlock.Store }

func (noSettings) Settings(context.Context, string) (airlock.Settings, error) {
	return airlock.Settings{}, airlock.ErrTransient
}
