package airlock_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/dsse"
	"airlock/handlers/internal/memzone"
)

// withArchive lets a world make checkpoints, one an hour.
func withArchive(t *testing.T, w *world) (*memzone.Archive, evidence) {
	archive := &memzone.Archive{}
	signer, key := newSigner(t)
	w.Archive, w.Signer = archive, signer
	return archive, evidence{key: key}
}

// export takes what there is.
func (w *world) export(e evidence, archive *memzone.Archive, ids ...string) evidence {
	w.t.Helper()
	records, err := w.store.SettingsRecords(w.t.Context(), ws, 0, airlock.MaxPage)
	if err != nil {
		w.t.Fatal(err)
	}
	e.trails, e.stored = map[string][]airlock.Record{ws: records}, archive.Documents()
	for _, id := range ids {
		records, err := w.store.Records(w.t.Context(), ws, id, 0, airlock.MaxPage)
		if err != nil {
			w.t.Fatal(err)
		}
		e.trails[airlock.Chain(ws, id)] = records
	}
	return e
}

func (w *world) sweep() airlock.Swept {
	w.t.Helper()
	swept, err := w.Sweep(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return swept
}

func checkpoints(archive *memzone.Archive) []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range archive.Documents() {
			if !strings.HasPrefix(name, "heads/") && !yield(name) {
				return
			}
		}
	})
}

func TestACheckpointAnHour(t *testing.T) {
	w := newWorld(t)
	archive, e := withArchive(t, w)
	var ids []string
	for hour := range 20 {
		if hour%5 == 0 {
			ids = append(ids, w.create(researcher, airlock.Import).ID)
		}
		if hour%3 == 0 { // another process, which has to find out how far they are
			signer := w.Signer
			w.build()
			w.Archive, w.Signer = archive, signer
		}
		w.sweep()
		w.sweep()
		if got := checkpoints(archive); len(got) != hour+1 || got[hour] != airlock.CheckpointName(hour+1) {
			t.Fatalf("after %d hours: %v", hour, got)
		}
		w.now = w.now.Add(time.Hour)
	}
	found, held := w.export(e, archive, ids...).prove(t)
	if len(found) > 0 || held.Number != 20 {
		t.Errorf("%+v, %v", held, found)
	}
	if parts := len(archive.Documents()) - 20; parts != 4 {
		t.Errorf("%d parts for four requests: what has not changed is stored again", parts)
	}
}

// TestTheNewestIsMissed checks that somebody who takes the newest checkpoints away is found out by the records after them.
func TestTheNewestIsMissed(t *testing.T) {
	w := newWorld(t)
	archive, e := withArchive(t, w)
	r := w.create(researcher, airlock.Import)
	for range 6 {
		w.sweep()
		w.now = w.now.Add(time.Hour)
	}
	if _, err := w.Audit(t.Context(), owner, ws, r.ID); err != nil {
		t.Fatal(err)
	}
	e = w.export(e, archive, r.ID)
	for left := 6; left >= 0; left-- {
		found, _ := e.prove(t)
		if missed := left < 5; missed != (len(found) > 0) { // an hour late can be
			t.Errorf("with %d checkpoints of 6: %v", left, found)
		}
		delete(e.stored, airlock.CheckpointName(left))
	}
}

