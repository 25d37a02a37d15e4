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
	statemachine.LinkDeleted:   sentenceLinkDeleted,
}

// Link gives out a link to the request's data, with the rights that the status gives the person.
func (s *Service) Link(ctx context.Context, who Identity, workspace, id string) (Link, error) {
	actor, settings, err := s.enter(ctx, who, workspace, members()...)
	if err != nil {
		return Link{}, err
	}
	for range maxRaces {
		r, err := s.find(ctx, workspace, id)
		if err != nil {
			return Link{}, answer(fmt.Errorf("link %s: %w", id, err), sentenceNoRequest)
		}
		rights, refusal := statemachine.LinkRights(facts(r, settings, actor))
		switch {
		case refusal != "":
			return Link{}, &Problem{Kind: Illegal, Code: "link_" + string(refusal), Detail: linkSentences[refusal]}
		case rights == 0:
			return Link{}, who.explained(&Problem{Kind: Forbidden, Code: "forbidden", Detail: sentenceLinkRole})
		}
		by := Record{Who: actor.ID, Name: actor.Name, Source: actor.SourceAddress}
		link, _, err := s.issue(ctx, r, settings, by, rights)
		if !errors.Is(err, ErrLost) {
			return link, answer(err, sentenceNoRequest)
		}
	}
	return Link{}, answer(fmt.Errorf("link %s: %w", id, ErrLost), sentenceNoRequest)
}
