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

// An approval among several, given between a failure and the look that would have ended it, took the look away.
func TestAnApprovalEndsTheFailuresBeforeIt(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) { s.Approvals = 2 })
	r := w.submitted(airlock.Import, "x")
	w.Service.Store = noSettings{w.store}
	if err := w.Reconcile(t.Context(), ws, r.ID); err != nil {
		t.Fatal(err)
	}
	w.Service.Store = w.store
	if _, err := w.Review(t.Context(), manager, ws, r.ID, approve()); err != nil {
		t.Fatal(err)
	}
	if r = w.read(r.ID); r.Tries != 0 || r.LastError != "" {
		t.Errorf("it failed %d times: %q; due at %s", r.Tries, r.LastError, r.Due)
	}
}

// Somebody whose commit was stored, without a reply, and then overtaken by another one, was refused what they had done.
func TestWhatWasStoredAndOvertakenIsNotRefused(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) { s.Approvals = 2 })
	r := w.submitted(airlock.Import, "x")
	w.onWrite = func(write string) effect {
		if write != "Commit" {
			return passes
		}
		w.onWrite = nil
		return losesReply
	}
	w.Service.Store = overtaking{w.store, func() {
		w.Service.Store = w.store
		if _, err := w.Link(t.Context(), owner, ws, r.ID); err != nil {
			t.Fatal(err)
		}
	}}
	if _, err := w.Review(t.Context(), manager, ws, r.ID, approve()); err != nil {
		t.Errorf("an approval that is stored is refused: %v", err)
	}
	if r = w.read(r.ID); r.Approvals() != 1 {
		t.Errorf("%d approvals are stored", r.Approvals())
	}
}

// overtaking is a store in which somebody else is faster after every commit.
type overtaking struct {
	airlock.Store
	other func()
}

func (s overtaking) Commit(ctx context.Context, c airlock.Commit) (airlock.Request, error) {
	r, err := s.Store.Commit(ctx, c)
	s.other()
	return r, err
}

// A worker that had seen a broken copy, and came back to replace it after others had done so and gone on, deleted the good
// one, whose source was gone by then: files were missing from what was approved.
func TestAWorkerThatComesLateDestroysNothing(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "1,2,3")
	w.copyEnd = airlock.CopyFailed
	if _, err := w.Review(t.Context(), manager, ws, r.ID, approve()); err != nil {
		t.Fatal(err)
	}
	late := false
	w.onWrite = func(write string) effect {
		if w.copyEnd == "" && !late { // the late worker stops here, and everybody else goes on
			late = true
			w.later(time.Hour)
			w.want(w.read(r.ID), sm.Approved)
		}
		return passes
	}
	w.settle()
	w.copyEnd = ""
	if err := w.Reconcile(t.Context(), ws, r.ID); err != nil || !late {
		t.Fatalf("%v, late: %v", err, late)
	}
	w.later(time.Hour)
	r = w.read(r.ID)
	w.want(r, sm.Approved)
	if content, ok := w.zones.Content(w.place(r, sm.Released, 1), "data/ä b.csv"); !ok || string(content) != "1,2,3" {
		t.Errorf("released is %q, %v", content, ok)
	}
}

