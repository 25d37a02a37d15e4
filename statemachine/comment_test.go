package statemachine_test

import (
	"slices"
	"testing"

	sm "airlock/statemachine"
)

// TestWhoSaysWhatAndIsShownIt asks for everybody, in every status. What is expected is written down in other words than
// the table's.
func TestWhoSaysWhatAndIsShownIt(t *testing.T) {
	said, shown, kept := 0, 0, 0
	allFacts(func(f sm.Facts) {
		if f.Idle || f.Sealed || f.FileProblem != "" || f.Explanation || f.DirectionEnabled || f.Moving || f.FailedIn != sm.None ||
			f.SlotsOpen != 1 || f.SlotProblem != "" || f.Rejected {
			return // comments do not look at them
		}
		is := func(p sm.Party) bool { return f.Parties&p != 0 }
		reviewer := is(sm.Reviewer|sm.Manager) && (f.SelfReview || !f.IsRequester)
		onlooker := !reviewer && is(sm.Admin) && (f.SelfReview || !f.IsRequester)
		concerned := !reviewer && !onlooker && is(sm.Requester|sm.Owner)
		for _, v := range []sm.Visibility{sm.Private, sm.Shared} {
			may := (f.Status == sm.Draft || f.Status == sm.InReview) && (reviewer || concerned && v == sm.Shared)
			side, refusal := sm.MayComment(f, v)
			if (refusal == nil) != may || slices.Contains(sm.Sayable(f), v) != may {
				t.Fatalf("%s comment: %q, %+v, offered %v, for %+v", v, side, refusal, sm.Sayable(f), f)
			}
			if may {
				said++
			}
			if may && (side == sm.SideReviewer) != reviewer {
				t.Fatalf("%s comments as the %s", f.Parties, side)
			}
		}
		for bits := range 1 << 4 {
			f := f
			f.Blind = bits&1 != 0
			s := sm.Said{By: sm.SideReviewer, Visibility: sm.Shared, Own: bits&2 != 0, Open: bits&4 != 0}
			if bits&8 != 0 {
				s.Visibility = sm.Private
			}
			want := onlooker ||
				reviewer && (!f.Blind || f.SpokenThisRound || s.Own || !s.Open) ||
				concerned && s.Visibility == sm.Shared && (!s.Open || s.Own)
			if got := sm.Shows(f, s); got != want {
				t.Fatalf("%s are shown %+v: %v (blind %v, spoken %v, own request %v)", f.Parties, s, got, f.Blind, f.SpokenThisRound, f.IsRequester)
			}
			if want {
				shown++
			} else {
				kept++
			}
			s = sm.Said{By: sm.SideRequester, Visibility: sm.Shared, Own: s.Own, Open: s.Open}
			if got := sm.Shows(f, s); got != (reviewer || onlooker || concerned) {
				t.Fatalf("%s are shown what the requester says: %v", f.Parties, got)
			}
		}
	})
	if said == 0 || shown == 0 || kept == 0 {
		t.Errorf("%d said, %d shown, %d kept: this proves nothing", said, shown, kept)
	}
}

func TestCommentRefusalsSayWhatToDo(t *testing.T) {
	for _, test := range []struct {
		facts sm.Facts
		v     sm.Visibility
		kind  sm.RefusalKind
		guard sm.Guard
	}{
		{sm.Facts{Status: sm.InReview, Parties: sm.Researcher}, sm.Shared, sm.RefusedForbidden, ""},
		{sm.Facts{Status: sm.InReview, Parties: sm.Admin}, sm.Shared, sm.RefusedForbidden, ""},
		{sm.Facts{Status: sm.InReview, Parties: sm.Requester | sm.Reviewer, IsRequester: true}, sm.Private, sm.RefusedForbidden, ""},
		{sm.Facts{Status: sm.Approved, Parties: sm.Reviewer}, sm.Private, sm.RefusedByGuard, sm.CommentsOpen},
	} {
		if _, refusal := sm.MayComment(test.facts, test.v); refusal == nil || refusal.Kind != test.kind || refusal.Guard != test.guard || refusal.Sentence == "" {
			t.Errorf("%+v: %+v", test.facts, refusal)
		}
	}
}

// TestReviewingIsWhileFilesAreHeld: a round is over as soon as its files leave the place where they are reviewed.
func TestReviewingIsWhileFilesAreHeld(t *testing.T) {
	for _, s := range sm.Statuses() {
		if got := sm.Reviewing(s.Status, sm.ApprovalInProgress); got != (s.Status == sm.Submitted || s.Status == sm.InReview) {
			t.Errorf("%s: %v", s.Status, got)
		}
	}
	if !sm.Reviewing(sm.Failed, sm.Submitted) {
		t.Error("what failed before anybody decided is over")
	}
}
