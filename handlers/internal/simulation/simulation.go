// Package simulation plays lives of the airlock in memory in which everything goes wrong that can, and checks that nothing
// is lost and nothing stands still.
//
// A run is a function of its seed: one random source, a clock that only the run moves, and a scheduler that switches
// between invocations at any call to a port. People act, also where they may not; messages and events are late, doubled,
// out of order or gone; the scanner is slow, silent or contradicts itself; files change under the seal; calls fail, or are
// done and say that they failed; processes die between any two calls. Then everything heals, time passes, and what is left
// is held against airlock.Checker and against a second opinion on who may do what.
//
// It promises that the same seed gives the same run, step by step. A run never reads the real clock, never starts a goroutine
// that runs beside it, and shares nothing with another one at the same time.
package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
)

// Kind is a kind of thing that goes wrong.
type Kind string

// The kinds.
const (
	CallFailed    Kind = "call failed"
	ReplyLost     Kind = "reply lost"
	DoneLater     Kind = "done after it failed"
	Crash         Kind = "crash"
	TimedOut      Kind = "call after the deadline"
	TopicDown     Kind = "topic down"
	NudgeLost     Kind = "nudge lost"
	NudgeTwice    Kind = "nudge doubled"
	EventLost     Kind = "event lost"
	EventTwice    Kind = "event doubled"
	OutOfOrder    Kind = "out of order"
	CopyBroken    Kind = "copy broken"
	ScanSilent    Kind = "scanner silent"
	ScanSlow      Kind = "scanner slow"
	ScanNot       Kind = "not scanned"
	ScanContrary  Kind = "scanner contradicts itself"
	ScanForged    Kind = "scan event forged"
	FileMeddled   Kind = "file meddled with"
	SettingsMoved Kind = "settings changed"
	Illegal       Kind = "illegal attempt"
	Switch        Kind = "switch between invocations"
)

// Kinds returns all kinds, in order.
func Kinds() []Kind {
	return []Kind{CallFailed, ReplyLost, DoneLater, Crash, TimedOut, TopicDown, NudgeLost, NudgeTwice, EventLost, EventTwice, OutOfOrder, CopyBroken, ScanSilent,
		ScanSlow, ScanNot, ScanContrary, ScanForged, FileMeddled, SettingsMoved, Illegal, Switch}
}

// Result is what became of a run.
type Result struct {
	Seed       uint64
	Steps      int // things that happened
	Faults     map[Kind]int
	Ends       map[string]int // how many requests came to rest in each status, before people go on with them
	Done       map[string]int // how often each thing was done in each status, as records tell: "draft submit"
	Violations []string
}

// String names the seed and what is wrong with it.
func (r Result) String() string {
	text := fmt.Sprintf("seed %d: %d violations", r.Seed, len(r.Violations))
	for _, v := range r.Violations {
		text += "\n  " + v
	}
	return text
}

// The length of a run.
const (
	minStimuli = 40
	maxStimuli = 140
)

// Run plays one run. trace is given every step as a line of text; it may be nil.
func Run(seed uint64, trace func(string)) Result {
	stacks := &stacks{}
	defer stacks.close()
	return run(seed, trace, stacks, nil)
}

// bend changes a service before it is used: a test shows with it that a broken rule is seen.
type bend func(*world, *airlock.Service)

func run(seed uint64, trace func(string), stacks *stacks, bend bend) Result {
	w := newWorld(seed, trace, stacks, bend)
	w.prelude()
	for range minStimuli + w.random.IntN(maxStimuli-minStimuli) {
		w.step()
	}
	w.heal()
	w.judge("after rest")
	for _, r := range w.requests() {
		w.result.Ends[string(r.Status)]++
	}
	if share := map[bool]float64{false: 0.1, true: 0.4}[w.mood.ends]; len(w.result.Violations) == 0 && w.chance(share) {
		w.forget()
		w.judge("after a long time")
	}
	if len(w.result.Violations) == 0 {
		w.finish()
		w.judge("after people went on")
	}
	for _, k := range w.kept() {
		for _, rec := range k.records {
			w.result.Done[doing(rec.From, rec.What)]++
		}
	}
	slices.Sort(w.result.Violations)
	w.result.Violations = slices.Compact(w.result.Violations)
	return w.result
}

// doing is a key of Done.
func doing(from, what string) string { return strings.TrimSpace(from + " " + what) }

// began is the time at which every run begins.
func began() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }
