package tablestore

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	"airlock/statemachine"
)

// measured is a store in memory that holds every commit against the limits of a table.
type measured struct {
	*memstore.Store
	t       *testing.T
	largest int // transaction, in bytes
}

func (m *measured) Commit(ctx context.Context, c airlock.Commit) (airlock.Request, error) {
	m.t.Helper()
	s := &Store{newMark: func() string { return strings.Repeat("m", 36) }}
	t := s.begin("commit", c)
	holding := t.holding(c.After)
	t.replace(t.marked(holding(requestRow(c.After.ID))), c.Before.ETag)
	t.move(statusRow(c.Before.Status, c.Before.ID), holding(statusRow(c.After.Status, c.After.ID)))
	t.move(changedRow(c.Before.UpdatedWhen, c.Before.ID), holding(changedRow(c.After.UpdatedWhen, c.After.ID)))
	beside(t, c)
	m.largest = max(m.largest, t.size)
	if t.err != nil || t.size > maxTransaction || len(t.actions) > maxOperations {
		m.t.Errorf("%s to %s: %d rows of %d bytes, %v", c.Before.Status, c.After.Status, len(t.actions), t.size, t.err)
	}
	return m.Store.Commit(ctx, c)
}

// fakes stand for a queue and a topic.
type fakes struct{}

func (fakes) Nudge(context.Context, airlock.Nudge, time.Duration) error { return nil }
func (fakes) Ping(context.Context) error                                { return nil }
func (fakes) Announce(context.Context, airlock.Notice) error            { return nil }

// life submits files with such names and brings them to review. It returns the refusal of the submission, if any.
func life(t *testing.T, store airlock.Store, names []string) *airlock.Problem {
	t.Helper()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	zones := memzone.New(memzone.Options{Now: func() time.Time { return now }})
	n := 0
	id := func() string { n++; return fmt.Sprintf("00000000-0000-7000-8000-%012d", n) }
	s := &airlock.Service{
		Store: store, Zones: zones, Queue: fakes{}, Announcer: fakes{}, TRE: "tre", Layout: airlock.DefaultLayout(),
		Now: func() time.Time { return now }, NewID: id, NewTrace: id, Spread: func() float64 { return 0 }, Timing: airlock.DefaultTiming(),
		ScanTags: true, SweepWorkers: 1,
	}
	who := airlock.Identity{ForAPI: true, Person: airlock.Person{ID: "ada", Roles: []airlock.Role{airlock.RoleAdmin}}}
	settings := airlock.DefaultSettings("ws")
	settings.MaxFiles, settings.MaxNameLength = airlock.MaxManifestFiles, 1024
	settings.Members = []airlock.Member{{ID: "ada", Roles: []airlock.Role{airlock.RoleResearcher}}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.PutSettings(t.Context(), who, settings)
	must(err)
	v, err := s.Create(t.Context(), who, "ws", airlock.NewRequest{
		Type: airlock.Import, Title: strings.Repeat("ä", airlock.MaxText), Justification: strings.Repeat("語", airlock.MaxText),
	})
	must(err)
	place := func(zone statemachine.Zone) airlock.Place {
		p, err := s.Layout.Place(airlock.Import, "tre", settings.Suffix, v.Request.ID, statemachine.Spot{Zone: zone, Round: 1})
		must(err)
		return p
	}
	for _, name := range names {
		_, err := zones.Put(place(statemachine.Intake), name, memzone.File{Content: []byte(name)})
		must(err)
	}
	must(s.Reconcile(t.Context(), "ws", v.Request.ID))
	if _, err = s.Submit(t.Context(), who, "ws", v.Request.ID); err != nil {
		var p *airlock.Problem
		if !errors.As(err, &p) {
			t.Fatal(err)
		}
		left, _ := zones.Blobs(place(statemachine.Intake))
		if r, err := store.Request(t.Context(), "ws", v.Request.ID); err != nil || r.Status != statemachine.Draft || len(left) != len(names) {
			t.Errorf("refused, and it is %s with %d files: %v", r.Status, len(left), err)
		}
		return p
	}
	must(s.Reconcile(t.Context(), "ws", v.Request.ID))
	blobs, _ := zones.Blobs(place(statemachine.Holding))
	var reports []airlock.ScanReport
	for _, b := range blobs {
		must(zones.Tag(place(statemachine.Holding), b.Name, airlock.Clean))
		reports = append(reports, airlock.ScanReport{Place: place(statemachine.Holding), Name: b.Name, ETag: b.ETag, Verdict: airlock.Verdict{
			Result: airlock.Clean, SHA256: strings.Repeat("F", 64), At: "2026-03-01T09:00:00.0000000Z",
		}})
	}
	_, err = s.ScannedAll(t.Context(), reports)
	must(err)
	r, err := store.Request(t.Context(), "ws", v.Request.ID)
	must(err)
	if r.Status != statemachine.InReview {
		t.Fatalf("it is %s: %s", r.Status, r.StatusMessage)
	}
	return nil
}

// TestWhatCanBeSubmittedCanBeStored: whatever the names are, every change in the life of a request that submit has let pass
// fits the table, with all verdicts at once; and what does not fit is refused with a sentence that names the limit.
func TestWhatCanBeSubmittedCanBeStored(t *testing.T) {
	for _, of := range []struct {
		letter  string
		longest int // letters in a name, as submit takes them
	}{{"a", 1020}, {"<", 460}, {"\u2028", 150}} {
		t.Run(of.letter, func(t *testing.T) {
			names := func(count int) []string {
				list := make([]string, count)
				for i := range list {
					list[i] = fmt.Sprintf("%04d", i) + strings.Repeat(of.letter, of.longest)
				}
				return list
			}
			const step = 250
			fits := step * sort.Search(airlock.MaxManifestFiles/step, func(n int) bool {
				return life(t, &memstore.Store{}, names((n+1)*step)) != nil
			})
			m := &measured{Store: &memstore.Store{}, t: t}
			if p := life(t, m, names(fits)); p != nil {
				t.Fatal(p)
			}
			t.Logf("%d files with names of %d letters: %d KiB in a transaction of %d", fits, of.longest, m.largest>>10, maxTransaction>>10)
			if fits < airlock.MaxManifestFiles {
				p := life(t, &memstore.Store{}, names(airlock.MaxManifestFiles))
				if p == nil || p.Kind != airlock.Ruled || !strings.Contains(p.Detail, "the limit is") || !strings.Contains(p.Detail, "shorter names") {
					t.Errorf("refused with %v", p)
				}
			}
		})
	}
}
