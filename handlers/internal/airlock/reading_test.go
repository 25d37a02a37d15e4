package airlock_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

// readings are the ways to read what is written down when it is read, with the name of the record.
func readings(s *airlock.Service, id string) map[string]func(context.Context, airlock.Identity) error {
	return map[string]func(context.Context, airlock.Identity) error{
		"link":  func(ctx context.Context, who airlock.Identity) error { return second2(s.Link(ctx, who, ws, id)) },
		"files": func(ctx context.Context, who airlock.Identity) error { return second2(s.Files(ctx, who, ws, id, 0)) },
		"audit": func(ctx context.Context, who airlock.Identity) error { return second2(s.Audit(ctx, who, ws, id)) },
	}
}

// TestWhoReadsIsWrittenDown checks that the record of a reading says all that a record has to say.
func TestWhoReadsIsWrittenDown(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	who := owner
	who.SourceAddress, who.CorrelationID = "192.0.2.7", "c0000000-0000-4000-8000-000000000001"
	for what, read := range readings(w.Service, r.ID) {
		before := w.read(r.ID)
		if err := read(t.Context(), who); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		records, err := w.store.Records(t.Context(), ws, r.ID, before.RecordSeq, 10)
		if err != nil || len(records) != 1 {
			t.Fatalf("%s: %+v, %v", what, records, err)
		}
		got := records[0]
		if what == "link" && got.Trace != "" {
			got.Trace = who.CorrelationID // it is the link's own, so that the log of storage leads here
			got.Text = ""
		}
		want := airlock.Record{
			Chain: ws + "/" + r.ID, When: w.now, Who: owner.ID, Name: owner.Name, What: what, From: "in_review", To: "in_review", Round: 1,
			Source: who.SourceAddress, Trace: who.CorrelationID, Seq: before.RecordSeq + 1, Previous: before.RecordHash, Hash: records[0].Hash,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the record is %+v, want %+v", got, want)
		}
		if after := w.read(r.ID); !after.UpdatedWhen.Equal(before.UpdatedWhen) || !after.Due.Equal(before.Due) {
			t.Errorf("%s: the request counts as changed", what)
		}
	}
	w.check(w.read(r.ID))

	admin := admin
	admin.SourceAddress, admin.CorrelationID = who.SourceAddress, who.CorrelationID
	trail, err := w.WorkspaceAudit(t.Context(), admin, ws)
	if err != nil || !trail.Intact || len(trail.Records) != 2 {
		t.Fatalf("%+v, %v", trail, err)
	}
	last := trail.Records[1]
	if last.What != "audit" || last.Chain != ws || last.Who != admin.ID || last.Source != who.SourceAddress || last.Trace != who.CorrelationID {
		t.Errorf("the record is %+v", last)
	}
	if found, err := w.checker().Workspace(t.Context(), ws); err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}

