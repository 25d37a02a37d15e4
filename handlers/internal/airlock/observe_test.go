package airlock_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
)

// observed notes what is observed, as text.
func (w *world) observed() *[]string {
	var all []string
	w.Observe = func(_ context.Context, o airlock.Observation) {
		text := fmt.Sprintf("%s: %s", o.What, o.Took)
		if o.What == airlock.ObservedSweep {
			text += fmt.Sprintf(", %d due, the oldest for %s", o.Swept.Due, o.Swept.Late)
		} else {
			text += fmt.Sprintf(" in %s at %q, %d files", o.Status, o.Task, o.Files)
			if o.Workspace != ws || o.Request == "" || o.Bytes == 0 {
				w.t.Errorf("%+v", o)
			}
		}
		all = append(all, text)
	}
	return &all
}

func TestLatenciesAreObserved(t *testing.T) {
	w := newWorld(t)
	got := w.observed()
	w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
	r := w.submitted(airlock.Import, "x")
	w.now = w.now.Add(30 * time.Second)
	w.scanner, w.scanned = nil, map[string]bool{}
	w.settle()
	w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	want := []string{
		`scan latency: 30s in submitted at "", 1 files`,
		`copy latency: 0s in submitted at "", 1 files`,
		`copy latency: 0s in approval_in_progress at "", 1 files`,
	}
	if !slices.Equal(*got, want) {
		t.Errorf("observed\n%s\nwant\n%s", strings.Join(*got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFailuresAreObservedWithWhatWasNotDone(t *testing.T) {
	w := newWorld(t)
	got := w.observed()
	w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
	w.submitted(airlock.Import, "x")
	w.now = w.now.Add(w.Timing.ScanDeadline)
	w.settle()
	w.copyEnd = airlock.CopyFailed
	w.submitted(airlock.Import, "x")
	for len(*got) < 2 && w.now.Year() < 2027 {
		w.now = w.now.Add(w.Timing.CopyPoll)
		w.settle()
	}
	if want := `request failed: 6h0m0s in submitted at "gates", 1 files`; len(*got) < 2 || (*got)[0] != want || !strings.Contains((*got)[1], `at "seal"`) {
		t.Errorf("observed %q", *got)
	}
}

// TestEverySweepThatSucceedsIsObserved: with the age of the oldest work, and also when there was none; one that failed is not.
func TestEverySweepThatSucceedsIsObserved(t *testing.T) {
	w := newWorld(t)
	got := w.observed()
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := w.create(researcher, airlock.Import)
	w.silent = true
	w.now = w.now.Add(w.Timing.SweepGrace + 3*time.Minute)
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.do(w.Cancel(t.Context(), researcher, ws, r.ID))
	w.now = w.now.Add(time.Hour)
	w.onWrite, w.queue.fail = func(string) effect { return fails }, airlock.ErrTransient
	if _, err := w.Sweep(t.Context()); err == nil {
		t.Fatal("nothing can be written, and the sweep succeeds")
	}
	if want := []string{"sweep succeeded: 0s, 0 due, the oldest for 0s", "sweep succeeded: 0s, 1 due, the oldest for 3m0s"}; !slices.Equal(*got, want) {
		t.Errorf("observed %q", *got)
	}
}