// A worker that was held up before it made a container made it after the request was cancelled and the container deleted:
// it stayed for good, and an old link could fill it.
func TestAContainerThatIsMadeTooLateDoesNotStay(t *testing.T) {
	w := newWorld(t)
	w.onWrite = func(write string) effect {
		if write == "Open" {
			w.onWrite = nil
			page, err := w.store.Requests(t.Context(), airlock.Query{Workspace: ws, Order: airlock.NewestFirst, Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			w.want(w.do(w.Cancel(t.Context(), owner, ws, page.Requests[0].ID)), sm.Cancelled)
		}
		return passes
	}
	r := w.create(researcher, airlock.Import)
	intake := w.place(r, sm.Intake, 1)
	if _, ok := w.zones.Blobs(intake); !ok {
		t.Fatal("nobody was late")
	}
	w.later(w.Timing.Invocation)
	if _, ok := w.zones.Blobs(intake); ok {
		t.Error("the container stays")
	}
	w.want(w.read(r.ID), sm.Cancelled)
}

// Two verdicts that came before anybody had seen the copies arrive: the later one was stored over a manifest that was read
// before the earlier one was, which was then forgotten.
func TestVerdictsThatComeEarlyDoNotOverwriteEachOther(t *testing.T) {
	w := newWorld(t)
	w.ScanTags = false
	w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
	r := w.create(researcher, airlock.Import)
	w.settle()
	w.upload(r, "a", "1")
	w.upload(r, "b", "2")
	if _, err := w.Submit(t.Context(), researcher, ws, r.ID); err != nil {
		t.Fatal(err)
	}
	w.onWrite = func(write string) effect { // copied, and not noted
		if write == "Commit" {
			return diesBefore
		}
		return passes
	}
	w.note(w.survive(func() error { return w.Reconcile(t.Context(), ws, r.ID) }))
	w.onWrite, w.ScanTags, w.queue.sent = nil, false, nil // the new process is like the old one
	blobs, _ := w.zones.Blobs(w.place(r, sm.Holding, 1))
	scanned := func(i int, result airlock.ScanResult) error {
		report := airlock.ScanReport{Place: w.place(r, sm.Holding, 1), Name: blobs[i].Name, ETag: blobs[i].ETag, Verdict: airlock.Verdict{Result: result}}
		return second2(w.Scanned(t.Context(), report))
	}
	first := true
	w.Service.Store = reading{w.store, func(m airlock.Manifest) {
		if first && m.Files[0].SealedETag != "" { // the first one has been noted, and is about to be judged
			first = false
			if err := scanned(1, airlock.NotScanned); err != nil {
				t.Fatal(err)
			}
		}
	}}
	if err := scanned(0, airlock.Clean); err != nil {
		t.Fatal(err)
	}
	m, err := w.store.Manifest(t.Context(), ws, r.ID, 1)
	if err != nil || m.Files[0].Verdict.Result != airlock.Clean || m.Files[1].Verdict.Result != airlock.NotScanned {
		t.Errorf("%v, %+v", err, m.Files)
	}
}

// A verdict on a fresh copy that came before anybody had seen that copy arrive was taken for old news: where no index tags
// tell, it was lost, and the request waited for the scanner until it failed again.
func TestAVerdictOnAFreshCopyIsNotOldNews(t *testing.T) {
	w := newWorld(t)
	w.ScanTags = false
	w.scanner = func(string) airlock.ScanResult { return airlock.NotScanned }
	r := w.submitted(airlock.Import, "1,2,3")
	w.later(w.Timing.ScanDeadline)
	w.want(w.read(r.ID), sm.Failed)
	if _, err := w.Retry(t.Context(), manager, ws, r.ID); err != nil {
		t.Fatal(err)
	}
	w.onWrite = func(write string) effect { // copied, and not noted
		if write == "Commit" {
			return diesBefore
		}
		return passes
	}
	w.note(w.survive(func() error { return w.Reconcile(t.Context(), ws, r.ID) }))
	w.onWrite, w.ScanTags, w.queue.sent, w.scanner = nil, false, nil, nil
	w.scan()
	w.want(w.read(r.ID), sm.InReview)
}

// Two workers that deleted the same request at the same time both wrote it into the trail of the workspace (seed 5861): the
// second had looked there before the first wrote, and read the settings after.
func TestWhatIsDeletedByTwoIsToldOnce(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) { s.Retention.Records = day })
	r := w.create(researcher, airlock.Import)
	w.settle()
	r = w.do(w.Cancel(t.Context(), researcher, ws, r.ID))
	w.later(time.Hour)
	twice := false
	w.Service.Store = searching{w.store, func() {
		w.Service.Store, twice = w.store, true
		w.note(w.Reconcile(t.Context(), ws, r.ID))
	}}
	w.later(day)
	w.later(time.Hour)
	if !twice {
		t.Fatal("nobody else was at it")
	}
	w.isForgotten(r.ID)
}

// A request whose notices could not be published for as long as it had to be kept was deleted with them: nobody was ever told
// (seeds 634 and 1712).
func TestWhatWasNotToldIsNotForgotten(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) { s.Retention.Records = day })
	r := w.create(researcher, airlock.Import)
	w.settle()
	w.told.fail = airlock.ErrTransient
	r = w.do(w.Cancel(t.Context(), researcher, ws, r.ID))
	w.later(day)
	w.later(day)
	untold := w.read(r.ID).Untold
	w.told.fail = nil
	w.later(time.Hour)
	if len(untold) != 1 || w.told.by[untold[0]] == 0 {
		t.Errorf("untold were %v, published are %v", untold, w.told.by)
	}
	w.isForgotten(r.ID)
}

// searching is a store in which something happens after the trail of a workspace was read.
type searching struct {
	airlock.Store
	then func()
}

func (s searching) SettingsRecords(ctx context.Context, workspace string, after, limit int) ([]airlock.Record, error) {
	records, err := s.Store.SettingsRecords(ctx, workspace, after, limit)
	s.then()
	return records, err
}

// reading is a store in which something happens after every manifest that is read.
type reading struct {
	airlock.Store
	then func(airlock.Manifest)
}

func (s reading) Manifest(ctx context.Context, workspace, id string, round int) (airlock.Manifest, error) {
	m, err := s.Store.Manifest(ctx, workspace, id, round)
	s.then(m)
	return m, err
}

// noSettings is a store that cannot read settings.
type noSettings struct{ airlock.Store }

func (noSettings) Settings(context.Context, string) (airlock.Settings, error) {
	return airlock.Settings{}, airlock.ErrTransient
}
