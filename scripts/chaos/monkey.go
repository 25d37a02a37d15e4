package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/defender"
	"airlock/scripts/localazure/eventgrid"
)

// part is something that the monkey ends.
type part string

const (
	handler part = "handler killed"
	bus     part = "Service Bus killed"
	store   part = "storage stopped"
)

func parts() []part { return []part{handler, bus, store} }

// The longest that a part stays away, and how long starting it again may take.
const (
	longestOutage = 4 * time.Second
	startTime     = time.Minute
)

// monkey breaks things, and mends them after a while. What it does and in which order comes from its seed; when, from how
// far the people are.
type monkey struct {
	azure  *localazure.Azure
	chance *rand.Rand
	kills  int // how many there will be

	outages sync.WaitGroup

	mu       sync.Mutex
	away     map[part]bool
	done     map[part]int
	last     string
	weathers int
	errs     []error
}

func newMonkey(azure *localazure.Azure, seed uint64, kills int) *monkey {
	return &monkey{azure: azure, chance: rand.New(rand.NewPCG(seed, 1<<32)), kills: kills, away: map[part]bool{}, done: map[part]int{}}
}

// run strikes evenly over the play: progress tells how far it is, from 0 to 1. It returns when it has struck as often as
// it should, with everything back that it has ended.
func (m *monkey) run(ctx context.Context, progress func() float64) {
	for strike := 0; strike < m.kills && ctx.Err() == nil; strike++ {
		due := (float64(strike) + m.chance.Float64()) / float64(m.kills+1)
		for progress() < due && ctx.Err() == nil {
			wait(ctx, 20*time.Millisecond)
		}
		wait(ctx, time.Duration(m.chance.Int64N(int64(400*time.Millisecond))))
		m.strike(ctx)
	}
	m.outages.Wait()
}

// strike ends one part that runs: mostly the handler, which the host starts again at once.
func (m *monkey) strike(ctx context.Context) {
	p, outage := handler, time.Duration(m.chance.Int64N(int64(longestOutage)))
	switch n := m.chance.IntN(10); {
	case n < 2:
		p = bus
	case n < 4:
		p = store
	}
	if m.isAway(p) {
		p = handler
	}
	m.note(p)
	switch p {
	case bus:
		m.azure.Bus.Kill()
		m.outage(ctx, bus, outage, m.azure.Bus.Restart)
	case store:
		if err := m.azure.Storage.StopAzurite(); err != nil {
			m.wrong(fmt.Errorf("stop the storage: %w", err))
		}
		m.outage(ctx, store, outage, m.azure.Storage.StartAzurite)
	default:
		m.azure.Host.Kill()
	}
}

// outage starts a part again after a while. Meanwhile other things go on breaking.
func (m *monkey) outage(ctx context.Context, p part, length time.Duration, start func(context.Context) error) {
	m.mu.Lock()
	m.away[p] = true
	m.mu.Unlock()
	m.outages.Go(func() {
		wait(ctx, length)
		starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTime)
		defer cancel()
		if err := start(starting); err != nil {
			m.wrong(fmt.Errorf("start again after %q: %w", p, err))
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.away[p] = false
	})
}

func (m *monkey) isAway(p part) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.away[p]
}

func (m *monkey) note(p part) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done[p]++
	m.last = string(p)
}

// wrong keeps what the monkey itself could not do: the play is worth nothing then.
func (m *monkey) wrong(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.errs = append(m.errs, err)
}

// tally returns how often each part was ended, how often the weather changed, and what happened last.
func (m *monkey) tally() (done map[part]int, total, weathers int, last string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	done = map[part]int{}
	for p, n := range m.done {
		done[p] = n
		total += n
	}
	return done, total, m.weathers, m.last
}

func (m *monkey) err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.errs...)
}

// weather changes how events are delivered and how the scanner works, every few seconds until ctx ends; then both are as
// they should be.
func (m *monkey) weather(ctx context.Context, seed uint64) {
	chance := rand.New(rand.NewPCG(seed, 2<<32))
	defer m.fair()
	for ctx.Err() == nil {
		if err := m.azure.Grid.SetFaults(delivery(chance)); err != nil {
			m.wrong(fmt.Errorf("set the faults of Event Grid: %w", err))
			return
		}
		m.azure.Defender.Behave(scanner(chance))
		m.mu.Lock()
		m.weathers++
		m.mu.Unlock()
		wait(ctx, time.Second+time.Duration(chance.Int64N(int64(5*time.Second))))
	}
}

// fair ends all bad weather.
func (m *monkey) fair() {
	if err := m.azure.Grid.SetFaults(eventgrid.Faults{}); err != nil {
		m.wrong(fmt.Errorf("set the faults of Event Grid: %w", err))
	}
	m.azure.Defender.Behave(defender.Behavior{})
}

func delivery(chance *rand.Rand) eventgrid.Faults {
	if chance.IntN(4) == 0 {
		return eventgrid.Faults{}
	}
	return eventgrid.Faults{
		Drop: chance.Float64() * 0.5, Double: chance.Float64() * 0.6, Reorder: chance.Float64() * 0.6,
		ReorderHold: 3 * time.Second, DelayMax: time.Duration(chance.Int64N(int64(3 * time.Second))),
	}
}

func scanner(chance *rand.Rand) defender.Behavior {
	switch chance.IntN(16) {
	case 0, 1, 2:
		return defender.Behavior{Delay: time.Duration(chance.Int64N(int64(5 * time.Second)))}
	case 3:
		return defender.Behavior{Silent: true}
	case 4:
		return defender.Behavior{NotScanned: defender.CodeDelayed}
	case 5:
		return defender.Behavior{NoTags: true}
	case 6:
		return defender.Behavior{NoEvent: true}
	default:
		return defender.Behavior{}
	}
}
