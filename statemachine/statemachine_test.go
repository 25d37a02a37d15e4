package statemachine_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sm "airlock/statemachine"
)

var update = flag.Bool("update", false, "write the golden files anew")

// relations are the ways in which somebody can relate to a request: every party alone, and the sets that one person can
// really be.
var relations = []sm.Party{
	0, sm.Requester, sm.Researcher, sm.Owner, sm.Reviewer, sm.Manager, sm.Admin, sm.System, sm.Requester | sm.Researcher,
	sm.Requester | sm.Researcher | sm.Reviewer, sm.Requester | sm.Owner, sm.Owner | sm.Reviewer, sm.Reviewer | sm.Manager | sm.Admin,
}

// allFacts calls visit with every combination of everything that the rules look at.
func allFacts(visit func(sm.Facts)) {
	bools := []bool{false, true}
	statuses := []sm.Status{sm.None}
	for _, s := range sm.Statuses() {
		statuses = append(statuses, s.Status)
	}
	failedIn := []sm.Status{sm.None, sm.Submitted, sm.ApprovalInProgress, sm.RejectionInProgress, sm.BlockingInProgress}
	for _, status := range statuses {
		for _, failed := range failedIn {
			for _, parties := range relations {
				for bits := range 1 << 11 {
					bit := func(n int) bool { return bools[bits>>n&1] }
					if bit(9) && !sm.Has(status, sm.EventPurge) || bit(10) && !sm.Has(status, sm.EventHold) {
						continue // nobody can be there
					}
					for _, round := range roundsIn(status) {
						problem := ""
						if bit(0) {
							problem = "There are no files."
						}
						visit(sm.Facts{
							Status: status, FailedIn: failed, Parties: parties, IsRequester: bit(1), DirectionEnabled: bit(2),
							SelfReview: bit(3), Moving: bit(4), Claim: round.Claim, HeirUnfit: bit(0), SpokenThisRound: bit(5),
							SlotsOpen: round.SlotsOpen, SlotProblem: round.SlotProblem, Rejected: round.Rejected, OneRejectionEnds: round.OneRejectionEnds,
							FileProblem: problem, Explanation: bit(6), Idle: bit(7), Outlived: bit(7), TooManyDrafts: bit(7), TooManyChanges: bit(7), Purged: bit(9), OnHold: bit(10),
							Held: bit(10), Sealed: bit(8), Arrived: bit(8),
							GatesPassed: bit(8), Hashed: bit(8), GateBlocked: !bit(8),
						})
					}
				}
			}
			if status != sm.Failed {
				break // only a failed request has failed somewhere
			}
		}
	}
}

// roundsIn is what a round of reviews can be like for the actor, as far as it matters in the status.
func roundsIn(status sm.Status) []sm.Facts {
	if status != sm.InReview {
		return []sm.Facts{{SlotsOpen: 1}}
	}
	var rounds []sm.Facts
	for open := range 3 {
		for _, problem := range []string{"", "There is no slot for you."} {
			rounds = append(rounds, sm.Facts{SlotsOpen: open, SlotProblem: problem, OneRejectionEnds: true},
				sm.Facts{SlotsOpen: open, SlotProblem: problem, Claim: sm.ClaimOwn}, sm.Facts{SlotsOpen: open, SlotProblem: problem, Rejected: true, Claim: sm.ClaimOther})
		}
	}
	return rounds
}

func TestOneRowPerStatusAndEvent(t *testing.T) {
	type key struct {
		from  sm.Status
		event sm.Event
	}
	seen := map[key]bool{}
	for _, row := range sm.Transitions() {
		k := key{row.From, row.Event}
		if seen[k] {
			t.Errorf("two rows for %v", k)
		}
		seen[k] = true
		if row.By == 0 {
			t.Errorf("nobody may fire %s from %q", row.Event, row.From)
		}
		if _, ok := sm.Of(row.To); !ok {
			t.Errorf("%s leads to %q, which has no facts", row.Event, row.To)
		}
	}
}

