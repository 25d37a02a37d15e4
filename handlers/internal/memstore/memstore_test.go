package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/storetest"
	"airlock/statemachine"
)

func TestConformance(t *testing.T) {
	for name, span := range map[string]int{"whole pages": 0, "short pages": 5} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(*testing.T) airlock.Store { return &memstore.Store{Span: span} })
		})
	}
}

const (
	workspace = "w"
	request   = "01990000-0000-7000-8000-000000000001"
)

// made returns the commit that makes the request.
func made() airlock.Commit {
	when := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	r := airlock.Record{What: "create", When: when}.Seal(0, "")
	return airlock.Commit{Record: &r, After: airlock.Request{
		WorkspaceID: workspace, ID: request, Status: statemachine.Draft, Version: 1, Round: 1,
		CreatedBy: airlock.Person{ID: "alice", Roles: []airlock.Role{airlock.RoleOwner}}, UpdatedWhen: when,
		RecordSeq: r.Seq, RecordHash: r.Hash,
	}}
}

// next returns a commit of the version after the request.
func next(before airlock.Request) airlock.Commit {
	after := before
	after.Version++
	return airlock.Commit{Before: before, After: after}
}

func TestFault(t *testing.T) {
	ctx := t.Context()
	settings := func(s *memstore.Store) error {
		r := airlock.Record{What: "settings"}.Seal(0, "")
		_, err := s.PutSettings(ctx, airlock.Settings{WorkspaceID: workspace, RecordSeq: r.Seq, RecordHash: r.Hash}, r)
		return err
	}
	// Every op, and whether the write is there after it. Reads have nothing to be there.
	for _, test := range []struct {
		op     memstore.Op
		key    string
		call   func(*memstore.Store) error
		stored func(*memstore.Store) bool
	}{
		{memstore.OpLookups, request, func(s *memstore.Store) error { _, err := s.Create(ctx, made()); return err },
			func(s *memstore.Store) bool { _, err := s.Workspace(ctx, request); return err == nil }},
		{memstore.OpCreate, request, func(s *memstore.Store) error { _, err := s.Create(ctx, made()); return err },
			func(s *memstore.Store) bool { _, err := s.Request(ctx, workspace, request); return err == nil }},
		{memstore.OpCommit, request, func(s *memstore.Store) error {
			read, err := s.Create(ctx, made())
			if err != nil {
				return err
			}
			_, err = s.Commit(ctx, next(read))
			return err
		}, func(s *memstore.Store) bool {
			r, err := s.Request(ctx, workspace, request)
			return err == nil && r.Version == 2
		}},
		{memstore.OpPutSettings, workspace, settings, func(s *memstore.Store) bool { _, err := s.Settings(ctx, workspace); return err == nil }},
		{memstore.OpRequest, request, func(s *memstore.Store) error { _, err := s.Request(ctx, workspace, request); return err }, nil},
		{memstore.OpWorkspace, request, func(s *memstore.Store) error { _, err := s.Workspace(ctx, request); return err }, nil},
		{memstore.OpRequests, workspace, func(s *memstore.Store) error {
			_, err := s.Requests(ctx, airlock.Query{Workspace: workspace, Order: airlock.NewestFirst, Limit: 1})
			return err
		}, nil},
		{memstore.OpRequestsOf, "alice", func(s *memstore.Store) error { _, err := s.RequestsOf(ctx, "alice", 1, ""); return err }, nil},
		{memstore.OpManifest, request, func(s *memstore.Store) error { _, err := s.Manifest(ctx, workspace, request, 1); return err }, nil},
		{memstore.OpNotices, request, func(s *memstore.Store) error { _, err := s.Notices(ctx, workspace, request); return err }, nil},
		{memstore.OpRecords, request, func(s *memstore.Store) error { _, err := s.Records(ctx, workspace, request, 0, 1); return err }, nil},
		{memstore.OpComments, request, func(s *memstore.Store) error { _, err := s.Comments(ctx, workspace, request, 0, 1); return err }, nil},
		{memstore.OpDue, workspace, func(s *memstore.Store) error { _, err := s.Due(ctx, workspace, time.Now(), 1); return err }, nil},
		{memstore.OpSettings, workspace, func(s *memstore.Store) error { _, err := s.Settings(ctx, workspace); return err }, nil},
		{memstore.OpSettingsRecords, workspace, func(s *memstore.Store) error { _, err := s.SettingsRecords(ctx, workspace, 0, 1); return err }, nil},
		{memstore.OpWorkspaces, "", func(s *memstore.Store) error { _, _, err := s.Workspaces(ctx, 1, ""); return err }, nil},
		{memstore.OpPing, "", func(s *memstore.Store) error { return s.Ping(ctx) }, nil},
	} {
		for _, outcome := range []memstore.Outcome{memstore.NotDone, memstore.DoneLost} {
			t.Run(fmt.Sprint(test.op, " ", outcome), func(t *testing.T) {
				faults := 1
				store := &memstore.Store{}
				if test.stored == nil { // a read must find something, so that only the fault can fail it
					if _, err := store.Create(ctx, made()); err != nil {
						t.Fatal(err)
					}
					if err := settings(store); err != nil {
						t.Fatal(err)
					}
				}
				store.Fault = func(op memstore.Op, key string) memstore.Outcome {
					if op != test.op || faults == 0 {
						return memstore.Pass
					}
					if key != test.key {
						t.Errorf("key %q", key)
					}
					faults--
					return outcome
				}
				if err := test.call(store); !errors.Is(err, airlock.ErrTransient) {
					t.Errorf("%v, want ErrTransient", err)
				}
				if got := store.Calls()[test.op]; got != 1 {
					t.Errorf("%d calls", got)
				}
				if test.stored != nil && test.stored(store) != (outcome == memstore.DoneLost) {
					t.Errorf("stored: %t", outcome != memstore.DoneLost)
				}
			})
		}
	}
}

// TestLookupsFirst is Create that stops halfway: what the lookups say then is harmless, and the same id can be made.
func TestLookupsFirst(t *testing.T) {
	fail := true
	store := &memstore.Store{Fault: func(op memstore.Op, _ string) memstore.Outcome {
		if op == memstore.OpCreate && fail {
			return memstore.NotDone
		}
		return memstore.Pass
	}}
	if _, err := store.Create(t.Context(), made()); !errors.Is(err, airlock.ErrTransient) {
		t.Fatal(err)
	}
	page, err := store.RequestsOf(t.Context(), "alice", 10, "")
	if err != nil || len(page.Requests) != 0 {
		t.Errorf("%d requests, %v", len(page.Requests), err)
	}
	fail = false
	if _, err := store.Create(t.Context(), made()); err != nil {
		t.Error(err)
	}
	page, err = store.RequestsOf(t.Context(), "alice", 10, "")
	if err != nil || len(page.Requests) != 1 {
		t.Errorf("%d requests, %v", len(page.Requests), err)
	}
}

// TestMisuse is what no other store could notice.
func TestMisuse(t *testing.T) {
	ctx := t.Context()
	manifest := func(n int) *airlock.Manifest {
		m := &airlock.Manifest{Round: 1}
		for i := range n {
			m.Files = append(m.Files, airlock.File{Name: fmt.Sprint(i), MD5: []byte{1}})
		}
		return m
	}
	for name, test := range map[string]struct {
		spoil func(*airlock.Commit)
		says  string
	}{
		"Before was changed":           {func(c *airlock.Commit) { c.Before.Title = "another" }, "Before"},
		"Before was changed inside":    {func(c *airlock.Commit) { c.Before.CreatedBy.Roles[0] = "another" }, "Before"},
		"page changed but not dirty":   {func(c *airlock.Commit) { c.Manifest.Files[3].Size++ }, "page 0"},
		"page inside, but not dirty":   {func(c *airlock.Commit) { c.Manifest.Files[3].MD5[0]++ }, "page 0"},
		"new page that is not dirty":   {func(c *airlock.Commit) { c.Manifest, c.Dirty = manifest(120), []int{1} }, "page 2"},
		"pages are missing":            {func(c *airlock.Commit) { c.Manifest, c.Dirty = manifest(50), []int{0} }, "pages"},
		"first pages of another round": {func(c *airlock.Commit) { c.Manifest.Round = 2 }, "page 0"},
		"manifest that was never there": {func(c *airlock.Commit) {
			c.Manifest, c.Dirty = &airlock.Manifest{Round: 3, Files: manifest(1).Files}, nil
		}, "page 0"},
	} {
		t.Run(name, func(t *testing.T) {
			store := &memstore.Store{}
			c := made()
			c.Manifest, c.Dirty = manifest(60), []int{0, 1}
			read, err := store.Create(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			c = next(read)
			c.Manifest, c.Dirty = manifest(60), []int{1}
			c.Manifest.Files[55].Size = 9
			test.spoil(&c)
			_, err = store.Commit(ctx, c)
			if err == nil || errors.Is(err, airlock.ErrLost) || !strings.Contains(err.Error(), "misuse") || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
			if again, err := store.Request(ctx, workspace, request); err != nil || again.Version != 1 {
				t.Errorf("version %d, %v", again.Version, err)
			}
		})
	}
}

func TestSettingsMisuse(t *testing.T) {
	store := &memstore.Store{}
	first := airlock.Record{}.Seal(0, "")
	set, err := store.PutSettings(t.Context(), airlock.Settings{WorkspaceID: workspace, RecordSeq: first.Seq, RecordHash: first.Hash}, first)
	if err != nil {
		t.Fatal(err)
	}
	gap := airlock.Record{}.Seal(5, set.RecordHash)
	set.RecordSeq, set.RecordHash = gap.Seq, gap.Hash
	if _, err := store.PutSettings(t.Context(), set, gap); err == nil || errors.Is(err, airlock.ErrLost) {
		t.Errorf("%v, want a refusal", err)
	}
}

func BenchmarkCommit(b *testing.B) {
	store := &memstore.Store{}
	read, err := store.Create(context.Background(), made())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if read, err = store.Commit(context.Background(), next(read)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLookIsNoCall: it shows what Request reads, and stays as it was when the next version is stored.
func TestLookIsNoCall(t *testing.T) {
	ctx := t.Context()
	down := false
	store := &memstore.Store{Fault: func(memstore.Op, string) memstore.Outcome {
		if down {
			return memstore.NotDone
		}
		return memstore.Pass
	}}
	if _, _, ok := store.Look(workspace, request); ok {
		t.Error("it shows what is not there")
	}
	if _, err := store.Create(ctx, made()); err != nil {
		t.Fatal(err)
	}
	read, err := store.Request(ctx, workspace, request)
	if err != nil {
		t.Fatal(err)
	}
	calls := store.Calls()
	down = true
	first, records, ok := store.Look(workspace, request)
	if down = false; !ok || !reflect.DeepEqual(first, read) || len(records) != 1 || !maps.Equal(calls, store.Calls()) {
		t.Errorf("it shows %+v, %v, and the calls are %v", first, ok, store.Calls())
	}
	c := next(read)
	c.After.CreatedBy.Roles = []airlock.Role{airlock.RoleManager}
	if _, err := store.Commit(ctx, c); err != nil {
		t.Fatal(err)
	}
	if second, more, _ := store.Look(workspace, request); second.Version != 2 || len(more) != 1 || !reflect.DeepEqual(first, read) {
		t.Errorf("after a commit it shows version %d, and what was seen before is %+v", second.Version, first)
	}
}
