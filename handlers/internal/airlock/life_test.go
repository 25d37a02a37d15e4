package airlock_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

func approve() airlock.NewReview {
	return airlock.NewReview{Decision: sm.DecisionApproved, Explanation: "fine"}
}

func TestApproved(t *testing.T) {
	for _, d := range airlock.Directions() {
		t.Run(string(d), func(t *testing.T) {
			w := newWorld(t)
			r := w.submitted(d, "1,2,3")
			w.want(r, sm.InReview)
			r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
			w.want(r, sm.Approved)
			if content, ok := w.zones.Content(w.place(r, sm.Released, 1), "data/ä b.csv"); !ok || string(content) != "1,2,3" {
				t.Errorf("released %q, %v", content, ok)
			}
		})
	}
}

func TestApprovedWithoutScanning(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) { s.Scanning = false })
	w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
	w.want(w.submitted(airlock.Import, "x"), sm.InReview)
}

func TestRejected(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Export, "x")
	w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionRejected})), sm.Rejected)
}

func TestBlocked(t *testing.T) {
	w := newWorld(t)
	w.scanner = func(string) airlock.ScanResult { return airlock.Malicious }
	r := w.submitted(airlock.Import, "x")
	w.want(r, sm.BlockedByScan)
	if !strings.Contains(r.StatusMessage, "Test_File") || !strings.Contains(r.StatusMessage, "ä b.csv") {
		t.Errorf("the message is %q", r.StatusMessage)
	}
}

func TestReturnedChangedAndApproved(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Export, "first")
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "round to ten"}))
	w.want(r, sm.Draft)
	if r.Round != 2 || !strings.Contains(r.StatusMessage, "round to ten") {
		t.Errorf("round %d, message %q", r.Round, r.StatusMessage)
	}
	w.upload(r, "data/ä b.csv", "second")
	r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	w.want(r, sm.InReview)
	if r.StatusMessage != "" {
		t.Errorf("the message stayed: %q", r.StatusMessage)
	}
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	w.want(r, sm.Approved)
	if content, _ := w.zones.Content(w.place(r, sm.Released, 2), "data/ä b.csv"); string(content) != "second" {
		t.Errorf("released %q", content)
	}
}

func TestCancelled(t *testing.T) {
	t.Run("from draft", func(t *testing.T) {
		w := newWorld(t)
		r := w.create(researcher, airlock.Import)
		w.want(w.do(w.Cancel(t.Context(), researcher, ws, r.ID)), sm.Cancelled)
	})
	t.Run("from review", func(t *testing.T) {
		w := newWorld(t)
		r := w.submitted(airlock.Import, "x")
		w.want(w.do(w.Cancel(t.Context(), owner, ws, r.ID)), sm.Cancelled)
	})
	t.Run("while it is handed back", func(t *testing.T) {
		w := newWorld(t)
		r := w.submitted(airlock.Import, "x")
		if _, err := w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "no"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Submit(t.Context(), researcher, ws, r.ID); refusal(t, err).Code != string(sm.Prepared) {
			t.Errorf("submit while moving: %v", err)
		}
		if _, err := w.Link(t.Context(), researcher, ws, r.ID); refusal(t, err).Code != "link_busy" {
			t.Errorf("link while moving: %v", err)
		}
		w.want(w.do(w.Cancel(t.Context(), researcher, ws, r.ID)), sm.Cancelled)
	})
}

func TestRevoked(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	if _, err := w.Revoke(t.Context(), manager, ws, r.ID, " "); refusal(t, err).Code != string(sm.ExplanationGiven) {
		t.Errorf("revoke without a reason: %v", err)
	}
	r = w.do(w.Revoke(t.Context(), manager, ws, r.ID, "sent to the wrong project"))
	w.want(r, sm.Revoked)
	if last := r.Reviews[len(r.Reviews)-1]; last.Decision != sm.DecisionRevoked || last.Explanation == "" {
		t.Errorf("the last review is %+v", last)
	}
}

