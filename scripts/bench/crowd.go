package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"airlock/scripts/apiclient"
)

// crowdTime is when no further request is begun: a slow machine has shown by then what it can do.
const crowdTime = 20 * time.Minute

// look is how long a reviewer takes. Whoever decides in the very moment in which they are told meets the airlock at its last
// writes, and makes it do them twice.
const look = time.Second

// crowd lets very many people work at once, without a sweep: every request has to get from its creation to its approval by
// messages and events alone.
func (b *bench) crowd(ctx context.Context) (err error) {
	workspaces, requests := 200, 50
	if b.quick {
		workspaces, requests = 10, 5
	}
	home, err := newPeople(b.azure, b.azure.Workspaces[0])
	if err != nil {
		return err
	}
	all := make([]*people, workspaces)
	err = each(ctx, workspaces, 8, func(ctx context.Context, i int) (err error) {
		all[i], err = newWorkspace(ctx, home, home.workspace, 5)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := atRest(ctx, b.azure); err != nil {
		return err
	}
	before := b.azure.Storage.Stats().TLS["EntityGroupTransaction"]
	told, err := hear(ctx, b.azure)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, told.close(ctx)) }()
	c := &crowd{told: told}
	began := time.Now()
	err = each(ctx, workspaces*requests, 64, func(ctx context.Context, i int) error {
		if time.Since(began) > crowdTime {
			return nil
		}
		return c.live(ctx, all[i%workspaces])
	})
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	if _, err := atRest(ctx, b.azure); err != nil {
		return err
	}
	lost := b.azure.Storage.Stats().TLS["EntityGroupTransaction"] - before
	err = each(ctx, len(c.ended), 16, func(ctx context.Context, i int) error {
		r, err := c.ended[i].people.get(ctx, c.ended[i].id)
		c.mu.Lock()
		defer c.mu.Unlock()
		lost -= r.Version + 1 // versions count from 0, and each took a transaction
		return err
	})
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d requests in %d workspaces, 64 at a time: ", c.begun, workspaces)
	none := limit{none: true}
	b.table.add(name+"approved", "a second", []float64{float64(len(c.ended)) / took}, nil, limit{}, fmt.Sprintf("each of 64 people looks at a request for %s before they approve it", look))
	b.table.add(name+"a call of the API", "ms", c.calls, nil, limit{}, "")
	b.table.add(name+"answers of 500 and more", "", []float64{float64(c.broken)}, nil, none, "")
	b.table.add(name+"requests that needed a sweep", "", []float64{float64(c.begun - len(c.ended))}, nil, none, "")
	b.table.add(name+"lost races", "", []float64{float64(lost)}, nil, limit{}, fmt.Sprintf("decided again, and seen by nobody; they are many where people decide sooner than after %s", look))
	return nil
}

// crowd is what was seen of many lives.
type crowd struct {
	told *notices

	mu     sync.Mutex
	calls  []float64
	broken int // answers of 500 and more
	begun  int
	ended  []life
}

// life is a request that got where it should.
type life struct {
	people *people
	id     string
}

// live plays one request. That it does not end is counted, and is no error.
func (c *crowd) live(whole context.Context, p *people) error {
	ctx, cancel := context.WithTimeout(whole, patience)
	defer cancel()
	c.mu.Lock()
	c.begun++
	c.mu.Unlock()
	var id, link string
	for _, s := range []struct {
		after  time.Duration
		do     func(context.Context) error
		status string // that it leads to in the end, by itself; people wait until they are told
	}{
		{do: c.timed(func(ctx context.Context) error { r, err := p.create(ctx, "import"); id = r.ID; return err })},
		{do: c.timed(func(ctx context.Context) (err error) { link, err = p.link(ctx, id); return err })},
		{do: func(ctx context.Context) error { return p.put(ctx, link, 1) }}, // it is no call of the API
		{do: c.timed(func(ctx context.Context) error { _, err := p.submit(ctx, id); return err }), status: "in_review"},
		{after: look, do: c.timed(func(ctx context.Context) error { _, err := p.approve(ctx, id); return err }), status: "approved"},
	} {
		select {
		case <-time.After(s.after):
		case <-ctx.Done():
			return nil
		}
		switch err := s.do(ctx); {
		case ctx.Err() != nil && whole.Err() == nil:
			return nil
		case err != nil:
			return err
		}
		if s.status == "" {
			continue
		}
		if done, err := c.told.await(ctx, id, s.status); !done {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, life{p, id})
	return nil
}

// timed measures a call, and tries again what the server could not do.
func (c *crowd) timed(do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			began := time.Now()
			err := do(ctx)
			var r *apiclient.Refusal
			again := errors.As(err, &r) && r.Status >= http.StatusInternalServerError
			c.mu.Lock()
			c.calls = append(c.calls, milliseconds(time.Since(began)))
			if again {
				c.broken++
			}
			c.mu.Unlock()
			if !again || ctx.Err() != nil {
				return err
			}
		}
	}
}
