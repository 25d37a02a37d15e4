package airlock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Swept is what one sweep did.
type Swept struct {
	Workspaces int           // looked at
	Due        int           // requests that had something due
	Failed     int           // of these, how many could not even be postponed
	Left       int           // of these, how many there was no time for
	Late       time.Duration // how long that which was due the longest had been due
	Unsigned   int           // how often no checkpoint could be made since the last
}

// The bounds of one sweep. What does not fit is due again in the next.
const (
	sweepPerWorkspace = 20 // so that one workspace cannot starve the others
	sweepTotal        = 500
	sweepBatch        = 200 // workspaces asked before their requests are looked at
	sweepWorkers      = 4   // unless the service says otherwise
	tidyMinute        = 30  // of each hour: when it looks for what a self-test has left
	sweepQuestions    = 16  // asked at the same time, unless the service wants everything one after the other
)

// Sweep is the safety net: it looks at what has been due the longest, in every workspace, within bounds. It begins with
// another workspace each minute, so that where there is more to do than fits, all get their share. Two sweeps at the same
// time do no harm: whoever comes second to a request finds that it has changed.
func (s *Service) Sweep(ctx context.Context) (Swept, error) {
	var swept Swept
	var errs []error
	began := s.Now()
	workspaces, err := s.sweepOrder(ctx)
	if err != nil {
		return swept, fmt.Errorf("sweep: %w", err)
	}
	for batch := range slices.Chunk(workspaces, sweepBatch) {
		if swept.Due >= sweepTotal || ctx.Err() != nil {
			break
		}
		due, err := s.dueIn(ctx, batch, sweepTotal-swept.Due)
		if err != nil {
			errs = append(errs, err)
		}
		for _, o := range due {
			swept.Late = max(swept.Late, s.Now().Sub(o.Due))
		}
		left, failures := s.reconcileAll(ctx, due)
		swept.Workspaces += len(batch)
		swept.Due += len(due)
		swept.Failed += len(failures)
		swept.Left += left
		errs = append(errs, failures...)
	}
	if s.Archive != nil && ctx.Err() == nil {
		if err := s.checkpoint(ctx); err != nil { // no reason to sweep again: the next sweep tries it too
			s.report(ctx, fmt.Errorf("sweep: %w", err))
		}
		swept.Unsigned = s.newest.tries()
	}
	if err := errors.Join(errs...); err != nil {
		return swept, fmt.Errorf("sweep: %w", err)
	}
	if s.Now().Minute() == tidyMinute {
		if err := s.tidyScannerTest(ctx); err != nil {
			s.report(ctx, err)
		}
	}
	s.observe(ctx, Observation{What: ObservedSweep, Took: s.Now().Sub(began), Swept: swept})
	return swept, nil
}

// sweepOrder returns all workspaces, in the order of this sweep: it begins as many further on each minute as one sweep
// has time for where all have much to do.
func (s *Service) sweepOrder(ctx context.Context) ([]string, error) {
	all, err := s.workspaces(ctx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	minute := int(s.Now().Unix() / 60)
	first := minute % len(all) * (sweepTotal / sweepPerWorkspace) % len(all)
	return append(all[first:], all[:first]...), nil
}

// workspaces returns the ids of all.
func (s *Service) workspaces(ctx context.Context) ([]string, error) {
	var all []string
	for cursor := ""; ; {
		ids, next, err := s.Store.Workspaces(ctx, MaxPage, cursor)
		if err != nil {
			return nil, fmt.Errorf("list workspaces: %w", err)
		}
		all = append(all, ids...)
		if cursor = next; cursor == "" {
			return all, nil
		}
	}
}

// dueIn collects what is due in the workspaces, a few from each, the first of each before the second of any. A workspace
// that cannot be read does not stop the others.
func (s *Service) dueIn(ctx context.Context, workspaces []string, limit int) ([]Owed, error) {
	var each [][]Owed
	var errs []error
	now, total := s.Now(), 0
	atOnce := sweepQuestions
	if s.SweepWorkers == 1 {
		atOnce = 1
	}
	for some := range slices.Chunk(workspaces, atOnce) {
		if total >= limit || ctx.Err() != nil {
			break
		}
		due, err := s.ask(ctx, some, now, min(sweepPerWorkspace, limit-total))
		if err != nil {
			errs = append(errs, err)
		}
		for _, d := range due {
			total += len(d)
		}
		each = append(each, due...)
	}
	all := make([]Owed, 0, total)
	for n := 0; len(all) < total; n++ {
		for _, due := range each {
			if n < len(due) {
				all = append(all, due[n])
			}
		}
	}
	return all[:min(total, limit)], errors.Join(errs...)
}

// ask asks workspaces for what is due, all at once.
func (s *Service) ask(ctx context.Context, workspaces []string, now time.Time, limit int) ([][]Owed, error) {
	due, errs := make([][]Owed, len(workspaces)), make([]error, len(workspaces))
	one := func(i int) {
		if due[i], errs[i] = s.Store.Due(ctx, workspaces[i], now, limit); errs[i] != nil {
			errs[i] = fmt.Errorf("due in %s: %w", workspaces[i], errs[i])
		}
	}
	if len(workspaces) == 1 {
		one(0)
		return due, errs[0]
	}
	var group sync.WaitGroup
	for i := range workspaces {
		group.Go(func() { one(i) })
	}
	group.Wait()
	return due, errors.Join(errs...)
}

// reconcileAll looks at requests, a few at a time, until there is no more time. It returns how many are left.
func (s *Service) reconcileAll(ctx context.Context, due []Owed) (left int, failures []error) {
	workers := min(cmp.Or(s.SweepWorkers, sweepWorkers), len(due))
	if workers <= 1 {
		for i, o := range due {
			if ctx.Err() != nil {
				return len(due) - i, failures
			}
			if err := s.Reconcile(ctx, o.Workspace, o.Request); err != nil {
				failures = append(failures, err)
			}
		}
		return 0, failures
	}
	work := make(chan Owed)
	var mu sync.Mutex
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
	for i, o := range due {
		select {
		case work <- o:
			continue
		case <-ctx.Done():
			left = len(due) - i
		}
		break
	}
	close(work)
	group.Wait()
	return left, failures
}
