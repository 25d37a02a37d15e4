package tablestore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Request reads one.
func (s *Store) Request(ctx context.Context, workspace, id string) (airlock.Request, error) {
	if !airlock.IsWorkspaceID(workspace) || !airlock.IsRequestID(id) {
		return airlock.Request{}, fmt.Errorf("tablestore: read: %w", airlock.ErrNotFound)
	}
	var stored storedRequest
	etag, err := s.get(ctx, "read", id, workspace, requestRow(id), &stored)
	if err != nil {
		return airlock.Request{}, err
	}
	r := stored.request()
	if r.ID != id || r.WorkspaceID != workspace {
		return airlock.Request{}, fmt.Errorf("tablestore: read %s: its row holds %q of %q", id, r.ID, r.WorkspaceID)
	}
	r.ETag = etag
	return r, nil
}

// get reads the document of one row, and its ETag.
func (s *Store) get(ctx context.Context, op, id, partition, key string, into any) (etag string, err error) {
	e, etag, err := s.row(ctx, partition, key)
	if err != nil {
		return "", failed(op, id, err)
	}
	if err := e.document(into); err != nil {
		return "", fmt.Errorf("tablestore: %s %s: %w", op, id, err)
	}
	return etag, nil
}

// Workspace finds the workspace of a request.
func (s *Store) Workspace(ctx context.Context, id string) (string, error) {
	if !airlock.IsRequestID(id) {
		return "", fmt.Errorf("tablestore: look up: %w", airlock.ErrNotFound)
	}
	e, _, err := s.row(ctx, idPartition+id, lookupRow)
	if err != nil {
		return "", failed("look up", id, err)
	}
	return e.text(columnWorkspace), nil
}

// Settings reads a workspace's settings.
func (s *Store) Settings(ctx context.Context, workspace string) (airlock.Settings, error) {
	if !airlock.IsWorkspaceID(workspace) {
		return airlock.Settings{}, fmt.Errorf("tablestore: read settings: %w", airlock.ErrNotFound)
	}
	var set airlock.Settings
	etag, err := s.get(ctx, "read settings", workspace, workspace, settingsRow, &set)
	if err != nil {
		return airlock.Settings{}, err
	}
	if set.WorkspaceID != workspace {
		return airlock.Settings{}, fmt.Errorf("tablestore: read settings %s: its row holds those of %q", workspace, set.WorkspaceID)
	}
	set.ETag = etag
	return set, nil
}

// Manifest reads the files of a round.
func (s *Store) Manifest(ctx context.Context, workspace, id string, round int) (airlock.Manifest, error) {
	m := airlock.Manifest{Round: round}
	page := 0
	err := s.each(ctx, "manifest", workspace, id, manifestPrefix(id, round), "", 0, func(e entity) error {
		if e.key() != manifestRow(id, round, page) {
			return fmt.Errorf("row %s where page %d should be", e.key(), page)
		}
		page++
		var files []airlock.File
		err := e.document(&files)
		m.Files = append(m.Files, files...)
		return err
	})
	if err != nil {
		return airlock.Manifest{}, err
	}
	return m, nil
}

// Notices reads the notices that are not published yet.
func (s *Store) Notices(ctx context.Context, workspace, id string) ([]airlock.Notice, error) {
	notices := []airlock.Notice{}
	err := s.each(ctx, "notices", workspace, id, noticePrefix(id), "", 0, func(e entity) error {
		var n airlock.Notice
		err := e.document(&n)
		notices = append(notices, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(notices, func(a, b airlock.Notice) int { return strings.Compare(a.ID, b.ID) })
	return notices, nil
}

// Records reads audit records of a request.
func (s *Store) Records(ctx context.Context, workspace, id string, after, limit int) ([]airlock.Record, error) {
	return numbered[airlock.Record](ctx, s, "records", workspace, id, recordPrefix(id), after, limit)
}

// Comments reads comments on a request.
func (s *Store) Comments(ctx context.Context, workspace, id string, after, limit int) ([]airlock.Comment, error) {
	return numbered[airlock.Comment](ctx, s, "comments", workspace, id, commentPrefix(id), after, limit)
}

// SettingsRecords reads audit records of a workspace's settings.
func (s *Store) SettingsRecords(ctx context.Context, workspace string, after, limit int) ([]airlock.Record, error) {
	return numbered[airlock.Record](ctx, s, "records", workspace, anyID, settingsRecordPrefix, after, limit)
}

// numbered reads up to limit rows that have the number of an audit record in their key, above after.
func numbered[T any](ctx context.Context, s *Store, op, workspace, id, prefix string, after, limit int) ([]T, error) {
	if err := airlock.CheckLimit(limit); err != nil {
		return nil, fmt.Errorf("tablestore: %w", err)
	}
	rows := []T{}
	filter := fmt.Sprintf(" and RowKey gt '%s'", recordRow(prefix, min(max(after, 0), airlock.MaxRecords)))
	err := s.each(ctx, op, workspace, id, prefix, filter, limit, func(e entity) error {
		var r T
		err := e.document(&r)
		rows = append(rows, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Due lists requests that have something due, the longest first: the keys are in that order.
func (s *Store) Due(ctx context.Context, workspace string, now time.Time, limit int) ([]airlock.Owed, error) {
	if err := airlock.CheckLimit(limit); err != nil {
		return nil, fmt.Errorf("tablestore: %w", err)
	}
	due := []airlock.Owed{}
	if now.After(endOfTime()) {
		now = endOfTime()
	}
	filter := fmt.Sprintf(" and RowKey lt '%s'", duePrefix+dueKey(now.Add(1)))
	err := s.each(ctx, "due", workspace, anyID, duePrefix, filter, limit, func(e entity) error {
		when, err := time.Parse(time.RFC3339Nano, e.text(columnDue))
		_, id, _ := strings.Cut(strings.TrimPrefix(e.key(), duePrefix), "_")
		due = append(due, airlock.Owed{Workspace: workspace, Request: id, Due: when})
		return err
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// anyID stands for the id of a request where rows are not those of one request.
const anyID = "00000000-0000-0000-0000-000000000000"

// each reads the rows of a workspace whose keys begin with the prefix, in the order of their keys, up to the limit if
// there is one. It asks for page after page: the service may end a page wherever it likes, even before the first row.
// Ids that nothing can be stored under have no rows.
func (s *Store) each(ctx context.Context, op, workspace, id, prefix, filter string, limit int, use func(entity) error) error {
	if !airlock.IsWorkspaceID(workspace) || !airlock.IsRequestID(id) {
		return failed(op, id, ctx.Err())
	}
	filter = within(workspace, prefix) + filter
	options := aztables.ListEntitiesOptions{Filter: &filter}
	left := -1
	if limit > 0 {
		top := int32(limit)
		options.Top, left = &top, limit
	}
	pager := s.list(options)
	for pager.More() {
		found, _, err := rows(ctx, pager)
		if err != nil {
			return failed(op, id, err)
		}
		for _, e := range found {
			if err := use(e); err != nil {
				return fmt.Errorf("tablestore: %s %s: %w", op, id, err)
			}
			if left--; left == 0 {
				return nil
			}
		}
	}
	return nil
}
