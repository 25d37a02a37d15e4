package airlock_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

// counts writes what every port was asked for since the last time, in a fixed order.
func (w *world) counts(before map[memstore.Op]int, nudges int) string {
	var parts []string
	now := w.store.Calls()
	for _, op := range []memstore.Op{memstore.OpLookups, memstore.OpRequest, memstore.OpManifest, memstore.OpNotices, memstore.OpRecords, memstore.OpComments,
		memstore.OpRequests, memstore.OpCreate, memstore.OpCommit, memstore.OpWorkspace} {
		if n := now[op] - before[op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", op, n))
		}
	}
	for _, op := range []memzone.Op{memzone.OpOpen, memzone.OpList, memzone.OpCopy, memzone.OpRead, memzone.OpRemove, memzone.OpErase, memzone.OpLink} {
		if n := w.zones.Count(op); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", op, n))
		}
	}
	if n := len(w.queue.keys) - nudges; n > 0 {
		parts = append(parts, fmt.Sprintf("Nudge %d", n))
	}
	return strings.Join(parts, ", ")
}

// TestEveryUseCaseCostsWhatItMust counts the calls of each use case. A mutation is one point read, one transaction and
// one send; what more a use case needs is its own work. Settings are read once and kept for a moment.
func TestEveryUseCaseCostsWhatItMust(t *testing.T) {
	inReview := func(w *world) airlock.Request { return w.submitted(airlock.Import, "x") }
	draft := func(w *world) airlock.Request {
		r := w.create(researcher, airlock.Import)
		w.upload(r, "a", "1")
		w.settle()
		return r
	}
	for _, test := range []struct {
		name  string
		begin func(w *world) airlock.Request
		do    func(w *world, r airlock.Request) error
		want  string
	}{
		{"create", func(*world) airlock.Request { return airlock.Request{} }, func(w *world, _ airlock.Request) error {
			return second2(w.Create(w.t.Context(), researcher, ws, airlock.NewRequest{Type: airlock.Import}))
		}, "Lookups 1, Create 1, Open 1, Nudge 1"},
		{"submit", draft, func(w *world, r airlock.Request) error { return second2(w.Submit(w.t.Context(), researcher, ws, r.ID)) },
			"Request 1, Commit 1, List 1, Nudge 1"},
		{"review", inReview, func(w *world, r airlock.Request) error {
			return second2(w.Review(w.t.Context(), manager, ws, r.ID, approve()))
		}, "Request 1, Commit 1, Nudge 1"},
		{"cancel", inReview, func(w *world, r airlock.Request) error { return second2(w.Cancel(w.t.Context(), researcher, ws, r.ID)) },
			"Request 1, Commit 1, Nudge 1"},
		{"revoke", func(w *world) airlock.Request {
			r := inReview(w)
			return w.do(w.Review(w.t.Context(), manager, ws, r.ID, approve()))
		}, func(w *world, r airlock.Request) error {
			return second2(w.Revoke(w.t.Context(), manager, ws, r.ID, "why"))
		}, "Request 1, Commit 1, Nudge 1"},
		{"retry", func(w *world) airlock.Request {
			w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
			r := inReview(w)
			w.later(w.Timing.ScanDeadline)
			return w.read(r.ID)
		}, func(w *world, r airlock.Request) error { return second2(w.Retry(w.t.Context(), owner, ws, r.ID)) },
			"Request 1, Commit 1, Nudge 1"},
		{"link", draft, func(w *world, r airlock.Request) error { return second2(w.Link(w.t.Context(), researcher, ws, r.ID)) },
			"Request 1, Commit 1, Link 1"},
		{"get", inReview, func(w *world, r airlock.Request) error { return second2(w.Request(w.t.Context(), owner, ws, r.ID)) }, "Request 1"},
		{"list", inReview, func(w *world, _ airlock.Request) error {
			return second2(w.Requests(w.t.Context(), owner, ws, airlock.Listing{}))
		}, "Requests 1"},
		{"files", inReview, func(w *world, r airlock.Request) error { return second2(w.Files(w.t.Context(), owner, ws, r.ID, 0)) },
			"Request 1, Manifest 1, Commit 1"},
		{"comment", inReview, func(w *world, r airlock.Request) error {
			return second2(w.Comment(w.t.Context(), manager, ws, r.ID, airlock.NewComment{Text: "x", Visibility: sm.Shared}))
		}, "Request 1, Commit 1"},
		{"comments", inReview, func(w *world, r airlock.Request) error {
			return second2(w.Comments(w.t.Context(), manager, ws, r.ID, 0, ""))
		},
			"Request 1, Comments 1"},
		{"audit", inReview, func(w *world, r airlock.Request) error { return second2(w.Audit(w.t.Context(), owner, ws, r.ID)) },
			"Request 1, Records 1, Commit 1"},
		{"a nudge for nothing", inReview, func(w *world, r airlock.Request) error { return w.Reconcile(w.t.Context(), ws, r.ID) }, "Request 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.Timing.SettingsCache = time.Hour
			r := test.begin(w)
			if r.ID == "" { // the settings are known to the process
				if _, err := w.Requests(t.Context(), owner, ws, airlock.Listing{}); err != nil {
					t.Fatal(err)
				}
			}
			before, nudges := w.store.Calls(), len(w.queue.keys)
			w.zones.ResetCounts()
			if err := test.do(w, r); err != nil {
				t.Fatal(err)
			}
			if got := w.counts(before, nudges); got != test.want {
				t.Errorf("it costs %s; it must cost %s", got, test.want)
			}
		})
	}
}

