package airlock_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

// silence is a queue and a topic that nobody reads.
type silence struct{}

func (silence) Nudge(context.Context, airlock.Nudge, time.Duration) error { return nil }
func (silence) Announce(context.Context, airlock.Notice) error            { return nil }
func (silence) Ping(context.Context) error                                { return nil }

// benchService is the domain in memory, with a clock that stands still. Its ids come after those of [stored], as ids do that are
// made later: to put one before a million others moves them all, and empties the processor's caches.
func benchService() (*airlock.Service, *memstore.Store) {
	store := &memstore.Store{}
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	var ids atomic.Int64
	id := func(version int) func() string {
		return func() string { return fmt.Sprintf("00000001-0000-%d000-8000-%012x", version, ids.Add(1)) }
	}
	timing := airlock.DefaultTiming()
	timing.SettingsCache = time.Hour
	return &airlock.Service{
		Store: store, Zones: memzone.New(memzone.Options{Now: clock}), Queue: silence{}, Announcer: silence{}, TRE: "tre",
		Layout: airlock.DefaultLayout(), Now: clock, NewID: id(7), NewTrace: id(4), Spread: func() float64 { return 0.5 }, Timing: timing,
	}, store
}

// benchSettings gives a workspace its settings.
func benchSettings(b *testing.B, s *airlock.Service, workspace string) {
	b.Helper()
	settings := airlock.DefaultSettings(workspace)
	settings.Audience, settings.Suffix = wsAudience, "1111"
	if _, err := s.PutSettings(b.Context(), admin, settings); err != nil {
		b.Fatal(err)
	}
}

