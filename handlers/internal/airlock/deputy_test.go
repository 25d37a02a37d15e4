package airlock_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// deputised names colleague the deputy of owner for the day after tomorrow.
func deputised(w *world) []airlock.Deputy {
	return []airlock.Deputy{{Owner: strings.ToUpper(owner.ID), Deputy: colleague.ID, From: w.now.Add(24 * time.Hour), Until: w.now.Add(48 * time.Hour)}}
}

func (w *world) change(who airlock.Identity, by func(*airlock.Settings)) error {
	s, err := w.Settings(w.t.Context(), who, ws)
	if err != nil {
		return err
	}
	by(&s)
	_, err = w.PutSettings(w.t.Context(), who, s)
	return err
}

// TestDeputies: a deputy fills the slots of the owner while they are told to, and only one of both speaks in a round.
func TestDeputies(t *testing.T) {
	policy := airlock.Policy{OneRejectionEnds: true, Slots: []airlock.Slot{
		roleSlot("owner", 2, airlock.RoleOwner), {Name: "outside", Count: 1, Roles: []airlock.Role{airlock.RoleManager}, People: []string{owner.ID}, Independent: true},
	}}
	w := newWorld(t, under(policy))
	key := w.signs()
	if err := w.change(owner, func(s *airlock.Settings) { s.Deputies = deputised(w) }); err != nil {
		t.Fatal(err)
	}
	other := person("a0000000-0000-4000-8000-000000000012", "Ann", airlock.RoleOwner)
	r := w.submitted(airlock.Export, "x")
	for _, test := range []struct {
		pass time.Duration
		may  bool
	}{{0, false}, {24*time.Hour - time.Second, false}, {time.Second, true}, {24*time.Hour - time.Second, true}, {time.Second, false}} {
		w.now = w.now.Add(test.pass)
		if got := mayReview(t, w, colleague, r.ID); got != test.may {
			t.Errorf("at %s the deputy may review: %v", w.now, got)
		}
	}
	w.now = w.now.Add(-time.Hour)
	if p := refusal(t, second2(w.Review(t.Context(), colleague, ws, r.ID, airlock.NewReview{Decision: sm.DecisionApproved, Slot: "outside"}))); p.Code != string(sm.SlotOpen) {
		t.Errorf("an owner's deputy is independent: %+v", p)
	}
	v, err := w.Review(t.Context(), colleague, ws, r.ID, approve())
	if err != nil || v.Request.Reviews[0].SteadOf != strings.ToUpper(owner.ID) {
		t.Fatalf("got %+v, %v", v.Request.Reviews, err)
	}
	if p := refusal(t, second2(w.Review(t.Context(), colleague, ws, r.ID, approve()))); p.Code != string(sm.FirstInRound) {
		t.Errorf("the deputy again: %+v", p)
	}
	if mayReview(t, w, owner, r.ID) || !mayReview(t, w, other, r.ID) {
		t.Error("the owner may speak a second time, or another one may not")
	}
	w.want(w.do(w.Review(t.Context(), other, ws, r.ID, approve())), sm.InReview)
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, approve()))
	w.want(r, sm.Approved)
	w.check(r)

	trail, err := w.Audit(t.Context(), admin, ws, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range trail.Records {
		if want := map[string]string{colleague.ID: strings.ToUpper(owner.ID)}[rec.Who]; rec.Subject != want {
			t.Errorf("record %d, %s by %s: in place of %q, want %q", rec.Seq, rec.What, rec.Who, rec.Subject, want)
		}
	}
	d, _ := w.disclosed(key, r.ID, 0)
	if len(d.Reviews) != 3 || d.Reviews[0].InPlaceOf != strings.ToUpper(owner.ID) || d.Reviews[1].InPlaceOf != "" || d.Reviews[2].InPlaceOf != "" {
		t.Errorf("the record of the decision says %+v", d.Reviews)
	}
}

// TestNoDeputyOfWhoHasSpoken: where the owner has given their review, the deputy cannot give another one for them.
func TestNoDeputyOfWhoHasSpoken(t *testing.T) {
	w := newWorld(t, under(airlock.Policy{OneRejectionEnds: true, Slots: []airlock.Slot{roleSlot("owner", 2, airlock.RoleOwner)}}))
	if err := w.change(owner, func(s *airlock.Settings) { s.Deputies = deputised(w) }); err != nil {
		t.Fatal(err)
	}
	r := w.submitted(airlock.Import, "x")
	w.now = w.now.Add(25 * time.Hour)
	w.want(w.do(w.Review(t.Context(), owner, ws, r.ID, approve())), sm.InReview)
	if mayReview(t, w, colleague, r.ID) {
		t.Error("the deputy of somebody who has spoken may review")
	}
	if p := refusal(t, second2(w.Review(t.Context(), colleague, ws, r.ID, approve()))); p.Kind != airlock.Forbidden {
		t.Errorf("got %+v", p)
	}
}

