package airlock_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// TestAReviewCountsForWhatItNames gives reviews that name something else than what is there. Nothing comes of them.
func TestAReviewCountsForWhatItNames(t *testing.T) {
	returned := airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "less"}
	for _, test := range []struct {
		name    string
		names   func(old, now airlock.Request, in *airlock.NewReview)
		require bool
		guard   sm.Guard // empty: it counts
		says    string
	}{
		{"nothing", func(_, _ airlock.Request, in *airlock.NewReview) {}, false, "", ""},
		{"all that is there", func(_, now airlock.Request, in *airlock.NewReview) {
			in.Round, in.Digest, in.Slot = 2, strings.ToUpper(now.ManifestDigest), "airlock-manager"
		}, true, "", ""},
		{"the round before", func(_, _ airlock.Request, in *airlock.NewReview) { in.Round = 1 }, false, sm.ThisRound, "another round"},
		{"the round after", func(_, _ airlock.Request, in *airlock.NewReview) { in.Round = 3 }, false, sm.ThisRound, "another round"},
		{"the files of the round before", func(old, _ airlock.Request, in *airlock.NewReview) { in.Digest = old.ManifestDigest }, false, sm.TheseFiles, "other files"},
		{"no files, where it has to", func(_, _ airlock.Request, in *airlock.NewReview) { in.Round = 2 }, true, sm.TheseFiles, "manifestDigest"},
		{"a slot that does not exist", func(_, _ airlock.Request, in *airlock.NewReview) { in.Slot = "boss" }, false, sm.SlotOpen, `no slot "boss". It has: airlock-manager, owner`},
		{"a slot of others", func(_, _ airlock.Request, in *airlock.NewReview) { in.Slot = "owner" }, false, sm.SlotOpen, `"owner" is not for you`},
		{"a change that it does not say", func(_, _ airlock.Request, in *airlock.NewReview) {
			in.Decision, in.Explanation = sm.DecisionChangesRequested, " \n\t"
		}, false, sm.ExplanationGiven, "Say why"},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := airlock.ManagerPolicy(1)
			policy.Slots = append(policy.Slots, roleSlot("owner", 1, airlock.RoleOwner))
			w := newWorld(t, under(policy))
			old := w.submitted(airlock.Export, "one")
			r := w.do(w.Review(t.Context(), manager, ws, old.ID, returned))
			if policy.RequireDigest = test.require; test.require {
				s, err := w.Settings(t.Context(), admin, ws)
				if err != nil {
					t.Fatal(err)
				}
				under(policy)(&s)
				if _, err := w.PutSettings(t.Context(), admin, s); err != nil {
					t.Fatal(err)
				}
			}
			w.upload(r, "another", "two")
			r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
			w.want(r, sm.InReview)
			if old.ManifestDigest == "" || r.ManifestDigest == "" || old.ManifestDigest == r.ManifestDigest {
				t.Fatalf("the digests are %q and %q", old.ManifestDigest, r.ManifestDigest)
			}
			in := approve()
			test.names(old, r, &in)
			_, err := w.Review(t.Context(), manager, ws, r.ID, in)
			after := w.read(r.ID)
			if test.guard == "" {
				if err != nil || len(after.Reviews) != 2 || after.Reviews[1].Digest != r.ManifestDigest {
					t.Errorf("got %v, stored are %+v", err, after.Reviews)
				}
				return
			}
			p := refusal(t, err)
			if p.Kind != airlock.Ruled || p.Code != string(test.guard) || !strings.Contains(p.Detail, test.says) {
				t.Errorf("got %+v", p)
			}
			if after.Version != r.Version {
				t.Error("something was stored")
			}
			if !mayReview(t, w, manager, r.ID) {
				t.Error("a good review is not offered any more")
			}
		})
	}
}

