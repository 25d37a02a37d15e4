package airlock_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// people is a member list with somebody in every role, one without an address, and the requester as a manager as well.
func people(s *airlock.Settings) {
	s.Members = []airlock.Member{
		{ID: researcher.ID, Name: "Ada", Email: "Ada@example.org", Roles: []airlock.Role{airlock.RoleResearcher, airlock.RoleManager}},
		{ID: owner.ID, Name: "Olga", Email: "Olga@example.org", Roles: []airlock.Role{airlock.RoleOwner}},
		{ID: manager.ID, Name: "Mia", Email: "Mia@example.org", Roles: []airlock.Role{airlock.RoleManager}},
		{ID: second.ID, Name: "Max", Email: "Max@example.org", Roles: []airlock.Role{airlock.RoleManager}},
		{ID: "a0000000-0000-4000-8000-0000000000aa", Name: "Nora", Roles: []airlock.Role{airlock.RoleManager}},
	}
}

// heard lists the notices so far, one line each, and forgets them.
func (w *world) heard() []string {
	var lines []string
	for _, n := range w.told.last {
		what := string(n.Status)
		if n.Occasion != sm.StatusChanged {
			what = string(n.Occasion)
		}
		lines = append(lines, fmt.Sprintf("%s → %s: %s", what, n.Audience, strings.Join(n.Recipients, ", ")))
	}
	w.told.last = nil
	return lines
}

func (w *world) hears(what string, want ...string) {
	w.t.Helper()
	if got := w.heard(); !slices.Equal(got, want) {
		w.t.Errorf("%s: told\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

const ada = "requester: Ada@example.org"

// TestWhoIsTold plays lives of a request and lists who was told what, in order.
func TestWhoIsTold(t *testing.T) {
	const reviewers = "in_review → reviewers: Mia@example.org, Max@example.org"
	told := func(statuses ...sm.Status) (lines []string) {
		for _, s := range statuses {
			lines = append(lines, fmt.Sprintf("%s → %s", s, ada))
		}
		return lines
	}
	t.Run("returned, approved, revoked", func(t *testing.T) {
		w := newWorld(t, people)
		r := w.submitted(airlock.Import, "x")
		w.hears("submitted", append(told(sm.Draft, sm.Submitted), reviewers)...)
		r = w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "round"}))
		if n := w.told.last[0]; n.Decision != sm.DecisionChangesRequested || n.Explanation != "round" || n.PreviousStatus != sm.InReview || n.Round != 2 {
			t.Errorf("the notice of the return is %+v", n)
		}
		w.hears("returned", told(sm.Draft)...)
		r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
		w.hears("submitted again", append(told(sm.Submitted), reviewers)...)
		r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
		if n := w.told.last[0]; n.ApprovalsGiven != 1 || n.ApprovalsNeeded != 1 || n.Turn != sm.TurnSystem || len(n.MustAct) != 0 {
			t.Errorf("the notice of the approval is %+v", n)
		}
		if n := w.told.last[1]; n.Decision != sm.DecisionApproved || n.Explanation != "fine" {
			t.Errorf("the notice of the end says %q: %q", n.Decision, n.Explanation)
		}
		w.hears("approved", told(sm.ApprovalInProgress, sm.Approved)...)
		w.do(w.Revoke(t.Context(), manager, ws, r.ID, "wrong project"))
		w.hears("revoked", told(sm.Revoked)...)
	})
	t.Run("rejected", func(t *testing.T) {
		w := newWorld(t, people)
		r := w.submitted(airlock.Export, "x")
		w.heard()
		w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionRejected}))
		w.hears("rejected", told(sm.RejectionInProgress, sm.Rejected)...)
	})
	t.Run("cancelled", func(t *testing.T) {
		w := newWorld(t, people)
		r := w.create(researcher, airlock.Import)
		w.do(w.Cancel(t.Context(), owner, ws, r.ID))
		w.hears("cancelled", told(sm.Draft, sm.Cancelled)...)
	})
	t.Run("blocked", func(t *testing.T) {
		w := newWorld(t, people)
		w.scanner = func(string) airlock.ScanResult { return airlock.Malicious }
		w.submitted(airlock.Import, "x")
		w.hears("blocked", append(told(sm.Draft, sm.Submitted, sm.BlockedByScan), "blocked_by_scan → owners: Olga@example.org")...)
	})
	t.Run("failed", func(t *testing.T) {
		w := newWorld(t, people)
		w.Operators = []string{"ops@example.org", "night@example.org"}
		w.scanner = func(string) airlock.ScanResult { return airlock.NotScanned }
		w.submitted(airlock.Import, "x")
		w.heard()
		w.later(w.Timing.ScanDeadline)
		if n := w.told.last[0]; n.Turn != sm.TurnOperator || len(n.MustAct) != 2 || n.StatusMessage == "" {
			t.Errorf("the notice of the failure is %+v", n)
		}
		w.hears("failed", "failed → "+ada, "failed → operators: ops@example.org, night@example.org")
	})
}