// stored puts a request straight into the store: making a million of them through the front door takes too long.
func stored(b *testing.B, store *memstore.Store, workspace string, n int, due time.Time) {
	b.Helper()
	record := airlock.Record{Who: "x", What: "create", To: string(sm.Draft)}.Seal(0, "")
	r := airlock.Request{
		WorkspaceID: workspace, ID: fmt.Sprintf("00000000-0000-7000-8000-%012x", n), Type: airlock.Import, Title: "T", Status: sm.Draft,
		CreatedBy: researcher.Person, CreatedWhen: time.Unix(1700000000, 0), UpdatedBy: researcher.Person, UpdatedWhen: time.Unix(1700000000, 0),
		StatusSince: time.Unix(1700000000, 0), Version: 1, Round: 1, Due: due, RecordSeq: record.Seq, RecordHash: record.Hash,
	}
	if _, err := store.Create(b.Context(), airlock.Commit{After: r, Record: &record}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkScale does in a workspace with many requests what people do most. The times must not grow with the requests. All
// workspaces are there before the first is measured, and each call is measured in one after the other: what the machine and the
// collector do meanwhile meets all of them alike.
func BenchmarkScale(b *testing.B) {
	sizes := []int{10, 1_000, 100_000, 1_000_000}
	if testing.Short() {
		sizes = sizes[:3]
	}
	var all []*full
	for _, n := range sizes {
		all = append(all, fill(b, n))
	}
	for _, call := range []struct {
		name string
		do   func(*testing.B, *full)
	}{
		{"list", often(func(b *testing.B, f *full) error {
			return second2(f.s.Requests(b.Context(), owner, ws, airlock.Listing{Limit: 10}))
		})},
		{"get", often(func(b *testing.B, f *full) error { return second2(f.s.Request(b.Context(), owner, ws, f.id)) })},
		{"link", often(func(b *testing.B, f *full) error { return second2(f.s.Link(b.Context(), researcher, ws, f.id)) })},
		{"submit", submitAll},
	} {
		for _, f := range all {
			b.Run(fmt.Sprintf("%s/requests=%d", call.name, f.n), func(b *testing.B) { call.do(b, f) })
		}
	}
}

// full is a workspace with n requests and one more.
type full struct {
	n  int
	s  *airlock.Service
	id string // of the one more
}

func fill(b *testing.B, n int) *full {
	b.Helper()
	s, store := benchService()
	benchSettings(b, s, ws)
	for i := range n {
		stored(b, store, ws, i, time.Time{})
	}
	made, err := s.Create(b.Context(), researcher, ws, airlock.NewRequest{Type: airlock.Import})
	if err != nil {
		b.Fatal(err)
	}
	return &full{n, s, made.Request.ID}
}

// often makes the same call again and again.
func often(call func(*testing.B, *full) error) func(*testing.B, *full) {
	return func(b *testing.B, f *full) {
		b.ReportAllocs()
		for b.Loop() {
			if err := call(b, f); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// submitAll submits one new request after the other.
func submitAll(b *testing.B, f *full) {
	b.ReportAllocs()
	var drafts []draft
	for i := 0; b.Loop(); i++ {
		if i%batch == 0 { // stopping the clock empties the caches of the allocator, so it is done seldom
			b.StopTimer()
			drafts = renew(b, f.s, drafts)
			b.StartTimer()
		}
		if _, err := f.s.Submit(b.Context(), researcher, ws, drafts[i%batch].request.ID); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	gone(b, f.s, drafts)
}

// batch is how many drafts are made at once.
const batch = 64

// draft is a request with one file.
type draft struct {
	request airlock.Request
	at      airlock.Place
}

// renew makes drafts in place of those that were submitted.
func renew(b *testing.B, s *airlock.Service, old []draft) (drafts []draft) {
	b.Helper()
	gone(b, s, old)
	for range batch {
		made, err := s.Create(b.Context(), researcher, ws, airlock.NewRequest{Type: airlock.Import, Title: "T", Justification: "J"})
		if err != nil {
			b.Fatal(err)
		}
		at, err := s.Layout.Place(airlock.Import, s.TRE, "1111", made.Request.ID, made.Request.Spot())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Zones.(*memzone.Zones).Put(at, "a.csv", memzone.File{Content: []byte("1")}); err != nil {
			b.Fatal(err)
		}
		drafts = append(drafts, draft{made.Request, at})
	}
	return drafts
}

// gone takes requests away, so that the workspace does not grow.
func gone(b *testing.B, s *airlock.Service, drafts []draft) {
	b.Helper()
	for _, d := range drafts {
		r, err := s.Store.Request(b.Context(), ws, d.request.ID)
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(s.Store.Forget(b.Context(), r), s.Zones.Erase(b.Context(), d.at)); err != nil {
			b.Fatal(err)
		}
	}
}

// benchDue makes workspaces with so many requests that are due in each, or with one that is not.
func benchDue(b *testing.B, workspaces, each int) *airlock.Service {
	b.Helper()
	s, store := benchService()
	due := time.Time{}
	if each > 0 {
		due = s.Now().Add(-time.Hour)
	}
	for w := range workspaces {
		id := fmt.Sprintf("w-%04d", w)
		benchSettings(b, s, id)
		for i := range max(each, 1) {
			stored(b, store, id, w*1000+i, due)
		}
	}
	return s
}

// BenchmarkSweep is one tick over a thousand workspaces. What is due is taken on until there would be less than a tick takes on.
func BenchmarkSweep(b *testing.B) {
	const workspaces, atOnce = 1_000, 500
	for _, each := range []int{0, 10} {
		b.Run(fmt.Sprintf("%d due", each*workspaces), func(b *testing.B) {
			var s *airlock.Service
			left := 0
			b.ReportAllocs()
			for b.Loop() {
				if s == nil || each > 0 && left < atOnce {
					b.StopTimer()
					s, left = benchDue(b, workspaces, each), each*workspaces
					b.StartTimer()
				}
				swept, err := s.Sweep(b.Context())
				if err != nil || swept.Workspaces != workspaces && each == 0 || swept.Due != min(left, atOnce) {
					b.Fatal(swept, err)
				}
				left -= swept.Due
			}
		})
	}
}

// BenchmarkRecordSeal encodes a record in its canonical form and puts it into the chain.
func BenchmarkRecordSeal(b *testing.B) {
	r := airlock.Record{
		When: time.Unix(1700000000, 0), Who: researcher.ID, Name: "Ada", What: "submit", From: "draft", To: "submitted", Round: 1,
		Text: strings.Repeat("because ", 20), Digest: strings.Repeat("a", 64), Source: "10.0.0.1", Trace: researcher.ID,
	}
	b.ReportAllocs()
	for b.Loop() {
		if r.Seal(7, "head").Hash == "" {
			b.Fatal("no hash")
		}
	}
}

// BenchmarkVerifyChain verifies the trail of a request with a long life.
func BenchmarkVerifyChain(b *testing.B) {
	var records []airlock.Record
	seq, head := 0, ""
	for range 20 {
		r := airlock.Record{When: time.Unix(1700000000, 0), Who: researcher.ID, What: "link", From: "draft", To: "draft"}.Seal(seq, head)
		records, seq, head = append(records, r), r.Seq, r.Hash
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := airlock.VerifyChain(records, 0, ""); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkManifestDigest is what reviewers decide about.
func BenchmarkManifestDigest(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d files", n), func(b *testing.B) {
			m := airlock.Manifest{Round: 1}
			for i := range n {
				m.Files = append(m.Files, airlock.File{Name: fmt.Sprintf("data/file-%04d.csv", i), Size: 1 << 20, MD5: make([]byte, 16),
					SubmittedETag: "0x8DC0FFEE0000001", SealedETag: "0x8DC0FFEE0000002"})
			}
			b.ReportAllocs()
			for b.Loop() {
				if m.Digest() == "" {
					b.Fatal("no digest")
				}
			}
		})
	}
}

// BenchmarkLayout finds the container of a spot, and the spot of a container.
func BenchmarkLayout(b *testing.B) {
	l := airlock.DefaultLayout()
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	want := sm.Spot{Zone: sm.Quarantine, Round: 2}
	place, err := l.Place(airlock.Export, "tre", "1111", id, want)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Place", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if p, err := l.Place(airlock.Export, "tre", "1111", id, want); p != place || err != nil {
				b.Fatal(p, err)
			}
		}
	})
	b.Run("Spot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if s, ok := l.Spot(airlock.Export, "tre", "1111", id, 2, place); s != want || !ok {
				b.Fatal(s, ok)
			}
		}
	})
}
