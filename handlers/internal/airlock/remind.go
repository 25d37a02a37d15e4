package airlock

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"airlock/statemachine"
)

// patience is how long a request may wait in its status before the occasion arises; 0: for ever.
func (s *Service) patience(o statemachine.Occasion, settings Settings) time.Duration {
	switch o {
	case statemachine.ReviewReminder:
		return cmp.Or(settings.RemindAfter, s.Timing.RemindAfter)
	case statemachine.ReviewEscalation:
		return cmp.Or(settings.EscalateAfter, s.Timing.EscalateAfter)
	default:
		return 0
	}
}

// nextWait returns the occasion that arises next if nobody acts, and when. ok is false when there is none.
func (s *Service) nextWait(r Request, settings Settings) (next statemachine.Occasion, at time.Time, ok bool) {
	for _, o := range statemachine.Waits(r.Status) {
		patience := s.patience(o, settings)
		if patience == 0 || slices.Contains(r.Reminded, o) {
			continue
		}
		if due := r.StatusSince.Add(patience); !ok || due.Before(at) {
			next, at, ok = o, due, true
		}
	}
	return next, at, ok
}

// remind tells people that a request has waited for them too long, if it has: its notices, its audit record and the note
// that it was done are one commit, so that it happens once whatever dies in between. The status stays as it is.
func (l *look) remind(ctx context.Context) (done bool, err error) {
	o, at, ok := l.s.nextWait(l.after, l.settings)
	now := l.s.Now()
	if !ok || now.Before(at) {
		return false, nil
	}
	record := l.before.chained(Record{
		When: now, Who: systemActor, What: string(o), From: string(l.after.Status), To: string(l.after.Status), Round: l.after.Round,
		Text: fmt.Sprintf("waiting since %s", l.after.StatusSince.UTC().Format(time.RFC3339)),
	})
	c := Commit{Before: l.before, After: l.after, Record: &record}
	c.After.Version++
	c.After.RecordSeq, c.After.RecordHash = record.Seq, record.Hash
	c.After.Reminded = append(slices.Clip(c.After.Reminded), o)
	l.s.tell(&c, o, l.settings, now, nil)
	c.After.Due = l.s.due(c.After, l.settings)
	if err := l.store(ctx, c); err != nil {
		return false, fmt.Errorf("%s: %w", o, err)
	}
	return true, nil
}