// TestANamedSlotIsKept: whoever names a slot is not moved to another, and blocks it.
func TestANamedSlotIsKept(t *testing.T) {
	w := newWorld(t, under(airlock.Policy{OneRejectionEnds: true, Slots: []airlock.Slot{
		roleSlot("owner", 1, airlock.RoleOwner), roleSlot("anybody", 1, airlock.RoleOwner, airlock.RoleManager),
	}}))
	lead := person("a0000000-0000-4000-8000-000000000010", "Lea", airlock.RoleOwner)
	r := w.submitted(airlock.Export, "x")
	in := approve()
	in.Slot = "anybody"
	w.want(w.do(w.Review(t.Context(), lead, ws, r.ID, in)), sm.InReview)
	if mayReview(t, w, manager, r.ID) || !mayReview(t, w, owner, r.ID) {
		t.Error("the slot that was named is not the one that is filled")
	}
	w.want(w.do(w.Review(t.Context(), owner, ws, r.ID, approve())), sm.Approved)
}

// TestBlindReviews asks everybody what they see while a blind round goes on, and when it is over.
func TestBlindReviews(t *testing.T) {
	policy := airlock.ManagerPolicy(3)
	policy.Blind, policy.OneRejectionEnds = true, false
	third := person("a0000000-0000-4000-8000-000000000011", "Tom", airlock.RoleManager)
	w := newWorld(t, under(policy))
	r := w.submitted(airlock.Import, "x")
	const secret = "names of patients"
	w.want(w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionRejected, Explanation: secret})), sm.InReview)
	before := len(w.auditTexts(researcher, r.ID))
	sees := func(who airlock.Identity, want bool) {
		t.Helper()
		v, err := w.Request(t.Context(), who, ws, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.Requests(t.Context(), who, ws, airlock.Listing{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range append(list.Views, v) {
			if len(v.Request.Reviews) > 0 != want || len(v.Seats[0].By) > 0 != want {
				t.Errorf("%s sees the reviews %v in the seats %v", who.Name, v.Request.Reviews, v.Seats)
			}
		}
		if v.Seats[0].Open == 3 && w.read(r.ID).Status == sm.InReview {
			t.Errorf("%s does not see that somebody has spoken", who.Name)
		}
		if who.ID == colleague.ID {
			return // has no business with the trail
		}
		if got := slices.Contains(w.auditTexts(who, r.ID), secret); got != want {
			t.Errorf("%s reads it in the trail: %v", who.Name, got)
		}
	}
	everybody := []airlock.Identity{researcher, colleague, owner, second, third}
	for _, who := range everybody {
		sees(who, false)
	}
	sees(manager, true)
	trail, err := w.Audit(t.Context(), second, ws, r.ID)
	if err != nil || trail.HeldBack == 0 || !trail.Intact {
		t.Errorf("held back are %d records, intact is %v: %v", trail.HeldBack, trail.Intact, err)
	}
	if _, _, err := airlock.VerifyChain(trail.Records, 0, ""); err != nil {
		t.Errorf("what is shown is no chain: %v", err)
	}
	w.do(w.Review(t.Context(), second, ws, r.ID, approve()))
	sees(second, true)
	sees(third, false)
	if got := len(w.auditTexts(researcher, r.ID)); got != before {
		t.Errorf("%d records are shown, and %d were before", got, before)
	}
	w.want(w.do(w.Review(t.Context(), third, ws, r.ID, approve())), sm.Rejected)
	for _, who := range everybody {
		sees(who, true)
	}
}

func (w *world) auditTexts(who airlock.Identity, id string) []string {
	w.t.Helper()
	trail, err := w.Audit(w.t.Context(), who, ws, id)
	if err != nil {
		w.t.Fatal(err)
	}
	var texts []string
	for _, rec := range trail.Records {
		texts = append(texts, rec.Text)
	}
	return texts
}

// TestRemindersOfABlindRoundTellNoOpinion: who is reminded cannot tell from the numbers what others have said.
func TestRemindersOfABlindRoundTellNoOpinion(t *testing.T) {
	for _, d := range []sm.Decision{sm.DecisionApproved, sm.DecisionRejected} {
		policy := airlock.ManagerPolicy(2)
		policy.Blind, policy.OneRejectionEnds = true, false
		w := newWorld(t, under(policy))
		r := w.submitted(airlock.Import, "x")
		w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: d}))
		w.told.last = nil
		w.later(w.Timing.RemindAfter)
		if len(w.told.last) != 1 || w.told.last[0].ApprovalsGiven != 1 || w.told.last[0].ApprovalsNeeded != 2 {
			t.Errorf("after %s: %+v", d, w.told.last)
		}
	}
}

