package funchost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// checkTimers refuses an override for a function that is no timer.
func (h *Host) checkTimers() error {
	for name, every := range h.opts.Timers {
		if h.find(name, timerTrigger) == nil {
			return fmt.Errorf("option Timers: there is no timer function %q", name)
		}
		if every == 0 {
			return fmt.Errorf("option Timers: the interval of %q is 0", name)
		}
	}
	return nil
}

// monitored tells whether the host remembers the runs of a timer. Azure: unless useMonitor says no, and not
// for intervals under a minute.
func (f *function) monitored() bool {
	if f.trigger.UseMonitor != nil && !*f.trigger.UseMonitor {
		return false
	}
	first := f.cron.next(time.Unix(0, 0))
	return f.cron.next(first).Sub(first) >= time.Minute
}

// nextRun is when a timer is due after t; false means never.
func (h *Host) nextRun(f *function, t time.Time) (time.Time, bool) {
	every, ok := h.opts.Timers[f.name]
	if !ok {
		return f.cron.next(t), true
	}
	return t.Add(every), every > 0
}

// runTimer fires one timer until the host takes no new work: a missed run first, then each occurrence. Runs of
// one timer do not overlap; occurrences that pass during a run are skipped.
func (h *Host) runTimer(f *function) {
	due := h.opts.Now()
	status := h.timerStatus(f)
	if h.opts.Timers[f.name] >= 0 {
		late := f.monitored() && !status.Next.IsZero() && status.Next.Before(due)
		if late || f.trigger.RunOnStartup {
			h.fireLogged(f, late)
		}
	}
	for {
		// Waking a little early must not make the same occurrence come twice.
		from := h.opts.Now()
		if due.After(from) {
			from = due
		}
		next, ok := h.nextRun(f, from)
		if !ok {
			return
		}
		due = next
		wait := time.NewTimer(due.Sub(h.opts.Now()))
		select {
		case <-h.listen.Done():
			wait.Stop()
			return
		case <-wait.C:
			h.fireLogged(f, false)
		}
	}
}

// fireLogged fires a timer for itself; that it failed is in the log, and nothing happens but the next run.
func (h *Host) fireLogged(f *function, pastDue bool) {
	if h.listen.Err() == nil {
		_ = h.fire(f, pastDue)
	}
}

// RunTimer fires a timer function by hand and waits for the end of the invocation.
func (h *Host) RunTimer(ctx context.Context, name string) error {
	f := h.find(name, timerTrigger)
	if f == nil {
		return fmt.Errorf("run timer %s: there is no such timer function", name)
	}
	if h.listen.Err() != nil {
		return fmt.Errorf("run timer %s: %w", name, ErrStopped)
	}
	ended := make(chan error, 1)
	go func() { ended <- h.fire(f, false) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("run timer %s: %w", name, ctx.Err())
	}
}

// fire invokes a timer function and remembers the run.
func (h *Host) fire(f *function, pastDue bool) error {
	failure := h.invoke(h.live, f, h.timerEnvelope(f, h.timerStatus(f), pastDue))
	if err := h.rememberTimer(f); err != nil {
		h.log.Error().Err(err).Str("function", f.name).Msg("the timer's run is not remembered")
	}
	return failure
}

// timerStatus is what is remembered about a timer; zero if nothing is.
func (h *Host) timerStatus(f *function) timerStatus {
	h.timerLock.Lock()
	defer h.timerLock.Unlock()
	return h.timers[f.name]
}

// rememberTimer notes that a timer has just run, in Options.TimerState too if there is one.
func (h *Host) rememberTimer(f *function) error {
	now := h.opts.Now().UTC()
	status := timerStatus{Last: now, LastUpdated: now}
	if next, ok := h.nextRun(f, now); ok {
		status.Next = next
	}
	h.timerLock.Lock()
	defer h.timerLock.Unlock()
	h.timers[f.name] = status
	if h.opts.TimerState == "" {
		return nil
	}
	raw, err := json.Marshal(h.timers)
	if err != nil {
		return fmt.Errorf("encode timer state: %w", err)
	}
	// Written beside and renamed, so that a crash leaves either the old or the new state.
	temporary := filepath.Join(filepath.Dir(h.opts.TimerState), "."+filepath.Base(h.opts.TimerState)+".new")
	if err := os.WriteFile(temporary, raw, 0o600); err != nil {
		return fmt.Errorf("write timer state: %w", err)
	}
	if err := os.Rename(temporary, h.opts.TimerState); err != nil {
		return fmt.Errorf("replace timer state: %w", err)
	}
	return nil
}

// readTimers loads what an earlier host remembered.
func (h *Host) readTimers() error {
	h.timers = map[string]timerStatus{}
	if h.opts.TimerState == "" {
		return nil
	}
	raw, err := os.ReadFile(h.opts.TimerState)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("read timer state: %w", err)
	}
	if err := json.Unmarshal(raw, &h.timers); err != nil {
		return fmt.Errorf("decode timer state: %w", err)
	}
	return nil
}
