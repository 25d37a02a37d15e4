package airlock

import (
	"context"
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

// observeMoved tells how long the system took for a status that a request has left, by an event of its own.
func (s *Service) observeMoved(ctx context.Context, before Request, event statemachine.Event) {
	o := Observation{
		What: ObservedCopy, Took: s.Now().Sub(before.StatusSince), Workspace: before.WorkspaceID, Request: before.ID, Status: before.Status,
		Files: before.FileCount, Bytes: before.TotalBytes,
	}
	if len(before.Owed) > 0 {
		o.Task = before.Owed[0].Kind
	}
	switch event {
	case statemachine.EventFail:
		o.What = ObservedFail
	case statemachine.EventMoved:
	case statemachine.EventClear, statemachine.EventBlock:
		if before.Scanning {
			scan := o
			scan.What, scan.Took = ObservedScan, s.Now().Sub(before.SealedAt)
			s.observe(ctx, scan)
		}
		o.Took = before.SealedAt.Sub(before.StatusSince)
	default:
		return
	}
	s.observe(ctx, o)
}