// TestPeopleWithoutAnAddressAreCounted: they are left out, it is said how many, and nothing fails.
func TestPeopleWithoutAnAddressAreCounted(t *testing.T) {
	w := newWorld(t, people)
	nameless := researcher
	nameless.Email = ""
	r := w.create(nameless, airlock.Import)
	w.settle()
	if n := w.told.last[0]; !slices.Equal(n.Recipients, []string{"Ada@example.org"}) || n.Unaddressed != 0 {
		t.Errorf("without an address in the token: %v, %d without", n.Recipients, n.Unaddressed)
	}
	w.upload(r, "a", "1")
	w.do(w.Submit(t.Context(), nameless, ws, r.ID))
	n := w.told.last[len(w.told.last)-1]
	if !slices.Equal(n.Recipients, []string{"Mia@example.org", "Max@example.org"}) || n.Unaddressed != 1 {
		t.Errorf("reviewers: %v, %d without an address", n.Recipients, n.Unaddressed)
	}
	want := []airlock.Contact{
		{ID: manager.ID, Name: "Mia", Email: "Mia@example.org"}, {ID: second.ID, Name: "Max", Email: "Max@example.org"},
		{ID: "a0000000-0000-4000-8000-0000000000aa", Name: "Nora"},
	}
	if !slices.Equal(n.MustAct, want) || n.Turn != sm.TurnReviewer {
		t.Errorf("%s: %v have to act, want %v", n.Turn, n.MustAct, want)
	}
	if !slices.ContainsFunc(w.problems, func(err error) bool {
		return strings.Contains(err.Error(), "2 of its reviewers have an address, 1 have none") && !strings.Contains(err.Error(), "@")
	}) {
		t.Errorf("the log says %v", w.problems)
	}
	if got := n.RecipientsByRole; !slices.Equal(got["airlock_manager"], []string{"Ada@example.org", "Mia@example.org", "Max@example.org"}) ||
		!slices.Equal(got["workspace_owner"], []string{"Olga@example.org"}) || !slices.Equal(got["workspace_researcher"], []string{"Ada@example.org"}) {
		t.Errorf("by role: %v", got)
	}
	w.want(w.read(r.ID), sm.InReview)
}

func TestNobodyIsThere(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) { s.Members = nil })
	nameless := researcher
	nameless.Email = ""
	r := w.create(nameless, airlock.Import)
	w.upload(r, "a", "1")
	w.want(w.do(w.Submit(t.Context(), nameless, ws, r.ID)), sm.InReview)
	w.hears("nobody", "draft → requester: ", "submitted → requester: ", "in_review → reviewers: ")
}

// TestOpenSlots: who has spoken in the round is not asked again, and the requester is not whoever they are in the list.
func TestOpenSlots(t *testing.T) {
	w := newWorld(t, people, func(s *airlock.Settings) {
		s.Approvals = 2
		s.Members[0].ID = "a0000000-0000-4000-8000-0000000000ab" // Ada, as another tenant's guest
	})
	r := w.submitted(airlock.Import, "x")
	w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	w.heard()
	w.later(w.Timing.RemindAfter)
	if n := w.told.last[0]; n.ApprovalsGiven != 1 || n.ApprovalsNeeded != 2 {
		t.Errorf("%d of %d approvals", n.ApprovalsGiven, n.ApprovalsNeeded)
	}
	w.hears("reminder", "review_reminder → reviewers: Max@example.org")
}

// TestManyPeopleAreCut: a notice fits its row, and says that it does not name everybody.
func TestManyPeopleAreCut(t *testing.T) {
	w := newWorld(t, func(s *airlock.Settings) {
		s.Members = nil
		for i := range 1000 {
			s.Members = append(s.Members, airlock.Member{ID: fmt.Sprint(i), Name: strings.Repeat("n", 200), Email: fmt.Sprintf("%0250d@b.c", i),
				Roles: []airlock.Role{airlock.RoleManager, airlock.RoleOwner, airlock.RoleResearcher}})
		}
	})
	w.want(w.submitted(airlock.Import, "x"), sm.InReview)
	n := w.told.last[len(w.told.last)-1]
	if len(n.Recipients) != 200 || len(n.MustAct) != 200 || len(n.RecipientsByRole["airlock_manager"]) != 200 || !n.Shortened {
		t.Errorf("%d recipients, %d have to act, shortened: %v", len(n.Recipients), len(n.MustAct), n.Shortened)
	}
}

func TestNoticesHoldDigests(t *testing.T) {
	w := newWorld(t, people)
	w.scanner = func(string) airlock.ScanResult { return airlock.Malicious }
	w.submitted(airlock.Import, "x")
	last := w.told.last[len(w.told.last)-1]
	if f := last.Files[0]; len(f.MD5) != 32 || f.Name == "" || last.FileCount != 1 || last.TotalBytes != 1 {
		t.Errorf("the notice has %+v, %d files, %d bytes", f, last.FileCount, last.TotalBytes)
	}
}
