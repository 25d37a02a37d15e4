package airlock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

const day = 24 * time.Hour

// isForgotten fails the test unless nothing is left of a request but one record in the trail of its workspace.
func (p *play) isForgotten() {
	p.t.Helper()
	p.world.isForgotten(p.id)
}

func (w *world) isForgotten(id string) {
	w.t.Helper()
	if r, err := w.store.Request(context.Background(), ws, id); !errors.Is(err, airlock.ErrNotFound) {
		w.t.Fatalf("it is still there: %+v, %v; problems: %v", r, err, w.problems)
	}
	told := 0
	for _, rec := range w.ledger() {
		if rec.Subject == id {
			told++
		}
	}
	if told != 1 {
		w.t.Errorf("the trail of the workspace tells of it %d times", told)
	}
	for _, p := range w.zones.Places() {
		if airlock.RequestID(p.Container) == id {
			w.t.Errorf("there is still %v", p)
		}
	}
	w.check(airlock.Request{})
}

// ledger is the trail of the workspace.
func (w *world) ledger() []airlock.Record {
	w.t.Helper()
	records, err := w.store.SettingsRecords(context.Background(), ws, 0, airlock.MaxPage)
	if err != nil {
		w.t.Fatal(err)
	}
	return records
}

// ended are requests of every kind of end, and the zone in which each has its data.
func ended() map[sm.Status]struct {
	zone  sm.Zone
	reach func(t *testing.T, w *world) airlock.Request
} {
	type end = struct {
		zone  sm.Zone
		reach func(t *testing.T, w *world) airlock.Request
	}
	review := func(d sm.Decision) func(t *testing.T, w *world) airlock.Request {
		return func(t *testing.T, w *world) airlock.Request {
			r := w.submitted(airlock.Import, "12345")
			return w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: d, Explanation: "because"}))
		}
	}
	return map[sm.Status]end{
		sm.Approved: {sm.Released, review(sm.DecisionApproved)},
		sm.Rejected: {sm.Refused, review(sm.DecisionRejected)},
		sm.BlockedByScan: {sm.Quarantine, func(_ *testing.T, w *world) airlock.Request {
			w.scanner = func(string) airlock.ScanResult { return airlock.Malicious }
			return w.submitted(airlock.Import, "12345")
		}},
		sm.Revoked: {sm.Refused, func(t *testing.T, w *world) airlock.Request {
			r := review(sm.DecisionApproved)(t, w)
			return w.do(w.Revoke(t.Context(), manager, ws, r.ID, "wrong project"))
		}},
		sm.Cancelled: {sm.Nowhere, func(t *testing.T, w *world) airlock.Request {
			r := w.submitted(airlock.Import, "12345")
			return w.do(w.Cancel(t.Context(), researcher, ws, r.ID))
		}},
	}
}

// pass lets days pass, with a sweep on each.
func (w *world) pass(days int) {
	w.t.Helper()
	for range days {
		w.later(day)
	}
}

// TestRetention follows a request of every kind to the end of its data, and to its own.
func TestRetention(t *testing.T) {
	everywhere := airlock.Retention{Released: 30 * day, Refused: 30 * day, Quarantine: 30 * day, Records: 90 * day}
	for status, end := range ended() {
		for name, setting := range map[string]struct{ tre, workspace airlock.Retention }{
			"of the TRE": {tre: everywhere}, "of the workspace": {workspace: everywhere},
			"of the workspace over the TRE's": {
				tre: airlock.Retention{Released: day, Refused: day, Quarantine: day, Records: 2 * day}, workspace: everywhere,
			},
		} {
			t.Run(fmt.Sprint(status, " ", name), func(t *testing.T) {
				w := newWorld(t, func(s *airlock.Settings) { s.Retention = setting.workspace })
				w.Service.Retention = setting.tre
				r := end.reach(t, w)
				w.want(r, status)
				message, reviews := r.StatusMessage, len(r.Reviews)
				w.pass(29)
				if r = w.read(r.ID); !r.PurgedWhen.IsZero() {
					t.Fatal("its data was deleted too early")
				}
				w.want(r, status)
				w.pass(2)
				r = w.read(r.ID)
				w.want(r, status)
				if (end.zone != sm.Nowhere) == r.PurgedWhen.IsZero() || r.StatusMessage != message || len(r.Reviews) != reviews {
					t.Fatalf("after 31 days: %+v", r)
				}
				for _, p := range w.zones.Places() {
					t.Errorf("there is still %v", p)
				}
				if end.zone != sm.Nowhere {
					w.isPurged(r, end.zone)
				}
				w.pass(58)
				w.want(w.read(r.ID), status)
				w.pass(2)
				w.isForgotten(r.ID)
				w.pass(10) // nothing of it comes back
				w.isForgotten(r.ID)
			})
		}
	}
}

