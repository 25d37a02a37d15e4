package airlock_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// claimable is a world in which two of the airlock managers of the member list have to approve, blind.
func claimable(t *testing.T) *world {
	policy := airlock.ManagerPolicy(2)
	policy.Blind = true
	return newWorld(t, under(policy), func(s *airlock.Settings) {
		for _, who := range []airlock.Identity{second, both, owner, researcher} {
			s.Members = append(s.Members, airlock.Member{ID: who.ID, Name: who.Name, Email: who.Email, Roles: who.Roles})
		}
	})
}

// claimant is who somebody sees as the holder of the claim. A request and the list that it is in must say the same.
func (w *world) claimant(who airlock.Identity, id string) string {
	w.t.Helper()
	v, err := w.Request(w.t.Context(), who, ws, id)
	if err != nil {
		w.t.Fatal(err)
	}
	page, err := w.Requests(w.t.Context(), who, ws, airlock.Listing{})
	if err != nil {
		w.t.Fatal(err)
	}
	seen := v.Request
	if i := slices.IndexFunc(page.Views, func(v airlock.View) bool { return v.Request.ID == id }); page.Views[i].Request.ClaimedBy.ID != seen.ClaimedBy.ID || !page.Views[i].Request.ClaimedUntil.Equal(seen.ClaimedUntil) {
		w.t.Errorf("the list tells %s of another claim than the request", who.Name)
	}
	if seen.ClaimedBy.ID == "" != seen.ClaimedUntil.IsZero() {
		w.t.Errorf("claimed by %q until %s", seen.ClaimedBy.ID, seen.ClaimedUntil)
	}
	return seen.ClaimedBy.Name
}

