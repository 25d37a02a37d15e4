package airlock

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"airlock/statemachine"
)

// Retention is how long things are kept, counted from when the request came to its end. 0: for ever; in the settings of a
// workspace: as the TRE does.
type Retention struct {
	Released   time.Duration `json:"released,omitzero"`
	Refused    time.Duration `json:"refused,omitzero"`
	Quarantine time.Duration `json:"quarantine,omitzero"`
	Records    time.Duration `json:"records,omitzero"` // the request itself, once it has no data any more
}

// or fills what a workspace leaves to the TRE.
func (r Retention) or(tre Retention) Retention {
	return Retention{
		Released: cmp.Or(r.Released, tre.Released), Refused: cmp.Or(r.Refused, tre.Refused),
		Quarantine: cmp.Or(r.Quarantine, tre.Quarantine), Records: cmp.Or(r.Records, tre.Records),
	}
}

// of is how long a request is left as it is with its data in the zone.
func (r Retention) of(z statemachine.Zone) time.Duration {
	switch z {
	case statemachine.Released:
		return r.Released
	case statemachine.Refused:
		return r.Refused
	case statemachine.Quarantine:
		return r.Quarantine
	case statemachine.Nowhere:
		return r.Records
	default:
		return 0
	}
}

// held reports whether nothing of the request may be deleted.
func held(r Request, settings Settings) bool { return r.OnHold || settings.LegalHold }

// lifetime is what ends a request that rests, or what is left of it, if nobody does anything.
type lifetime struct {
	event statemachine.Event
	since time.Time
	long  time.Duration
}

func (t lifetime) end() time.Time { return t.since.Add(t.long) }

// lifetime returns what ends next. ok is false where nothing does: it is kept for ever, or held.
func (s *Service) lifetime(r Request, settings Settings) (t lifetime, ok bool) {
	switch {
	case statemachine.Has(r.Status, statemachine.EventExpire):
		t = lifetime{statemachine.EventExpire, r.UpdatedWhen, settings.DraftLifetime}
	case r.Zone() != statemachine.Nowhere:
		t = lifetime{statemachine.EventPurge, r.StatusSince, settings.Retention.or(s.Retention).of(r.Zone())}
	case len(r.Gone) == 0 && len(r.Untold) == 0: // it is forgotten when what was deleted is deleted again, and everybody was told
		t = lifetime{statemachine.EventForget, r.StatusSince, settings.Retention.or(s.Retention).of(statemachine.Nowhere)}
	}
	return t, t.long > 0 && !held(r, settings) && statemachine.Has(r.Status, t.event)
}

// ended says what follows for a request that rests, if its lifetime is over; no event otherwise.
func (l *look) ended() outcome {
	t, ok := l.s.lifetime(l.after, l.settings)
	if !ok || l.s.Now().Before(t.end()) {
		return outcome{}
	}
	text := "The draft was not used for a long time and has expired."
	switch t.event {
	case statemachine.EventPurge:
		text = fmt.Sprintf("%s are deleted from the %s zone. They were kept for %s after it was %s, which is how long they have to be.",
			l.after.contents(), l.after.Zone(), t.long, l.after.Status)
	case statemachine.EventForget:
		text = fmt.Sprintf("The request is deleted with its records. They were kept for %s after it was %s, which is how long they have to be.",
			t.long, l.after.Status)
	}
	return outcome{event: t.event, text: text}
}

// contents counts the files.
func (r Request) contents() string {
	return fmt.Sprintf("%d files with %d bytes", r.FileCount, r.TotalBytes)
}

// rest is when something comes next for a request that rests and owes nothing: its end, or people who have to be reminded
// of it, or a look at whether the settings have changed.
func (s *Service) rest(r Request, settings Settings) time.Time {
	var next time.Time
	consider := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if t, ok := s.lifetime(r, settings); ok {
		consider(t.end())
	}
	if _, at, ok := s.nextWait(r, settings); ok {
		consider(at)
	}
	if s.Timing.Relook > 0 {
		consider(s.Now().Add(s.Timing.Relook))
	}
	return next
}

