package airlock_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	sm "airlock/statemachine"
)

func TestRemindersAndEscalation(t *testing.T) {
	w := newWorld(t, people)
	r := w.submitted(airlock.Import, "x")
	w.heard()
	reminder := "review_reminder → reviewers: Mia@example.org, Max@example.org"
	escalation := []string{"review_escalation → reviewers: Mia@example.org, Max@example.org", "review_escalation → owners: Olga@example.org"}
	entered := w.now
	for _, step := range []struct {
		after time.Duration
		want  []string
	}{
		{47 * time.Hour, nil}, {48 * time.Hour, []string{reminder}}, {49 * time.Hour, nil}, {119 * time.Hour, nil},
		{120 * time.Hour, escalation}, {121 * time.Hour, nil}, {2000 * time.Hour, nil},
	} {
		w.later(entered.Add(step.after).Sub(w.now))
		w.hears(step.after.String(), step.want...)
		w.want(w.read(r.ID), sm.InReview)
	}
	if r = w.read(r.ID); !r.Due.Equal(w.now.Add(w.Timing.Relook)) || !r.UpdatedWhen.Equal(entered) {
		t.Errorf("due at %s, changed at %s", r.Due, r.UpdatedWhen)
	}
	var trail []string
	records, err := w.store.Records(t.Context(), ws, r.ID, 0, airlock.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records[len(records)-2:] {
		trail = append(trail, fmt.Sprint(rec.What, rec.From, rec.To, rec.Who))
	}
	if want := []string{"review_reminderin_reviewin_reviewsystem", "review_escalationin_reviewin_reviewsystem"}; !slices.Equal(trail, want) {
		t.Errorf("the trail ends in %v", trail)
	}

	// The next round has its own.
	r = w.do(w.Review(t.Context(), manager, ws, r.ID, airlock.NewReview{Decision: sm.DecisionChangesRequested, Explanation: "round"}))
	w.want(w.do(w.Submit(t.Context(), researcher, ws, r.ID)), sm.InReview)
	w.heard()
	w.later(500 * time.Hour)
	w.hears("the next round, looked at late", append([]string{reminder}, escalation...)...)
	w.want(w.read(r.ID), sm.InReview)
}

func TestPatienceIsTheWorkspacesOwn(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*airlock.Settings)
		never  bool // the TRE reminds nobody
		want   []time.Duration
	}{
		"as the TRE":       {nil, false, []time.Duration{48 * time.Hour, 120 * time.Hour}},
		"sooner":           {func(s *airlock.Settings) { s.RemindAfter, s.EscalateAfter = time.Hour, 3*time.Hour }, false, []time.Duration{time.Hour, 3 * time.Hour}},
		"one of its own":   {func(s *airlock.Settings) { s.RemindAfter = 200 * time.Hour }, false, []time.Duration{120 * time.Hour, 200 * time.Hour}},
		"never":            {nil, true, nil},
		"only where asked": {func(s *airlock.Settings) { s.EscalateAfter = 2 * time.Hour }, true, []time.Duration{2 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []func(*airlock.Settings)
			if test.change != nil {
				changes = append(changes, test.change)
			}
			w := newWorld(t, changes...)
			if test.never {
				w.Timing.RemindAfter, w.Timing.EscalateAfter = 0, 0
			}
			r := w.submitted(airlock.Import, "x")
			var at []time.Duration
			for entered := w.now; w.now.Sub(entered) < 300*time.Hour; {
				w.told.last = nil
				w.later(time.Hour)
				if len(w.told.last) > 0 {
					at = append(at, w.now.Sub(entered))
				}
			}
			if !slices.Equal(at, test.want) {
				t.Errorf("people were told after %v, want %v", at, test.want)
			}
			w.want(w.read(r.ID), sm.InReview)
		})
	}
}

func TestSettingsOfNotices(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*airlock.Settings)
		field  string
	}{
		"impatient":       {func(s *airlock.Settings) { s.RemindAfter = time.Minute }, "remindAfter"},
		"negative":        {func(s *airlock.Settings) { s.RemindAfter = -time.Hour }, "remindAfter"},
		"escalated first": {func(s *airlock.Settings) { s.RemindAfter, s.EscalateAfter = 5*time.Hour, 5*time.Hour }, "escalateAfter"},
		"escalated soon":  {func(s *airlock.Settings) { s.EscalateAfter = time.Minute }, "escalateAfter"},
		"long address":    {func(s *airlock.Settings) { s.Members[0].Email = fmt.Sprintf("%0251d@b.c", 1) }, "members"},
		"long name":       {func(s *airlock.Settings) { s.Members[0].Name = fmt.Sprintf("%0201d", 1) }, "members"},
		"well":            {func(s *airlock.Settings) { s.RemindAfter, s.EscalateAfter = time.Hour, 2*time.Hour }, ""},
		"an owner's":      {func(s *airlock.Settings) { s.EscalateAfter = time.Hour }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, people)
			s, err := w.Settings(t.Context(), owner, ws)
			if err != nil {
				t.Fatal(err)
			}
			test.change(&s)
			_, err = w.PutSettings(t.Context(), owner, s)
			if test.field == "" && err != nil || test.field != "" && refusal(t, err).Code != test.field {
				t.Errorf("got %v, want a problem with %q", err, test.field)
			}
		})
	}
	w := newWorld(t, people)
	s, err := w.Settings(t.Context(), owner, ws)
	if err != nil {
		t.Fatal(err)
	}
	s.IncludeLocation = true
	if _, err := w.PutSettings(t.Context(), owner, s); refusal(t, err).Code != "admin_only" {
		t.Errorf("an owner puts locations into notices: %v", err)
	}
	if _, err := w.PutSettings(t.Context(), admin, s); err != nil {
		t.Error(err)
	}
}
