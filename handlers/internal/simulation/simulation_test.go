package simulation

import (
	"flag"
	"fmt"
	"runtime/debug"
	"slices"
	"testing"

	"airlock/statemachine"
)

var (
	seeds = flag.Int("seeds", 0, "how many runs; 0: as many as there is time for in a test")
	first = flag.Uint64("seed", 1, "the first seed")
)

// runs is how many seeds a test has time for: fewer where the race detector makes each take long.
func runs() int {
	info, _ := debug.ReadBuildInfo()
	switch {
	case *seeds > 0:
		return *seeds
	case info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}):
		return 300
	default:
		return 2000
	}
}

// TestSeeds plays many runs. It also proves that they mean something: everything that can go wrong does, and requests come
// to rest in every status in which they can; in many runs, every row of the state machine is used.
func TestSeeds(t *testing.T) {
	s := Campaign(t.Context(), *first, runs(), nil)
	for _, r := range s.Bad[:min(len(s.Bad), 10)] {
		t.Errorf("%s\nto see it: go run ./scripts/simulate -seed %d -seeds 1 -v", r, r.Seed)
	}
	if s.Runs < 200 {
		return
	}
	for _, k := range Kinds() {
		if s.Faults[k] == 0 {
			t.Errorf("%q never happened", k)
		}
	}
	for _, status := range []string{"draft", "in_review", "approved", "rejected", "blocked_by_scan", "cancelled", "failed", "revoked"} {
		if s.Ends[status] == 0 {
			t.Errorf("no request came to rest as %s", status)
		}
	}
	if s.Runs < 2000 {
		return
	}
	for _, row := range statemachine.Transitions() {
		if what := doing(string(row.From), string(row.Event)); s.Done[what] == 0 {
			t.Errorf("%q never happened", what)
		}
	}
	t.Log(s)
}

// TestASeedIsARun: the same seed gives the same run, step by step.
func TestASeedIsARun(t *testing.T) {
	for seed := range uint64(30) {
		var traces [2][]string
		for i := range traces {
			Run(seed, func(line string) { traces[i] = append(traces[i], line) })
		}
		if len(traces[0]) < 50 {
			t.Errorf("seed %d: only %d lines", seed, len(traces[0]))
		}
		if !slices.Equal(traces[0], traces[1]) {
			t.Errorf("seed %d gave two different runs", seed)
		}
	}
}

func TestSummarySaysWhatHappened(t *testing.T) {
	s := Summary{Runs: 2, Steps: 10, Faults: map[Kind]int{Crash: 3}, Ends: map[string]int{"draft": 1}, Done: map[string]int{"draft submit": 4},
		Bad: []Result{{Seed: 7, Violations: []string{"lost"}}}}
	want := "2 runs, 10 steps, 0.0 s\nfaults:\n       3  crash\nat rest:\n       1  draft\ndone:\n       4  draft submit\nviolations: 1\nseed 7: 1 violations\n  lost\n"
	if got := fmt.Sprint(s); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
