package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	after.StatusMessage = statusMessage(t, text)
	if t.From != t.To {
		after.StatusSince = now
		after.Tries, after.LastError = 0, ""
	}
	after.Owed, after.Round = statemachine.Plan(t, base.Round, base.Owed)
	if t.From == statemachine.Failed {
		after.Attempt++
	}
	if slices.ContainsFunc(t.Owes, func(o statemachine.Owing) bool { return o.Kind == statemachine.KindSeal }) {
		after.SealedAt = time.Time{}
	}
	after.FailedIn = statemachine.None
	if t.To == statemachine.Failed {
		after.FailedIn = t.From
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
	record = record.Seal(before.RecordSeq, before.RecordHash)
	after.RecordSeq, after.RecordHash = record.Seq, record.Hash
	commit := Commit{Before: before, After: after, Record: &record}
	if t.From != t.To {
		commit.Notices = s.notices(commit.After, t, settings, text)
		for _, n := range commit.Notices {
			commit.After.Untold = append(slices.Clip(commit.After.Untold), n.ID)
		}
	}
	commit.After.Due = s.due(commit.After, settings)
	return commit
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

// due is when the sweep has to look at a request: soon where the system owes something, at the end of its life for a
// draft, never otherwise.
func (s *Service) due(r Request, settings Settings) time.Time {
	status, _ := statemachine.Of(r.Status)
	switch {
	case len(r.Owed) > 0 || len(r.Untold) > 0 || !status.Rests():
		// The longer it has waited, the less often it is looked at: events do the work, the sweep is the net.
		waited := s.Now().Sub(r.StatusSince)
		return s.Now().Add(min(max(waited, s.Timing.SweepGrace), max(s.Timing.RetryLongest, s.Timing.SweepGrace)))
	case statemachine.Has(r.Status, statemachine.EventExpire) && settings.DraftLifetime > 0:
		return r.UpdatedWhen.Add(settings.DraftLifetime)
	default:
		return time.Time{}
	}
}

// notices tells everybody whom the new status concerns.
func (s *Service) notices(r Request, t statemachine.Transition, settings Settings, text string) []Notice {
	status, _ := statemachine.Of(r.Status)
	byRole := map[string][]string{}
	for key, role := range map[string]Role{"workspace_owner": RoleOwner, "workspace_researcher": RoleResearcher, "airlock_manager": RoleManager} {
		if emails := settings.Emails(role); len(emails) > 0 {
			byRole[key] = emails
		}
	}
	var notices []Notice
	for _, audience := range status.Tells {
		n := Notice{
			ID:   fmt.Sprintf("%s-%d-%s", r.ID, r.Version, audience),
			When: r.UpdatedWhen, Audience: audience,
			WorkspaceID: r.WorkspaceID, WorkspaceName: settings.Name, WorkspaceDescription: settings.Description, RequestID: r.ID,
			Status: r.Status, PreviousStatus: t.From, StatusMessage: r.StatusMessage, Type: r.Type, Title: r.Title,
			Justification: r.Justification, Round: r.Round, Files: r.Files, CreatedBy: r.CreatedBy, CreatedWhen: r.CreatedWhen,
			UpdatedBy: r.UpdatedBy, UpdatedWhen: r.UpdatedWhen, RecipientsByRole: byRole,
			Recipients: recipients(audience, r, settings),
		}
		if n.Decision = statemachine.DecisionOf(t.Event); n.Decision != "" {
			n.Explanation = text
		}
		if s.Page != nil {
			n.Page = s.Page(r.WorkspaceID, r.ID)
		}
		notices = append(notices, n)
	}
	return notices
}

// recipients are the addresses of an audience. People without an address are left out.
func recipients(a statemachine.Audience, r Request, settings Settings) []string {
	switch a {
	case statemachine.AudienceRequester:
		if r.CreatedBy.Email == "" {
			return nil
		}
		return []string{r.CreatedBy.Email}
	case statemachine.AudienceReviewers:
		return slices.DeleteFunc(settings.Emails(RoleManager), func(e string) bool {
			return !settings.SelfReview && strings.EqualFold(e, r.CreatedBy.Email)
		})
	case statemachine.AudienceOwners:
		return settings.Emails(RoleOwner)
	default:
		return settings.Emails(RoleAdmin)
	}
}

// commit stores a change. Where the answer was lost it reads again and compares, so that the outcome is known: the
// request as stored, ErrLost (decide again), or an error that left everything as it was or may have.
func (s *Service) commit(ctx context.Context, c Commit) (Request, error) {
	write := s.Store.Commit
	if c.Before.ID == "" {
		write = s.Store.Create
	}
	c.After.Stamp = s.NewTrace()
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
	case read.ETag != c.Before.ETag:
		return Request{}, fmt.Errorf("commit %s: %w", c.After.ID, ErrLost)
	default:
		return Request{}, fmt.Errorf("commit %s: %w", c.After.ID, err)
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