// TestAnApprovedImportCostsWhatItMust counts what happens by itself from submit to approved, with one file. Of the reads of
// the request the announcer of the test makes four, one for each notice, and the test itself two.
func TestAnApprovedImportCostsWhatItMust(t *testing.T) {
	w := newWorld(t)
	w.Timing.SettingsCache = time.Hour
	r := w.create(researcher, airlock.Import)
	w.upload(r, "a", "x")
	w.settle()
	before, nudges := w.store.Calls(), len(w.queue.keys)
	w.zones.ResetCounts()
	r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	const want = "Request 11, Manifest 3, Notices 2, Commit 7, Workspace 1, Open 2, List 4, Copy 2, Read 2, Erase 2, Nudge 3"
	if got := w.counts(before, nudges); r.Status != sm.Approved || got != want {
		t.Errorf("it costs %s; it must cost %s", got, want)
	}
}

// TestWorkGrowsWithFilesAndNoFaster counts what it takes from submit to approved for one file and for forty.
func TestWorkGrowsWithFilesAndNoFaster(t *testing.T) {
	cost := func(files int) (commits, copies, lists int) {
		w := newWorld(t, func(s *airlock.Settings) { s.MaxFiles = 100 })
		w.Timing.SettingsCache = time.Hour
		r := w.create(researcher, airlock.Import)
		for i := range files {
			w.upload(r, fmt.Sprintf("%03d", i), "x")
		}
		w.settle()
		before := w.store.Calls()
		w.zones.ResetCounts()
		r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
		w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, approve())), sm.Approved)
		return w.store.Calls()[memstore.OpCommit] - before[memstore.OpCommit], w.zones.Count(memzone.OpCopy), w.zones.Count(memzone.OpList)
	}
	one, oneCopies, oneLists := cost(1)
	many, manyCopies, manyLists := cost(40)
	if oneCopies != 2 || manyCopies != 80 {
		t.Errorf("copies: %d for one file, %d for 40", oneCopies, manyCopies)
	}
	if many > one+40 {
		t.Errorf("commits: %d for one file, %d for 40: more than one for each verdict", one, many)
	}
	if manyLists > oneLists+2 {
		t.Errorf("listings: %d for one file, %d for 40", oneLists, manyLists)
	}
	t.Logf("one file: %d commits, %d listings; 40 files: %d commits, %d listings", one, oneLists, many, manyLists)
}