func TestEveryStatusIsReachableAndCanEnd(t *testing.T) {
	reach := func(from sm.Status) map[sm.Status]bool {
		reached := map[sm.Status]bool{}
		var visit func(sm.Status)
		visit = func(s sm.Status) {
			for _, row := range sm.Transitions() {
				if row.From == s && !reached[row.To] {
					reached[row.To] = true
					visit(row.To)
				}
			}
		}
		visit(from)
		return reached
	}
	fromStart := reach(sm.None)
	for _, s := range sm.Statuses() {
		if !fromStart[s.Status] {
			t.Errorf("%s cannot be reached", s.Status)
		}
		if s.Turn == sm.TurnNobody {
			continue
		}
		ends := false
		for other := range reach(s.Status) {
			facts, _ := sm.Of(other)
			ends = ends || facts.Turn == sm.TurnNobody
		}
		if !ends {
			t.Errorf("from %s no end can be reached", s.Status)
		}
	}
}

func TestEveryStatusThatTheSystemHasToLeaveCanBeLeftByIt(t *testing.T) {
	for _, s := range sm.Statuses() {
		if s.Rests() == (s.Turn == sm.TurnSystem) {
			t.Errorf("%s: it rests is %v, but it is the turn of %s", s.Status, s.Rests(), s.Turn)
		}
		if s.Rests() {
			continue
		}
		for _, e := range []sm.Event{s.Completion, sm.EventFail} {
			if !sm.Has(s.Status, e) {
				t.Errorf("%s has no row for %s", s.Status, e)
			}
		}
		resumable := false
		for _, row := range sm.Transitions() {
			resumable = resumable || row.From == sm.Failed && row.To == s.Status
		}
		if !resumable {
			t.Errorf("a request that failed in %s cannot go on", s.Status)
		}
	}
}

// TestNobodyPassesAlone walks every path of rounds with two slots, in which a rejection ends the round or does not, and finds
// no way to approved that does not have cleared gates and two different reviewers who are not the requester and approve.
func TestNobodyPassesAlone(t *testing.T) {
	type state struct {
		status    sm.Status
		cleared   bool
		given     int
		approvals int
		rejected  bool
		byRequest bool
		failedIn  sm.Status
	}
	const needed = 2
	seen := map[state]bool{}
	approved, concluded := 0, 0
	ends := true
	var walk func(state)
	walk = func(s state) {
		if seen[s] {
			return
		}
		seen[s] = true
		if s.status == sm.ApprovalInProgress || s.status == sm.Approved {
			approved++
			if !s.cleared || s.approvals < needed || s.rejected || s.byRequest {
				t.Errorf("%s was reached with cleared=%v approvals=%d rejected=%v by the requester=%v", s.status, s.cleared, s.approvals, s.rejected, s.byRequest)
			}
		}
		for _, row := range sm.Transitions() {
			for _, isRequester := range []bool{false, true} {
				for _, spoken := range []bool{false, true} {
					for _, parties := range relations {
						for gate := range 2 {
							f := sm.Facts{
								Status: s.status, FailedIn: s.failedIn, Parties: parties, IsRequester: isRequester, DirectionEnabled: true,
								SlotsOpen: needed - s.given, Rejected: s.rejected, OneRejectionEnds: ends, SpokenThisRound: spoken, Explanation: true,
								Idle: true, Sealed: gate == 1, GatesPassed: gate == 1, Hashed: gate == 1, GateBlocked: gate == 0, Arrived: true,
							}
							got, _ := sm.Decide(f, row.Event)
							if got == nil || got.From != row.From {
								continue
							}
							next := s
							next.status = got.To
							switch got.Event {
							case sm.EventClear:
								next = state{status: got.To, cleared: gate == 1}
							case sm.EventSubmit:
								next = state{status: got.To}
							case sm.EventEndorse, sm.EventApprove, sm.EventConclude:
								next.given++
								next.approvals++
								next.byRequest = next.byRequest || isRequester || spoken
							case sm.EventOppose:
								next.given++
								next.rejected = true
							case sm.EventFail:
								next.failedIn = got.From
							}
							if got.Event == sm.EventConclude {
								concluded++
							}
							walk(next)
						}
					}
				}
			}
		}
	}
	walk(state{status: sm.None})
	if approved == 0 || concluded > 0 {
		t.Errorf("approved was reached %d times, and a round concluded %d times although the first rejection ends it", approved, concluded)
	}
	ends, approved = false, 0
	clear(seen)
	walk(state{status: sm.None})
	if approved == 0 || concluded == 0 {
		t.Errorf("approved was reached %d times, a round concluded %d times: the walk proves nothing", approved, concluded)
	}
}

