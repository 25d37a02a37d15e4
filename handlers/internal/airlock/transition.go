package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"airlock/statemachine"
)

// systemPerson stands in a request for changes that nobody asked for.
func systemPerson() Person { return Person{Name: "Airlock"} }

// system is the actor of the state machine's system events.
func system() Actor { return Actor{Person: systemPerson()} }

// applied builds the commit that makes a transition: base is the request with whatever else changes in the same
// commit, before is how it was read.
func (s *Service) applied(before, base Request, t statemachine.Transition, by Actor, settings Settings, text, digest string) Commit {
	now := s.Now()
	after := base
	after.Version = before.Version + 1
	after.Status = t.To
	after.UpdatedBy, after.UpdatedWhen = by.Person, now
	after.Tries, after.LastError = 0, ""
	after.enter(t, text, now)
	after.Owed, after.Round = statemachine.Plan(t, base.Round, base.Owed)
	if after.Round != base.Round {
		after.Comments = 0
	}
	if slices.ContainsFunc(t.Owes, func(o statemachine.Owing) bool { return o.Kind == statemachine.KindSeal }) {
		after.SealedAt, after.ManifestDigest = time.Time{}, ""
	}
	if after.Round != base.Round {
		after.ManifestDigest = ""
	}
	switch t.Event {
	case statemachine.EventHold, statemachine.EventLift:
		after.OnHold = t.Event == statemachine.EventHold
	case statemachine.EventPurge:
		after.PurgedWhen = now
	case statemachine.EventForget:
		after.LedgerFrom = settings.RecordSeq
	}
	if !t.Keeps() || after.ReviewedBy(after.ClaimedBy.ID) {
		after.claim(Person{}, time.Time{})
	}
	if before.ID == "" {
		after.CreatedWhen = now
	} else {
		after.History = append(slices.Clip(base.History), Change{before.Version, before.Status, now, by.Person})
	}
	record := Record{
		When: now, Who: by.ID, Name: by.Name, What: string(t.Event), From: string(t.From), To: string(t.To), Round: base.Round,
		Text: text, Digest: digest, Source: by.SourceAddress, Trace: by.CorrelationID,
	}
	if record.Who == "" {
		record.Who, record.Name = systemActor, ""
	}
	switch {
	case t.Event == statemachine.EventHandOver:
		record.Subject = after.ClaimedBy.ID
	case speaks(t.Event):
		record.Subject = after.Reviews[len(after.Reviews)-1].SteadOf
	}
	if t.Event == statemachine.EventSubmit || speaks(t.Event) {
		record.Policy = after.Policy.Version
	}
	record.Chain = Chain(base.WorkspaceID, base.ID)
	record = record.Seal(before.RecordSeq, before.RecordHash)
	after.RecordSeq, after.RecordHash = record.Seq, record.Hash
	commit := Commit{Before: before, After: after, Record: &record}
	if !t.Keeps() {
		s.tell(&commit, statemachine.StatusChanged, settings, now, func(n *Notice) {
			n.PreviousStatus = t.From
			if v, ok := decided(after, t); ok {
				n.Decision, n.Explanation = v.Decision, v.Explanation
			} else if n.Decision = statemachine.DecisionOf(t.Event); n.Decision != "" {
				n.Explanation = text
			}
		})
	}
	commit.After.Due = s.due(commit.After, settings)
	return commit
}

// speaks reports whether somebody gives a review by the event.
func speaks(e statemachine.Event) bool {
	d := statemachine.DecisionOf(e)
	return d != "" && d != statemachine.DecisionRevoked
}

// enter notes what the status that the request comes to begins with.
func (r *Request) enter(t statemachine.Transition, text string, now time.Time) {
	if t.Keeps() {
		return
	}
	r.StatusMessage, r.StatusSince, r.Reminded, r.FailedIn = statusMessage(t, text), now, nil, statemachine.None
	switch statemachine.Failed {
	case t.From:
		r.Attempt++
	case t.To:
		r.FailedIn = t.From
	}
}

// decided returns the last review that says what the round decided, where the transition carries that out, or fails to.
func decided(r Request, t statemachine.Transition) (Review, bool) {
	for _, d := range []statemachine.Decision{statemachine.Carries(t.To), statemachine.Carries(t.From)} {
		for _, v := range slices.Backward(r.Reviews) {
			if d != "" && v.Round == r.Round && v.Decision == d {
				return v, true
			}
		}
	}
	return Review{}, false
}

// statusMessage is what a request says of itself: only what is wrong, because clients show it as an error.
func statusMessage(t statemachine.Transition, text string) string {
	switch t.Event {
	case statemachine.EventReturn:
		return "Changes were requested: " + text
	case statemachine.EventFail, statemachine.EventBlock, statemachine.EventUnseal, statemachine.EventExpire:
		return text
	case statemachine.EventMoved:
		if t.To == statemachine.BlockedByScan {
			return text
		}
	}
	return ""
}

