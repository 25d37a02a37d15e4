package simulation

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Summary is what became of many runs.
type Summary struct {
	Runs, Steps int
	Faults      map[Kind]int
	Ends        map[string]int // requests that came to rest, by status
	Done        map[string]int // what was done in which status
	Bad         []Result       // runs with violations, by seed
	Took        time.Duration
}

// Campaign plays n runs with consecutive seeds, as many at once as there are processors, until ctx ends. trace is as for
// Run; with it one runs after the other.
func Campaign(ctx context.Context, first uint64, n int, trace func(string)) Summary {
	began := time.Now()
	workers := runtime.GOMAXPROCS(0)
	if trace != nil {
		workers = 1
	}
	s := Summary{Faults: map[Kind]int{}, Ends: map[string]int{}, Done: map[string]int{}}
	var mu sync.Mutex
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			stacks := &stacks{}
			defer stacks.close()
			for i := worker; i < n && ctx.Err() == nil; i += workers {
				r := run(first+uint64(i), trace, stacks, nil)
				mu.Lock()
				s.add(r)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.SortFunc(s.Bad, func(a, b Result) int {
		if a.Seed < b.Seed {
			return -1
		}
		return 1
	})
	s.Took = time.Since(began)
	return s
}

func (s *Summary) add(r Result) {
	s.Runs++
	s.Steps += r.Steps
	for k, n := range r.Faults {
		s.Faults[k] += n
	}
	for k, n := range r.Ends {
		s.Ends[k] += n
	}
	for k, n := range r.Done {
		s.Done[k] += n
	}
	if len(r.Violations) > 0 {
		s.Bad = append(s.Bad, r)
	}
}

// String is what the command prints.
func (s Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d runs, %d steps, %.1f s", s.Runs, s.Steps, s.Took.Seconds())
	if s.Took > 0 {
		fmt.Fprintf(&b, ", %.0f runs/s", float64(s.Runs)/s.Took.Seconds())
	}
	b.WriteString("\nfaults:\n")
	for _, k := range Kinds() {
		if s.Faults[k] > 0 {
			fmt.Fprintf(&b, "%8d  %s\n", s.Faults[k], k)
		}
	}
	b.WriteString("at rest:\n")
	for _, status := range slices.Sorted(maps.Keys(s.Ends)) {
		fmt.Fprintf(&b, "%8d  %s\n", s.Ends[status], status)
	}
	b.WriteString("done:\n")
	for _, what := range slices.Sorted(maps.Keys(s.Done)) {
		fmt.Fprintf(&b, "%8d  %s\n", s.Done[what], what)
	}
	violations := 0
	for _, r := range s.Bad {
		violations += len(r.Violations)
	}
	fmt.Fprintf(&b, "violations: %d\n", violations)
	for _, r := range s.Bad[:min(len(s.Bad), 20)] {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}