// isPurged: the trail says what was deleted and why, and people are told where they ask for it.
func (w *world) isPurged(r airlock.Request, zone sm.Zone) {
	w.t.Helper()
	records, err := w.store.Records(context.Background(), ws, r.ID, 0, airlock.MaxPage)
	if err != nil {
		w.t.Fatal(err)
	}
	last := records[len(records)-1]
	for _, says := range []string{"1 files with 5 bytes", string(zone), "720h"} {
		if last.What != string(sm.EventPurge) || !strings.Contains(last.Text, says) {
			w.t.Errorf("the trail ends in %+v, which does not say %q", last, says)
		}
	}
	_, err = w.Link(context.Background(), researcher, ws, r.ID)
	want := map[sm.Status]string{sm.Approved: "link_deleted", sm.Revoked: "link_cancelled"}[r.Status]
	if got := refusal(w.t, err).Code; want != "" && got != want {
		w.t.Errorf("a link: %v", err)
	}
	if r.Status == sm.Approved {
		if _, err := w.Revoke(context.Background(), manager, ws, r.ID, "late"); refusal(w.t, err).Code != string(sm.DataKept) {
			w.t.Errorf("revoke: %v", err)
		}
	}
	listed, err := w.Files(context.Background(), owner, ws, r.ID, 0)
	if err != nil || len(listed.Files) != 1 {
		w.t.Errorf("the manifest is kept with the records: %v, %v", listed.Files, err)
	}
}

// TestLegalHold keeps everything as it is until it is lifted.
func TestLegalHold(t *testing.T) {
	short := airlock.Retention{Released: day, Refused: day, Quarantine: day, Records: 2 * day}
	for status, end := range ended() {
		t.Run(string(status), func(t *testing.T) {
			w := newWorld(t, func(s *airlock.Settings) { s.Retention = short })
			r := end.reach(t, w)
			r = w.do(w.Hold(t.Context(), admin, ws, r.ID, "court order"))
			w.want(r, status)
			w.pass(20)
			r = w.read(r.ID)
			w.want(r, status)
			if !r.PurgedWhen.IsZero() || !r.OnHold {
				t.Fatalf("under a hold: %+v", r)
			}
			if _, err := w.Lift(t.Context(), admin, ws, r.ID, "withdrawn"); err != nil {
				t.Fatal(err)
			}
			w.pass(3)
			w.isForgotten(r.ID)
		})
	}
}