// Hold puts a legal hold on a request: until it is lifted nothing of the request is deleted.
func (s *Service) Hold(ctx context.Context, who Identity, workspace, id, reason string) (View, error) {
	return s.actWithReason(ctx, statemachine.ActionHold, who, workspace, id, reason)
}

// Lift takes a legal hold off again. What should have been deleted meanwhile is deleted then.
func (s *Service) Lift(ctx context.Context, who Identity, workspace, id, reason string) (View, error) {
	return s.actWithReason(ctx, statemachine.ActionLift, who, workspace, id, reason)
}

func (s *Service) actWithReason(ctx context.Context, a statemachine.Action, who Identity, workspace, id, reason string) (View, error) {
	if err := checkMarkdown("reason", reason); err != nil {
		return View{}, err
	}
	return s.act(ctx, action{who: who, workspace: workspace, id: id, action: a, text: reason})
}

// find reads a request for somebody. One that is just being deleted is gone for them.
func (s *Service) find(ctx context.Context, workspace, id string) (Request, error) {
	r, err := s.Store.Request(ctx, workspace, id)
	if err == nil && statemachine.Forgetting(r.Owed) {
		return Request{}, fmt.Errorf("%s is being deleted: %w", id, ErrNotFound)
	}
	return r, err
}

// forget deletes the request with all its records, after what is deleted was written into the trail of the workspace,
// where it stays.
func (l *look) forget(ctx context.Context) (outcome, error) {
	// The settings are read before their trail: what somebody else enters after that makes this entry lose, and what they
	// entered earlier is found.
	settings, err := l.s.Store.Settings(ctx, l.before.WorkspaceID)
	if err != nil {
		return outcome{}, fmt.Errorf("forget: %w", err)
	}
	known, err := l.inLedger(ctx)
	if err != nil {
		return outcome{}, err
	}
	if !known {
		if err := l.enterLedger(ctx, settings); err != nil {
			return outcome{}, err
		}
	}
	if err := l.s.Store.Forget(ctx, l.before); err != nil {
		return outcome{}, fmt.Errorf("forget: %w", err)
	}
	return outcome{gone: true}, nil
}

// inLedger reports whether the trail of the workspace tells of it already: a process can die in between.
func (l *look) inLedger(ctx context.Context) (bool, error) {
	for after := l.before.LedgerFrom; ; {
		records, err := l.s.Store.SettingsRecords(ctx, l.before.WorkspaceID, after, MaxPage)
		if err != nil {
			return false, fmt.Errorf("forget: %w", err)
		}
		for _, rec := range records {
			if rec.What == RecordForget && rec.Subject == l.before.ID {
				return true, nil
			}
			after = rec.Seq
		}
		if len(records) < MaxPage {
			return false, nil
		}
	}
}

// enterLedger writes into the trail of the workspace what is about to be deleted. The settings stay as they are.
func (l *look) enterLedger(ctx context.Context, settings Settings) error {
	r := l.before
	record := settings.chained(Record{
		When: l.s.Now(), Who: systemActor, What: RecordForget, Subject: r.ID, Last: r.RecordSeq, Digest: r.RecordHash,
		Text: fmt.Sprintf("%s request, %s on %s, with %s, deleted with its %d records, which were kept as long as they have to be.",
			r.Type, r.Status, r.StatusSince.UTC().Format(time.RFC3339), r.contents(), r.RecordSeq),
	})
	settings.RecordSeq, settings.RecordHash = record.Seq, record.Hash
	stored, err := l.s.Store.PutSettings(ctx, settings, record)
	if err != nil {
		return fmt.Errorf("forget: %w", err) // whether it is stored, the next look finds out
	}
	l.s.rememberSettings(stored)
	return nil
}
