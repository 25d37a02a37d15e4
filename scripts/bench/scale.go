package main

import (
	"context"
	"fmt"
)

// scale measures whether a call takes longer where a workspace has many requests. The floor is the same call in a workspace
// with ten, in the same table. One person makes them all, and takes each back, since drafts are counted whenever another is made.
// Ten thousand take Azurite minutes; the figures from the memory store, among those of the code, go up to a million.
func (b *bench) scale(ctx context.Context) error {
	home, err := newPeople(b.azure, b.azure.Workspaces[0])
	if err != nil {
		return err
	}
	n := 10000
	if b.quick {
		n = 100
	}
	var both [2]*people
	var ids [2]string
	for i, requests := range []int{n, 10} {
		if both[i], err = newWorkspace(ctx, home, home.workspace, 5); err != nil {
			return err
		}
		b.say("a workspace with %d requests", requests)
		err := each(ctx, requests, 8, func(ctx context.Context, _ int) error {
			r, err := both[i].create(ctx, "import")
			if err != nil {
				return err
			}
			return both[i].cancel(ctx, r.ID)
		})
		if err != nil {
			return err
		}
	}
	l := limit{ratio: 1.3}
	get := func(i int) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error { _, err := both[i].get(ctx, ids[i]); return err }
	}
	list := func(i int) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error { _, err := both[i].list(ctx, 10); return err }
	}
	submit := func(i int) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error { _, err := both[i].submit(ctx, ids[i]); return err }
	}
	drafts := func(ctx context.Context) error {
		for i, p := range both {
			if ids[i], err = p.draft(ctx, "import", 1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := drafts(ctx); err != nil {
		return err
	}
	note := "floor: in a workspace that began with ten"
	return b.play(ctx, b.runs(30),
		&duel{figure: fmt.Sprintf("list, first page of 10, in %d requests", n), do: list(0), floor: timed(list(1)), limit: l, note: note},
		&duel{figure: fmt.Sprintf("get, in %d requests", n), do: get(0), floor: timed(get(1)), limit: l, note: note},
		&duel{figure: fmt.Sprintf("submit, in %d requests", n), do: submit(0), floor: timed(submit(1)), limit: l, note: note, after: drafts},
	)
}