func TestLegalHoldOfTheWorkspace(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) {
		s.Retention, s.LegalHold, s.DraftLifetime = airlock.Retention{Released: day}, true, day
	})
	draft := w.create(researcher, airlock.Import)
	w.settle()
	w.upload(draft, "a", "1")
	r := w.submitted(airlock.Import, "12345")
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	w.pass(10)
	w.want(w.read(draft.ID), sm.Draft)
	if r = w.read(r.ID); !r.PurgedWhen.IsZero() {
		t.Fatal("its data was deleted under a hold")
	}
	for _, who := range []airlock.Identity{researcher, owner, admin} {
		_, err := w.Cancel(t.Context(), who, ws, draft.ID)
		if p := refusal(t, err); p.Code != string(sm.NotHeld) || p.Kind != airlock.Ruled {
			t.Errorf("%s withdraws: %v", who.Name, err)
		}
	}
	settings, err := w.Settings(t.Context(), admin, ws)
	if err != nil {
		t.Fatal(err)
	}
	settings.LegalHold = false
	if _, err := w.PutSettings(t.Context(), admin, settings); err != nil {
		t.Fatal(err)
	}
	w.pass(9) // requests at rest are looked at once a week
	w.want(w.read(draft.ID), sm.Cancelled)
	if r = w.read(r.ID); r.PurgedWhen.IsZero() {
		t.Error("its data is kept after the hold was lifted")
	}
}

func TestWhoHolds(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Export, "x")
	for _, who := range []airlock.Identity{researcher, owner, manager, both} {
		if _, err := w.Hold(t.Context(), who, ws, r.ID, "why"); refusal(t, err).Kind != airlock.Forbidden {
			t.Errorf("%s: %v", who.Name, err)
		}
	}
	for _, test := range []struct {
		do   func(ctx context.Context, who airlock.Identity, workspace, id, reason string) (airlock.View, error)
		why  string
		code string // empty: it is done
	}{
		{w.Lift, "why", string(sm.OnHold)}, {w.Hold, " ", string(sm.ExplanationGiven)}, {w.Hold, "why", ""},
		{w.Hold, "again", string(sm.NotOnHold)}, {w.Lift, "", string(sm.ExplanationGiven)}, {w.Lift, "why", ""},
		{w.Hold, strings.Repeat("x", airlock.MaxText+1), "reason"},
	} {
		v, err := test.do(t.Context(), admin, ws, r.ID, test.why)
		if test.code != "" {
			if refusal(t, err).Code != test.code {
				t.Errorf("%q: %v", test.why, err)
			}
			continue
		}
		w.do(v, err)
	}
	w.want(w.read(r.ID), sm.InReview)
}

// TestAHoldChangesNothingElse puts one on a request that failed.
func TestAHoldChangesNothingElse(t *testing.T) {
	w := newWorld(t)
	w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
	r := w.submitted(airlock.Import, "x")
	w.later(w.Timing.ScanDeadline)
	before := w.read(r.ID)
	w.want(before, sm.Failed)
	after := w.do(w.Hold(t.Context(), admin, ws, r.ID, "why"))
	w.want(after, sm.Failed)
	if after.FailedIn != before.FailedIn || after.Attempt != before.Attempt || after.StatusMessage != before.StatusMessage ||
		!after.StatusSince.Equal(before.StatusSince) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	w.scanner = nil
	w.want(w.do(w.Retry(t.Context(), manager, ws, r.ID)), sm.InReview)
}

// TestAHoldKeepsWhatIsOwed puts one on a request whose files have to be moved still.
func TestAHoldKeepsWhatIsOwed(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	w.silent = true
	owed := w.do(w.Revoke(t.Context(), manager, ws, r.ID, "why")).Owed
	if r = w.do(w.Hold(t.Context(), admin, ws, r.ID, "why")); len(owed) != 2 || !slices.Equal(r.Owed, owed) {
		t.Errorf("owed %v, and before %v", r.Owed, owed)
	}
	w.later(time.Hour)
	w.want(w.read(r.ID), sm.Revoked)
}

// TestRetentionIsFoundOutLater sets a lifetime for requests that were at rest for long.
func TestRetentionIsFoundOutLater(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "12345")
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	w.pass(100)
	w.want(w.read(r.ID), sm.Approved)
	settings, err := w.Settings(t.Context(), admin, ws)
	if err != nil {
		t.Fatal(err)
	}
	settings.Retention.Released = 90 * day
	if _, err := w.PutSettings(t.Context(), admin, settings); err != nil {
		t.Fatal(err)
	}
	w.pass(8)
	r = w.read(r.ID)
	w.want(r, sm.Approved)
	if r.PurgedWhen.IsZero() {
		t.Error("its data is still kept")
	}
}

