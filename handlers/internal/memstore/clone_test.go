package memstore_test

import (
	"errors"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/statemachine"
)

// TestCloneIsASecondStore writes to a store and to its clone, and each sees its own.
func TestCloneIsASecondStore(t *testing.T) {
	ctx := t.Context()
	first := &memstore.Store{}
	read, err := first.Create(ctx, made())
	if err != nil {
		t.Fatal(err)
	}
	second := first.Clone()
	if calls := second.Calls(); len(calls) != 0 {
		t.Errorf("the clone begins with the calls %v", calls)
	}
	cloned, err := second.Request(ctx, workspace, request)
	if err != nil || cloned.ETag != read.ETag {
		t.Fatalf("the clone holds %+v, %v", cloned, err)
	}
	for store, title := range map[*memstore.Store]string{first: "of the first", second: "of the second"} {
		c := next(read)
		r := airlock.Record{What: title}.Seal(read.RecordSeq, read.RecordHash)
		c.Record, c.After.Title, c.After.RecordSeq, c.After.RecordHash = &r, title, r.Seq, r.Hash
		c.After.Untold, c.Notices = []string{title}, []airlock.Notice{{ID: title}}
		c.Review = &airlock.Review{Round: 1, Reviewer: airlock.Person{ID: "bob"}, Decision: statemachine.DecisionApproved}
		c.Manifest, c.Dirty = &airlock.Manifest{Round: 1, Files: []airlock.File{{Name: title}}}, []int{0}
		if _, err := store.Commit(ctx, c); err != nil {
			t.Fatalf("commit %s: %v", title, err)
		}
		other := made()
		other.After.ID, other.After.CreatedBy.ID = map[*memstore.Store]string{
			first: "01990000-0000-7000-8000-000000000002", second: "01980000-0000-7000-8000-000000000002",
		}[store], "alice"
		if _, err := store.Create(ctx, other); err != nil {
			t.Fatalf("create beside %s: %v", title, err)
		}
	}
	for store, title := range map[*memstore.Store]string{first: "of the first", second: "of the second"} {
		r, err := store.Request(ctx, workspace, request)
		records, err2 := store.Records(ctx, workspace, request, 0, 10)
		notices, err3 := store.Notices(ctx, workspace, request)
		manifest, err4 := store.Manifest(ctx, workspace, request, 1)
		mine, err5 := store.RequestsOf(ctx, "alice", 10, "")
		page, err6 := store.Requests(ctx, airlock.Query{Workspace: workspace, Order: airlock.NewestFirst, Limit: 10})
		if err := errors.Join(err, err2, err3, err4, err5, err6); err != nil {
			t.Fatal(err)
		}
		if r.Title != title || len(records) != 2 || records[1].What != title || len(notices) != 1 || notices[0].ID != title ||
			len(manifest.Files) != 1 || manifest.Files[0].Name != title || len(mine.Requests) != 2 || len(page.Requests) != 2 {
			t.Errorf("the store %s holds %q, %d records, %v, %v, %d and %d requests", title, r.Title, len(records), notices, manifest.Files, len(mine.Requests), len(page.Requests))
		}
	}
}
