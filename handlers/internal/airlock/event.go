package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"airlock/statemachine"
)

// Heard says what became of something that arrived from outside; every value but these is an error.
type Heard string

// What can become of an event.
const (
	HeardNudge   Heard = "nudged"  // the request was looked at
	HeardVerdict Heard = "verdict" // a verdict was stored
	HeardUnknown Heard = "unknown" // no request of ours has such a container
	HeardStale   Heard = "stale"   // another round, zone or version of the file: old news
	HeardIntake  Heard = "intake"  // uploads concern nobody before they are submitted
	HeardTwice   Heard = "known"   // the verdict is stored already
	HeardTest    Heard = "test"    // it was on the file of the scanner's self-test
)

// Stored hears that a blob was written somewhere: if it is one that a request waits for, the request is looked at.
func (s *Service) Stored(ctx context.Context, p Place) (Heard, error) {
	r, _, spot, heard, err := s.whose(ctx, p)
	awaited := slices.ContainsFunc(r.Owed, func(t statemachine.Task) bool { return t.Moves() && t.To == spot })
	switch {
	case err != nil || heard != "":
		return heard, err
	case awaited:
		return HeardNudge, s.reconcile(ctx, r, nil)
	case spot.Zone == statemachine.Intake:
		return HeardIntake, nil
	default:
		return HeardStale, nil // all has arrived and was seen
	}
}

// whose finds the request, and which of its containers, a place belongs to. heard is set when it is none of ours.
func (s *Service) whose(ctx context.Context, p Place) (r Request, settings Settings, spot statemachine.Spot, heard Heard, err error) {
	id := RequestID(p.Container)
	if id == "" {
		return r, settings, spot, HeardUnknown, nil
	}
	workspace, err := s.Store.Workspace(ctx, id)
	if err == nil {
		r, err = s.Store.Request(ctx, workspace, id)
	}
	if errors.Is(err, ErrNotFound) {
		return r, settings, spot, HeardUnknown, nil
	}
	if err == nil {
		settings, err = s.workspaceSettings(ctx, workspace)
	}
	if err != nil {
		return r, settings, spot, "", fmt.Errorf("event of %s: %w", id, err)
	}
	spot, ok := s.Layout.With(settings.Layout).Spot(r.Type, s.TRE, settings.Suffix, id, r.Round, p)
	if !ok {
		return r, settings, spot, HeardUnknown, nil
	}
	return r, settings, spot, "", nil
}
