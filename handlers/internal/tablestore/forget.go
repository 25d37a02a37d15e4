package tablestore

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"airlock/handlers/internal/airlock"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Forget removes a request. What lies beside it goes first, row by row: until the request itself is gone, it can be asked
// for again.
func (s *Store) Forget(ctx context.Context, r airlock.Request) error {
	if r.ETag == "" {
		return fmt.Errorf("tablestore: forget %s: it has no ETag: it comes from a list, or was not read", r.ID)
	}
	read, err := s.Request(ctx, r.WorkspaceID, r.ID)
	switch {
	case errors.Is(err, airlock.ErrNotFound):
		return nil
	case err != nil:
		return err
	case read.ETag != r.ETag:
		return fmt.Errorf("tablestore: forget %s: %w", r.ID, airlock.ErrLost)
	}
	var keys []string
	for _, prefix := range []string{recordPrefix(r.ID), commentPrefix(r.ID), reviewPrefix(r.ID), noticePrefix(r.ID), manifestsPrefix(r.ID)} {
		if err := s.each(ctx, "forget", r.WorkspaceID, r.ID, prefix, "", 0, func(e entity) error {
			keys = append(keys, e.key())
			return nil
		}); err != nil {
			return err
		}
	}
	for _, key := range keys {
		if err := s.drop(ctx, r.ID, r.WorkspaceID, key); err != nil {
			return err
		}
	}
	if err := s.drop(ctx, r.ID, requesterPartition+encode(r.CreatedBy.ID), invert(r.ID)); err != nil {
		return err
	}
	if err := s.drop(ctx, r.ID, idPartition+r.ID, lookupRow); err != nil {
		return err
	}
	return s.dropRequest(ctx, r)
}

// drop deletes one row, whatever its version. Absent is fine.
func (s *Store) drop(ctx context.Context, id, partition, key string) error {
	_, err := s.table.DeleteEntity(ctx, partition, key, nil)
	if is(err, http.StatusNotFound, aztables.ResourceNotFound) {
		return nil
	}
	return failed("forget", id, err)
}

// dropRequest deletes the request with its copies and its due time in one transaction. Where the answer was lost or says
// no, the table tells what is the case.
func (s *Store) dropRequest(ctx context.Context, r airlock.Request) error {
	t := &transaction{op: "forget", id: r.ID, partition: r.WorkspaceID}
	version := azcore.ETag(r.ETag)
	t.act(aztables.TransactionTypeDelete, &version, row{key: requestRow(r.ID)})
	t.remove(statusRow(r.Status, r.ID))
	t.remove(changedRow(r.UpdatedWhen, r.ID))
	if !r.Due.IsZero() {
		t.remove(dueRow(r.Due, r.ID))
	}
	if t.err != nil {
		return fmt.Errorf("tablestore: forget %s: %w", r.ID, t.err)
	}
	_, cause := s.table.SubmitTransaction(ctx, t.actions, nil)
	if cause == nil {
		return nil
	}
	read, err := s.Request(ctx, r.WorkspaceID, r.ID)
	switch {
	case errors.Is(err, airlock.ErrNotFound):
		return nil
	case err == nil && read.ETag != r.ETag:
		return fmt.Errorf("tablestore: forget %s: %w", r.ID, airlock.ErrLost)
	default:
		return failed("forget", r.ID, cause)
	}
}
