package airlock_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// under puts both directions under a policy.
func under(p airlock.Policy) func(*airlock.Settings) {
	return func(s *airlock.Settings) {
		s.Approvals, s.SelfReview, s.Policies = 0, false, map[airlock.Direction]airlock.Policy{airlock.Import: p, airlock.Export: p}
	}
}

func roleSlot(name string, count int, roles ...airlock.Role) airlock.Slot {
	return airlock.Slot{Name: name, Count: count, Roles: roles}
}

// threeSlots needs an owner, an airlock manager and somebody from outside.
func threeSlots() airlock.Policy {
	return airlock.Policy{OneRejectionEnds: true, Slots: []airlock.Slot{
		roleSlot("owner", 1, airlock.RoleOwner), roleSlot("airlock-manager", 1, airlock.RoleManager),
		{Name: "independent", Count: 1, Roles: []airlock.Role{airlock.RoleManager}, Independent: true},
	}}
}

func mayReview(t *testing.T, w *world, who airlock.Identity, id string) bool {
	t.Helper()
	v, err := w.Request(t.Context(), who, ws, id)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(v.Actions, sm.ActionReview)
}

func TestThreeSlots(t *testing.T) {
	w := newWorld(t, under(threeSlots()))
	lead := person("a0000000-0000-4000-8000-000000000010", "Lea", airlock.RoleOwner, airlock.RoleManager)
	r := w.submitted(airlock.Export, "x")
	for who, want := range map[*airlock.Identity]bool{&researcher: false, &colleague: false, &owner: true, &manager: true, &both: true, &lead: true} {
		if got := mayReview(t, w, *who, r.ID); got != want {
			t.Errorf("%s may review: %v", who.Name, got)
		}
	}
	// Whoever is both takes whichever slot the others leave.
	w.want(w.do(w.Review(t.Context(), lead, ws, r.ID, approve())), sm.InReview)
	w.want(w.do(w.Review(t.Context(), owner, ws, r.ID, approve())), sm.InReview)
	v, err := w.Request(t.Context(), lead, ws, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := seats(v); got != "owner: Olga; airlock-manager: Lea; independent: 1 open" || slices.Contains(v.Actions, sm.ActionReview) {
		t.Errorf("seats %s, actions %v", got, v.Actions)
	}
	if mayReview(t, w, both, r.ID) { // a researcher is not independent
		t.Error("review is offered where no slot is open")
	}
	if p := refusal(t, second2(w.Review(t.Context(), both, ws, r.ID, approve()))); p.Kind != airlock.Ruled || p.Code != string(sm.SlotOpen) || !strings.Contains(p.Detail, "airlock-manager") {
		t.Errorf("got %+v", p)
	}
	if p := refusal(t, second2(w.Review(t.Context(), colleague, ws, r.ID, approve()))); p.Kind != airlock.Forbidden {
		t.Errorf("got %+v", p)
	}
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	w.want(r, sm.Approved)
	w.check(r)
}

func seats(v airlock.View) string {
	var words []string
	for _, s := range v.Seats {
		var by []string
		for _, r := range s.By {
			by = append(by, r.Reviewer.Name)
		}
		if s.Open > 0 {
			by = append(by, fmt.Sprintf("%d open", s.Open))
		}
		words = append(words, s.Name+": "+strings.Join(by, ", "))
	}
	return strings.Join(words, "; ")
}

func TestSlotsOfGroupsAndPeople(t *testing.T) {
	w := newWorld(t, under(airlock.Policy{OneRejectionEnds: true, Slots: []airlock.Slot{
		{Name: "checkers", Count: 1, Groups: []string{"G0000000-0000-4000-8000-000000000001"}},
		{Name: "colleague", Count: 1, People: []string{strings.ToUpper(colleague.ID)}},
	}}))
	r := w.submitted(airlock.Import, "x")
	checker := owner
	checker.Groups = []string{"g0000000-0000-4000-8000-000000000001"}
	if mayReview(t, w, owner, r.ID) || mayReview(t, w, manager, r.ID) || !mayReview(t, w, checker, r.ID) || !mayReview(t, w, colleague, r.ID) {
		t.Error("another one may review than the policy says")
	}
	if _, err := w.Link(t.Context(), colleague, ws, r.ID); err != nil {
		t.Errorf("whoever has to review cannot see the files: %v", err)
	}
	w.want(w.do(w.Review(t.Context(), colleague, ws, r.ID, approve())), sm.InReview)
	w.want(w.do(w.Review(t.Context(), checker, ws, r.ID, approve())), sm.Approved)
	if p := refusal(t, second2(w.Revoke(t.Context(), colleague, ws, r.ID, "why"))); p.Kind != airlock.Forbidden {
		t.Errorf("a slot lets somebody revoke: %+v", p)
	}
}

// TestThePolicyStaysForTheRound changes the settings under a round, and only the next one is under the new ones.
func TestThePolicyStaysForTheRound(t *testing.T) {
	w := newWorld(t)
	change := func(by func(*airlock.Settings)) airlock.Settings {
		s, err := w.Settings(t.Context(), admin, ws)
		if err != nil {
			t.Fatal(err)
		}
		by(&s)
		if s, err = w.PutSettings(t.Context(), admin, s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	r := w.submitted(airlock.Export, "x")
	if r.Policy.Version != 1 || r.Policy.String() != "airlock-manager x1" {
		t.Fatalf("stamped is %s of version %d", r.Policy, r.Policy.Version)
	}
	stored := change(under(threeSlots()))
	if mayReview(t, w, owner, r.ID) || !mayReview(t, w, manager, r.ID) {
		t.Error("the round is under the new policy")
	}
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "less"}))
	w.want(r, sm.Draft)
	if v, err := w.Request(t.Context(), owner, ws, r.ID); err != nil || v.Policy.String() != threeSlots().String() {
		t.Errorf("the draft shows %s, %v", v.Policy, err)
	}
	r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	if r.Policy.Version != stored.Version || !mayReview(t, w, owner, r.ID) {
		t.Errorf("the second round is under %s of version %d", r.Policy, r.Policy.Version)
	}
	change(func(s *airlock.Settings) { s.Approvals, s.Policies = 1, nil })
	w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, approve())), sm.InReview)
	w.want(w.do(w.Review(t.Context(), second, ws, r.ID, approve())), sm.InReview)
	r = w.do(w.Review(t.Context(), owner, ws, r.ID, approve()))
	w.want(r, sm.Approved)
	w.check(r)
}

