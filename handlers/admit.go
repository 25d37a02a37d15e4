package main

import (
	"context"
	"errors"
	"time"

	"airlock/handlers/internal/tablestore"
)

// How long the table may take to say whether it fits, and how often it is asked when it does not.
const (
	adoptLimit   = 5 * time.Second
	firstAsking  = time.Second
	seldomAsking = 30 * time.Second
)

// admit opens the program to its host once adopt has found that the table fits it. A table that does not answer is no
// reason to wait: while it does not, nothing can be written to it either, and people hear so from the program; it is asked
// until it answers. The error is adopt's, or that of the context.
func admit(ctx context.Context, adopt func(context.Context) error, open func(), report func(context.Context, error)) error {
	for pause, first := firstAsking, true; ; pause, first = min(2*pause, seldomAsking), false {
		asking, cancel := context.WithTimeout(ctx, adoptLimit)
		err := adopt(asking)
		cancel()
		if errors.Is(err, tablestore.ErrUnfit) {
			return err
		}
		if first {
			open()
		}
		if err == nil {
			return nil
		}
		if first {
			report(ctx, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
