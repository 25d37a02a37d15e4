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
		stored, err := s.noteReading(ctx, what, actor, r, r)
		if !errors.Is(err, ErrLost) {
			return stored, answer(err, sentenceNoRequest)
		}
	}
	return Request{}, answer(fmt.Errorf("%s of %s: %w", what, id, ErrLost), sentenceNoRequest)
}

// noteReading writes one reading into the trail, with what else changes by it.
func (s *Service) noteReading(ctx context.Context, what string, actor Actor, before, after Request) (Request, error) {
	record := before.chained(Record{
		When: s.Now(), Who: actor.ID, Name: actor.Name, What: what, From: string(before.Status), To: string(before.Status), Round: before.Round,
		Source: actor.SourceAddress, Trace: actor.CorrelationID,
	})
	after.Version++
	after.RecordSeq, after.RecordHash = record.Seq, record.Hash
	return s.commit(ctx, Commit{Before: before, After: after, Record: &record})
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