// TestEveryReviewIsGivenFirst: where a rejection does not end the round, all slots are filled, and then it counts.
func TestEveryReviewIsGivenFirst(t *testing.T) {
	policy := airlock.ManagerPolicy(2)
	policy.OneRejectionEnds = false
	reject := airlock.NewReview{Decision: sm.DecisionRejected, Explanation: "names in it"}
	for _, test := range []struct {
		name          string
		first, last   airlock.NewReview
		want          sm.Status
		events        []sm.Event
		says, because string
	}{
		{"approved by both", approve(), approve(), sm.Approved, []sm.Event{sm.EventEndorse, sm.EventApprove}, "approved", "fine"},
		{"rejected by the first", reject, approve(), sm.Rejected, []sm.Event{sm.EventOppose, sm.EventConclude}, "rejected", "names in it"},
		{"rejected by the last", approve(), reject, sm.Rejected, []sm.Event{sm.EventEndorse, sm.EventReject}, "rejected", "names in it"},
		{"rejected by both", reject, reject, sm.Rejected, []sm.Event{sm.EventOppose, sm.EventReject}, "rejected", "names in it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, under(policy))
			r := w.submitted(airlock.Import, "x")
			w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, test.first)), sm.InReview)
			w.told.last = nil
			r = w.do(w.Review(t.Context(), second, ws, r.ID, test.last))
			w.want(r, test.want)
			w.check(r)
			records, err := w.store.Records(t.Context(), ws, r.ID, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			var events []sm.Event
			for _, rec := range records {
				if rec.Who == manager.ID || rec.Who == second.ID {
					events = append(events, sm.Event(rec.What))
				}
			}
			if !slices.Equal(events, test.events) {
				t.Errorf("recorded are %v", events)
			}
			for _, n := range w.told.last {
				if string(n.Decision) != test.says || n.Explanation != test.because {
					t.Errorf("the notice of %s says %s: %s", n.Status, n.Decision, n.Explanation)
				}
			}
			if len(w.told.last) != 2 {
				t.Errorf("%d notices", len(w.told.last))
			}
		})
	}
}

