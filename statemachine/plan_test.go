package statemachine_test

import (
	"slices"
	"testing"

	sm "airlock/statemachine"
)

func row(t *testing.T, from sm.Status, e sm.Event) sm.Transition {
	t.Helper()
	rows := sm.Transitions()
	i := slices.IndexFunc(rows, func(r sm.Transition) bool { return r.From == from && r.Event == e })
	if i < 0 {
		t.Fatalf("no row for %s from %s", e, from)
	}
	return rows[i]
}

func spot(zone sm.Zone, round int) sm.Spot { return sm.Spot{Zone: zone, Round: round} }

func eraseTask(zone sm.Zone, round int) sm.Task {
	return sm.Task{Kind: sm.KindErase, From: spot(zone, round)}
}

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		name      string
		from      sm.Status
		event     sm.Event
		round     int
		owed      []sm.Task
		want      []sm.Task
		wantRound int
	}{
		{"create opens the first intake", sm.None, sm.EventCreate, 0, nil,
			[]sm.Task{{Kind: sm.KindOpen, To: spot(sm.Intake, 1)}}, 1},
		{"return hands back to the next round", sm.InReview, sm.EventReturn, 1, nil, []sm.Task{
			{Kind: sm.KindHandBack, From: spot(sm.Holding, 1), To: spot(sm.Intake, 2)}, eraseTask(sm.Holding, 1)}, 2},
		{"unseal hands back and leaves nothing behind", sm.Submitted, sm.EventUnseal, 2, nil, []sm.Task{
			{Kind: sm.KindHandBack, From: spot(sm.Intake, 2), To: spot(sm.Intake, 3)}, eraseTask(sm.Intake, 2), eraseTask(sm.Holding, 2)}, 3},
		{"a deletion that is still owed is kept", sm.InReview, sm.EventApprove, 1, []sm.Task{eraseTask(sm.Intake, 1)}, []sm.Task{
			eraseTask(sm.Intake, 1), {Kind: sm.KindMove, From: spot(sm.Holding, 1), To: spot(sm.Released, 1)},
			{Kind: sm.KindHash, From: spot(sm.Holding, 1)}, {Kind: sm.KindVerify, From: spot(sm.Released, 1)}}, 1},
		{"cancel ends a move at both ends", sm.Draft, sm.EventCancel, 2,
			[]sm.Task{{Kind: sm.KindHandBack, From: spot(sm.Holding, 1), To: spot(sm.Intake, 2)}, eraseTask(sm.Holding, 1)},
			[]sm.Task{eraseTask(sm.Holding, 1), eraseTask(sm.Intake, 2)}, 2},
		{"failing keeps the data", sm.ApprovalInProgress, sm.EventFail, 1,
			[]sm.Task{eraseTask(sm.Intake, 1), {Kind: sm.KindMove, From: spot(sm.Holding, 1), To: spot(sm.Released, 1)}},
			[]sm.Task{eraseTask(sm.Intake, 1)}, 1},
		{"purging empties the zone of the status", sm.Revoked, sm.EventPurge, 3, nil, []sm.Task{eraseTask(sm.Refused, 3)}, 3},
		{"forgetting names no place", sm.Approved, sm.EventForget, 2, nil, []sm.Task{{Kind: sm.KindForget}}, 2},
		{"a hold changes nothing that is owed", sm.Cancelled, sm.EventHold, 1, []sm.Task{eraseTask(sm.Intake, 1)}, []sm.Task{eraseTask(sm.Intake, 1)}, 1},
		{"a hold on a draft keeps its move", sm.Draft, sm.EventHold, 2,
			[]sm.Task{{Kind: sm.KindHandBack, From: spot(sm.Holding, 1), To: spot(sm.Intake, 2)}, eraseTask(sm.Holding, 1)},
			[]sm.Task{{Kind: sm.KindHandBack, From: spot(sm.Holding, 1), To: spot(sm.Intake, 2)}, eraseTask(sm.Holding, 1)}, 2},
		{"revoke empties the released zone after the move", sm.Approved, sm.EventRevoke, 1, []sm.Task{eraseTask(sm.Holding, 1)}, []sm.Task{
			eraseTask(sm.Holding, 1), {Kind: sm.KindMove, From: spot(sm.Released, 1), To: spot(sm.Refused, 1)}, eraseTask(sm.Released, 1)}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, round := sm.Plan(row(t, test.from, test.event), test.round, test.owed)
			if !slices.Equal(got, test.want) || round != test.wantRound {
				t.Errorf("got %v in round %d, want %v in round %d", got, round, test.want, test.wantRound)
			}
		})
	}
}