// racing lets something happen just before the first commit is stored.
type racing struct {
	airlock.Store
	first func()
}

func (s *racing) Commit(ctx context.Context, c airlock.Commit) (airlock.Request, error) {
	if first := s.first; first != nil {
		s.first = nil
		first()
	}
	return s.Store.Commit(ctx, c)
}

// TestTwoReviewsAtTheSameInstant: both have read the same request, and one is stored while the other is on its way. There is one
// order, and both are recorded once: what comes when the round is decided does not count.
func TestTwoReviewsAtTheSameInstant(t *testing.T) {
	reject := airlock.NewReview{Decision: sm.DecisionRejected, Explanation: "no"}
	for _, test := range []struct {
		name         string
		needed       int
		ends         bool
		faster, late airlock.NewReview
		want         sm.Status
		recorded     int
	}{
		{"both approve, and more are needed", 3, true, approve(), approve(), sm.InReview, 2},
		{"both approve", 2, true, approve(), approve(), sm.Approved, 2},
		{"the last approval first", 1, true, approve(), reject, sm.Approved, 1},
		{"the rejection first", 1, true, reject, approve(), sm.Rejected, 1},
		{"the request for changes first", 1, true, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "less"}, approve(), sm.Draft, 1},
		{"an approval, and the rejection as the last", 2, true, approve(), reject, sm.Rejected, 2},
		{"the rejection, and the last approval", 2, false, reject, approve(), sm.Rejected, 2},
		{"an approval, and the last rejection", 2, false, approve(), reject, sm.Rejected, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := airlock.ManagerPolicy(test.needed)
			policy.OneRejectionEnds = test.ends
			w := newWorld(t, under(policy))
			r := w.submitted(airlock.Import, "x")
			store := w.Service.Store
			w.Service.Store = &racing{store, func() {
				w.Service.Store = store
				if _, err := w.Review(t.Context(), second, ws, r.ID, test.faster); err != nil {
					t.Errorf("the faster one: %v", err)
				}
			}}
			_, err := w.Review(t.Context(), manager, ws, r.ID, test.late)
			if late := test.recorded == 1; late {
				if p := refusal(t, err); p.Kind != airlock.Conflict || p.Code != "too_late" {
					t.Errorf("the late one: %+v", p)
				}
			} else if err != nil {
				t.Errorf("the late one: %v", err)
			}
			w.settle()
			r = w.read(r.ID)
			w.want(r, test.want)
			w.check(r)
			if len(r.Reviews) != test.recorded || r.Reviews[0].Reviewer.ID != second.ID {
				t.Errorf("the reviews are %+v", r.Reviews)
			}
			records, err := w.store.Records(t.Context(), ws, r.ID, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			said, late := 0, 0
			for _, rec := range records {
				if rec.What == "late" && rec.Who == manager.ID && strings.HasPrefix(rec.Text, string(test.late.Decision)) {
					late++
				}
				if sm.DecisionOf(sm.Event(rec.What)) != "" {
					said++
				}
			}
			if said != test.recorded || said+late != 2 {
				t.Errorf("%d reviews are recorded, %d of them too late", said+late, late)
			}
		})
	}
}