func TestSilentScannerFailsAndRetryGoesOn(t *testing.T) {
	w := newWorld(t)
	w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
	r := w.submitted(airlock.Import, "x")
	if r.Status != sm.Submitted {
		t.Fatalf("status %s", r.Status)
	}
	w.now = w.now.Add(w.Timing.ScanDeadline)
	w.settle() // the delayed nudge comes by itself: no sweep
	r = w.read(r.ID)
	w.want(r, sm.Failed)
	if r.FailedIn != sm.Submitted || !strings.Contains(r.StatusMessage, "scanner") {
		t.Errorf("failed in %s: %q", r.FailedIn, r.StatusMessage)
	}
	w.scanner = nil
	r = w.do(w.Retry(t.Context(), manager, ws, r.ID))
	w.want(r, sm.InReview)
	w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, approve())), sm.Approved)
}

func TestRetryKeepsWhatWasScanned(t *testing.T) {
	w := newWorld(t)
	w.scanner = func(name string) airlock.ScanResult {
		if name == "quick" {
			return airlock.Clean
		}
		return airlock.NotScanned
	}
	r := w.create(researcher, airlock.Import)
	w.upload(r, "quick", "1")
	w.upload(r, "slow", "2")
	r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	before, _ := w.zones.Blobs(w.place(r, sm.Holding, 1))
	w.later(w.Timing.ScanDeadline)
	w.want(w.read(r.ID), sm.Failed)
	w.scanner = nil
	w.want(w.do(w.Retry(t.Context(), owner, ws, r.ID)), sm.InReview)
	after, _ := w.zones.Blobs(w.place(r, sm.Holding, 1))
	if before[0].ETag != after[0].ETag || before[1].ETag == after[1].ETag {
		t.Errorf("copied again: quick %v, slow %v", before[0].ETag != after[0].ETag, before[1].ETag != after[1].ETag)
	}
}

func TestFileChangedBeforeSealingGoesBackToDraft(t *testing.T) {
	for _, change := range []string{"overwritten", "deleted"} {
		t.Run(change, func(t *testing.T) {
			w := newWorld(t)
			r := w.create(researcher, airlock.Import)
			w.settle()
			w.upload(r, "a", "1")
			w.upload(r, "b", "2")
			if _, err := w.Submit(t.Context(), researcher, ws, r.ID); err != nil {
				t.Fatal(err)
			}
			if change == "overwritten" {
				w.upload(r, "b", "other")
			} else if err := w.zones.Remove(t.Context(), w.place(r, sm.Intake, 1), "b"); err != nil {
				t.Fatal(err)
			}
			w.settle()
			r = w.read(r.ID)
			w.want(r, sm.Draft)
			if r.Round != 2 || !strings.Contains(r.StatusMessage, `"b"`) {
				t.Errorf("round %d, message %q", r.Round, r.StatusMessage)
			}
			w.want(w.do(w.Submit(t.Context(), researcher, ws, r.ID)), sm.InReview)
		})
	}
}

func TestDraftExpires(t *testing.T) {
	w := newWorld(t)
	r := w.create(researcher, airlock.Import)
	w.settle()
	w.later(29 * 24 * time.Hour)
	w.want(w.read(r.ID), sm.Draft)
	w.later(2 * 24 * time.Hour)
	w.want(w.read(r.ID), sm.Cancelled)
}

func TestQuorumOfTwo(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) { s.Approvals = 2 })
	r := w.submitted(airlock.Export, "x")
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	w.want(r, sm.InReview)
	if _, err := w.Review(t.Context(), manager, ws, r.ID, approve()); refusal(t, err).Code != string(sm.FirstInRound) {
		t.Errorf("a second review by the same person: %v", err)
	}
	w.want(w.do(w.Review(t.Context(), second, ws, r.ID, approve())), sm.Approved)
}