// TestManyAtOnce lets processes sweep at the same time: there is one checkpoint of each number, and all go on from it.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	archive, e := withArchive(t, w)
	signer := w.Signer
	services := make([]*airlock.Service, 4)
	for i := range services {
		w.build()
		services[i] = w.Service
		services[i].Archive, services[i].Signer = archive, signer
	}
	for hour := range 5 {
		var all sync.WaitGroup
		for _, s := range services {
			all.Go(func() {
				if _, err := s.Sweep(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := checkpoints(archive); len(got) != hour+1 {
			t.Fatalf("in hour %d: %v", hour, got)
		}
		w.now = w.now.Add(time.Hour)
	}
	if found, held := w.export(e, archive).prove(t); len(found) > 0 || held.Number != 5 || len(w.problems) > 0 {
		t.Errorf("%+v, %v, %v", held, found, w.problems)
	}
}

// TestEveryCallOfTheArchiveFails lets each call fail in both ways: the failure is reported and counted, the next sweep makes
// the checkpoint, and nothing is there twice.
func TestEveryCallOfTheArchiveFails(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for at := 1; ; at++ {
			w := newWorld(t)
			archive, e := withArchive(t, w)
			calls := 0
			archive.Fault = func(op, name string) (before, after error) {
				if calls++; calls != at {
					return nil, nil
				}
				err := fmt.Errorf("%s: %w", op, airlock.ErrTransient)
				if lost {
					return nil, err
				}
				return err, nil
			}
			failures := 0
			for range 3 {
				swept := w.sweep()
				failures += swept.Unsigned
				w.sweep()
				w.now = w.now.Add(time.Hour)
			}
			if got := checkpoints(archive); len(got) != 3 {
				t.Fatalf("call %d, lost %v: %v", at, lost, got)
			}
			if found, _ := w.export(e, archive).prove(t); len(found) > 0 {
				t.Errorf("call %d, lost %v: %v", at, lost, found)
			}
			if calls < at {
				break
			}
			if failures > 1 || failures != len(w.problems) || failures == 1 && !errors.Is(w.problems[0], airlock.ErrNoCheckpoint) {
				t.Errorf("call %d, lost %v: %d failures, reported %v", at, lost, failures, w.problems)
			}
		}
	}
}

// TestManyTrails checks that a checkpoint of many trails has parts, and that it knows them all.
func TestManyTrails(t *testing.T) {
	w := newWorld(t)
	archive, e := withArchive(t, w)
	const n = 5_400
	var ids []string
	for i := range n {
		id := fmt.Sprintf("00000001-0000-7000-8000-%012x", i)
		record := airlock.Record{Chain: airlock.Chain(ws, id), When: w.now, Who: "x", What: "create", To: "draft"}.Seal(0, "")
		r := airlock.Request{
			WorkspaceID: ws, ID: id, Type: airlock.Import, Status: "draft", CreatedBy: researcher.Person, UpdatedWhen: w.now, StatusSince: w.now,
			Version: 1, Round: 1, RecordSeq: record.Seq, RecordHash: record.Hash,
		}
		if _, err := w.store.Create(t.Context(), airlock.Commit{After: r, Record: &record}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	w.sweep()
	document, err := dsse.Verify(airlock.CheckpointType, archive.Documents()[airlock.CheckpointName(1)], e.key)
	if err != nil {
		t.Fatal(err)
	}
	var c airlock.Checkpoint
	if err := json.Unmarshal(document, &c); err != nil || c.Trails != n+1 || len(c.Parts) != 2 || c.TRE != "tre" || c.Every != 3600 {
		t.Errorf("%v, %+v", err, c)
	}
	e = w.export(e, archive, ids...)
	if found, held := e.prove(t); len(found) > 0 || held.Number != 1 {
		t.Errorf("%+v, %v", held, found)
	}
	for _, i := range []int{0, n / 2, n - 1} {
		delete(e.trails, airlock.Chain(ws, ids[i]))
	}
	if found, _ := e.prove(t); len(found) != 3 {
		t.Errorf("three of %d are missing: %v", len(slices.Collect(maps.Keys(e.trails))), found)
	}
}

// TestAnArchiveThatLies checks that what stands in a checkpoint's place and is none is reported as tampering.
func TestAnArchiveThatLies(t *testing.T) {
	w := newWorld(t)
	archive, _ := withArchive(t, w)
	if err := archive.Add(t.Context(), airlock.CheckpointName(1), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if swept := w.sweep(); swept.Unsigned != 1 || len(w.problems) != 1 || !errors.Is(w.problems[0], airlock.ErrBroken) {
		t.Errorf("%+v, %v", swept, w.problems)
	}
}
