package airlock

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"airlock/statemachine"
)

// announce publishes the notices that are owed. A topic that is down delays them and nothing else.
func (l *look) announce(ctx context.Context) error {
	if len(l.before.Untold) == 0 {
		return nil
	}
	notices, err := l.untold(ctx)
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, n := range notices {
		if n.Location, err = l.location(ctx, n); err != nil {
			break
		}
		if err = l.s.Announcer.Announce(ctx, n); err != nil {
			err = fmt.Errorf("announce %s: %w", n.ID, err)
			break
		}
		told[n.ID] = true
		if n.Unaddressed > 0 || len(n.Recipients) == 0 {
			l.s.report(ctx, fmt.Errorf("notice %s: %d of its %s have an address, %d have none", n.ID, len(n.Recipients), n.Audience, n.Unaddressed))
		}
	}
	l.after.Untold = nil
	for _, id := range l.before.Untold {
		if !told[id] {
			l.after.Untold = append(l.after.Untold, id)
		}
	}
	return err
}

// untold returns the notices that are not published yet: those at hand where that is all, otherwise those that are stored.
// What happened first is told first.
func (l *look) untold(ctx context.Context) (notices []Notice, err error) {
	for _, id := range l.before.Untold {
		if i := slices.IndexFunc(l.notices, func(n Notice) bool { return n.ID == id }); i >= 0 {
			notices = append(notices, l.notices[i])
		}
	}
	if len(notices) == len(l.before.Untold) {
		return notices, nil
	}
	if notices, err = l.s.Store.Notices(ctx, l.before.WorkspaceID, l.before.ID); err != nil {
		return nil, err
	}
	// Those that came after the request was read are published by whoever reads what they tell of.
	place := func(n Notice) int { return slices.Index(l.before.Untold, n.ID) }
	notices = slices.DeleteFunc(notices, func(n Notice) bool { return place(n) < 0 })
	slices.SortFunc(notices, func(a, b Notice) int { return cmp.Compare(place(a), place(b)) })
	return notices, nil
}

// location makes the link that goes with the notice of an approval to the requester, where the workspace asks for it.
// It is written into the audit trail before it is made, as every link. The notice goes without it where the request has
// moved on, where nothing says that the requester still has a right to it, and where storage makes none: they can get
// one on the request's page.
func (l *look) location(ctx context.Context, n Notice) (Location, error) {
	r := l.before
	if !l.settings.IncludeLocation || n.Audience != statemachine.AudienceRequester || n.Status != statemachine.Approved || r.Status != n.Status {
		return Location{}, nil
	}
	rights, _ := statemachine.LinkRights(facts(r, l.settings, l.settings.requesterOf(r)))
	if rights == 0 {
		return Location{}, nil
	}
	record := Record{Who: systemActor, Text: " in the notice to " + r.CreatedBy.ID}
	link, stored, err := l.s.issue(ctx, r, l.settings, record, rights)
	if stored.ID == "" {
		return Location{}, err // what is stored may be another version than was read
	}
	l.before, l.after = stored, stored
	if err != nil {
		l.s.report(ctx, err)
		return Location{}, nil
	}
	return Location{URL: link.URL, ExpiresAt: link.ExpiresAt}, nil
}

// requesterOf is the requester with the roles that they have as far as anything here knows: those of their token where it
// was the workspace's own, those of the member list otherwise.
func (s Settings) requesterOf(r Request) Actor {
	actor := Actor{Person: r.CreatedBy}
	if s.Audience == "" || r.CreatedBy.Audience != s.Audience {
		actor.Roles = s.member(r.CreatedBy.ID).Roles
	}
	return actor
}

// issue makes a link with these rights to where the request's data is, after it was written into the audit trail with the
// correlation id that storage logs with every use of it. by says who the link is for; its text follows the terms. The
// request is returned as it is stored then, also when the link could not be made after that.
func (s *Service) issue(ctx context.Context, r Request, settings Settings, by Record, rights statemachine.Rights) (Link, Request, error) {
	place, err := s.place(r, settings, r.Spot())
	if err != nil {
		return Link{}, Request{}, err
	}
	now := s.Now()
	terms := LinkTerms{
		Rights: rights, From: now.Add(-clockSkew), Until: now.Add(s.Timing.LinkLifetime).Truncate(time.Second), CorrelationID: s.NewTrace(),
	}
	by.When, by.What, by.From, by.To, by.Round, by.Trace = now, recordLink, string(r.Status), string(r.Status), r.Round, terms.CorrelationID
	by.Text = fmt.Sprintf("%s, until %s", rights, terms.Until.UTC().Format(time.RFC3339)) + by.Text
	record := r.chained(by)
	next := r
	next.Version++
	next.RecordSeq, next.RecordHash = record.Seq, record.Hash
	stored, err := s.commit(ctx, Commit{Before: r, After: next, Record: &record})
	if err != nil {
		return Link{}, Request{}, fmt.Errorf("link %s: %w", r.ID, err)
	}
	url, err := s.Zones.Link(ctx, place, terms)
	if err != nil {
		return Link{}, stored, fmt.Errorf("link %s: %w", r.ID, err)
	}
	return Link{URL: url, ExpiresAt: terms.Until, Rights: rights}, stored, nil
}
