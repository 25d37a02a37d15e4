package memstore

import (
	"context"
	"fmt"
	"slices"

	"airlock/handlers/internal/airlock"
)

// Forget removes a request: first what lies beside it, then the request itself.
func (s *Store) Forget(ctx context.Context, r airlock.Request) error {
	if r.ETag == "" {
		return fmt.Errorf("memstore: forget %s: it has no ETag: it comes from a list, or was not read", r.ID)
	}
	current := func() (*row, error) {
		found := s.find(r.WorkspaceID, r.ID)
		if found != nil && found.request.ETag != r.ETag {
			return nil, airlock.ErrLost
		}
		return found, nil
	}
	_, err := do(ctx, s, OpForgetBeside, r.ID, func() (struct{}, error) {
		found, err := current()
		if found != nil {
			found.records, found.comments = nil, nil
			clear(found.notices)
			clear(found.manifests)
			clear(found.reviewers)
			delete(s.workspaces, r.ID)
			s.requesters[r.CreatedBy.ID] = without(s.requesters[r.CreatedBy.ID], r.ID)
		}
		return struct{}{}, err
	})
	if err != nil {
		return err
	}
	_, err = do(ctx, s, OpForget, r.ID, func() (struct{}, error) {
		found, err := current()
		if found != nil {
			space := s.spaces[r.WorkspaceID]
			delete(space.rows, r.ID)
			space.order = without(space.order, r.ID)
		}
		return struct{}{}, err
	})
	return err
}

// without takes an id out of ids that ascend.
func without(ids []string, id string) []string {
	if i, ok := slices.BinarySearch(ids, id); ok {
		return slices.Delete(ids, i, i+1)
	}
	return ids
}