// TestForgottenForPeople: while a request is being deleted, it is gone for everybody.
func TestForgottenForPeople(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) { s.Retention.Records = day })
	r := w.create(researcher, airlock.Import)
	w.settle()
	r = w.do(w.Cancel(t.Context(), researcher, ws, r.ID))
	w.later(time.Hour)
	w.onWrite = func(write string) effect {
		if write == "Forget" {
			return fails
		}
		return passes
	}
	w.later(day)
	if !sm.Forgetting(w.read(r.ID).Owed) {
		t.Fatalf("it is not being deleted: %+v", w.read(r.ID))
	}
	for name, do := range map[string]func() error{
		"request": func() error { return second2(w.Request(t.Context(), owner, ws, r.ID)) },
		"comment": func() error {
			return second2(w.Comment(t.Context(), owner, ws, r.ID, airlock.NewComment{Text: "x", Visibility: sm.Shared}))
		},
		"comments": func() error { return second2(w.Comments(t.Context(), owner, ws, r.ID, 0, "")) },
		"files":    func() error { return second2(w.Files(t.Context(), owner, ws, r.ID, 0)) },
		"audit":    func() error { return second2(w.Audit(t.Context(), owner, ws, r.ID)) },
		"link":     func() error { return second2(w.Link(t.Context(), owner, ws, r.ID)) },
		"hold":     func() error { return second2(w.Hold(t.Context(), admin, ws, r.ID, "too late")) },
	} {
		if err := do(); refusal(t, err).Kind != airlock.Missing {
			t.Errorf("%s: %v", name, err)
		}
	}
	if found, err := w.checker().Workspace(t.Context(), ws); err != nil || slices.ContainsFunc(found, func(v airlock.Violation) bool { return v.Rule != airlock.RuleOwed }) {
		t.Errorf("%v, %v", found, err)
	}
	w.onWrite = nil
	w.later(time.Hour)
	w.isForgotten(r.ID)
}

func TestSettingsOfRetention(t *testing.T) {
	for name, change := range map[string]func(*airlock.Settings){
		"retainReleased":   func(s *airlock.Settings) { s.Retention.Released = time.Minute },
		"retainRefused":    func(s *airlock.Settings) { s.Retention.Refused = -day },
		"retainQuarantine": func(s *airlock.Settings) { s.Retention.Quarantine = 101 * 365 * day },
		"retainRecords":    func(s *airlock.Settings) { s.Retention.Records = time.Second },
		"draftLifetime":    func(s *airlock.Settings) { s.DraftLifetime = 101 * 365 * day },
		"remindAfter":      func(s *airlock.Settings) { s.RemindAfter = 101 * 365 * day },
		"escalateAfter":    func(s *airlock.Settings) { s.EscalateAfter = 101 * 365 * day },
	} {
		w := newWorld(t)
		s, err := w.Settings(t.Context(), admin, ws)
		if err != nil {
			t.Fatal(err)
		}
		change(&s)
		if _, err := w.PutSettings(t.Context(), admin, s); refusal(t, err).Code != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newWorld(t)
	for _, change := range []func(*airlock.Settings){
		func(s *airlock.Settings) { s.LegalHold = true },
		func(s *airlock.Settings) { s.Retention.Released = day },
	} {
		s, err := w.Settings(t.Context(), owner, ws)
		if err != nil {
			t.Fatal(err)
		}
		change(&s)
		if _, err := w.PutSettings(t.Context(), owner, s); refusal(t, err).Code != "admin_only" {
			t.Errorf("an owner: %v", err)
		}
	}
}
