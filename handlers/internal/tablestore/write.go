package tablestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"airlock/handlers/internal/airlock"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Create stores a new request: two lookups, then one transaction.
func (s *Store) Create(ctx context.Context, c airlock.Commit) (airlock.Request, error) {
	if err := c.Check(true); err != nil {
		return airlock.Request{}, fmt.Errorf("tablestore: create: %w", err)
	}
	if err := s.reserve(ctx, c.After); err != nil {
		return airlock.Request{}, err
	}
	t := s.begin("create", c)
	holding := t.holding(c.After)
	t.add(t.marked(holding(requestRow(c.After.ID))))
	t.add(holding(statusRow(c.After.Status, c.After.ID)))
	t.add(holding(changedRow(c.After.UpdatedWhen, c.After.ID)))
	beside(t, c)
	etag, err := s.submit(ctx, t)
	if errors.Is(err, errTaken) || errors.Is(err, errStale) {
		return airlock.Request{}, fmt.Errorf("tablestore: create %s: %w", c.After.ID, airlock.ErrExists)
	}
	return withETag(c.After, etag, err)
}

// reserve writes the lookups of a new request. The first belongs to the workspace that wrote it: an id cannot lead to two.
func (s *Store) reserve(ctx context.Context, a airlock.Request) error {
	byID, err := row{
		partition: idPartition + a.ID, key: lookupRow, columns: map[string]any{columnWorkspace: a.WorkspaceID},
	}.entity()
	if err != nil {
		return fmt.Errorf("tablestore: create %s: %w", a.ID, err)
	}
	byRequester, err := row{
		partition: requesterPartition + encode(a.CreatedBy.ID), key: invert(a.ID), columns: map[string]any{columnWorkspace: a.WorkspaceID},
	}.entity()
	if err != nil {
		return fmt.Errorf("tablestore: create %s: %w", a.ID, err)
	}
	_, err = s.table.AddEntity(ctx, byID, nil)
	if is(err, http.StatusConflict, aztables.EntityAlreadyExists) {
		workspace, err := s.Workspace(ctx, a.ID)
		if err != nil {
			return err
		}
		if workspace != a.WorkspaceID {
			return fmt.Errorf("tablestore: create %s: %w", a.ID, airlock.ErrExists)
		}
	} else if err != nil {
		return failed("reserve", a.ID, err)
	}
	_, err = s.table.UpsertEntity(ctx, byRequester, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	return failed("reserve", a.ID, err)
}

// Commit stores the next version of a request in one transaction.
func (s *Store) Commit(ctx context.Context, c airlock.Commit) (airlock.Request, error) {
	if err := c.Check(false); err != nil {
		return airlock.Request{}, fmt.Errorf("tablestore: %w", err)
	}
	b, a := c.Before, c.After
	t := s.begin("commit", c)
	holding := t.holding(a)
	t.replace(t.marked(holding(requestRow(a.ID))), b.ETag)
	t.move(statusRow(b.Status, b.ID), holding(statusRow(a.Status, a.ID)))
	t.move(changedRow(b.UpdatedWhen, b.ID), holding(changedRow(a.UpdatedWhen, a.ID)))
	beside(t, c)
	etag, err := s.submit(ctx, t)
	switch {
	case errors.Is(err, errStale), errors.Is(err, errTaken) && c.Review != nil:
		return airlock.Request{}, fmt.Errorf("tablestore: commit %s: %w", a.ID, airlock.ErrLost)
	case errors.Is(err, errMissing):
		return airlock.Request{}, s.missing(ctx, b)
	case errors.Is(err, errTaken):
		return airlock.Request{}, fmt.Errorf("tablestore: commit %s: %w, and it is no review", a.ID, err)
	default:
		return withETag(a, etag, err)
	}
}

// missing explains a commit that met a missing row: the request itself, or one that must be there beside it.
func (s *Store) missing(ctx context.Context, before airlock.Request) error {
	read, err := s.Request(ctx, before.WorkspaceID, before.ID)
	switch {
	case errors.Is(err, airlock.ErrNotFound) || (err == nil && read.ETag != before.ETag):
		return fmt.Errorf("tablestore: commit %s: %w", before.ID, airlock.ErrLost)
	case err != nil:
		return err
	default:
		return fmt.Errorf("tablestore: commit %s: %w beside the request: Before is not what was read, or the table was changed by hand",
			before.ID, errMissing)
	}
}

func withETag(a airlock.Request, etag string, err error) (airlock.Request, error) {
	if err != nil {
		return airlock.Request{}, err
	}
	a.ETag = etag
	return a, nil
}

// begin makes the transaction of a commit.
func (s *Store) begin(op string, c airlock.Commit) *transaction {
	return &transaction{op: op, id: c.After.ID, partition: c.After.WorkspaceID, version: c.After.Version, mark: s.newMark()}
}

// holding makes the rows that hold a request, which is encoded once, with what lists filter by.
func (t *transaction) holding(a airlock.Request) func(key string) row {
	text, err := encodeDocument(document(a))
	if err != nil && t.err == nil {
		t.err = err
	}
	return func(key string) row {
		return row{key: key, document: encoded(text), columns: map[string]any{
			columnStatus: string(a.Status), columnType: encode(string(a.Type)), columnCreator: encode(a.CreatedBy.ID),
			columnVersion: a.Version, columnUpdated: moment(a.UpdatedWhen),
		}}
	}
}

// marked is the row that decides, with the mark of the transaction.
func (t *transaction) marked(r row) row {
	r.columns[columnMark] = t.mark
	return r
}

// beside adds what a commit holds beside the request.
func beside(t *transaction, c airlock.Commit) {
	b, a := c.Before, c.After
	if c.Record != nil {
		t.add(row{key: recordRow(recordPrefix(a.ID), c.Record.Seq), document: c.Record})
	}
	if v := c.Review; v != nil {
		t.add(row{key: reviewRow(a.ID, v.Round, v.Reviewer.ID), document: v})
	}
	if c.Comment != nil {
		t.add(row{key: recordRow(commentPrefix(a.ID), c.Comment.Seq), document: c.Comment})
	}
	due := row{key: dueRow(a.Due, a.ID), columns: map[string]any{columnDue: moment(a.Due), columnTries: a.Tries},
		document: struct {
			LastError string `json:"lastError"`
		}{a.LastError}}
	switch {
	case b.Due.IsZero() && !a.Due.IsZero():
		t.add(due)
	case !b.Due.IsZero() && !a.Due.IsZero():
		t.move(dueRow(b.Due, b.ID), due)
	case !b.Due.IsZero() && a.Due.IsZero():
		t.remove(dueRow(b.Due, b.ID))
	}
	for _, id := range b.Untold {
		if !slices.Contains(a.Untold, id) {
			t.remove(noticeRow(a.ID, id))
		}
	}
	for _, n := range c.Notices {
		t.add(row{key: noticeRow(a.ID, n.ID), document: n})
	}
	for _, page := range c.Dirty {
		t.put(row{key: manifestRow(a.ID, c.Manifest.Round, page), document: c.Manifest.Page(page)})
	}
}

// PutSettings stores the settings of a workspace in one transaction; the first ones after a lookup.
func (s *Store) PutSettings(ctx context.Context, set airlock.Settings, r airlock.Record) (airlock.Settings, error) {
	if err := set.CheckRecord(r); err != nil {
		return airlock.Settings{}, fmt.Errorf("tablestore: %w", err)
	}
	if set.ETag == "" {
		if err := s.announce(ctx, set.WorkspaceID); err != nil {
			return airlock.Settings{}, err
		}
	}
	t := &transaction{op: "settings", id: set.WorkspaceID, partition: set.WorkspaceID, version: r.Seq, mark: s.newMark()}
	main := row{key: settingsRow, document: set, columns: map[string]any{columnVersion: r.Seq, columnMark: t.mark}}
	if set.ETag == "" {
		t.add(main)
	} else {
		t.replace(main, set.ETag)
	}
	t.add(row{key: recordRow(settingsRecordPrefix, r.Seq), document: r})
	etag, err := s.submit(ctx, t)
	switch {
	case errors.Is(err, errTaken) && set.ETag != "":
		return airlock.Settings{}, fmt.Errorf("tablestore: settings %s: record %d: %w", set.WorkspaceID, r.Seq, err)
	case refused(err):
		return airlock.Settings{}, fmt.Errorf("tablestore: settings %s: %w", set.WorkspaceID, airlock.ErrLost)
	case err != nil:
		return airlock.Settings{}, err
	}
	set.ETag = etag
	return set, nil
}

// announce puts a workspace into the list of all.
func (s *Store) announce(ctx context.Context, workspace string) error {
	entity, err := json.Marshal(map[string]string{"PartitionKey": workspacesPartition, "RowKey": workspace})
	if err != nil {
		return fmt.Errorf("tablestore: settings %s: %w", workspace, err)
	}
	_, err = s.table.UpsertEntity(ctx, entity, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	return failed("settings", workspace, err)
}
