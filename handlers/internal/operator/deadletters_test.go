package operator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/operator"
)

// graveyard holds dead letters in memory.
type graveyard struct {
	letters  map[string][]airlock.DeadLetter
	missing  string // a queue that is not there
	sick     error  // of the one with the number 2, when it is replayed
	replayed []int64
	immortal bool // what is replayed is given up on again, at once
}

func (g *graveyard) Queues() []string { return []string{"nudges", "events", "notices/mail"} }

func (g *graveyard) List(_ context.Context, queue string) iter.Seq2[airlock.DeadLetter, error] {
	return func(yield func(airlock.DeadLetter, error) bool) {
		if queue == g.missing {
			yield(airlock.DeadLetter{}, airlock.ErrNotFound)
			return
		}
		for _, l := range slices.Clone(g.letters[queue]) {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func (g *graveyard) Replay(_ context.Context, queue string, numbers []int64) iter.Seq2[airlock.DeadLetter, error] {
	return func(yield func(airlock.DeadLetter, error) bool) {
		for _, n := range numbers {
			i := slices.IndexFunc(g.letters[queue], func(l airlock.DeadLetter) bool { return l.Number == n })
			l := g.letters[queue][i]
			if n == 2 && g.sick != nil {
				if !yield(l, g.sick) {
					return
				}
				continue
			}
			g.replayed = append(g.replayed, n)
			g.letters[queue] = slices.Delete(g.letters[queue], i, i+1)
			if again := l; g.immortal {
				again.Number += 1000
				g.letters[queue] = append(g.letters[queue], again)
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

func letter(queue string, n int64) airlock.DeadLetter {
	return airlock.DeadLetter{
		Queue: queue, Number: n, ID: fmt.Sprintf("id-%d", n), SentAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Deliveries: 10, Bytes: 7,
		Reason: "MaxDeliveryCountExceeded", Description: `it says "no"`,
	}
}

func TestDeadLetters(t *testing.T) {
	some := func() *graveyard {
		return &graveyard{letters: map[string][]airlock.DeadLetter{
			"nudges": {letter("nudges", 1), letter("nudges", 2)}, "notices/mail": {letter("notices/mail", 3)},
		}}
	}
	for _, test := range []struct {
		args     string
		yard     *graveyard
		code     int
		shown    []int64
		replayed []int64
		queues   int
		problem  string
	}{
		{args: "list", yard: &graveyard{}, queues: 3},
		{args: "list", yard: some(), code: operator.Found, shown: []int64{1, 2, 3}, queues: 3},
		{args: "list -queue notices/mail", yard: some(), code: operator.Found, shown: []int64{3}, queues: 1},
		{args: "list -id id-2", yard: some(), code: operator.Found, shown: []int64{2}, queues: 3},
		{args: "list", yard: &graveyard{missing: "events"}, queues: 2},
		{args: "list -queue events", yard: &graveyard{missing: "events"}, code: operator.Unclear, queues: 1, problem: "not found"},
		{args: "replay -all", yard: some(), shown: []int64{1, 2, 3}, replayed: []int64{1, 2, 3}, queues: 3},
		{args: "replay -all -queue nudges", yard: some(), shown: []int64{1, 2}, replayed: []int64{1, 2}, queues: 1},
		{args: "replay -id id-3", yard: some(), shown: []int64{3}, replayed: []int64{3}, queues: 3},
		{args: "replay -id nobody", yard: some(), queues: 3},
		{args: "replay -all", yard: &graveyard{missing: "nudges"}, queues: 2},
		{args: "replay -all", yard: func() *graveyard { g := some(); g.sick = errors.New("it is sick"); return g }(), code: operator.Unclear,
			shown: []int64{1, 3}, replayed: []int64{1, 3}, queues: 3, problem: "it is sick"},
		{args: "replay -all", yard: func() *graveyard { g := some(); g.immortal = true; return g }(),
			shown: []int64{1, 2, 3}, replayed: []int64{1, 2, 3}, queues: 3},
	} {
		t.Run(test.args, func(t *testing.T) {
			run := func(more ...string) (int, string, string) {
				var out, problems bytes.Buffer
				args := append([]string{"deadletters"}, strings.Fields(test.args)...)
				code := operator.Run(t.Context(), append(args, more...), func() (operator.Tools, error) {
					return operator.Tools{DeadLetters: test.yard}, nil
				}, &out, &problems)
				return code, out.String(), problems.String()
			}
			code, out, problems := run("-json")
			var got struct {
				DeadLetters *[]airlock.DeadLetter `json:"deadLetters"`
				Count       int                   `json:"count"`
				Queues      int                   `json:"queues"`
				Problems    *[]string             `json:"problems"`
			}
			if err := json.Unmarshal([]byte(out), &got); err != nil || got.DeadLetters == nil || got.Problems == nil {
				t.Fatalf("%v: %s%s", err, out, problems)
			}
			var shown []int64
			for _, l := range *got.DeadLetters {
				if shown = append(shown, l.Number); l != letter(l.Queue, l.Number) {
					t.Errorf("shown as %+v", l)
				}
			}
			if code != test.code || !slices.Equal(shown, test.shown) || got.Count != len(shown) || got.Queues != test.queues ||
				!slices.Equal(test.yard.replayed, test.replayed) || (len(*got.Problems) > 0) != (test.problem != "") || !strings.Contains(out, test.problem) {
				t.Errorf("exit code %d, replayed %v: %s%s", code, test.yard.replayed, out, problems)
			}
			if strings.HasPrefix(test.args, "list") {
				again, text, _ := run()
				if again != code || strings.Count(text, "dead: ") != len(test.shown) || !strings.Contains(text, fmt.Sprintf("list: %d in %d queues", len(test.shown), test.queues)) {
					t.Errorf("as text: exit code %d, %s", again, text)
				}
			}
		})
	}
}

func TestDeadLettersThatAreNotUnderstood(t *testing.T) {
	for _, args := range []string{"", "bury", "list more", "list -all", "replay", "replay -all -id x", "list -queue nowhere", "-all replay"} {
		var out, problems bytes.Buffer
		g := &graveyard{letters: map[string][]airlock.DeadLetter{"nudges": {letter("nudges", 1)}}}
		code := operator.Run(t.Context(), append([]string{"deadletters"}, strings.Fields(args)...), func() (operator.Tools, error) {
			return operator.Tools{DeadLetters: g}, nil
		}, &out, &problems)
		if args == "-all replay" { // flags may stand first
			if code != operator.Well || len(g.replayed) != 1 {
				t.Errorf("%q: exit code %d, %s%s", args, code, out.String(), problems.String())
			}
		} else if code != operator.Unclear || problems.Len() == 0 || out.Len() > 0 || len(g.replayed) > 0 {
			t.Errorf("%q: exit code %d, %s%s", args, code, out.String(), problems.String())
		}
	}
}

// unwritable is an output that is full.
type unwritable struct{}

func (unwritable) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestAReplayThatCannotBeToldStops(t *testing.T) {
	g := &graveyard{letters: map[string][]airlock.DeadLetter{"nudges": {letter("nudges", 1), letter("nudges", 2)}}}
	var problems bytes.Buffer
	code := operator.Run(t.Context(), []string{"deadletters", "replay", "-all"}, func() (operator.Tools, error) {
		return operator.Tools{DeadLetters: g}, nil
	}, unwritable{}, &problems)
	if code != operator.Unclear || len(g.replayed) > 1 || !strings.Contains(problems.String(), "no room") {
		t.Errorf("exit code %d, replayed %v, %s", code, g.replayed, problems.String())
	}
}