func TestSystemAndPeopleNeverFireEachOthersEvents(t *testing.T) {
	for _, row := range sm.Transitions() {
		byPeople, bySystem := row.By&^sm.System != 0, row.By&sm.System != 0
		if byPeople == bySystem {
			t.Errorf("%s from %q: by %s", row.Event, row.From, row.By)
		}
	}
	allFacts(func(f sm.Facts) {
		for _, e := range sm.Events() {
			got, refusal := sm.Decide(f, e)
			if (got == nil) == (refusal == nil) {
				t.Fatalf("Decide(%+v, %s) = %v, %v", f, e, got, refusal)
			}
			if got == nil {
				continue
			}
			if got.By&f.Parties == 0 {
				t.Fatalf("%s was accepted from %s", e, f.Parties)
			}
			if f.Parties&sm.System == 0 && got.By == sm.System || f.Parties == sm.System && got.By&sm.System == 0 {
				t.Fatalf("%s was accepted from %s", e, f.Parties)
			}
		}
	})
}

func TestChooseFollowsTheQuorumAndTheFailure(t *testing.T) {
	review := func(open int) sm.Facts {
		return sm.Facts{Status: sm.InReview, Parties: sm.Reviewer, SlotsOpen: open, OneRejectionEnds: true}
	}
	allSpeak := func(open int, rejected bool) sm.Facts {
		return sm.Facts{Status: sm.InReview, Parties: sm.Reviewer, SlotsOpen: open, Rejected: rejected}
	}
	problem := review(2)
	problem.SlotProblem = "There is no slot for you."
	for _, test := range []struct {
		name     string
		facts    sm.Facts
		action   sm.Action
		decision sm.Decision
		want     sm.Event
		guard    sm.Guard
	}{
		{"first of two approvals", review(2), sm.ActionReview, sm.DecisionApproved, sm.EventEndorse, ""},
		{"second of two approvals", review(1), sm.ActionReview, sm.DecisionApproved, sm.EventApprove, ""},
		{"rejection", review(2), sm.ActionReview, sm.DecisionRejected, sm.EventReject, ""},
		{"rejection among others", allSpeak(2, false), sm.ActionReview, sm.DecisionRejected, sm.EventOppose, ""},
		{"approval after it, and not the last", allSpeak(2, true), sm.ActionReview, sm.DecisionApproved, sm.EventEndorse, ""},
		{"last approval after it", allSpeak(1, true), sm.ActionReview, sm.DecisionApproved, sm.EventConclude, ""},
		{"rejection as the last", allSpeak(1, false), sm.ActionReview, sm.DecisionRejected, sm.EventReject, ""},
		{"last approval", allSpeak(1, false), sm.ActionReview, sm.DecisionApproved, sm.EventApprove, ""},
		{"no slot that fits", problem, sm.ActionReview, sm.DecisionApproved, "", sm.SlotOpen},
		{"return without saying what", review(2), sm.ActionReview, sm.DecisionChangesRequested, "", sm.ExplanationGiven},
		{"own request", sm.Facts{Status: sm.InReview, Parties: sm.Reviewer, IsRequester: true, SlotsOpen: 1},
			sm.ActionReview, sm.DecisionApproved, "", sm.NotTheRequester},
		{"retry of a move", sm.Facts{Status: sm.Failed, FailedIn: sm.RejectionInProgress, Parties: sm.Owner}, sm.ActionRetry, "", sm.EventResumeRejection, ""},
		{"no slot at all", sm.Facts{Status: sm.InReview, Parties: sm.Reviewer}, sm.ActionReview, sm.DecisionApproved, "", sm.SlotOpen},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, refusal := sm.Choose(test.facts, test.action, test.decision)
			switch {
			case test.want != "" && (got == nil || got.Event != test.want):
				t.Errorf("got %v, %v; want %s", got, refusal, test.want)
			case test.want == "" && (refusal == nil || refusal.Guard != test.guard):
				t.Errorf("got %v, %+v; want a refusal by %s", got, refusal, test.guard)
			}
		})
	}
}

