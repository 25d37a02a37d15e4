package memstore

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
)

// Request reads one.
func (s *Store) Request(ctx context.Context, workspace, id string) (airlock.Request, error) {
	return do(ctx, s, OpRequest, id, func() (airlock.Request, error) {
		if r := s.find(workspace, id); r != nil {
			return cloneRequest(r.request), nil
		}
		return airlock.Request{}, airlock.ErrNotFound
	})
}

// Look shows a request as it is stored, with all of its records; ok is false when there is none. It is no call: nothing is
// counted, and no fault is asked for. It is no copy either: what it shows may not be changed.
func (s *Store) Look(workspace, id string) (r airlock.Request, records []airlock.Record, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.find(workspace, id); found != nil {
		return found.request, slices.Clip(found.records), true
	}
	return airlock.Request{}, nil, false
}

// Workspace finds the workspace of a request.
func (s *Store) Workspace(ctx context.Context, id string) (string, error) {
	return do(ctx, s, OpWorkspace, id, func() (string, error) {
		if workspace, ok := s.workspaces[id]; ok {
			return workspace, nil
		}
		return "", airlock.ErrNotFound
	})
}

// Manifest reads the files of a round.
func (s *Store) Manifest(ctx context.Context, workspace, id string, round int) (airlock.Manifest, error) {
	return do(ctx, s, OpManifest, id, func() (airlock.Manifest, error) {
		m := airlock.Manifest{Round: round}
		if r := s.find(workspace, id); r != nil {
			m.Files = cloneFiles(r.manifests[round])
		}
		return m, nil
	})
}

// Notices reads the notices that are not published yet.
func (s *Store) Notices(ctx context.Context, workspace, id string) ([]airlock.Notice, error) {
	return do(ctx, s, OpNotices, id, func() ([]airlock.Notice, error) {
		notices := []airlock.Notice{}
		if r := s.find(workspace, id); r != nil {
			for _, key := range slices.Sorted(maps.Keys(r.notices)) {
				notices = append(notices, cloneNotice(r.notices[key]))
			}
		}
		return notices, nil
	})
}

// Records reads audit records of a request.
func (s *Store) Records(ctx context.Context, workspace, id string, after, limit int) ([]airlock.Record, error) {
	return do(ctx, s, OpRecords, id, func() ([]airlock.Record, error) {
		var all []airlock.Record
		if r := s.find(workspace, id); r != nil {
			all = r.records
		}
		return window(all, after, limit)
	})
}

// Comments reads comments on a request.
func (s *Store) Comments(ctx context.Context, workspace, id string, after, limit int) ([]airlock.Comment, error) {
	return do(ctx, s, OpComments, id, func() ([]airlock.Comment, error) {
		if err := airlock.CheckLimit(limit); err != nil {
			return nil, err
		}
		comments := []airlock.Comment{}
		if r := s.find(workspace, id); r != nil {
			for _, c := range r.comments {
				if c.Seq > after && len(comments) < limit {
					comments = append(comments, cloneComment(c))
				}
			}
		}
		return comments, nil
	})
}

// SettingsRecords reads audit records of a workspace's settings.
func (s *Store) SettingsRecords(ctx context.Context, workspace string, after, limit int) ([]airlock.Record, error) {
	return do(ctx, s, OpSettingsRecords, workspace, func() ([]airlock.Record, error) {
		var all []airlock.Record
		if space := s.spaces[workspace]; space != nil {
			all = space.records
		}
		return window(all, after, limit)
	})
}

// window cuts records, which have the sequence numbers 1, 2 and so on.
func window(all []airlock.Record, after, limit int) ([]airlock.Record, error) {
	if err := airlock.CheckLimit(limit); err != nil {
		return nil, err
	}
	from := min(max(after, 0), len(all))
	return append([]airlock.Record{}, all[from:min(from+limit, len(all))]...), nil
}

// Due lists requests that have something due, the longest overdue first.
func (s *Store) Due(ctx context.Context, workspace string, now time.Time, limit int) ([]airlock.Owed, error) {
	return do(ctx, s, OpDue, workspace, func() ([]airlock.Owed, error) {
		due := []airlock.Owed{}
		if err := airlock.CheckLimit(limit); err != nil {
			return nil, err
		}
		space := s.spaces[workspace]
		if space == nil {
			return due, nil
		}
		for _, r := range space.rows {
			if at := r.request.Due; !at.IsZero() && !at.After(now) {
				due = append(due, airlock.Owed{Workspace: workspace, Request: r.request.ID, Due: at})
			}
		}
		slices.SortFunc(due, func(a, b airlock.Owed) int {
			if c := a.Due.Compare(b.Due); c != 0 {
				return c
			}
			return strings.Compare(a.Request, b.Request)
		})
		return due[:min(limit, len(due))], nil
	})
}

// Settings reads a workspace's settings.
func (s *Store) Settings(ctx context.Context, workspace string) (airlock.Settings, error) {
	return do(ctx, s, OpSettings, workspace, func() (airlock.Settings, error) {
		if space := s.spaces[workspace]; space != nil && space.settings != nil {
			return cloneSettings(*space.settings), nil
		}
		return airlock.Settings{}, airlock.ErrNotFound
	})
}

// Ping answers.
func (s *Store) Ping(ctx context.Context) error {
	_, err := do(ctx, s, OpPing, "", func() (struct{}, error) { return struct{}{}, nil })
	return err
}
