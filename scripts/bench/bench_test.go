package main

import "testing"

// TestQuantile: the nearest rank is the smallest sample that so many are not above.
func TestQuantile(t *testing.T) {
	samples := func(n int) (s []float64) {
		for i := range n {
			s = append(s, float64(n-i))
		}
		return s
	}
	for _, test := range []struct {
		n       int
		q, want float64
	}{{0, 0.5, 0}, {1, 0.5, 1}, {1, 0.95, 1}, {2, 0.5, 1}, {3, 0.5, 2}, {10, 0.5, 5}, {10, 0.95, 10}, {100, 0.5, 50}, {100, 0.95, 95}, {7, 0, 1}} {
		if got := quantile(samples(test.n), test.q); got != test.want {
			t.Errorf("%v of 1 to %d is %v, not %v", test.q, test.n, got, test.want)
		}
	}
}