// due is when the sweep has to look at a request: for what comes next, or to delete again what was deleted.
func (s *Service) due(r Request, settings Settings) time.Time {
	next := s.next(r, settings)
	if len(r.Gone) > 0 && (next.IsZero() || r.GoneAgain.Before(next)) {
		return r.GoneAgain
	}
	return next
}

// next is when something comes next: soon where the system owes something.
func (s *Service) next(r Request, settings Settings) time.Time {
	status, _ := statemachine.Of(r.Status)
	switch {
	case len(r.Owed) > 0 || len(r.Untold) > 0 || !status.Rests():
		// The longer it has waited, the less often it is looked at: events do the work, the sweep is the net.
		waited := s.Now().Sub(r.StatusSince)
		return s.inTime(r, min(max(waited, s.Timing.SweepGrace), max(s.Timing.RetryLongest, s.Timing.SweepGrace)))
	default:
		return s.rest(r, settings)
	}
}

// deadline is when what the system does for the request has to be over; zero where it has all the time that it takes.
func (s *Service) deadline(r Request) time.Time {
	switch {
	case !statemachine.Has(r.Status, statemachine.EventFail):
		return time.Time{}
	case len(r.Owed) > 0 && r.Owed[0].Kind == statemachine.KindGates && !r.SealedAt.IsZero():
		return r.SealedAt.Add(s.Timing.ScanDeadline)
	default:
		return r.StatusSince.Add(s.Timing.CopyDeadline)
	}
}

// inTime is the moment after a pause, or the deadline of the request where that comes first.
func (s *Service) inTime(r Request, pause time.Duration) time.Time {
	now := s.Now()
	if end := s.deadline(r); end.After(now) && end.Before(now.Add(pause)) {
		return end
	}
	return now.Add(pause)
}

// commit stores a change. Where the answer was lost it reads again and compares, so that the outcome is known: the
// request as stored, ErrLost (decide again), or an error that left everything as it was or may have.
func (s *Service) commit(ctx context.Context, c Commit) (Request, error) {
	write := s.Store.Commit
	if c.Before.ID == "" {
		write = s.Store.Create
	}
	if c.Record != nil && c.Record.Chain != Chain(c.After.WorkspaceID, c.After.ID) {
		return Request{}, fmt.Errorf("commit %s: a record of the trail %q", c.After.ID, c.Record.Chain)
	}
	c.After.Stamp = s.NewTrace()
	if c.Manifest != nil && c.Manifest.Round == c.After.Round {
		c.After.Files = summary(c.Manifest.Files)
		if c.After.ManifestDigest == "" && c.Manifest.Hashed() {
			c.After.ManifestDigest = c.Manifest.Digest()
		}
	}
	stored, err := write(ctx, c)
	if !errors.Is(err, ErrTransient) {
		return stored, err
	}
	read, readErr := s.Store.Request(ctx, c.After.WorkspaceID, c.After.ID)
	switch {
	case readErr != nil:
		return Request{}, fmt.Errorf("commit %s: %w", c.After.ID, err)
	case read.Stamp == c.After.Stamp:
		return read, nil
	case read.ETag == c.Before.ETag:
		return Request{}, fmt.Errorf("commit %s: %w", c.After.ID, err)
	}
	return s.overtaken(ctx, c, read, err)
}

// overtaken finds out about a commit of which it is not known whether it was stored before somebody else's was: its
// record tells. A change without a record loses nothing when it is decided again.
func (s *Service) overtaken(ctx context.Context, c Commit, read Request, cause error) (Request, error) {
	if c.Record == nil || read.RecordSeq < c.Record.Seq {
		return Request{}, fmt.Errorf("commit %s: %w", c.After.ID, ErrLost)
	}
	records, err := s.Store.Records(ctx, c.After.WorkspaceID, c.After.ID, c.Record.Seq-1, 1)
	switch {
	case err != nil:
		return Request{}, fmt.Errorf("commit %s: %w", c.After.ID, cause)
	case len(records) == 1 && records[0].Hash == c.Record.Hash:
		return read, nil
	default:
		return Request{}, fmt.Errorf("commit %s: %w", c.After.ID, ErrLost)
	}
}

// nudge asks for a request to be looked at. A nudge that cannot be sent is reported and nothing else: the sweep looks
// at everything that has something due.
func (s *Service) nudge(ctx context.Context, r Request, after time.Duration) {
	key := fmt.Sprintf("%s-%d", r.ID, r.Version)
	if after > 0 { // all that ask for the same moment ask once
		key += fmt.Sprintf("-at-%d", s.Now().Add(after).Truncate(after).Unix())
	}
	if err := s.Queue.Nudge(ctx, Nudge{Workspace: r.WorkspaceID, Request: r.ID, Key: key}, after); err != nil {
		s.report(ctx, fmt.Errorf("nudge %s: %w", r.ID, err))
	}
}

func (s *Service) report(ctx context.Context, err error) {
	if s.Report != nil {
		s.Report(ctx, err)
	}
}
