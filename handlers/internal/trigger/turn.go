package trigger

import (
	"context"
	"fmt"
	"sync"

	"airlock/handlers/internal/airlock"
)

// turns let one invocation at a time work on a request. Whoever comes while one is at work waits, and all who wait are served
// by one turn: the events of a thousand files are a few looks, and not a thousand that race each other. It is no lock: other
// instances know nothing of it, and whatever is stored is conditional all the same.
type turns struct {
	mu   sync.Mutex
	last map[string]*turn // by request: the turn that takes more, or the one that is at work
}

// turn is what one invocation does for all that wait for it.
type turn struct {
	items  []news
	heard  []airlock.Heard
	err    error // for those of whom nothing was heard
	closed bool  // it is at work, and takes nothing more
	ended  chan struct{}
}

// news is why a request is to be looked at: a nudge, a blob that was written somewhere, or a verdict.
type news struct {
	nudge  airlock.Nudge
	place  airlock.Place // of a blob that was written
	report airlock.ScanReport
}

// work handles everything that has come together, and says what became of each.
type work func(ctx context.Context, items []news) ([]airlock.Heard, error)

// take hands in an item that concerns the request, and returns what became of it.
func (t *turns) take(ctx context.Context, request string, item news, do work) (airlock.Heard, error) {
	t.mu.Lock()
	if t.last == nil {
		t.last = map[string]*turn{}
	}
	before := t.last[request]
	mine, leads := before, before == nil || before.closed
	if leads {
		mine = &turn{ended: make(chan struct{})}
		t.last[request] = mine
	}
	at := len(mine.items)
	mine.items = append(mine.items, item)
	t.mu.Unlock()
	if leads {
		t.lead(ctx, request, mine, before, do)
	}
	select {
	case <-mine.ended:
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for request %s: %w", request, context.Cause(ctx))
	}
	switch {
	case at < len(mine.heard) && mine.heard[at] != "":
		return mine.heard[at], nil
	case mine.err != nil:
		return "", mine.err
	default:
		return "", fmt.Errorf("request %s: whoever looked at it was cut off", request)
	}
}

// lead waits for the turn before, and then does what has come together meanwhile.
func (t *turns) lead(ctx context.Context, request string, mine, before *turn, do work) {
	if before != nil {
		<-before.ended // it has a deadline
	}
	t.mu.Lock()
	mine.closed = true
	t.mu.Unlock()
	defer func() { // also when the work panics
		t.mu.Lock()
		if t.last[request] == mine {
			delete(t.last, request)
		}
		t.mu.Unlock()
		close(mine.ended)
	}()
	mine.heard, mine.err = do(ctx, mine.items)
}