func TestRefusalsSayWhatSortOfNo(t *testing.T) {
	for _, test := range []struct {
		name  string
		facts sm.Facts
		event sm.Event
		want  sm.RefusalKind
	}{
		{"a person, no row", sm.Facts{Status: sm.Approved, Parties: sm.Owner}, sm.EventSubmit, sm.RefusedNoRow},
		{"the system, no row", sm.Facts{Status: sm.Approved, Parties: sm.System}, sm.EventMoved, sm.RefusedStale},
		{"role missing", sm.Facts{Status: sm.Draft, Parties: sm.Researcher}, sm.EventSubmit, sm.RefusedForbidden},
		{"a guard", sm.Facts{Status: sm.Draft, Parties: sm.Requester, Moving: true}, sm.EventSubmit, sm.RefusedByGuard},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, refusal := sm.Decide(test.facts, test.event)
			if refusal == nil || refusal.Kind != test.want || refusal.Sentence == "" {
				t.Errorf("got %+v, want %s with a sentence", refusal, test.want)
			}
		})
	}
}

func TestLinkRightsGiveNothingWhileDataMoves(t *testing.T) {
	given := 0
	allFacts(func(f sm.Facts) {
		rights, answer := sm.LinkRights(f)
		status, _ := sm.Of(f.Status)
		switch {
		case rights != 0 && (f.Moving || answer != "" || status.Turn == sm.TurnSystem):
			t.Fatalf("%s gives %s although moving=%v answer=%q", f.Status, rights, f.Moving, answer)
		case rights&(sm.Write|sm.Delete) != 0 && f.Status != sm.Draft:
			t.Fatalf("%s gives %s", f.Status, rights)
		case rights != 0 && f.Parties&^(sm.System|sm.Admin|sm.Researcher) == 0:
			t.Fatalf("%s gives %s to %s", f.Status, rights, f.Parties)
		case rights != 0:
			given++
		}
	})
	if given == 0 {
		t.Error("no link was ever given")
	}
}

func TestGolden(t *testing.T) {
	for name, got := range map[string]string{
		"matrix.golden": sm.Matrix(), "diagram.golden": sm.Mermaid(),
		"transitions.golden": sm.TransitionTable(), "statuses.golden": sm.StatusTable(), "tellings.golden": sm.TellingTable(),
		"talks.golden": sm.TalkTable(),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not what the table says now; run go test ./statemachine -update and look at the difference", name)
		}
	}
}

// TestARefusalSaysWhatAReviewerIs: reviewer is no role that somebody could ask for by that name.
func TestARefusalSaysWhatAReviewerIs(t *testing.T) {
	for _, row := range sm.Transitions() {
		_, refusal := sm.Decide(sm.Facts{Status: row.From}, row.Event)
		if refusal == nil || refusal.Kind != sm.RefusedForbidden {
			t.Fatalf("%s from %q: %+v", row.Event, row.From, refusal)
		}
		if says := strings.Contains(refusal.Sentence, "review policy"); says != (row.By&sm.Reviewer != 0) {
			t.Errorf("%s from %q: %s", row.Event, row.From, refusal.Sentence)
		}
	}
}
