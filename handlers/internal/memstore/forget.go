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
			ids := s.requesters[r.CreatedBy.ID]
			s.requesters[r.CreatedBy.ID] = slices.DeleteFunc(ids, func(id string) bool { return id == r.ID })
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
			space.order = slices.DeleteFunc(space.order, func(id string) bool { return id == r.ID })
		}
		return struct{}{}, err
	})
	return err
}
