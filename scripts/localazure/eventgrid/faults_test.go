package eventgrid

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook()
		g := start(t, w, Options{Faults: Faults{Drop: 1}})
		publish(t, g, "a", "b")
		if err := g.SetFaults(Faults{}); err != nil {
			t.Fatal(err)
		}
		publish(t, g, "c")
		idle(t, g)
		if got := w.ids(); !slices.Equal(got, []string{"c"}) {
			t.Errorf("delivered %v, want only c", got)
		}
		if s := g.Stats(); s.Dropped != 2 {
			t.Errorf("dropped %d, want 2", s.Dropped)
		}
	})
}

func TestFaultDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook()
		g := start(t, w, Options{Faults: Faults{Double: 1}})
		publish(t, g, "a", "b")
		idle(t, g)
		if got := w.ids(); !slices.Equal(got, []string{"a", "a", "b", "b"}) {
			t.Errorf("delivered %v, want each twice", got)
		}
		if s := g.Stats(); s.Doubled != 2 || s.Delivered != 4 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestFaultDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook()
		g := start(t, w, Options{Rand: seeded(), Faults: Faults{DelayMin: time.Second, DelayMax: 3 * time.Second}})
		var ids []string
		for i := range 50 {
			ids = append(ids, fmt.Sprint(i))
		}
		publish(t, g, ids...)
		idle(t, g)
		var early, late int
		for _, a := range w.got() {
			if a.at < time.Second || a.at > 3*time.Second {
				t.Errorf("event %s came after %v, want 1s to 3s", a.id, a.at)
			}
			if a.at < 2*time.Second {
				early++
			} else {
				late++
			}
		}
		if early == 0 || late == 0 {
			t.Errorf("%d early and %d late, want the delays spread", early, late)
		}
	})
}

func TestFaultReorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook()
		g := start(t, w, Options{Faults: Faults{Reorder: 1}})
		publish(t, g, "held")
		if err := g.SetFaults(Faults{}); err != nil {
			t.Fatal(err)
		}
		publish(t, g, "later")
		idle(t, g)
		got := w.got()
		if ids := w.ids(); !slices.Equal(ids, []string{"later", "held"}) {
			t.Fatalf("delivered %v, want later before held", ids)
		}
		if got[1].at != 0 {
			t.Errorf("held event came after %v, want right behind the later one", got[1].at)
		}
	})
}

func TestReorderedEventIsNotReleasedByAnEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook()
		w.delay = 100 * time.Millisecond
		g := start(t, w, Options{})
		publish(t, g, "earlier")
		if err := g.SetFaults(Faults{Reorder: 1, ReorderHold: 5 * time.Second}); err != nil {
			t.Fatal(err)
		}
		publish(t, g, "held")
		idle(t, g)
		if got := w.got(); len(got) != 2 || got[1].at != 5*time.Second {
			t.Errorf("arrivals are %+v, want the held one after its 5s", got)
		}
	})
}

func TestSameSeedSameFaults(t *testing.T) {
	run := func(seed uint64, double float64) (ids []string) {
		synctest.Test(t, func(t *testing.T) {
			w := newWebhook()
			g := start(t, w, Options{
				Rand:   rand.New(rand.NewPCG(seed, 0)),
				Faults: Faults{Drop: 0.3, Double: double, Reorder: 0.3, DelayMax: time.Second},
			})
			for i := range 40 {
				publish(t, g, fmt.Sprint(i))
				<-time.After(50 * time.Millisecond) // spreads the events over fake time
			}
			idle(t, g)
			ids = w.ids()
		})
		return ids
	}
	first := run(7, 0.3)
	if again := run(7, 0.3); !slices.Equal(first, again) {
		t.Errorf("same seed gave\n%v\nand\n%v", first, again)
	}
	if other := run(8, 0.3); slices.Equal(first, other) {
		t.Error("another seed gave the same order")
	}
	single := run(7, 0)
	slices.Sort(first)
	slices.Sort(single)
	if !slices.Equal(slices.Compact(first), single) {
		t.Errorf("changing Double changed which events were dropped:\n%v\n%v", first, single)
	}
}
