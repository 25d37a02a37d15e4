package main

import (
	"context"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var short, long strings.Builder
	if err := run(t.Context(), []string{"-seeds", "2"}, &short); err != nil || !strings.HasPrefix(short.String(), "2 runs, ") {
		t.Errorf("%v: %s", err, short.String())
	}
	if err := run(t.Context(), []string{"-seeds", "2", "-v"}, &long); err != nil || strings.Count(long.String(), "\n") < 2*strings.Count(short.String(), "\n") {
		t.Errorf("with -v: %v: %s", err, long.String())
	}
}

// TestStopped: what was not played was not found to be right.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if err := run(ctx, []string{"-seeds", "2"}, &out); err == nil || err.Error() != "stopped after 0 of 2 runs" {
		t.Errorf("%v: %s", err, out.String())
	}
}
