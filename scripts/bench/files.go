package main

import (
	"context"
	"fmt"
	"time"

	"airlock/scripts/apiclient"
)

// files measures how the way of a request grows with its files. All the floor there is, is the line through one file.
func (b *bench) files(ctx context.Context) error {
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
	var one [2][]float64
	for _, n := range sizes {
		runs := max(1, min(10, 100/n))
		if b.quick {
			runs = 1
		}
		var took, calls [2][]float64
		for range runs {
			b.say("a request with %d files", n)
			id, err := p.draft(ctx, "import", n)
			if err != nil {
				return err
			}
			for i, way := range []struct {
				do     func(context.Context, string) (apiclient.Request, error)
				status string
			}{{p.submit, "in_review"}, {p.approve, "approved"}} {
				if _, err := atRest(ctx, b.azure); err != nil {
					return err
				}
				before, began := sum(b.azure.Storage.Stats().TLS), time.Now()
				if _, err := way.do(ctx, id); err != nil {
					return err
				}
				if _, err := p.await(ctx, id, way.status); err != nil {
					return err
				}
				took[i] = append(took[i], milliseconds(time.Since(began)))
				if _, err := atRest(ctx, b.azure); err != nil {
					return err
				}
				calls[i] = append(calls[i], float64(sum(b.azure.Storage.Stats().TLS)-before))
			}
		}
		for i, name := range []string{"submit → in_review", "approve → approved"} {
			if n == 1 {
				one[i] = took[i]
			}
			note := fmt.Sprintf("%s ms and %s storage calls a file", number(quantile(took[i], 0.5)/float64(n)), number(quantile(calls[i], 0.5)/float64(n)))
			line := []float64{quantile(one[i], 0.5) * float64(n)}
			b.table.add(fmt.Sprintf("%s, %d files", name, n), "ms", took[i], line, limit{ratio: 1}, note)
		}
	}
	return nil
}