// TestRoundsFollowTheirPolicy plays rounds of people with any roles under any policy, and holds who may review, and how it ends,
// against a search through every way to fill the slots.
func TestRoundsFollowTheirPolicy(t *testing.T) {
	roles := []airlock.Role{airlock.RoleResearcher, airlock.RoleOwner, airlock.RoleManager}
	ended := map[sm.Status]int{}
	rapid.Check(t, func(rt *rapid.T) {
		policy := airlock.Policy{OneRejectionEnds: rapid.Bool().Draw(rt, "one rejection ends")}
		for i := range rapid.IntRange(1, 3).Draw(rt, "slots") {
			policy.Slots = append(policy.Slots, roleSlot(fmt.Sprintf("slot-%d", i), rapid.IntRange(1, 2).Draw(rt, "count"),
				rapid.SliceOfNDistinct(rapid.SampledFrom(roles), 1, 2, rapid.ID[airlock.Role]).Draw(rt, "roles")...))
		}
		w := newWorld(t, under(policy))
		r := w.submitted(airlock.Import, "x")
		var given [][]airlock.Role
		rejected := false
		for n := range 8 {
			held := rapid.SliceOfNDistinct(rapid.SampledFrom(roles), 1, 3, rapid.ID[airlock.Role]).Draw(rt, "held")
			who := person(fmt.Sprintf("b0000000-0000-4000-8000-%012d", n), fmt.Sprint("P", n), held...)
			possible := fillable(policy, append(slices.Clip(given), held))
			if got := mayReview(t, w, who, r.ID); got != possible {
				rt.Fatalf("%v after %v under %+v: offered %v, possible %v", held, given, policy, got, possible)
			}
			review := airlock.NewReview{Decision: rapid.SampledFrom([]sm.Decision{sm.DecisionApproved, sm.DecisionApproved, sm.DecisionRejected}).Draw(rt, "decision")}
			v, err := w.Review(t.Context(), who, ws, r.ID, review)
			if (err == nil) != possible {
				rt.Fatalf("%v after %v under %+v: %v, possible %v", held, given, policy, err, possible)
			}
			if err != nil {
				continue
			}
			given = append(given, held)
			rejected = rejected || review.Decision == sm.DecisionRejected
			want := sm.InReview
			switch {
			case rejected && (policy.OneRejectionEnds || len(given) == policy.Reviews()):
				want = sm.RejectionInProgress
			case len(given) == policy.Reviews():
				want = sm.ApprovalInProgress
			}
			if v.Request.Status != want {
				rt.Fatalf("after %d of %d reviews, rejected %v: %s", len(given), policy.Reviews(), rejected, v.Request.Status)
			}
			if want != sm.InReview {
				ended[want]++
				break
			}
		}
	})
	if ended[sm.ApprovalInProgress] == 0 || ended[sm.RejectionInProgress] == 0 {
		t.Errorf("rounds ended so often: %v", ended)
	}
}

// fillable tries every way to put people with these roles into the slots.
func fillable(p airlock.Policy, people [][]airlock.Role) bool {
	if len(people) == 0 {
		return true
	}
	for i, s := range p.Slots {
		if s.Count == 0 || !slices.ContainsFunc(s.Roles, func(r airlock.Role) bool { return slices.Contains(people[0], r) }) {
			continue
		}
		rest := p
		rest.Slots = slices.Clone(p.Slots)
		rest.Slots[i].Count--
		if fillable(rest, people[1:]) {
			return true
		}
	}
	return false
}

