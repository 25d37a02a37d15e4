package airlock_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf16"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

// fits checks that the request is still far from what one row of a table takes. Azure: 1 MiB, two bytes for a character.
func fits(t *testing.T, r airlock.Request) {
	t.Helper()
	document, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if size := 2 * len(utf16.Encode([]rune(string(document)))); size > 1<<19 {
		t.Errorf("after %d changes and %d reviews it takes %d bytes", len(r.History), len(r.Reviews), size)
	}
}

// TestClaimsHaveAnEnd: whoever claims a request again and again, or hands it to and fro, does not fill its row. It can be
// decided all the same.
func TestClaimsHaveAnEnd(t *testing.T) {
	for name, again := range map[string]func(w *world, id string) error{
		"claimed": func(w *world, id string) error { return second2(w.Claim(w.t.Context(), second, ws, id)) },
		"claimed and given back": func(w *world, id string) error {
			if err := second2(w.Claim(w.t.Context(), second, ws, id)); err != nil {
				return err
			}
			return second2(w.Unclaim(w.t.Context(), second, ws, id))
		},
		"handed over": func(w *world, id string) error {
			if w.read(id).ClaimedBy.ID == "" {
				return second2(w.Claim(w.t.Context(), second, ws, id))
			}
			from, to := second, both
			if w.read(id).ClaimedBy.ID == both.ID {
				from, to = both, second
			}
			return second2(w.HandOver(w.t.Context(), from, ws, id, to.ID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := claimable(t)
			r := w.submitted(airlock.Export, "x")
			var err error
			for n := 0; n < 1000 && err == nil; n++ {
				err = again(w, r.ID)
			}
			if p := refusal(t, err); p.Code != string(sm.ClaimsLeft) {
				t.Errorf("in the end: %+v", p)
			}
			fits(t, w.read(r.ID))
			w.do(w.Review(t.Context(), both, ws, r.ID, approve()))
			r = w.do(w.Review(t.Context(), second, ws, r.ID, approve()))
			w.want(r, sm.Approved)
			w.check(r)
		})
	}
}

// TestRoundsHaveAnEnd: a request that comes back again and again does not fill its row either. Whoever has the files is
// told at submit, and can cancel it.
func TestRoundsHaveAnEnd(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	var err error
	for n := 0; n < 200 && err == nil; n++ {
		w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: strings.Repeat("Round. ", 500)}))
		w.settle()
		if err = second2(w.Submit(t.Context(), researcher, ws, r.ID)); err == nil {
			w.settle()
		}
	}
	if p := refusal(t, err); p.Code != string(sm.FilesAcceptable) || !strings.Contains(p.Detail, "another round") {
		t.Errorf("in the end: %+v", p)
	}
	r = w.read(r.ID)
	w.want(r, sm.Draft)
	fits(t, r)
	if len(r.Reviews) < 10 {
		t.Errorf("it ends after %d rounds", len(r.Reviews))
	}
	w.want(w.do(w.Cancel(t.Context(), researcher, ws, r.ID)), sm.Cancelled)
}
