package airlock_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

// TestFailuresDoNotStarveOthers has more requests that fail again and again than one sweep looks at, and one that was
// made after them, of which no event ever comes.
func TestFailuresDoNotStarveOthers(t *testing.T) {
	w := newWorld(t)
	w.Timing.RetryFirst, w.Timing.RetryLongest = time.Second, time.Second // all fail again before the next sweep
	broken := map[airlock.Place]bool{}
	cancelled := func() airlock.Request {
		r := w.create(researcher, airlock.Import)
		w.settle()
		w.silent = true
		defer func() { w.silent = false }()
		return w.do(w.Cancel(t.Context(), researcher, ws, r.ID))
	}
	for range 60 {
		r := cancelled()
		broken[w.place(r, sm.Intake, 1)] = true
	}
	last := cancelled()
	w.silent = true
	w.Zones = unerasable{w.zones, broken}
	for minute := 0; len(w.read(last.ID).Owed) > 0; minute++ {
		if minute > 10 {
			t.Fatalf("nobody has looked at %s", last.ID)
		}
		w.later(time.Minute)
	}
}

// unerasable is a storage in which some containers cannot be deleted.
type unerasable struct {
	*memzone.Zones
	broken map[airlock.Place]bool
}

func (u unerasable) Erase(ctx context.Context, p airlock.Place) error {
	if u.broken[p] {
		return airlock.ErrTransient
	}
	return u.Zones.Erase(ctx, p)
}

// many is a store with many workspaces that all have more to do than one sweep does.
type many struct {
	*memstore.Store
	workspaces []string
	mu         sync.Mutex
	asked      map[string]int
	cancel     func()
}

func (m *many) Workspaces(context.Context, int, string) ([]string, string, error) {
	return slices.Clone(m.workspaces), "", nil
}

func (m *many) Due(_ context.Context, workspace string, now time.Time, limit int) ([]airlock.Owed, error) {
	m.mu.Lock()
	m.asked[workspace]++
	m.mu.Unlock()
	due := make([]airlock.Owed, limit)
	for i := range due {
		due[i] = airlock.Owed{Workspace: workspace, Request: fmt.Sprintf("00000000-0000-7000-8000-%012d", i), Due: now.Add(-time.Hour)}
	}
	return due, nil
}

func (m *many) Request(context.Context, string, string) (airlock.Request, error) {
	if m.cancel != nil {
		m.cancel()
	}
	return airlock.Request{}, airlock.ErrNotFound
}

func TestASweepIsFairAndBounded(t *testing.T) {
	for _, n := range []int{1, 7, 25, 60, 75, 301} {
		w := newWorld(t)
		m := &many{Store: w.store, asked: map[string]int{}}
		for i := range n {
			m.workspaces = append(m.workspaces, fmt.Sprintf("w%03d", i))
		}
		w.Service.Store = m
		ticks := 0
		for ; len(m.asked) < n; ticks++ {
			swept, err := w.Sweep(t.Context())
			if err != nil || swept.Due > 500 || swept.Due == 0 || swept.Late != time.Hour || swept.Left != 0 {
				t.Fatalf("%d workspaces: %+v, %v", n, swept, err)
			}
			w.now = w.now.Add(time.Minute)
			if ticks > n {
				t.Fatalf("%d of %d workspaces were asked in %d minutes", len(m.asked), n, ticks)
			}
		}
		if best := (n + 24) / 25; ticks > best+1 {
			t.Errorf("%d workspaces were asked in %d minutes, which could be %d", n, ticks, best)
		}
	}
}

// TestASweepEndsWithItsTime leaves what it has no time for to the next.
func TestASweepEndsWithItsTime(t *testing.T) {
	for _, workers := range []int{1, 4} {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		w.Service.Store = &many{Store: w.store, asked: map[string]int{}, workspaces: []string{"a", "b"}, cancel: cancel}
		w.SweepWorkers = workers
		swept, _ := w.Sweep(ctx)
		if swept.Due != 40 || swept.Left < 40-2*workers || swept.Left >= 40 {
			t.Errorf("%d workers: %+v", workers, swept)
		}
	}
}

