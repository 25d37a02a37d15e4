package main

import (
	"context"
	"errors"
	"sync"
)

// each calls do for 0 to n-1, some at a time, and returns what failed.
func each(ctx context.Context, n, atOnce int, do func(context.Context, int) error) error {
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		errs  []error
	)
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if err := do(ctx, i); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
