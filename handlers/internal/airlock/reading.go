package airlock

import (
	"context"
	"errors"
	"fmt"
)

// maxReadRaces is how often somebody who reads tries to have it written down while others change the same request: more
// often than people who change it, since nothing has to be decided again.
const maxReadRaces = 64

// reads writes into the trail of a request that somebody reads what is named, before they see anything, and returns the
// request as it is stored then. may says whether they may; nil: everybody who got here.
func (s *Service) reads(ctx context.Context, what string, actor Actor, workspace, id string, may func(Request) error) (Request, error) {
	for range maxReadRaces {
		r, err := s.find(ctx, workspace, id)
		if err != nil {
			return Request{}, answer(fmt.Errorf("%s of %s: %w", what, id, err), sentenceNoRequest)
		}
		if may != nil {
			if err := may(r); err != nil {
				return Request{}, err
			}
		}
		stored, err := s.note(ctx, Record{What: what}, actor, r, r)
		if !errors.Is(err, ErrLost) {
			return stored, answer(err, sentenceNoRequest)
		}
	}
	return Request{}, answer(fmt.Errorf("%s of %s: %w", what, id, ErrLost), sentenceNoRequest)
}

// note writes into the trail what somebody did to a request that stays in its status, with what else changes by it. Of the
// record, who and when and where they came from are filled in.
func (s *Service) note(ctx context.Context, rec Record, actor Actor, before, after Request) (Request, error) {
	rec.When, rec.Who, rec.Name, rec.Source, rec.Trace = s.Now(), actor.ID, actor.Name, actor.SourceAddress, actor.CorrelationID
	rec.From, rec.To, rec.Round = string(before.Status), string(before.Status), before.Round
	rec = before.chained(rec)
	after.Version++
	after.RecordSeq, after.RecordHash = rec.Seq, rec.Hash
	return s.commit(ctx, Commit{Before: before, After: after, Record: &rec})
}

// readsWorkspace is reads for the trail of a workspace. The settings stay as they are.
func (s *Service) readsWorkspace(ctx context.Context, what string, who Identity, workspace string) (Settings, error) {
	for range maxReadRaces {
		settings, err := s.Store.Settings(ctx, workspace)
		if err != nil {
			return Settings{}, answer(fmt.Errorf("%s of %s: %w", what, workspace, err), sentenceNoSettings)
		}
		record := settings.chained(Record{
			When: s.Now(), Who: who.ID, Name: who.Name, What: what, Source: who.SourceAddress, Trace: who.CorrelationID,
		})
		settings.RecordSeq, settings.RecordHash = record.Seq, record.Hash
		stored, err := s.Store.PutSettings(ctx, settings, record)
		if !errors.Is(err, ErrLost) {
			return stored, answer(err, sentenceNoSettings)
		}
	}
	return Settings{}, answer(fmt.Errorf("%s of %s: %w", what, workspace, ErrLost), sentenceNoSettings)
}