// TestNoDeputyOfTheRequester: who makes a request cannot approve it through somebody else.
func TestNoDeputyOfTheRequester(t *testing.T) {
	w := newWorld(t, under(airlock.Policy{OneRejectionEnds: true, Slots: []airlock.Slot{roleSlot("owner", 1, airlock.RoleOwner)}}))
	if err := w.change(owner, func(s *airlock.Settings) { s.Deputies = deputised(w) }); err != nil {
		t.Fatal(err)
	}
	r := w.create(owner, airlock.Import)
	w.upload(r, "a", "1")
	w.settle()
	w.do(w.Submit(t.Context(), owner, ws, r.ID))
	w.now = w.now.Add(25 * time.Hour)
	if mayReview(t, w, colleague, r.ID) {
		t.Error("the requester's deputy may review")
	}
	if p := refusal(t, second2(w.Review(t.Context(), colleague, ws, r.ID, approve()))); p.Kind != airlock.Forbidden {
		t.Errorf("got %+v", p)
	}
}

// TestDeputiesAreTold: the deputy is among those who are told of a request that waits for a review.
func TestDeputiesAreTold(t *testing.T) {
	w := newWorld(t, under(airlock.Policy{OneRejectionEnds: true, Slots: []airlock.Slot{roleSlot("owner", 1, airlock.RoleOwner)}}), func(s *airlock.Settings) {
		s.Members = []airlock.Member{{ID: owner.ID, Email: "olga@example.org", Roles: []airlock.Role{airlock.RoleOwner}},
			{ID: colleague.ID, Email: "ben@example.org", Roles: []airlock.Role{airlock.RoleResearcher}}}
	})
	if err := w.change(admin, func(s *airlock.Settings) { s.Deputies = deputised(w) }); err != nil {
		t.Fatal(err)
	}
	told := func() []string {
		w.told.last = nil
		w.submitted(airlock.Import, "x")
		for _, n := range w.told.last {
			if n.Audience == sm.AudienceReviewers {
				return n.Recipients
			}
		}
		return nil
	}
	if got := told(); !slices.Equal(got, []string{"olga@example.org"}) {
		t.Errorf("before: %v", got)
	}
	w.now = w.now.Add(25 * time.Hour)
	if got := told(); !slices.Equal(got, []string{"olga@example.org", "ben@example.org"}) {
		t.Errorf("meanwhile: %v", got)
	}
}

// TestWhoNamesDeputies: owners name their own, and what cannot be is refused.
func TestWhoNamesDeputies(t *testing.T) {
	w := newWorld(t)
	from, until := w.now, w.now.Add(time.Hour)
	for _, test := range []struct {
		name string
		who  airlock.Identity
		list []airlock.Deputy
		kind airlock.Kind // empty: it is stored
	}{
		{"an owner for another", owner, []airlock.Deputy{{Owner: second.ID, Deputy: colleague.ID, From: from, Until: until}}, airlock.Forbidden},
		{"an admin for an owner", admin, []airlock.Deputy{{Owner: second.ID, Deputy: colleague.ID, From: from, Until: until}}, ""},
		{"an owner beside others", owner, []airlock.Deputy{{Owner: second.ID, Deputy: colleague.ID, From: from, Until: until},
			{Owner: owner.ID, Deputy: colleague.ID, From: from, Until: until}}, ""},
		{"an owner instead of others", owner, []airlock.Deputy{{Owner: owner.ID, Deputy: colleague.ID, From: from, Until: until}}, airlock.Forbidden},
		{"for no time", admin, []airlock.Deputy{{Owner: owner.ID, Deputy: colleague.ID, From: until, Until: until}}, airlock.Invalid},
		{"themselves", admin, []airlock.Deputy{{Owner: owner.ID, Deputy: strings.ToUpper(owner.ID), From: from, Until: until}}, airlock.Invalid},
		{"too many", admin, slices.Repeat([]airlock.Deputy{{Owner: owner.ID, Deputy: colleague.ID, From: from, Until: until}}, 101), airlock.Invalid},
	} {
		err := w.change(test.who, func(s *airlock.Settings) { s.Deputies = test.list })
		var p *airlock.Problem
		if test.kind == "" && err != nil || test.kind != "" && (!errors.As(err, &p) || p.Kind != test.kind) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	err := w.change(admin, func(s *airlock.Settings) {
		s.Audience, s.Deputies = "", []airlock.Deputy{{Owner: manager.ID, Deputy: colleague.ID, From: from, Until: until}}
	})
	if err == nil || !strings.Contains(err.Error(), "is not an owner") {
		t.Errorf("a deputy of somebody who is no owner: %v", err)
	}
}
