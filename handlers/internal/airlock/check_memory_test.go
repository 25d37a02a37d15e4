package airlock_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
)

// crowded is a workspace with so many drafts.
func crowded(t *testing.T, n int) *world {
	w := newWorld(t)
	for range n {
		w.create(researcher, airlock.Import)
	}
	w.settle()
	return w
}

// peak is the most memory that a check of the workspace holds, in bytes.
func peak(t testing.TB, c airlock.Checker) int64 {
	t.Helper()
	var m runtime.MemStats
	live := func() int64 {
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most, looked := live(), int64(0), 0
	c.Looked = func(airlock.Request) {
		if looked++; looked%200 == 0 {
			most = max(most, live()-before)
		}
	}
	if found, err := c.Workspace(t.Context(), ws); err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	return most
}

// TestCheckHoldsABoundedPart: what is found does not depend on how many requests are looked at together, and memory depends on
// nothing else.
func TestCheckHoldsABoundedPart(t *testing.T) {
	const held = 100
	few, many := crowded(t, 200), crowded(t, 1600)
	small, large := few.checker(), many.checker()
	small.AtOnce, large.AtOnce = held, held
	a, b := peak(t, small), peak(t, large)
	t.Logf("%d KiB for 200 requests, %d KiB for 1,600, of which at most %d are held", a>>10, b>>10, held)
	if b > a+128<<10 {
		t.Errorf("with eight times the requests memory grows from %d to %d bytes", a, b)
	}
}

// TestCheckFindsTheSameInParts spoils requests and looks at them in parts of every size.
func TestCheckFindsTheSameInParts(t *testing.T) {
	w := newWorld(t)
	for i := range 40 {
		r := w.create(researcher, airlock.Import)
		w.settle()
		if i%5 == 0 { // its container is gone
			if err := w.zones.Erase(t.Context(), w.place(r, r.Zone(), 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []string
	for _, held := range []int{0, 39, 13, 3, 1} {
		c := w.checker()
		c.AtOnce = held
		found, err := c.Workspace(t.Context(), ws)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range found {
			got = append(got, fmt.Sprint(v))
		}
		slices.Sort(got)
		if held == 0 {
			want = got
		}
		if len(got) != 8 || !slices.Equal(got, want) {
			t.Errorf("%d at a time: %q, want %q", held, got, want)
		}
	}
	if w.store.Calls()[memstore.OpRequests] < 500 {
		t.Error("it was never divided")
	}
}

// BenchmarkCheckOfTenThousand checks a workspace with 10,000 requests, and says how much memory that holds at most.
func BenchmarkCheckOfTenThousand(b *testing.B) {
	s, store := benchService()
	benchSettings(b, s, ws)
	for range 10_000 {
		if _, err := s.Create(b.Context(), researcher, ws, airlock.NewRequest{Type: airlock.Import, Title: "T"}); err != nil {
			b.Fatal(err)
		}
	}
	for _, held := range []int{0, 500} {
		b.Run(fmt.Sprintf("held %d", held), func(b *testing.B) {
			most := int64(0)
			for b.Loop() {
				most = max(most, peak(b, airlock.Checker{Store: store, Zones: s.Zones, TRE: s.TRE, Layout: s.Layout, AtOnce: held}))
			}
			b.ReportMetric(float64(most), "held-B")
		})
	}
}