func TestNobodyReviewsTheirOwn(t *testing.T) {
	w := newWorld(t)
	r := w.create(both, airlock.Import)
	w.upload(r, "a", "1")
	r = w.do(w.Submit(t.Context(), both, ws, r.ID))
	p := refusal(t, second2(w.Review(t.Context(), both, ws, r.ID, approve())))
	if p.Kind != airlock.Ruled || p.Code != string(sm.NotTheRequester) {
		t.Errorf("got %+v", p)
	}
	if v, _ := w.Request(t.Context(), both, ws, r.ID); slices.Contains(v.Actions, sm.ActionReview) {
		t.Error("review is offered")
	}
	w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, approve())), sm.Approved)
}

func second2[T any](_ T, err error) error { return err }

func TestSubmitRefusesFilesAtOnceAndKeepsTheDraft(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]memzone.File
		says  []string
	}{
		{"none", nil, []string{"no files"}},
		{"too many", map[string]memzone.File{"1": {}, "2": {}, "3": {}, "4": {}}, []string{"limit is 3", `"4"`}},
		{"denied", map[string]memzone.File{"run.EXE": {}}, []string{"run.EXE", "*.exe"}},
		{"long", map[string]memzone.File{strings.Repeat("n", 201): {}}, []string{"201", "200"}},
		{"long in a URL", map[string]memzone.File{strings.Repeat("語", 180): {}}, []string{"1620", "1400"}},
		{"large", map[string]memzone.File{"big": {Size: 5<<30 + 1}}, []string{"big", "5368709120"}},
		{"append blob", map[string]memzone.File{"log": {Kind: airlock.AppendBlob}}, []string{"log", "block blob"}},
		{"archived", map[string]memzone.File{"old.csv": {Shut: airlock.Archived}}, []string{"old.csv", "archive tier"}},
		{"a key of its own", map[string]memzone.File{"x.csv": {Shut: airlock.ForeignKey}}, []string{"x.csv", "encryption key"}},
		{"control character", map[string]memzone.File{"a\u202eb": {}}, []string{"cannot be seen"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, func(s *airlock.Settings) { s.NameDenied = []string{"*.exe"} })
			r := w.create(researcher, airlock.Import)
			w.settle()
			for name, f := range test.files {
				if _, err := w.zones.Put(w.place(r, sm.Intake, 1), name, f); err != nil {
					t.Fatal(err)
				}
			}
			_, err := w.Submit(t.Context(), researcher, ws, r.ID)
			p := refusal(t, err)
			if p.Kind != airlock.Ruled || p.Code != string(sm.FilesAcceptable) {
				t.Errorf("got %+v", p)
			}
			for _, s := range test.says {
				if !strings.Contains(p.Detail, s) {
					t.Errorf("%q does not say %q", p.Detail, s)
				}
			}
			blobs, _ := w.zones.Blobs(w.place(r, sm.Intake, 1))
			if w.want(w.read(r.ID), sm.Draft); len(blobs) != len(test.files) {
				t.Errorf("%d of %d files are left", len(blobs), len(test.files))
			}
		})
	}
}

func TestForgedVerdictsChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
	r := w.submitted(airlock.Import, "x")
	m, err := w.store.Manifest(t.Context(), ws, r.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	holding := w.place(r, sm.Holding, 1)
	for _, result := range []airlock.ScanResult{airlock.Clean, airlock.Malicious} {
		for name, report := range map[string]airlock.ScanReport{
			"no tag":        {Place: holding, Name: m.Files[0].Name, ETag: m.Files[0].SealedETag},
			"other bytes":   {Place: holding, Name: m.Files[0].Name, ETag: "0xOTHER"},
			"other file":    {Place: holding, Name: "other", ETag: m.Files[0].SealedETag},
			"other zone":    {Place: w.place(r, sm.Intake, 1), Name: m.Files[0].Name, ETag: m.Files[0].SealedETag},
			"other account": {Place: airlock.Place{Account: "elsewhere", Container: holding.Container}, Name: m.Files[0].Name, ETag: m.Files[0].SealedETag},
			"no request":    {Place: airlock.Place{Account: holding.Account, Container: "00000000-0000-7000-8000-000000000000"}, Name: "x", ETag: "x"},
		} {
			report.Verdict = airlock.Verdict{Result: result}
			if _, err := w.Scanned(t.Context(), report); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			w.later(10 * time.Second)
			if got := w.read(r.ID); got.Status != sm.Submitted {
				t.Fatalf("%s with %q: the request is %s", name, result, got.Status)
			}
		}
	}
}

