package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// sweep measures the tick that finds nothing to do: it is paid for every minute, whether anything happens or not. The floor
// is a query for each workspace, one after the other.
func (b *bench) sweep(ctx context.Context) (err error) {
	workspaces := 1000
	if b.quick {
		workspaces = 100
	}
	home, err := newPeople(b.azure, b.azure.Workspaces[0])
	if err != nil {
		return err
	}
	b.say("%d workspaces", workspaces)
	err = each(ctx, workspaces, 8, func(ctx context.Context, _ int) error {
		_, err := newWorkspace(ctx, home, home.workspace, 5)
		return err
	})
	if err != nil {
		return err
	}
	r, err := newRaw(ctx, b.azure)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop(ctx)) }()
	queries := slices.Repeat([]string{"query 1"}, workspaces)
	return b.play(ctx, b.runs(10), &duel{
		figure: fmt.Sprintf("sweep: %d workspaces, nothing due", workspaces), limit: limit{median: 1000},
		do:    func(ctx context.Context, _ int) error { return b.azure.Host.RunTimer(ctx, "Sweep") },
		floor: r.all(queries...), note: "floor: one query for each, one after the other",
	})
}
