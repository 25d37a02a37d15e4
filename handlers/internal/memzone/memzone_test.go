package memzone_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
	"airlock/handlers/internal/zonetest"
)

var _ airlock.Zones = (*memzone.Zones)(nil)

// clock is a clock that moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestContract(t *testing.T) {
	for name, o := range map[string]memzone.Options{
		"quick": {},
		"slow":  {CopyTime: 90 * time.Second, BusyTime: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			zonetest.Run(t, func(t *testing.T) zonetest.Fixture {
				c := newClock()
				o.Now = c.Now
				z := memzone.New(o)
				return zonetest.Fixture{
					Zones: z, Accounts: [2]string{"stalimextre", "stalimiptre"}, Client: z.Client(), Now: c.Now,
					Pass: func() { c.Advance(10 * time.Second) }, Busy: o.BusyTime > 0,
					Tag: func(_ context.Context, p airlock.Place, name string, result airlock.ScanResult) error {
						return z.Tag(p, name, result)
					},
				}
			})
		})
	}
}

func TestArchive(t *testing.T) {
	zonetest.RunArchive(t, func(*testing.T) airlock.Archive { return &memzone.Archive{} })
}
