package simulation

import "testing"

// BenchmarkRun is the cost of a run: each is of another seed, always the same ones in the same order.
func BenchmarkRun(b *testing.B) {
	stacks := &stacks{}
	defer stacks.close()
	b.ReportAllocs()
	seed := uint64(0)
	for b.Loop() {
		seed++
		if r := run(seed, nil, stacks, nil); len(r.Violations) > 0 {
			b.Fatal(r)
		}
	}
}
