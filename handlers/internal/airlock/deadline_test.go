package airlock_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

// sluggish is a storage that begins a copy, or does not, and in both cases never answers.
type sluggish struct {
	*memzone.Zones
	begins bool // the copy goes on all the same
	well   bool // it answers again
	asked  int

	skips bool      // the time that the last call had is taken to be over at once
	end   time.Time // of that time
}

func (s *sluggish) Copy(ctx context.Context, c airlock.Copy) error {
	s.asked++
	if s.well {
		return s.Zones.Copy(ctx, c)
	}
	if s.begins {
		if err := s.Zones.Copy(context.WithoutCancel(ctx), c); err != nil {
			return err
		}
	}
	if s.skips {
		s.end, _ = ctx.Deadline()
		return fmt.Errorf("copy: %w: %w", airlock.ErrTransient, context.DeadlineExceeded)
	}
	<-ctx.Done()
	return fmt.Errorf("copy: %w: %w", airlock.ErrTransient, context.Cause(ctx))
}

// slowWorld has a storage whose copies end as told, or never, and that does not answer to who starts them.
func slowWorld(t *testing.T, begins bool, takes time.Duration) (*world, *sluggish) {
	w := newWorld(t)
	w.zones = memzone.New(memzone.Options{Now: w.clock, CopyTime: takes})
	s := &sluggish{Zones: w.zones, begins: begins}
	w.build()
	w.Zones = s
	w.Timing.TaskTime = time.Millisecond // of the real clock
	return w, s
}

// waits fails the test unless the request is still being sealed or scanned.
func (w *world) waits(r airlock.Request) {
	w.t.Helper()
	if r.Status != sm.Submitted {
		w.t.Fatalf("it is %s: %s", r.Status, r.StatusMessage)
	}
}

func TestACopyWhoseAnswerNeverComesIsStartedOnce(t *testing.T) {
	for name, takes := range map[string]time.Duration{"done meanwhile": 0, "pending": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			w, storage := slowWorld(t, true, takes)
			r := w.submitted(airlock.Import, "x")
			for range 15 {
				w.later(time.Minute)
			}
			w.want(w.read(r.ID), sm.InReview)
			if storage.asked != 1 {
				t.Errorf("the copy was started %d times", storage.asked)
			}
		})
	}
}

// TestDeadlinesHoldWhateverStorageDoes: every way in which a copy can be without end makes the request fail at its deadline,
// with a sentence, and it is tried again from there.
func TestDeadlinesHoldWhateverStorageDoes(t *testing.T) {
	for _, test := range []struct {
		name   string
		begins bool
		takes  time.Duration
	}{{"copies that never begin", false, 0}, {"copies that never end", true, -1}} {
		t.Run(test.name, func(t *testing.T) {
			w, storage := slowWorld(t, test.begins, test.takes)
			w.Timing.CopyDeadline = time.Hour
			r := w.submitted(airlock.Export, "x")
			for range 59 {
				w.later(time.Minute)
			}
			w.waits(w.read(r.ID))
			w.later(2 * time.Minute)
			failed := w.read(r.ID)
			w.want(failed, sm.Failed)
			if failed.FailedIn != sm.Submitted || !strings.Contains(failed.StatusMessage, "retry") {
				t.Errorf("failed in %s: %q", failed.FailedIn, failed.StatusMessage)
			}
			if storage.asked > 20 {
				t.Errorf("in an hour the copy was started %d times", storage.asked)
			}
			storage.well = true
			w.do(w.Retry(t.Context(), manager, ws, r.ID))
			if test.begins { // and in the end it does end
				if err := w.zones.Conclude(w.place(r, sm.Holding, 1), "data/ä b.csv", airlock.CopySuccess); err != nil {
					t.Fatal(err)
				}
				w.later(w.Timing.CopyPoll)
				if err := w.zones.Conclude(w.place(r, sm.Holding, 1), "data/ä b.csv", airlock.CopySuccess); err != nil {
					t.Fatal(err) // nobody has scanned the copy of the first attempt: it is made anew
				}
				w.later(w.Timing.CopyPoll)
			}
			w.want(w.read(r.ID), sm.InReview)
		})
	}
}

// TestAnInvocationThatEndsWithItsCopyIsWrittenDown: storage is never given all the time that an invocation has, so that
// what came of it can be stored: the next one comes later, and the deadline holds.
func TestAnInvocationThatEndsWithItsCopyIsWrittenDown(t *testing.T) {
	w, storage := slowWorld(t, false, 0)
	w.Timing.TaskTime = 10 * time.Hour
	w.silent, storage.skips = true, true
	r := w.submitted(airlock.Import, "x")
	look := func() airlock.Request {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := w.Reconcile(ctx, ws, r.ID); err != nil {
			t.Error(err)
		}
		if end, _ := ctx.Deadline(); storage.end.IsZero() || end.Sub(storage.end) < 10*time.Minute {
			t.Errorf("storage has until %s, and the invocation until %s", storage.end, end)
		}
		return w.read(r.ID)
	}
	if after := look(); after.Tries != 1 || after.LastError == "" || !after.Due.After(w.now) {
		t.Errorf("%d tries, due %s: %q", after.Tries, after.Due, after.LastError)
	}
	w.now = w.now.Add(w.Timing.CopyDeadline)
	if after := look(); after.Status != sm.Failed {
		t.Errorf("after the deadline it is %s", after.Status)
	}
}

// TestTheSweepComesAtTheDeadline: a request whose every message was lost fails when it should, not when the net comes by.
func TestTheSweepComesAtTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
	w.Timing.ScanDeadline, w.Timing.RetryLongest = 61*time.Minute, time.Hour
	r := w.submitted(airlock.Import, "x")
	w.silent = true
	for range 60 {
		w.later(time.Minute)
	}
	w.waits(w.read(r.ID))
	w.later(time.Minute)
	w.later(time.Minute)
	if got := w.read(r.ID); got.Status != sm.Failed {
		t.Errorf("it is %s, and due at %s, %s after the deadline", got.Status, got.Due, w.now.Sub(got.SealedAt.Add(w.Timing.ScanDeadline)))
	}
}
