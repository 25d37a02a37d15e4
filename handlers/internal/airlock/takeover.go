package airlock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"airlock/statemachine"
)

// Legacy is a request that another system has brought to its end.
type Legacy struct {
	Request Request // its ids, people, times, status, history, reviews and files; the rest is filled here
	From    string  // the system, as people know it
	Digest  string  // SHA-256 of what that system has exported of it, in hex
}

// Taking is what became of a request of another system.
type Taking string

// The outcomes.
const (
	Taken      Taking = "taken"      // it is history here now
	TakenSoon  Taking = "would take" // it could be
	TakenThen  Taking = "there"      // it was taken before
	NotTaken   Taking = "refused"    // it cannot be, and the reason says why
	NotAtRest  Taking = "running"    // it has not come to its end in the other system
	TakenOther Taking = "differs"    // another version of it was taken before, which stays
)

// TakeOver stores a request of another system as history: what was decided, by whom and when, with one audit record that
// says where it comes from. It gives nobody a way to files: the request counts as one whose data was deleted, so that no
// link, revocation or retry leads anywhere, and it says so to no one as a decision of this airlock. Only what has come to
// its end is taken. What is there already stays as it is, so that it can be repeated. The running program looks at it soon,
// and finds out how long it is kept. With dry nothing is stored.
//
// The reason is for operators. An error says that it is not known what became of it.
func TakeOver(ctx context.Context, store Store, l Legacy, now time.Time, dry bool) (t Taking, reason string, err error) {
	r := l.Request
	status, known := statemachine.Of(r.Status)
	switch {
	case !known:
		return NotTaken, fmt.Sprintf("there is no status %q", r.Status), nil
	case status.Turn != statemachine.TurnNobody && status.Turn != statemachine.TurnOperator:
		return NotAtRest, fmt.Sprintf("it is %s: bring it to its end there, or make it again here", r.Status), nil
	case r.Type != Import && r.Type != Export:
		return NotTaken, fmt.Sprintf("%q is neither import nor export", r.Type), nil
	case r.UpdatedWhen.IsZero() || r.CreatedWhen.IsZero():
		return NotTaken, "it does not say when it was made or changed", nil
	}
	if _, err := store.Settings(ctx, r.WorkspaceID); errors.Is(err, ErrNotFound) {
		return NotTaken, fmt.Sprintf("the workspace %q has no airlock settings here", r.WorkspaceID), nil
	} else if err != nil {
		return "", "", fmt.Errorf("take over %s: %w", r.ID, err)
	}
	c := l.commit(now)
	if err := c.Check(true); err != nil {
		return NotTaken, err.Error(), nil
	}
	if t, reason, err := l.taken(ctx, store); t != "" || err != nil {
		return t, reason, err
	}
	if dry {
		return TakenSoon, "", nil
	}
	_, err = store.Create(ctx, c)
	switch {
	case err == nil:
		return Taken, "", nil
	case errors.Is(err, ErrExists):
		return NotTaken, "another request has its id", nil
	case errors.Is(err, ErrTransient):
		return "", "", fmt.Errorf("take over %s: %w", r.ID, err)
	default: // too large
		return NotTaken, err.Error(), nil
	}
}

// commit is the one write of a request that is taken over.
func (l Legacy) commit(now time.Time) Commit {
	r := l.Request
	record := r.chained(Record{
		When: now, Who: systemActor, What: recordTakeOver, To: string(r.Status), Round: 1, Digest: l.Digest,
		Text: fmt.Sprintf("Taken over from %s, where it was %s on %s. What people did there is as %s told of it, with %d changes, %d reviews and %d files; the files were left where they are.",
			l.From, r.Status, r.UpdatedWhen.UTC().Format(time.DateOnly), l.From, len(r.History), len(r.Reviews), r.FileCount),
	})
	r.Version, r.Round = 1, 1
	if r.Status == statemachine.Failed && r.StatusMessage == "" {
		r.StatusMessage = l.From + " does not say why it failed."
	}
	r.StatusSince, r.PurgedWhen, r.Due = r.UpdatedWhen, record.When, record.When
	r.RecordSeq, r.RecordHash, r.Stamp = record.Seq, record.Hash, record.Hash
	return Commit{After: r, Record: &record}
}

// taken says what is known of the request here; no Taking where nothing is.
func (l Legacy) taken(ctx context.Context, store Store) (t Taking, reason string, err error) {
	r := l.Request
	switch _, err := store.Request(ctx, r.WorkspaceID, r.ID); {
	case errors.Is(err, ErrNotFound):
		return "", "", nil
	case err != nil:
		return "", "", fmt.Errorf("take over %s: %w", r.ID, err)
	}
	records, err := store.Records(ctx, r.WorkspaceID, r.ID, 0, 1)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("take over %s: %w", r.ID, err)
	case len(records) == 0 || records[0].What != recordTakeOver:
		return NotTaken, "another request has its id", nil
	case records[0].Digest != l.Digest:
		return TakenOther, fmt.Sprintf("on %s it was taken over as it was then, and stays so", records[0].When.UTC().Format(time.DateOnly)), nil
	default:
		return TakenThen, "", nil
	}
}

// takenOver plays the first record of a request that another system has brought to its end. Nothing that it tells of
// happened here, so that no rule of this airlock is held against it, but one: it has no data here.
func (k *check) takenOver(rec Record) {
	at := &k.trail
	if rec.Seq != 1 || rec.Who != systemActor || rec.Digest == "" {
		k.broken(RuleReplay, "record %d: %s by %q after others", rec.Seq, rec.What, rec.Who)
	}
	at.taken = true
	at.status, at.purged = statemachine.Status(rec.To), rec.When
	at.entered, at.changed = k.r.StatusSince, k.r.UpdatedWhen
	at.steps = 1
	for _, change := range k.r.History {
		if change.When.Before(rec.When) {
			at.steps++
		}
	}
}
