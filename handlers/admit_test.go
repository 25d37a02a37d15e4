package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"airlock/handlers/internal/tablestore"
)

// TestAdmission starts the program on tables that answer well, late, or with a refusal.
func TestAdmission(t *testing.T) {
	away := errors.New("the table does not answer")
	unfit := fmt.Errorf("deploy a newer version: %w", tablestore.ErrUnfit)
	for name, test := range map[string]struct {
		answers []error // of the table, one for each time that it is asked
		opens   bool
		reports int
		err     error
		took    time.Duration
	}{
		"it fits":                       {[]error{nil}, true, 0, nil, 0},
		"it does not":                   {[]error{unfit}, false, 0, tablestore.ErrUnfit, 0},
		"it answers late":               {[]error{away, away, away, nil}, true, 1, nil, 7 * time.Second},
		"it answers late, and does not": {[]error{away, unfit}, true, 1, tablestore.ErrUnfit, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, asked, opened, reports := time.Now(), 0, 0, 0
				adopt := func(context.Context) error { asked++; return test.answers[asked-1] }
				err := admit(t.Context(), adopt, func() { opened++ }, func(context.Context, error) { reports++ })
				if !errors.Is(err, test.err) || asked != len(test.answers) || reports != test.reports || time.Since(begun) != test.took {
					t.Errorf("%v after %v, asked %d times, reported %d", err, time.Since(begun), asked, reports)
				}
				if opens := opened == 1; opens != test.opens || opened > 1 {
					t.Errorf("opened %d times", opened)
				}
			})
		})
	}
}

// TestAdmissionEnds: a program that is told to end does not keep asking, and a table that hangs keeps nobody waiting.
func TestAdmissionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		opened := make(chan time.Time, 1)
		done := make(chan error, 1)
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		begun := time.Now()
		go func() {
			done <- admit(ctx, hang, func() { opened <- time.Now() }, func(context.Context, error) {})
		}()
		if waited := (<-opened).Sub(begun); waited != adoptLimit {
			t.Errorf("it kept people waiting for %v", waited)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
}
