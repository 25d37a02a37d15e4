package main

import (
	"context"
	"io"
	"maps"
	"strings"
	"testing"

	"airlock/scripts/localazure"
)

// TestSettingsAreTaken: values may hold anything, and the demo's own come on top.
func TestSettingsAreTaken(t *testing.T) {
	given := settings{}
	for _, s := range []string{"A=1", "B=x=y", "C=", "A=2"} {
		if err := given.add(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if want := (settings{"A": "2", "B": "x=y", "C": ""}); !maps.Equal(given, want) {
		t.Errorf("got %v, want %v", given, want)
	}
	o := localazure.Options{Settings: given}
	if deadline, err := forDemo(&o, ""); err != nil || o.Settings["A"] != "2" || o.Settings["AIRLOCK_SCAN_DEADLINE"] != deadline.String() {
		t.Errorf("for the demo: %v, %v", o.Settings, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel() // so that nothing starts where one is taken
	for _, s := range []string{"A", "=1", ""} {
		if err := run(ended, []string{"-set", s}, io.Discard); err == nil || !strings.Contains(err.Error(), "NAME=VALUE") {
			t.Errorf("-set %q: %v", s, err)
		}
	}
}
