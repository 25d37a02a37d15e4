package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"airlock/scripts/localazure"
)

// bench measures a running local Azure, a new one for each part.
type bench struct {
	azure *localazure.Azure
	dist  string // the package that runs in it
	quick bool
	out   io.Writer // progress, for people who wait
	table table
}

// runs is how often something is measured: n times, or a few times where that has to do.
func (b *bench) runs(n int) int {
	if b.quick {
		return max(3, n/10)
	}
	return n
}

// say tells whoever waits what is going on.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.out, "bench: "+format+"\n", args...) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile is the value below which the part q of the samples lies, by the nearest rank.
func quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