// TestPlanLeavesDataInOneZone follows every path of three rounds and keeps book of the containers that exist. Once
// nothing is owed, data is in the zone that the status names and nowhere else.
func TestPlanLeavesDataInOneZone(t *testing.T) {
	type state struct {
		status, failedIn sm.Status
		round            int
		purged           bool
		places           string
	}
	seen := map[state]bool{}
	var walk func(status, failedIn sm.Status, round int, purged bool, places map[sm.Spot]bool)
	walk = func(status, failedIn sm.Status, round int, purged bool, places map[sm.Spot]bool) {
		var names []string
		for p := range places {
			names = append(names, string(p.Zone)+string(rune('0'+p.Round)))
		}
		slices.Sort(names)
		key := state{status, failedIn, round, purged, join(names)}
		if seen[key] || round > 3 {
			return
		}
		seen[key] = true
		facts, _ := sm.Of(status)
		want := map[sm.Spot]bool{}
		if facts.Zone != sm.Nowhere && facts.Zone != sm.WhereItFailed && !purged {
			want[spot(facts.Zone, round)] = true
		}
		if facts.Zone != sm.WhereItFailed && status != sm.None && facts.Rests() && join(names) != join(spots(want)) {
			t.Errorf("%s in round %d: data in %v, want %v", status, round, names, spots(want))
		}
		for _, r := range sm.Transitions() {
			if r.From != status || !resumes(r, failedIn) || purged && slices.Contains(r.Guards, sm.DataKept) ||
				!purged && slices.Contains(r.Guards, sm.DataPurged) {
				continue
			}
			for _, cut := range []bool{false, true} {
				owed, next := sm.Plan(r, round, nil)
				after := copyOf(places)
				if cut && r.Event != sm.EventFail { // the move of this transition has run half way when it fails
					run(after, owed[:min(1, len(owed))])
					if sm.Has(r.To, sm.EventFail) {
						rest, _ := sm.Plan(row(t, r.To, sm.EventFail), next, owed)
						run(after, rest)
						walk(sm.Failed, r.To, next, false, after)
					}
					continue
				}
				run(after, owed)
				nextFailed := sm.None
				if r.To == sm.Failed {
					nextFailed = failedIn
				}
				walk(r.To, nextFailed, next, purged || r.Purges(), after)
			}
		}
	}
	walk(sm.None, sm.None, 0, false, map[sm.Spot]bool{})
	if len(seen) < 30 {
		t.Errorf("only %d states were seen: the walk proves little", len(seen))
	}
}

func resumes(r sm.Transition, failedIn sm.Status) bool {
	return r.From != sm.Failed || r.To == failedIn || r.To == sm.Cancelled || r.Keeps()
}

func run(places map[sm.Spot]bool, owed []sm.Task) {
	for _, task := range owed {
		switch task.Kind {
		case sm.KindErase:
			delete(places, task.From)
		case sm.KindGates, sm.KindHash, sm.KindVerify, sm.KindForget:
		default:
			places[task.To] = true
		}
	}
}

func copyOf(places map[sm.Spot]bool) map[sm.Spot]bool {
	c := map[sm.Spot]bool{}
	for p := range places {
		c[p] = true
	}
	return c
}

func spots(places map[sm.Spot]bool) []string {
	var names []string
	for p := range places {
		names = append(names, string(p.Zone)+string(rune('0'+p.Round)))
	}
	slices.Sort(names)
	return names
}

func join(names []string) string {
	all := ""
	for _, n := range names {
		all += n + " "
	}
	return all
}