// TestManySweepsAtOnce does everything once, whoever is first.
func TestManySweepsAtOnce(t *testing.T) {
	w := newWorld(t)
	var all []airlock.Request
	for range 30 {
		r := w.create(researcher, airlock.Export)
		w.settle()
		w.upload(r, "a", "1")
		all = append(all, r)
	}
	w.silent = true
	for _, r := range all {
		w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	}
	w.now = w.now.Add(10 * time.Minute)
	w.SweepWorkers = 4
	var mu sync.Mutex
	w.Queue, w.Announcer = &locked{mu: &mu, queue: w.queue}, &locked{mu: &mu, told: w.told}
	w.NewID, w.NewTrace = guarded(&mu, w.NewID), guarded(&mu, w.NewTrace)
	w.Report = nil
	const sweeps = 4
	together := &together{Store: w.store}
	together.asking.Add(sweeps)
	w.Service.Store = together
	var group sync.WaitGroup
	for range sweeps {
		group.Go(func() {
			if swept, err := w.Sweep(t.Context()); err != nil || swept.Due != 20 {
				t.Errorf("%+v, %v", swept, err)
			}
		})
	}
	group.Wait()
	w.build()
	for range 3 { // each looks at 20
		w.silent = false
		w.later(time.Minute)
	}
	for _, r := range all {
		w.want(w.read(r.ID), sm.InReview)
	}
}

// together is a store that answers what is due once all sweeps have asked.
type together struct {
	*memstore.Store
	asking sync.WaitGroup
}

func (s *together) Due(ctx context.Context, workspace string, now time.Time, limit int) ([]airlock.Owed, error) {
	due, err := s.Store.Due(ctx, workspace, now, limit)
	s.asking.Done()
	s.asking.Wait()
	return due, err
}

// locked makes the fakes safe for sweeps at the same time.
type locked struct {
	mu    *sync.Mutex
	queue *queue
	told  *announcer
}

func (l *locked) Nudge(ctx context.Context, n airlock.Nudge, after time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.Nudge(ctx, n, after)
}

func (l *locked) Ping(context.Context) error { return nil }

func (l *locked) Announce(ctx context.Context, n airlock.Notice) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told.Announce(ctx, n)
}

func guarded(mu *sync.Mutex, next func() string) func() string {
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return next()
	}
}

// meeting is a store in which nobody gets an answer before enough have asked.
type meeting struct {
	*many
	all sync.WaitGroup
}

func (m *meeting) Due(ctx context.Context, workspace string, now time.Time, limit int) ([]airlock.Owed, error) {
	m.all.Done()
	met := make(chan struct{})
	go func() { m.all.Wait(); close(met) }()
	select {
	case <-met:
		return m.many.Due(ctx, workspace, now, limit)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestASweepAsksManyWorkspacesAtOnce: with many workspaces most of a sweep is waiting for answers that say "nothing".
func TestASweepAsksManyWorkspacesAtOnce(t *testing.T) {
	w := newWorld(t)
	m := &meeting{many: &many{Store: w.store, asked: map[string]int{}}}
	for i := range 16 {
		m.workspaces = append(m.workspaces, fmt.Sprintf("w%03d", i))
	}
	m.all.Add(16)
	w.Service.Store, w.SweepWorkers = m, 4
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	swept, err := w.Sweep(ctx)
	if err != nil || swept.Workspaces != 16 || swept.Due != 16*20 {
		t.Errorf("%+v, %v", swept, err)
	}
}

// TestFailuresBackOff: the pauses double up to the longest, and are spread over their second half, so that those who failed
// together do not come back together.
func TestFailuresBackOff(t *testing.T) {
	for _, spread := range []float64{0, 1} {
		w := newWorld(t)
		w.Timing.RetryFirst, w.Timing.RetryLongest, w.Spread = 4*time.Second, time.Minute, func() float64 { return spread }
		r := w.create(researcher, airlock.Import)
		w.settle()
		w.silent = true
		w.Zones = unerasable{w.zones, map[airlock.Place]bool{w.place(r, sm.Intake, 1): true}}
		w.do(w.Cancel(t.Context(), researcher, ws, r.ID))
		var pauses []time.Duration
		for range 7 {
			if err := w.Reconcile(t.Context(), ws, r.ID); err != nil {
				t.Fatal(err)
			}
			pause := w.read(r.ID).Due.Sub(w.now)
			if nudge := w.queue.sent[len(w.queue.sent)-1]; !nudge.at.Equal(w.now.Add(pause)) {
				t.Errorf("due in %s, and a nudge comes in %s", pause, nudge.at.Sub(w.now))
			}
			pauses = append(pauses, pause)
			w.now = w.now.Add(pause)
		}
		want := []time.Duration{4, 8, 16, 32, 60, 60, 60}
		for i := range want {
			if want[i] *= time.Second; spread == 0 {
				want[i] /= 2
			}
		}
		if !slices.Equal(pauses, want) {
			t.Errorf("with a spread of %v: %v, want %v", spread, pauses, want)
		}
	}
}
