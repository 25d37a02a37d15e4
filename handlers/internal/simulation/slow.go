package simulation

import (
	"context"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
)

// late is a write that was given up, and is done all the same: it was on its way.
type late struct {
	until time.Time // not later than then
	do    func()
}

// onTheWay is how long a write can be on its way.
const onTheWay = 2 * time.Minute

// givesUp decides whether the next write is given up, and done later. Whoever is past their deadline writes nothing.
func (w *world) givesUp() bool {
	return w.current != nil && !w.current.on.dead && w.now.Sub(w.current.started) <= deadline && w.chance(w.mood.late)
}

// later keeps a write that was given up. The error is for whoever gave it up.
func (w *world) later(do func()) error {
	w.count(DoneLater)
	w.trace("%s: %s: the next write is given up, and done later", w.current.on.name, w.current.name())
	w.late = append(w.late, late{w.now.Add(onTheWay), do})
	return errSimulated
}

// doLate does what was given up first, or any.
func (w *world) doLate() {
	i := w.random.IntN(len(w.late))
	do := w.late[i].do
	w.late = append(w.late[:i], w.late[i+1:]...)
	w.trace("a write that was given up is done")
	do()
}

// slowStore is a store whose writes can be late.
type slowStore struct {
	*memstore.Store
	w *world
}

// Commit implements airlock.Store.
func (s slowStore) Commit(ctx context.Context, c airlock.Commit) (airlock.Request, error) {
	s.w.noteSubmitted(c)
	if s.w.givesUp() {
		late := c
		return airlock.Request{}, s.w.later(func() { _, _ = s.Store.Commit(context.Background(), late) })
	}
	return s.Store.Commit(ctx, c)
}

// Forget implements airlock.Store.
func (s slowStore) Forget(ctx context.Context, r airlock.Request) error {
	s.w.keep(r)
	if s.w.givesUp() {
		return s.w.later(func() { _ = s.Store.Forget(context.Background(), r) })
	}
	return s.Store.Forget(ctx, r)
}

// slowZones is a storage whose writes can be late.
type slowZones struct {
	*memzone.Zones
	w *world
}

// Open implements airlock.Zones.
func (s slowZones) Open(ctx context.Context, p airlock.Place) (bool, error) {
	if s.w.givesUp() {
		return false, s.w.later(func() { _, _ = s.Zones.Open(context.Background(), p) })
	}
	return s.Zones.Open(ctx, p)
}

// Copy implements airlock.Zones.
func (s slowZones) Copy(ctx context.Context, c airlock.Copy) error {
	if s.w.givesUp() {
		return s.w.later(func() { _ = s.Zones.Copy(context.Background(), c) })
	}
	return s.Zones.Copy(ctx, c)
}

// Erase implements airlock.Zones.
func (s slowZones) Erase(ctx context.Context, p airlock.Place) error {
	if s.w.givesUp() {
		return s.w.later(func() { _ = s.Zones.Erase(context.Background(), p) })
	}
	return s.Zones.Erase(ctx, p)
}
