package airlock

import (
	"context"
	"fmt"
	"slices"

	"airlock/statemachine"
)

// comments: each is the one that its record tells of, no record tells of one that is not there, and the request knows how
// many its round has.
func (k *check) comments(ctx context.Context) error {
	told := map[int]Record{}
	inRound := 0
	for _, rec := range k.records {
		if rec.What == recordComment {
			told[rec.Seq] = rec
			if rec.Round == k.r.Round {
				inRound++
			}
		}
	}
	for after := 0; ; {
		page, err := k.Store.Comments(ctx, k.r.WorkspaceID, k.r.ID, after, MaxPage)
		if err != nil {
			return fmt.Errorf("comments: %w", err)
		}
		for _, c := range page {
			rec, ok := told[c.Seq]
			switch {
			case !ok:
				k.broken(RuleTrail, "no record tells of comment %d", c.Seq)
			case rec.Digest != c.Digest() || rec.Who != c.By.ID || rec.Round != c.Round:
				k.broken(RuleTrail, "comment %d is not the one that its record tells of", c.Seq)
			}
			delete(told, c.Seq)
			after = c.Seq
		}
		if len(page) < MaxPage {
			break
		}
	}
	for seq := range told {
		k.broken(RuleTrail, "record %d tells of a comment that is not there", seq)
	}
	if inRound != k.r.Comments {
		k.broken(RuleReplay, "the trail tells of %d comments in round %d, the request of %d", inRound, k.r.Round, k.r.Comments)
	}
	return nil
}

// talked reports whether a record tells of a comment, which is taken only where the table takes some.
func (k *check) talked(rec Record) bool {
	return rec.What == recordComment && slices.ContainsFunc(statemachine.Talks(), func(t statemachine.Talk) bool {
		return slices.Contains(t.On, k.trail.status)
	})
}
