package simulation

import (
	"context"
	"slices"

	"airlock/handlers/internal/airlock"
)

// usual are the settings of a workspace at the beginning, and again at the end.
func usual(workspace string) airlock.Settings {
	s := airlock.DefaultSettings(workspace)
	s.Audience, s.Members, s.MaxFiles = "api://"+workspace, members(workspace), 5
	return s
}

// found makes the workspaces.
func (w *world) found() {
	for _, workspace := range []string{north, south} {
		s := usual(workspace)
		s.Scanning, s.SelfReview, s.Approvals = w.chance(0.8), w.chance(0.2), pick(w, 1, 1, 1, 2)
		if s.Approvals > 1 { // then everybody speaks before anything is decided
			review(&s, airlock.Policy{SelfReview: s.SelfReview}, s.Approvals)
		}
		s.IncludeLocation = w.chance(0.2)
		if w.mood.ends {
			s.Retention, s.DraftLifetime = w.retention(), w.lifetime()
		}
		w.put(s)
	}
}

// put stores settings when nothing goes wrong.
func (w *world) put(s airlock.Settings) {
	if current, err := w.store.Settings(context.Background(), s.WorkspaceID); err == nil {
		s.ETag = current.ETag
	}
	p := &policy{Settings: s, began: w.now}
	w.policies = append(w.policies, p)
	stored, err := w.processes[0].PutSettings(context.Background(), w.somebody("tara"), s)
	if err != nil {
		w.wrong("settings could not be stored: %v", err)
		return
	}
	w.settled(p, stored)
}

// settled notes that settings are stored: older ones are used for a little longer.
func (w *world) settled(p *policy, stored airlock.Settings) {
	p.Version, p.ended = stored.Version, w.now
	for _, q := range w.policies {
		older := q.Version != 0 && q.Version < p.Version || q.Version == 0 && !q.ended.IsZero() && !q.ended.After(p.began)
		if q != p && q.WorkspaceID == p.WorkspaceID && older && q.until.IsZero() {
			q.until = w.now.Add(w.mood.cache + patience)
		}
	}
}

// changeSettings lets somebody change the settings of a workspace.
func (w *world) changeSettings() {
	workspace := pick(w, north, south)
	who := w.somebody("tara", "tara", "olga", "ben")
	proc := pick(w, w.processes[:]...)
	var p *policy
	var stored airlock.Settings
	var err error
	w.start(proc, func() string { return who.ID + " changes settings" }, func() {
		next, readErr := proc.Settings(context.Background(), who, workspace)
		if readErr != nil {
			err = readErr
			return
		}
		w.alter(&next, who.ID == "tara")
		p = &policy{Settings: next, began: w.now}
		p.Version = 0
		w.policies = append(w.policies, p)
		stored, err = proc.PutSettings(context.Background(), who, next)
	}, func(gone bool) {
		if p == nil {
			return
		}
		p.ended = w.now
		switch {
		case gone || answerOf(err) == unknown:
		case err != nil:
			p.until = p.began.Add(-1)
		default:
			w.count(SettingsMoved)
			w.trace("settings of %s: version %d", workspace, stored.Version)
			if who.ID != "tara" && (who.ID != "olga" || workspace != north) {
				w.wrong("%s changed the settings of %s", who.ID, workspace)
			}
			w.settled(p, stored)
		}
	})
}

// review puts a workspace under a policy of so many airlock managers, in the short way where that says enough.
func review(s *airlock.Settings, like airlock.Policy, reviews int) {
	s.Approvals, s.SelfReview, s.Policies = reviews, like.SelfReview, nil
	if like.OneRejectionEnds {
		return
	}
	p := airlock.ManagerPolicy(reviews)
	p.SelfReview, p.OneRejectionEnds = like.SelfReview, false
	s.Approvals, s.SelfReview, s.Policies = 0, false, map[airlock.Direction]airlock.Policy{airlock.Import: p, airlock.Export: p}
}

// alter changes one thing.
func (w *world) alter(s *airlock.Settings, everything bool) {
	n := w.random.IntN(8)
	if !everything {
		n = w.random.IntN(3)
	}
	switch n {
	case 0:
		review(s, s.Policy(airlock.Import), pick(w, 1, 2, 3))
	case 1:
		p := s.Policy(airlock.Import)
		p.SelfReview = !p.SelfReview
		review(s, p, p.Reviews())
	case 2:
		if len(s.Members) > 2 && w.chance(0.5) {
			at := w.random.IntN(len(s.Members))
			if s.Members[at].ID != "olga" {
				s.Members = slices.Delete(slices.Clone(s.Members), at, at+1)
			}
		} else {
			s.Members = members(s.WorkspaceID)
		}
	case 3, 4:
		s.Scanning = !s.Scanning
	case 5:
		s.Archived = !s.Archived
	case 6:
		s.LegalHold = !s.LegalHold
	case 7:
		s.Retention, s.DraftLifetime = w.retention(), w.lifetime()
	}
}
