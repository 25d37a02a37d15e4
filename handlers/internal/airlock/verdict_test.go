package airlock_test

import (
	"fmt"
	"slices"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	sm "airlock/statemachine"
)

// sealedReports makes a request with sealed files that the scanner is silent about, and a clean report on each.
func sealedReports(w *world, files int) (airlock.Request, []airlock.ScanReport) {
	w.t.Helper()
	w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
	r := w.create(researcher, airlock.Import)
	for i := range files {
		w.upload(r, fmt.Sprintf("%03d", i), "x")
	}
	r = w.do(w.Submit(w.t.Context(), researcher, ws, r.ID))
	place := w.place(r, sm.Holding, 1)
	blobs, _ := w.zones.Blobs(place)
	var reports []airlock.ScanReport
	for _, b := range blobs {
		if err := w.zones.Tag(place, b.Name, airlock.Clean); err != nil {
			w.t.Fatal(err)
		}
		reports = append(reports, airlock.ScanReport{Place: place, Name: b.Name, ETag: b.ETag,
			Verdict: airlock.Verdict{Result: airlock.Clean, At: "now", SHA256: b.Name}})
	}
	return r, reports
}

func manyFiles(s *airlock.Settings) { s.MaxFiles = 100 }

func TestVerdictsThatComeTogetherAreOneCommit(t *testing.T) {
	const files = airlock.ManifestPage + 10
	w := newWorld(t, manyFiles)
	r, reports := sealedReports(w, files)
	before := w.store.Calls()[memstore.OpCommit]
	heard, err := w.ScannedAll(t.Context(), reports[1:])
	if err != nil || slices.ContainsFunc(heard, func(h airlock.Heard) bool { return h != airlock.HeardVerdict }) {
		t.Fatalf("heard %v, %v", heard, err)
	}
	if n := w.store.Calls()[memstore.OpCommit] - before; n != 1 || w.read(r.ID).Status != sm.Submitted {
		t.Errorf("%d commits, and the request is %s", n, w.read(r.ID).Status)
	}
	if heard, err := w.ScannedAll(t.Context(), reports); err != nil || heard[0] != airlock.HeardVerdict || heard[1] != airlock.HeardTwice {
		t.Fatalf("heard %v, %v", heard, err)
	}
	w.settle()
	w.want(w.read(r.ID), sm.InReview)
	m, err := w.store.Manifest(t.Context(), ws, r.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Files {
		if f.Verdict.SHA256 != f.Name {
			t.Errorf("%s has the verdict %+v", f.Name, f.Verdict)
		}
	}
}

func TestEachVerdictIsJudgedByItself(t *testing.T) {
	w := newWorld(t, manyFiles)
	r, reports := sealedReports(w, 4)
	old, unknown := reports[0], reports[0]
	old.ETag, unknown.Name = "another", "unknown"
	heard, err := w.ScannedAll(t.Context(), []airlock.ScanReport{old, reports[1], unknown, reports[1], reports[2]})
	want := []airlock.Heard{airlock.HeardStale, airlock.HeardVerdict, airlock.HeardStale, airlock.HeardTwice, airlock.HeardVerdict}
	if err != nil || !slices.Equal(heard, want) {
		t.Errorf("heard %v, %v; want %v", heard, err, want)
	}
	bad := reports[3]
	bad.Verdict = airlock.Verdict{Result: airlock.Malicious, Malware: []string{"Test_File"}}
	if err := w.zones.Tag(bad.Place, bad.Name, airlock.Malicious); err != nil {
		t.Fatal(err)
	}
	if heard, err := w.ScannedAll(t.Context(), []airlock.ScanReport{bad}); err != nil || heard[0] != airlock.HeardVerdict {
		t.Errorf("heard %v, %v", heard, err)
	}
	w.settle()
	w.want(w.read(r.ID), sm.BlockedByScan) // though nothing was said of the first file
}

// TestVerdictsAreNotLostWithTheirCommit: what could not be stored is not heard, so that it comes again.
func TestVerdictsAreNotLostWithTheirCommit(t *testing.T) {
	w := newWorld(t, manyFiles)
	_, reports := sealedReports(w, 2)
	w.onWrite = func(write string) effect {
		if write == "Commit" {
			return fails
		}
		return passes
	}
	for _, together := range [][]airlock.ScanReport{reports, reports[:1]} {
		if heard, err := w.ScannedAll(t.Context(), together); err == nil || slices.ContainsFunc(heard, func(h airlock.Heard) bool { return h != "" }) {
			t.Errorf("heard %v, %v", heard, err)
		}
	}
}
