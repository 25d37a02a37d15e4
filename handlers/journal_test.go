package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/api"
	"airlock/handlers/internal/customhandler"
)

// written is every kind of line that the program writes, by its message, with the fields that it has.
func written(t *testing.T) map[string]map[string]any {
	t.Helper()
	var out bytes.Buffer
	j := newJournal(&out, "info", time.Now)
	failure := errors.New("x")
	j.problem(t.Context(), failure)
	for _, alarm := range []error{airlock.ErrBroken, airlock.ErrDigest} { // the same line with one field more
		j.problem(t.Context(), fmt.Errorf("x: %w", alarm))
	}
	j.invocation(customhandler.Report{Err: failure, Logs: []string{"x"}})
	j.request(t.Context(), api.Entry{Err: failure})
	for _, what := range airlock.Observations() {
		j.observed(t.Context(), airlock.Observation{What: what, Took: 1500 * time.Millisecond, Task: "move", Swept: airlock.Swept{Late: time.Minute}})
	}
	lines := map[string]map[string]any{}
	for line := range strings.Lines(out.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines[fields["message"].(string)] = fields
	}
	return lines
}

// TestAlertsMatchTheLog holds what alerts and playbooks look for against the lines that are really written: each message, and
// each field of it.
func TestAlertsMatchTheLog(t *testing.T) {
	lines := written(t)
	files, err := filepath.Glob("../infra/playbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	message := regexp.MustCompile(`line\.message (?:== "([^"]+)"|in \(([^)]*)\))`)
	field := regexp.MustCompile(`line\.([a-z_]+)`)
	asked := map[string]bool{}
	for _, file := range append(files, "../infra/modules/alerts.bicep") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range message.FindAllStringSubmatch(string(text), -1) {
			for _, name := range strings.Split(m[1]+m[2], ", ") {
				name = strings.Trim(name, `"`)
				if asked[name] = true; lines[name] == nil {
					t.Errorf("%s looks for %q, which nothing writes", file, name)
				}
			}
		}
		for _, m := range field.FindAllStringSubmatch(string(text), -1) {
			has := false
			for _, fields := range lines {
				_, ok := fields[m[1]]
				has = has || ok
			}
			if !has {
				t.Errorf("%s looks for the field %q, which no line has", file, m[1])
			}
		}
	}
	for _, what := range airlock.Observations() {
		if !asked[string(what)] {
			t.Errorf("nobody looks for %q", what)
		}
	}
}

func TestFiguresInTheLog(t *testing.T) {
	lines := written(t)
	sweep := lines[string(airlock.ObservedSweep)]
	if sweep["oldest_s"] != 60.0 || sweep["seconds"] != 1.5 || sweep["level"] != "info" {
		t.Errorf("%v", sweep)
	}
	failed := lines[string(airlock.ObservedFail)]
	if keys := []any{failed["task"], failed["seconds"]}; !slices.Equal(keys, []any{"move", 1.5}) {
		t.Errorf("%v", failed)
	}
}
