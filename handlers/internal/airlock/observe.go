package airlock

import (
	"context"
	"slices"
	"time"

	"airlock/statemachine"
)

// Observed names something that is counted or timed. The values stand in the log, where alerts look for them.
type Observed string

// What is observed.
const (
	ObservedSweep Observed = "sweep succeeded" // each time, also when there was nothing to do: the absence of it is the alarm
	ObservedCopy  Observed = "copy latency"    // from when a move was owed until all had arrived
	ObservedScan  Observed = "scan latency"    // from when the files were sealed until the last verdict that it took
	ObservedFail  Observed = "request failed"  // from when it came to the status that it failed in
)

// Observations returns all that can be observed.
func Observations() []Observed {
	return []Observed{ObservedSweep, ObservedCopy, ObservedScan, ObservedFail}
}

// Observation is one thing that was observed.
type Observation struct {
	What  Observed
	Took  time.Duration
	Swept Swept // of a sweep

	// Of a request:
	Workspace, Request string
	Status             statemachine.Status // that it left
	Task               statemachine.Kind   // that it had not done; empty: it had done all
	Files              int
	Bytes              int64
}

func (s *Service) observe(ctx context.Context, o Observation) {
	if s.Observe != nil {
		s.Observe(ctx, o)
	}
}

// observed is an observation of a request as it was.
func (r Request) observed(what Observed, took time.Duration) Observation {
	return Observation{
		What: what, Took: took, Workspace: r.WorkspaceID, Request: r.ID, Status: r.Status, Files: r.FileCount, Bytes: r.TotalBytes,
	}
}

// observeMoved tells how long the system took for a status that a request has left, by an event of its own.
func (s *Service) observeMoved(ctx context.Context, before Request, event statemachine.Event) {
	since := s.Now().Sub(before.StatusSince)
	switch event {
	case statemachine.EventFail:
		o := before.observed(ObservedFail, since)
		if len(before.Owed) > 0 {
			o.Task = before.Owed[0].Kind
		}
		s.observe(ctx, o)
	case statemachine.EventMoved:
		s.observe(ctx, before.observed(ObservedCopy, since))
	case statemachine.EventClear, statemachine.EventBlock:
		s.observe(ctx, before.observed(ObservedCopy, before.SealedAt.Sub(before.StatusSince)))
	}
}

// observeScanned tells how long the scanner took, when the last verdict that was waited for is stored.
func (s *Service) observeScanned(ctx context.Context, c Commit) {
	gated := func(r Request) bool {
		return slices.ContainsFunc(r.Owed, func(t statemachine.Task) bool { return t.Kind == statemachine.KindGates })
	}
	failed := c.Record != nil && c.Record.What == string(statemachine.EventFail)
	if sealed := c.After.SealedAt; c.Before.Scanning && gated(c.Before) && !gated(c.After) && !failed && !sealed.IsZero() {
		s.observe(ctx, c.Before.observed(ObservedScan, s.Now().Sub(sealed)))
	}
}