// TestWhoMayNotReadLeavesNoTrace checks that a refusal writes nothing.
func TestWhoMayNotReadLeavesNoTrace(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	before := w.read(r.ID).RecordSeq
	stranger := person("a0000000-0000-4000-8000-00000000000f", "Eve")
	for what, read := range readings(w.Service, r.ID) {
		if err := read(t.Context(), stranger); refusal(t, err).Kind != airlock.Forbidden {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := second2(w.Audit(t.Context(), colleague, ws, r.ID)); refusal(t, err).Kind != airlock.Forbidden {
		t.Errorf("audit: %v", err)
	}
	if err := second2(w.WorkspaceAudit(t.Context(), manager, ws)); refusal(t, err).Kind != airlock.Forbidden {
		t.Errorf("audit of the workspace: %v", err)
	}
	settings, err := w.store.Settings(t.Context(), ws)
	if after := w.read(r.ID).RecordSeq; after != before || settings.RecordSeq != 1 || err != nil {
		t.Errorf("%d records became %d, and the workspace has %d, %v", before, after, settings.RecordSeq, err)
	}
}

// TestReadersRace lets many read at the same moment as others change the same request: all are answered, and each is
// written down exactly once.
func TestReadersRace(t *testing.T) {
	store := &memstore.Store{}
	var ids atomic.Int64
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	id := func(version int) func() string {
		return func() string { return fmt.Sprintf("00000000-0000-%d000-8000-%012x", version, ids.Add(1)) }
	}
	s := &airlock.Service{
		Store: store, Zones: memzone.New(memzone.Options{Now: clock}), Queue: silence{}, Announcer: silence{}, TRE: "tre",
		Layout: airlock.DefaultLayout(), Now: clock, NewID: id(7), NewTrace: id(4), Spread: func() float64 { return 0.5 }, Timing: airlock.DefaultTiming(),
	}
	settings := airlock.DefaultSettings(ws)
	settings.Audience = wsAudience
	if _, err := s.PutSettings(t.Context(), admin, settings); err != nil {
		t.Fatal(err)
	}
	made, err := s.Create(t.Context(), researcher, ws, airlock.NewRequest{Type: airlock.Import, Title: "T"})
	if err != nil {
		t.Fatal(err)
	}
	const each = 6
	var group sync.WaitGroup
	for what, read := range readings(s, made.Request.ID) {
		if what == "link" {
			continue // it decides again for as long as an action does, and no longer
		}
		for range each {
			group.Go(func() {
				if err := read(context.Background(), owner); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
	}
	for range each {
		group.Go(func() {
			if _, err := s.WorkspaceAudit(context.Background(), admin, ws); err != nil {
				t.Errorf("workspace: %v", err)
			}
		})
	}
	group.Go(func() {
		if _, err := s.Cancel(context.Background(), researcher, ws, made.Request.ID); err != nil && !errors.Is(err, airlock.ErrLost) {
			t.Errorf("cancel: %v", err)
		}
	})
	group.Wait()
	count := func(records []airlock.Record, err error) map[string]int {
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, r := range records {
			found[r.What]++
		}
		return found
	}
	if found := count(store.Records(t.Context(), ws, made.Request.ID, 0, airlock.MaxPage)); found["files"] != each || found["audit"] != each {
		t.Errorf("records %v", found)
	}
	if found := count(store.SettingsRecords(t.Context(), ws, 0, airlock.MaxPage)); found["audit"] != each {
		t.Errorf("records of the workspace %v", found)
	}
}

// TestABrokenTrailIsReported checks that whoever reads a trail that does not verify wakes somebody up.
func TestABrokenTrailIsReported(t *testing.T) {
	for name, spoil := range map[string]func([]airlock.Record) []airlock.Record{
		"changed":          func(records []airlock.Record) []airlock.Record { records[1].Text += "!"; return records },
		"removed":          func(records []airlock.Record) []airlock.Record { return append(records[:1:1], records[2:]...) },
		"cut":              func(records []airlock.Record) []airlock.Record { return records[:2] },
		"of another trail": func(records []airlock.Record) []airlock.Record { return others(records) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.submitted(airlock.Import, "x")
			w.Service.Store = &bent{Store: w.store, records: spoil}
			trail, err := w.Audit(t.Context(), owner, ws, r.ID)
			if err != nil || trail.Intact || trail.Problem == "" {
				t.Fatalf("%+v, %v", trail, err)
			}
			if len(w.problems) != 1 || !errors.Is(w.problems[0], airlock.ErrBroken) || !strings.Contains(w.problems[0].Error(), ws+"/"+r.ID) {
				t.Errorf("reported: %v", w.problems)
			}
		})
	}
	w := newWorld(t)
	r := w.submitted(airlock.Import, "x")
	if trail, err := w.Audit(t.Context(), owner, ws, r.ID); err != nil || !trail.Intact || len(w.problems) > 0 {
		t.Errorf("%+v, %v, %v", trail, err, w.problems)
	}
	w.want(w.read(r.ID), sm.InReview)
}

// others is a trail that holds, of another request.
func others(records []airlock.Record) []airlock.Record {
	seq, head := 0, ""
	for i, r := range records {
		r.Chain = "another"
		records[i] = r.Seal(seq, head)
		seq, head = records[i].Seq, records[i].Hash
	}
	return records
}
