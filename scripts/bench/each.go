package main

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// each calls do for 0 to n-1, some at a time. What fails first ends the context of the others, keeps the rest from being begun, and is
// returned.
func each(whole context.Context, n, atOnce int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(whole)
	group.SetLimit(atOnce)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return do(ctx, i) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return whole.Err()
}
