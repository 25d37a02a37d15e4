package storage

import (
	"sync"
	"time"
)

// tombstones remembers the names of deleted containers for a while. Azure ("Delete Container"): for at least 30 seconds a
// container of the same name cannot be created, which is refused with 409 ContainerBeingDeleted; everything else in it is
// 404.
type tombstones struct {
	lifetime time.Duration // 0: names are free at once
	now      func() time.Time

	mu    sync.Mutex
	until map[string]time.Time // key: account/container
}

func newTombstones(lifetime time.Duration, now func() time.Time) *tombstones {
	return &tombstones{lifetime: lifetime, now: now, until: map[string]time.Time{}}
}

func (t *tombstones) add(account, container string) {
	if t.lifetime == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for name, until := range t.until {
		if !now.Before(until) {
			delete(t.until, name)
		}
	}
	t.until[account+"/"+container] = now.Add(t.lifetime)
}

func (t *tombstones) has(account, container string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now().Before(t.until[account+"/"+container])
}
