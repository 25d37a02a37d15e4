package trigger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
)

// slow is a domain whose calls end when they are let go. It notes them.
type slow struct {
	mu      sync.Mutex
	calls   []string
	entered chan string
	proceed chan error
}

func newSlow() *slow { return &slow{entered: make(chan string), proceed: make(chan error)} }

func (s *slow) call(ctx context.Context, what string) error {
	s.mu.Lock()
	s.calls = append(s.calls, what)
	s.mu.Unlock()
	s.entered <- what
	select {
	case err := <-s.proceed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slow) Reconcile(ctx context.Context, workspace, id string) error {
	return s.call(ctx, "reconcile "+workspace+" "+id)
}

func (s *slow) Stored(ctx context.Context, p airlock.Place) (airlock.Heard, error) {
	return airlock.HeardIntake, s.call(ctx, "stored "+p.Container)
}

func (s *slow) ScannedAll(ctx context.Context, reports []airlock.ScanReport) (heard []airlock.Heard, err error) {
	var names []string
	for _, r := range reports {
		names = append(names, r.Name)
		if r.Name == "early" {
			heard, err = append(heard, ""), errors.New("too early")
		} else {
			heard = append(heard, airlock.HeardVerdict)
		}
	}
	return heard, errors.Join(err, s.call(ctx, fmt.Sprintf("scanned %d", len(names))))
}

func (s *slow) Sweep(context.Context) (airlock.Swept, error) { return airlock.Swept{}, nil }

// give hands in news and returns where what became of it will be.
func give(ctx context.Context, l *listener, request string, n news) chan string {
	became := make(chan string, 1)
	go func() {
		heard, err := l.turns.take(ctx, request, n, l.hear)
		became <- fmt.Sprint(heard, " ", err)
	}()
	return became
}

// waiting waits until the open turn of the request has so many items.
func waiting(t *testing.T, l *listener, request string, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		l.turns.mu.Lock()
		open := l.turns.last[request]
		have := 0
		if open != nil && !open.closed {
			have = len(open.items)
		}
		l.turns.mu.Unlock()
		if have == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, want %d", have, n)
		}
	}
}

func report(name string) news {
	return news{report: airlock.ScanReport{Place: airlock.Place{Account: "a", Container: "c"}, Name: name}}
}

func TestWhatComesTogetherIsOneTurn(t *testing.T) {
	s := newSlow()
	l := &listener{service: s}
	nudge := news{nudge: airlock.Nudge{Workspace: "w", Request: "r"}}
	first := give(t.Context(), l, "r", nudge)
	if got := <-s.entered; got != "reconcile w r" {
		t.Fatalf("it began with %q", got)
	}
	var rest []chan string
	for i, n := range []news{nudge, report("x"), report("early"), nudge, {place: airlock.Place{Account: "a", Container: "c"}}, report("y")} {
		rest = append(rest, give(t.Context(), l, "r", n))
		waiting(t, l, "r", i+1)
	}
	s.proceed <- nil
	if got := <-first; got != "nudged <nil>" {
		t.Errorf("the first became %q", got)
	}
	for _, want := range []string{"reconcile w r", "scanned 3", "stored c"} {
		if got := <-s.entered; got != want {
			t.Errorf("%q was done, want %q", got, want)
		}
		s.proceed <- nil
	}
	var became []string
	for _, c := range rest {
		became = append(became, <-c)
	}
	if want := []string{"nudged <nil>", "verdict <nil>", " too early", "nudged <nil>", "intake <nil>", "verdict <nil>"}; !slices.Equal(became, want) {
		t.Errorf("they became %q, want %q", became, want)
	}
	if len(s.calls) != 4 || len(l.turns.last) != 0 {
		t.Errorf("calls %v; %d turns are left", s.calls, len(l.turns.last))
	}
}

func TestRequestsDoNotWaitForEachOther(t *testing.T) {
	s := newSlow()
	l := &listener{service: s}
	a := give(t.Context(), l, "a", news{nudge: airlock.Nudge{Request: "a"}})
	b := give(t.Context(), l, "b", news{nudge: airlock.Nudge{Request: "b"}})
	<-s.entered
	<-s.entered // both are at work
	s.proceed <- errors.New("one")
	s.proceed <- nil
	if got := []string{<-a, <-b}; !slices.Contains(got, " one") || !slices.Contains(got, "nudged <nil>") {
		t.Errorf("they became %q", got)
	}
}

func TestWhoeverWaitsHasADeadline(t *testing.T) {
	s := newSlow()
	l := &listener{service: s}
	first := give(t.Context(), l, "r", news{nudge: airlock.Nudge{Request: "r"}})
	<-s.entered
	leader := give(t.Context(), l, "r", news{nudge: airlock.Nudge{Request: "r"}})
	waiting(t, l, "r", 1)
	ctx, cancel := context.WithCancel(t.Context())
	impatient := give(ctx, l, "r", news{nudge: airlock.Nudge{Request: "r"}})
	waiting(t, l, "r", 2)
	cancel()
	if got := <-impatient; !strings.Contains(got, context.Canceled.Error()) {
		t.Errorf("it became %q", got)
	}
	s.proceed <- nil
	<-s.entered
	s.proceed <- nil
	if got := []string{<-first, <-leader}; got[0] != "nudged <nil>" || got[1] != "nudged <nil>" {
		t.Errorf("the others became %q", got)
	}
}

// TestAPanicEndsTheTurn: whoever waited for it is told, and the request can be worked on again.
func TestAPanicEndsTheTurn(t *testing.T) {
	turns := &turns{}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = turns.take(t.Context(), "r", news{}, func(context.Context, []news) ([]airlock.Heard, error) { panic("!") })
	}()
	heard, err := turns.take(t.Context(), "r", news{}, func(context.Context, []news) ([]airlock.Heard, error) { return []airlock.Heard{"well"}, nil })
	if heard != "well" || err != nil {
		t.Errorf("it became %q, %v", heard, err)
	}
	if heard, err := turns.take(t.Context(), "r", news{}, func(context.Context, []news) ([]airlock.Heard, error) { return nil, nil }); heard != "" || err == nil {
		t.Errorf("nothing became %q, %v", heard, err)
	}
}