func (w *world) offered(who airlock.Identity, id string) string {
	w.t.Helper()
	v, err := w.Request(w.t.Context(), who, ws, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprint(v.Actions)
}

// TestAClaimTellsOthersAndEnds: it is shown to those who review and look after requests, stops another claim and no review, and
// ends by the clock.
func TestAClaimTellsOthersAndEnds(t *testing.T) {
	w := claimable(t)
	id := w.submitted(airlock.Export, "x").ID
	claim := func(who airlock.Identity) error { return second2(w.Claim(t.Context(), who, ws, id)) }
	if p := refusal(t, claim(owner)); p.Kind != airlock.Forbidden {
		t.Errorf("who cannot review: %+v", p)
	}
	if err := claim(manager); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[*airlock.Identity]string{&manager: "Mia", &second: "Mia", &both: "Mia", &owner: "Mia", &admin: "Mia", &researcher: "", &colleague: ""} {
		who := *who
		if who.ForAPI { // an admin's token counts everywhere
			who.Audience = ""
		}
		if got := w.claimant(who, id); got != want {
			t.Errorf("%s sees a claim of %q, want %q", who.Name, got, want)
		}
	}
	if p := refusal(t, claim(second)); p.Kind != airlock.Ruled || p.Code != string(sm.NotClaimed) {
		t.Errorf("a second claim: %+v", p)
	}
	if got := w.offered(manager, id); got != "[review claim unclaim hand_over]" {
		t.Errorf("its holder is offered %s", got)
	}
	if got := w.offered(second, id); got != "[review]" {
		t.Errorf("another reviewer is offered %s", got)
	}
	w.now = w.now.Add(w.Timing.ClaimLifetime - time.Second)
	if got := w.claimant(second, id); got != "Mia" {
		t.Errorf("a second before its end: %q", got)
	}
	if err := claim(manager); err != nil { // it begins anew
		t.Fatal(err)
	}
	w.now = w.now.Add(w.Timing.ClaimLifetime - time.Second)
	if p := refusal(t, claim(second)); p.Code != string(sm.NotClaimed) {
		t.Errorf("a second before its end: %+v", p)
	}
	w.now = w.now.Add(time.Second)
	if got := w.claimant(manager, id); got != "" {
		t.Errorf("after its end: %q", got)
	}
	if p := refusal(t, second2(w.Unclaim(t.Context(), manager, ws, id))); p.Code != string(sm.ClaimedByYou) {
		t.Errorf("giving back what has ended: %+v", p)
	}
	if err := claim(second); err != nil {
		t.Fatal(err)
	}
	w.want(w.do(w.Review(t.Context(), manager, ws, id, approve())), sm.InReview) // a claim of somebody else is no lock
	if got := w.claimant(second, id); got != "Max" {
		t.Errorf("after a review by somebody else: %q", got)
	}
	w.check(w.read(id))
}

// TestAClaimGoesBackAndOver: only its holder gives it away, and only to somebody who could have it.
func TestAClaimGoesBackAndOver(t *testing.T) {
	w := claimable(t)
	id := w.submitted(airlock.Import, "x").ID
	w.do(w.Claim(t.Context(), manager, ws, id))
	for name, do := range map[string]func(who airlock.Identity) error{
		"unclaim":   func(who airlock.Identity) error { return second2(w.Unclaim(t.Context(), who, ws, id)) },
		"hand over": func(who airlock.Identity) error { return second2(w.HandOver(t.Context(), who, ws, id, both.ID)) },
	} {
		if p := refusal(t, do(second)); p.Kind != airlock.Ruled || p.Code != string(sm.ClaimedByYou) {
			t.Errorf("%s by somebody else: %+v", name, p)
		}
	}
	w.do(w.Unclaim(t.Context(), manager, ws, id))
	if got := w.claimant(second, id); got != "" {
		t.Errorf("given back: %q", got)
	}
	w.do(w.Claim(t.Context(), second, ws, id))
	for name, heir := range map[string]string{"an owner": owner.ID, "the requester": researcher.ID, "a stranger": colleague.ID} {
		if p := refusal(t, second2(w.HandOver(t.Context(), second, ws, id, heir))); p.Kind != airlock.Ruled || p.Code != string(sm.CanReview) {
			t.Errorf("to %s: %+v", name, p)
		}
	}
	if p := refusal(t, second2(w.HandOver(t.Context(), second, ws, id, ""))); p.Kind != airlock.Invalid {
		t.Errorf("to nobody: %+v", p)
	}
	w.now = w.now.Add(time.Hour)
	w.do(w.HandOver(t.Context(), second, ws, id, strings.ToUpper(both.ID)))
	if r := w.read(id); w.claimant(second, id) != "Rob" || !r.ClaimedUntil.Equal(w.now.Add(w.Timing.ClaimLifetime)) {
		t.Errorf("handed over: %+v until %s", r.ClaimedBy, r.ClaimedUntil)
	}
	w.check(w.read(id))
	trail, err := w.Audit(t.Context(), admin, ws, id)
	if err != nil || !slices.ContainsFunc(trail.Records, func(r airlock.Record) bool {
		return r.What == "hand_over" && r.Who == second.ID && strings.EqualFold(r.Subject, both.ID)
	}) {
		t.Errorf("the trail does not tell of it (%v)", err)
	}
	if got := w.offered(both, id); !strings.Contains(got, "unclaim") {
		t.Errorf("the new holder is offered %s", got)
	}
	w.do(w.Review(t.Context(), both, ws, id, approve()))
	if got := w.claimant(second, id); got != "" || w.read(id).ClaimedBy.ID != "" {
		t.Errorf("its holder has spoken: %q", got)
	}
	w.do(w.Claim(t.Context(), second, ws, id))
	if p := refusal(t, second2(w.HandOver(t.Context(), second, ws, id, both.ID))); p.Code != string(sm.CanReview) {
		t.Errorf("to somebody who has spoken: %+v", p)
	}
	w.check(w.read(id))
}

// TestAClaimEndsWithItsRound: whoever ends it.
func TestAClaimEndsWithItsRound(t *testing.T) {
	w := claimable(t)
	r := w.submitted(airlock.Import, "x")
	w.do(w.Claim(t.Context(), second, ws, r.ID))
	w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "less"})), sm.Draft)
	if got := w.read(r.ID).ClaimedBy.ID; got != "" {
		t.Errorf("returned, and claimed by %q", got)
	}
	w.want(w.do(w.Submit(t.Context(), researcher, ws, r.ID)), sm.InReview)
	w.do(w.Claim(t.Context(), manager, ws, r.ID))
	w.want(w.do(w.Cancel(t.Context(), researcher, ws, r.ID)), sm.Cancelled)
	r = w.read(r.ID)
	if r.ClaimedBy.ID != "" || !r.ClaimedUntil.IsZero() {
		t.Errorf("cancelled, and claimed by %q", r.ClaimedBy.ID)
	}
	if p := refusal(t, second2(w.Claim(t.Context(), manager, ws, r.ID))); p.Kind != airlock.Illegal {
		t.Errorf("claiming what has ended: %+v", p)
	}
	w.check(r)
}
