package airlock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
)

// Swept is what one sweep did.
type Swept struct {
	Workspaces int // looked at
	Due        int // requests that had something due
	Failed     int // of these, how many could not even be postponed
}

// The bounds of one sweep. What does not fit is due again in the next.
const (
	sweepPage         = 200 // workspaces read at once
	sweepPerWorkspace = 20  // so that one workspace cannot starve the others
	sweepTotal        = 500
	sweepWorkers      = 4 // unless the service says otherwise
)

// Sweep is the safety net: it looks at every request with something due, in every workspace, within bounds. Two sweeps
// at the same time do no harm.
func (s *Service) Sweep(ctx context.Context) (Swept, error) {
	var swept Swept
	var errs []error
	cursor := ""
	for {
		workspaces, next, err := s.Store.Workspaces(ctx, sweepPage, cursor)
		if err != nil {
			return swept, fmt.Errorf("sweep: %w", errors.Join(append(errs, err)...))
		}
		due, err := s.dueIn(ctx, workspaces, sweepTotal-swept.Due)
		if err != nil {
			errs = append(errs, err)
		}
		swept.Workspaces += len(workspaces)
		swept.Due += len(due)
		failures := s.reconcileAll(ctx, due)
		swept.Failed += len(failures)
		errs = append(errs, failures...)
		if next == "" || swept.Due >= sweepTotal || ctx.Err() != nil {
			break
		}
		cursor = next
	}
	if err := errors.Join(errs...); err != nil {
		return swept, fmt.Errorf("sweep: %w", err)
	}
	return swept, nil
}

// dueIn collects what is due in the workspaces, a few from each. A workspace that cannot be read does not stop the others.
func (s *Service) dueIn(ctx context.Context, workspaces []string, limit int) ([]Owed, error) {
	var all []Owed
	var errs []error
	now := s.Now()
	for _, w := range workspaces {
		if len(all) >= limit {
			break
		}
		due, err := s.Store.Due(ctx, w, now, min(sweepPerWorkspace, limit-len(all)))
		if err != nil {
			errs = append(errs, fmt.Errorf("due in %s: %w", w, err))
		}
		all = append(all, due...)
	}
	return all, errors.Join(errs...)
}

// reconcileAll looks at requests, a few at a time.
func (s *Service) reconcileAll(ctx context.Context, due []Owed) []error {
	workers := min(cmp.Or(s.SweepWorkers, sweepWorkers), len(due))
	if workers <= 1 {
		var failures []error
		for _, o := range due {
			if err := s.Reconcile(ctx, o.Workspace, o.Request); err != nil {
				failures = append(failures, err)
			}
		}
		return failures
	}
	work := make(chan Owed)
	var mu sync.Mutex
	var failures []error
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for o := range work {
				if err := s.Reconcile(ctx, o.Workspace, o.Request); err != nil {
					mu.Lock()
					failures = append(failures, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, o := range due {
		work <- o
	}
	close(work)
	group.Wait()
	return failures
}
