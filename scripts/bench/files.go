package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"airlock/scripts/apiclient"
)

// slack is how much longer than a line the way of many files may take: the line goes through few samples of a machine whose speed
// changes. What grows with the square of the files would be at ten times the line.
const slack = 1.5

// stage is a part of a request's way that files take time on.
type stage struct {
	figure, status string
	do             func(*people, context.Context, string) (apiclient.Request, error)

	took, calls [][]float64 // by size
}

// files measures how the way of a request grows with its files. The floor is the line through the two sizes before.
func (b *bench) files(ctx context.Context) (err error) {
	p, err := newPeople(b.azure, b.azure.Workspaces[0])
	if err != nil {
		return err
	}
	sizes := []int{1, 10, 100, 1000}
	if b.quick {
		sizes = []int{1, 10, 50}
	}
	if p, err = newWorkspace(ctx, p, p.workspace, sizes[len(sizes)-1]); err != nil {
		return err
	}
	if err := warm(ctx, p, "import"); err != nil {
		return err
	}
	told, err := hear(ctx, b.azure)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, told.close(ctx)) }()
	stages := []*stage{
		{figure: "submit → in_review", status: "in_review", do: (*people).submit},
		{figure: "approve → approved", status: "approved", do: (*people).approve},
	}
	for at, n := range sizes {
		for _, s := range stages {
			s.took, s.calls = append(s.took, nil), append(s.calls, nil)
		}
		for range b.runs(max(3, min(10, 100/n))) {
			b.say("a request with %d files", n)
			id, err := p.draft(ctx, "import", n)
			if err != nil {
				return err
			}
			for _, s := range stages {
				if err := b.stage(ctx, p, told, s, at, id); err != nil {
					return err
				}
			}
		}
		for _, s := range stages {
			s.add(&b.table, sizes[:at+1])
		}
	}
	return nil
}

// stage measures one stage of one request.
func (b *bench) stage(ctx context.Context, p *people, told *notices, s *stage, at int, id string) error {
	if _, err := atRest(ctx, b.azure); err != nil {
		return err
	}
	before, began := sum(b.azure.Storage.Stats().TLS), time.Now()
	if _, err := s.do(p, ctx, id); err != nil {
		return err
	}
	if err := told.told(ctx, id, s.status); err != nil {
		return err
	}
	s.took[at] = append(s.took[at], milliseconds(time.Since(began)))
	if _, err := atRest(ctx, b.azure); err != nil {
		return err
	}
	s.calls[at] = append(s.calls[at], float64(sum(b.azure.Storage.Stats().TLS)-before))
	return nil
}

// add adds the last size to the table.
func (s *stage) add(t *table, sizes []int) {
	at, n := len(sizes)-1, sizes[len(sizes)-1]
	middle := func(samples [][]float64, at int) float64 { return quantile(samples[at], 0.5) }
	note := fmt.Sprintf("%s storage calls", number(middle(s.calls, at)))
	var line []float64
	var l limit
	if at > 0 {
		more := float64(n - sizes[at-1])
		note += fmt.Sprintf("; each further file %s ms and %s calls", number((middle(s.took, at)-middle(s.took, at-1))/more),
			number((middle(s.calls, at)-middle(s.calls, at-1))/more))
	}
	if at > 1 {
		slope := (middle(s.took, at-1) - middle(s.took, at-2)) / float64(sizes[at-1]-sizes[at-2])
		line = []float64{middle(s.took, at-1) + slope*float64(n-sizes[at-1])}
		l = limit{ratio: slack}
		note += "; floor: the line through the two sizes before"
	}
	t.add(fmt.Sprintf("%s, %d files", s.figure, n), "ms", s.took[at], line, l, note)
}
