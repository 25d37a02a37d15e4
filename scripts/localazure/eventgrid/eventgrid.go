// Package eventgrid is a local Event Grid: publishers hand it events, subscribers get them by webhook.
//
// It keeps the service's promise and no more: every event reaches every matching subscription at least once,
// in no particular order, as an array of one event, and is retried on the service's schedule until the
// subscriber answers 200 to 204, the event is too old, or it was tried too often; then it is a dead letter.
// On request it is worse than the service (see Faults), reproducibly when the random source is seeded.
//
// It keeps everything in memory and never writes an endpoint's address to a log, an error or a dead letter,
// because the address holds the subscriber's key.
package eventgrid

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Defaults of the service. Azure: Event Grid message delivery and retry.
const (
	defaultMaxAttempts     = 30
	defaultTimeToLive      = 24 * time.Hour
	defaultResponseTimeout = 30 * time.Second
)

// ErrClosed is returned once the grid has been closed.
var ErrClosed = errors.New("event grid is closed")

// Options configure a Grid. The zero value behaves like the service with no faults.
type Options struct {
	// Faults to start with; see SetFaults.
	Faults Faults
	// Rand decides the faults. Nil means a source seeded at random. The grid guards it with its own lock.
	Rand *rand.Rand
	// RetryScale multiplies every wait of the retry schedule (10 s, 30 s, 1 min, …). Zero means 1.
	RetryScale float64
	// MaxDeliveryAttempts before an event becomes a dead letter. Zero means 30.
	MaxDeliveryAttempts int
	// TimeToLive of an event, from its publication. Zero means 24 hours. RetryScale does not change it.
	TimeToLive time.Duration
	// ResponseTimeout is how long a subscriber may take to answer. Zero means 30 seconds.
	ResponseTimeout time.Duration
	// Transport carries the deliveries. Nil means a transport of the grid's own, without a proxy.
	Transport http.RoundTripper
	// Now is the clock for time stamps and for TimeToLive. Nil means time.Now.
	Now func() time.Time
	// Log receives one line per attempt that failed and per event given up.
	Log zerolog.Logger
}

// Stats counts what the grid has done. Published counts events, the others count deliveries:
// one event for two subscriptions is two deliveries, and a doubled one is one more.
type Stats struct {
	Published    int
	Delivered    int
	Retried      int
	DeadLettered int
	Dropped      int // by Faults.Drop
	Doubled      int // by Faults.Double
	Reordered    int // by Faults.Reorder
}

// Grid accepts events and delivers them. Its methods may be called at the same time from many goroutines.
type Grid struct {
	opts   Options
	client *http.Client
	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu          sync.Mutex
	closed      bool
	faults      Faults
	subs        []*subscription
	dead        []DeadLetter
	stats       Stats
	outstanding int           // deliveries neither done nor given up
	quiet       chan struct{} // closed when outstanding falls to zero
}

// New starts a grid. The caller must Close it.
func New(opts Options) (*Grid, error) {
	if err := opts.Faults.validate(); err != nil {
		return nil, fmt.Errorf("start event grid: %w", err)
	}
	if opts.RetryScale < 0 || opts.MaxDeliveryAttempts < 0 || opts.TimeToLive < 0 || opts.ResponseTimeout < 0 {
		return nil, errors.New("start event grid: a negative scale, count or duration in the options")
	}
	if opts.Rand == nil {
		opts.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if opts.RetryScale == 0 {
		opts.RetryScale = 1
	}
	if opts.MaxDeliveryAttempts == 0 {
		opts.MaxDeliveryAttempts = defaultMaxAttempts
	}
	if opts.TimeToLive == 0 {
		opts.TimeToLive = defaultTimeToLive
	}
	if opts.ResponseTimeout == 0 {
		opts.ResponseTimeout = defaultResponseTimeout
	}
	if opts.Transport == nil {
		opts.Transport = &http.Transport{MaxIdleConnsPerHost: defaultConcurrency}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Grid{
		opts:   opts,
		faults: opts.Faults,
		client: &http.Client{
			Transport: opts.Transport,
			// A redirect is an answer outside 200 to 204, hence a failure.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		ctx:    ctx,
		cancel: cancel,
		quiet:  make(chan struct{}),
	}, nil
}

// SetFaults changes the faults for events published from now on.
func (g *Grid) SetFaults(f Faults) error {
	if err := f.validate(); err != nil {
		return fmt.Errorf("set faults: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = f
	return nil
}

// Publish accepts events and returns without waiting for their delivery.
// Either all of them are accepted or, with an error, none.
func (g *Grid) Publish(events ...Event) error {
	for _, e := range events {
		if err := e.validate(); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return fmt.Errorf("publish: %w", ErrClosed)
	}
	for _, e := range events {
		if e.MetadataVersion == "" {
			e.MetadataVersion = "1"
		}
		e.EventTime = e.EventTime.UTC()
		g.stats.Published++
		for _, s := range g.subs {
			if s.matches(e) {
				g.admit(s, e)
			}
		}
	}
	return nil
}

// admit applies the faults to one event for one subscription. g.mu is held.
func (g *Grid) admit(s *subscription, e Event) {
	fate := g.faults.draw(g.opts.Rand)
	if fate.drop {
		g.stats.Dropped++
		return
	}
	g.stats.Doubled += len(fate.delays) - 1
	if fate.reorder {
		g.stats.Reordered++
	}
	for _, delay := range fate.delays {
		d := &delivery{sub: s, event: e, seq: g.stats.Published, published: g.opts.Now()}
		g.outstanding++
		switch {
		case fate.reorder:
			s.held = append(s.held, d)
			g.after(delay+g.faults.hold(), func() { g.release(s, d) })
		case delay > 0:
			g.after(delay, func() { g.enqueue(d) })
		default:
			s.queue = append(s.queue, d)
		}
	}
	g.dispatch(s)
}

// Idle waits until nothing is being delivered, delayed, held back or waiting for a retry.
func (g *Grid) Idle(ctx context.Context) error {
	for {
		g.mu.Lock()
		outstanding, quiet := g.outstanding, g.quiet
		g.mu.Unlock()
		if outstanding == 0 {
			return nil
		}
		select {
		case <-quiet:
		case <-g.ctx.Done():
			return fmt.Errorf("wait for event grid to be idle: %w", ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("wait for event grid to be idle: %d deliveries outstanding: %w", outstanding, ctx.Err())
		}
	}
}

// DeadLetters returns the events that were given up so far, oldest first.
func (g *Grid) DeadLetters() []DeadLetter {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.dead)
}

// Stats returns the counters.
func (g *Grid) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stats
}

// Close ends every delivery and waits for their goroutines. Events not yet delivered are lost.
func (g *Grid) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	g.wg.Wait()
	g.client.CloseIdleConnections()
}

// after runs f once d has passed, unless the grid is closed before. g.mu is held.
func (g *Grid) after(d time.Duration, f func()) {
	g.wg.Go(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-g.ctx.Done():
		case <-timer.C:
			f()
		}
	})
}
