package funchost

import (
	"context"
	"maps"
	"sync"
	"time"
)

// FunctionStats counts the invocations of one function since the host started.
type FunctionStats struct {
	Invocations int // ended or running
	Failures    int
	Running     int
	Total       time.Duration // of those that have ended
	Longest     time.Duration
}

// stats guards the counters of all functions.
type stats struct {
	mu      sync.Mutex
	byName  map[string]FunctionStats
	running int
	idle    chan struct{} // closed when nothing runs; made anew when something starts
}

func (s *stats) init(functions []*function) {
	s.byName = map[string]FunctionStats{}
	for _, f := range functions {
		s.byName[f.name] = FunctionStats{}
	}
	s.idle = make(chan struct{})
	close(s.idle)
}

// begin counts an invocation and returns what counts its end.
func (s *stats) begin(name string) (end func(took time.Duration, failed bool)) {
	s.change(name, func(c *FunctionStats) { c.Invocations++; c.Running++ }, +1)
	return func(took time.Duration, failed bool) {
		s.change(name, func(c *FunctionStats) {
			c.Running--
			c.Total += took
			c.Longest = max(c.Longest, took)
			if failed {
				c.Failures++
			}
		}, -1)
	}
}

func (s *stats) change(name string, f func(*FunctionStats), running int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byName[name]
	f(&c)
	s.byName[name] = c
	before := s.running
	s.running += running
	switch {
	case before == 0:
		s.idle = make(chan struct{})
	case s.running == 0:
		close(s.idle)
	}
}

// awaitIdle waits until nothing runs or ctx ends.
func (s *stats) awaitIdle(ctx context.Context) {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// Stats returns the counters by function name.
func (h *Host) Stats() map[string]FunctionStats {
	h.stats.mu.Lock()
	defer h.stats.mu.Unlock()
	return maps.Clone(h.stats.byName)
}