// TestPoliciesAreCheckedWhole tells every problem of the policies at once.
func TestPoliciesAreCheckedWhole(t *testing.T) {
	w := newWorld(t)
	manySlots := airlock.Policy{}
	for i := range 11 {
		manySlots.Slots = append(manySlots.Slots, roleSlot(fmt.Sprint("slot-", i), 2, airlock.RoleManager))
	}
	for _, test := range []struct {
		name    string
		change  func(*airlock.Settings)
		refuses []string
	}{
		{"no policy for export", func(s *airlock.Settings) {
			s.Approvals, s.Policies = 0, map[airlock.Direction]airlock.Policy{airlock.Import: threeSlots()}
		}, []string{"none for export"}},
		{"both ways", func(s *airlock.Settings) { under(threeSlots())(s); s.Approvals = 1 }, []string{"the one or the other"}},
		{"self-review beside it", func(s *airlock.Settings) { under(threeSlots())(s); s.SelfReview = true }, []string{"the one or the other"}},
		{"neither", func(s *airlock.Settings) { s.Approvals = 0 }, []string{"from 1 to 10"}},
		{"another direction", func(s *airlock.Settings) { under(threeSlots())(s); s.Policies["sideways"] = threeSlots() }, []string{`"sideways" is not a direction`}},
		{"no slots", under(airlock.Policy{}), []string{"import: It needs a slot", "export: It needs a slot"}},
		{"too much", under(manySlots), []string{"11 slots, and may have 10", "22 reviews, and may need 20"}},
		{"many problems", under(airlock.Policy{Slots: []airlock.Slot{
			{Name: "Not A Name", Count: 1, Roles: []airlock.Role{airlock.RoleManager}},
			{Name: "nobody", Count: 0}, roleSlot("nobody", 1, airlock.RoleAdmin),
			{Name: "few", Count: 2, People: []string{"one"}},
			{Name: "outside", Count: 1, Roles: []airlock.Role{airlock.RoleOwner}, Independent: true},
			{Name: "crowd", Count: 1, Groups: append(make([]string, 1), slices.Repeat([]string{"g"}, 100)...)},
		}}), []string{`"Not A Name"`, `two slots "nobody"`, `count of slot "nobody"`, `Nobody can fill slot "nobody"`, `"TREAdmin" is not a role`,
			`Slot "few" needs 2 people`, `Slot "outside"`, `"" in slot "crowd"`, "lists 102 groups and people"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := w.Settings(t.Context(), admin, ws)
			if err != nil {
				t.Fatal(err)
			}
			test.change(&s)
			_, err = w.PutSettings(t.Context(), admin, s)
			var p *airlock.Problem
			if !errors.As(err, &p) || p.Kind != airlock.Invalid {
				t.Fatalf("got %v", err)
			}
			for _, sentence := range test.refuses {
				if !strings.Contains(err.Error(), sentence) {
					t.Errorf("it does not say %q:\n%v", sentence, err)
				}
			}
		})
	}
}

// TestReviewsAcrossWorkspacesFollowThePolicy lists what somebody may review: what has a slot for them.
func TestReviewsAcrossWorkspacesFollowThePolicy(t *testing.T) {
	policy := threeSlots()
	w := newWorld(t, func(s *airlock.Settings) {
		s.Approvals = 0
		s.Policies = map[airlock.Direction]airlock.Policy{airlock.Import: airlock.ManagerPolicy(1), airlock.Export: policy}
		s.Members = []airlock.Member{{ID: owner.ID, Roles: []airlock.Role{airlock.RoleOwner}}, {ID: manager.ID, Roles: []airlock.Role{airlock.RoleManager}},
			{ID: colleague.ID, Roles: []airlock.Role{airlock.RoleResearcher}}}
	})
	brought, taken := w.submitted(airlock.Import, "x"), w.submitted(airlock.Export, "x")
	for who, want := range map[string][]string{owner.ID: {taken.ID}, manager.ID: {taken.ID, brought.ID}, colleague.ID: nil, admin.ID: nil} {
		page, err := w.Mine(t.Context(), visitor(who), true, airlock.Listing{})
		var got []string
		for _, v := range page.Views {
			got = append(got, v.Request.ID)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s may review %v, want %v: %v", who, got, want, err)
		}
	}
}
