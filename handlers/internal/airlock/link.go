package airlock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"airlock/statemachine"
)

// clockSkew is how far a link reaches back, for storage whose clock is behind.
const clockSkew = 5 * time.Minute

// linkSentences are the answers where a status gives out no link.
var linkSentences = map[statemachine.LinkAnswer]string{
	statemachine.LinkBusy:      sentenceLinkBusy,
	statemachine.LinkCancelled: sentenceLinkGone,
	statemachine.LinkClosed:    sentenceLinkClosed,
}

// Link gives out a link to the request's data, with the rights that the status gives the person. It is written into
// the audit trail before it is made, with the correlation id that storage logs with every use of it.
func (s *Service) Link(ctx context.Context, who Identity, workspace, id string) (Link, error) {
	actor, settings, err := s.enter(ctx, who, workspace, members()...)
	if err != nil {
		return Link{}, err
	}
	for range maxRaces {
		r, err := s.Store.Request(ctx, workspace, id)
		if err != nil {
			return Link{}, answer(fmt.Errorf("link %s: %w", id, err), sentenceNoRequest)
		}
		rights, refusal := statemachine.LinkRights(facts(r, settings, actor))
		switch {
		case refusal != "":
			return Link{}, &Problem{Kind: Illegal, Code: "link_" + string(refusal), Detail: linkSentences[refusal]}
		case rights == 0:
			return Link{}, &Problem{Kind: Forbidden, Code: "forbidden", Detail: sentenceLinkRole}
		}
		link, err := s.link(ctx, r, settings, actor, rights)
		if !errors.Is(err, ErrLost) {
			return link, answer(err, sentenceNoRequest)
		}
	}
	return Link{}, answer(fmt.Errorf("link %s: %w", id, ErrLost), sentenceNoRequest)
}

func (s *Service) link(ctx context.Context, r Request, settings Settings, actor Actor, rights statemachine.Rights) (Link, error) {
	place, err := s.place(r, settings, r.Spot())
	if err != nil {
		return Link{}, err
	}
	now := s.Now()
	terms := LinkTerms{
		Rights: rights, From: now.Add(-clockSkew), Until: now.Add(s.Timing.LinkLifetime).Truncate(time.Second), CorrelationID: s.NewTrace(),
	}
	record := Record{
		When: now, Who: actor.ID, Name: actor.Name, What: "link", From: string(r.Status), To: string(r.Status), Round: r.Round,
		Text:   fmt.Sprintf("%s, until %s", rights, terms.Until.UTC().Format(time.RFC3339)),
		Source: actor.SourceAddress, Trace: terms.CorrelationID,
	}.Seal(r.RecordSeq, r.RecordHash)
	next := r
	next.Version++
	next.RecordSeq, next.RecordHash = record.Seq, record.Hash
	if _, err := s.commit(ctx, Commit{Before: r, After: next, Record: &record}); err != nil {
		return Link{}, fmt.Errorf("link %s: %w", r.ID, err)
	}
	url, err := s.Zones.Link(ctx, place, terms)
	if err != nil {
		return Link{}, fmt.Errorf("link %s: %w", r.ID, err)
	}
	return Link{URL: url, ExpiresAt: terms.Until, Rights: rights}, nil
}