func TestLostEventsAreMadeUpForByTheSweep(t *testing.T) {
	w := newWorld(t)
	r := w.create(researcher, airlock.Import)
	w.upload(r, "a", "1")
	w.queue.fail = fmt.Errorf("queue: %w", airlock.ErrTransient)
	if _, err := w.Submit(t.Context(), researcher, ws, r.ID); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		w.later(3 * time.Minute)
	}
	r = w.read(r.ID)
	w.want(r, sm.InReview)
}

func TestTopicThatIsDownDelaysNoticesAndNothingElse(t *testing.T) {
	w := newWorld(t)
	w.told.fail = fmt.Errorf("topic: %w", airlock.ErrTransient)
	r := w.submitted(airlock.Import, "x")
	if r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve())); r.Status != sm.Approved || len(r.Untold) == 0 {
		t.Fatalf("%s with %d notices untold", r.Status, len(r.Untold))
	}
	w.told.fail = nil
	for range 10 {
		w.later(15 * time.Minute)
	}
	w.want(w.read(r.ID), sm.Approved)
}

func TestAccess(t *testing.T) {
	w := newWorld(t)
	other := researcher
	other.Audience = "api://another-workspace"
	member := airlock.Identity{Person: airlock.Person{ID: manager.ID, Name: "Mia"}, ForAPI: true}
	nobody := airlock.Identity{Person: airlock.Person{ID: "a0000000-0000-4000-8000-00000000000f"}, ForAPI: true}
	r := w.submitted(airlock.Import, "x")
	for _, test := range []struct {
		name string
		who  airlock.Identity
		kind airlock.Kind
	}{
		{"a token of another workspace", other, airlock.Unauthenticated},
		{"nobody here", nobody, airlock.Forbidden},
		{"a listed member", member, ""},
		{"an admin", admin, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := w.Request(t.Context(), test.who, ws, r.ID)
			if test.kind == "" && err != nil || test.kind != "" && refusal(t, err).Kind != test.kind {
				t.Errorf("got %v, want %q", err, test.kind)
			}
		})
	}
	if _, err := w.Cancel(t.Context(), colleague, ws, r.ID); refusal(t, err).Kind != airlock.Forbidden {
		t.Errorf("a colleague cancels: %v", err)
	}
	if _, err := w.Request(t.Context(), researcher, ws, "00000000-0000-7000-8000-000000000000"); refusal(t, err).Kind != airlock.Missing {
		t.Errorf("a request that does not exist: %v", err)
	}
}

func TestLinksAreAuditedAndFollowTheTable(t *testing.T) {
	w := newWorld(t)
	r := w.create(researcher, airlock.Import)
	w.settle()
	link, err := w.Link(t.Context(), researcher, ws, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if link.Rights != sm.Read|sm.Write|sm.List|sm.Delete || !link.ExpiresAt.Equal(w.now.Add(time.Hour)) {
		t.Errorf("got %s until %s", link.Rights, link.ExpiresAt)
	}
	trail, err := w.Audit(t.Context(), researcher, ws, r.ID)
	if err != nil || !trail.Intact {
		t.Fatalf("%v, %+v", err, trail)
	}
	last := trail.Records[len(trail.Records)-2] // before the one of this look at it
	if last.What != "link" || last.Who != researcher.ID || !strings.Contains(link.URL, last.Trace) {
		t.Errorf("the record is %+v", last)
	}
	if _, err := w.Link(t.Context(), manager, ws, r.ID); refusal(t, err).Kind != airlock.Forbidden {
		t.Errorf("a manager gets a link to a draft: %v", err)
	}
}
