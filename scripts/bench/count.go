package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/defender"
	"airlock/scripts/localazure/eventgrid"
)

// The budgets of an approved request.
const (
	maxInvocations = 7
	maxMessages    = 10
)

// counts are what happened, by kind.
type counts struct {
	Storage     map[string]int `json:"storage"`     // requests of the app to storage, by Azure's name of the operation
	Messages    map[string]int `json:"messages"`    // accepted by Service Bus, by queue or topic
	Events      map[string]int `json:"events"`      // delivered by Event Grid, by the function that took them
	Invocations map[string]int `json:"invocations"` // of functions, by name; Api is what people call
}

// settled are events that come late enough for the invocation that caused them to have ended, as they do in Azure. Without
// that two invocations can look at a request at once, and the one that loses looks again: it is safe, and its costs
// depend on chance.
var settled = eventgrid.Faults{DelayMin: 150 * time.Millisecond, DelayMax: 150 * time.Millisecond}

// scanTime is how much later than the event of the copy the scanner's verdict comes, as in Azure.
const scanTime = 400 * time.Millisecond

// sequenced makes events come one after the other, until restore is called.
func sequenced(azure *localazure.Azure) (restore func(), err error) {
	if err := azure.Grid.SetFaults(settled); err != nil {
		return nil, err
	}
	usual := azure.Defender.BehaveFor(func(defender.Blob) bool { return true }, defender.Behavior{Delay: scanTime})
	return func() {
		usual()
		_ = azure.Grid.SetFaults(eventgrid.Faults{}) // no faults are always valid
	}, nil
}

// snapshot reads all counters.
func snapshot(ctx context.Context, azure *localazure.Azure) (c counts, idle bool, err error) {
	bus, err := azure.Bus.Stats(ctx)
	if err != nil {
		return counts{}, false, err
	}
	c = counts{Storage: azure.Storage.Stats().TLS, Messages: map[string]int{}, Events: map[string]int{}, Invocations: map[string]int{}}
	for _, name := range []string{localazure.StatusQueue, localazure.NoticeTopic} {
		c.Messages[name] = bus[name].Sent
	}
	idle = bus[localazure.StatusQueue].Active == 0
	for name, f := range azure.Host.Stats() {
		c.Invocations[name] = f.Invocations
		idle = idle && f.Running == 0
		if strings.HasPrefix(name, "Blob") || strings.HasPrefix(name, "Scan") {
			c.Events[name] = f.Invocations
		}
	}
	return c, idle, nil
}

// atRest waits until nothing happens any more by itself, and reads all counters.
func atRest(ctx context.Context, azure *localazure.Azure) (counts, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last counts
	for quiet := 0; quiet < 4; {
		if err := azure.Defender.Idle(ctx); err != nil {
			return counts{}, err
		}
		if err := azure.Grid.Idle(ctx); err != nil {
			return counts{}, err
		}
		now, idle, err := snapshot(ctx, azure)
		if err != nil {
			return counts{}, err
		}
		if idle && now.equal(last) {
			quiet++
		} else {
			quiet = 0
		}
		last = now
		select {
		case <-ctx.Done():
			return counts{}, fmt.Errorf("it never comes to rest: %w", ctx.Err())
		case <-time.After(30 * time.Millisecond):
		}
	}
	return last, nil
}

func (c counts) equal(d counts) bool {
	return maps.Equal(c.Storage, d.Storage) && maps.Equal(c.Messages, d.Messages) && maps.Equal(c.Invocations, d.Invocations)
}

// minus is what happened since.
func (c counts) minus(before counts) counts {
	less := func(now, then map[string]int) map[string]int {
		out := map[string]int{}
		for name, n := range now {
			if n -= then[name]; n != 0 {
				out[name] = n
			}
		}
		return out
	}
	return counts{less(c.Storage, before.Storage), less(c.Messages, before.Messages), less(c.Events, before.Events), less(c.Invocations, before.Invocations)}
}

// plus is what happened in both.
func (c counts) plus(d counts) counts {
	add := func(a, b map[string]int) map[string]int {
		out := maps.Clone(b)
		for name, n := range a {
			out[name] += n
		}
		return out
	}
	return counts{add(c.Storage, d.Storage), add(c.Messages, d.Messages), add(c.Events, d.Events), add(c.Invocations, d.Invocations)}
}

// triggered is how many invocations were not people's own calls.
func (c counts) triggered() int { return sum(c.Invocations) - c.Invocations["Api"] }

func sum(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

// listed writes counts by name.
func listed(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}

// lifeCounts plays one request from its creation to its approval, and counts what each part of it takes. What
// people themselves do with storage is not in it, nor is the bench's own look at the status.
func lifeCounts(ctx context.Context, p *people, direction string, files int) (map[string]counts, error) {
	restore, err := sequenced(p.azure)
	if err != nil {
		return nil, err
	}
	defer restore()
	if err := warm(ctx, p, direction); err != nil {
		return nil, err
	}
	id, parts := "", map[string]counts{}
	for _, part := range []struct {
		name, status string
		do           func() error
	}{
		{"create", "draft", func() error { r, err := p.create(ctx, direction); id = r.ID; return err }},
		{"link and upload", "draft", func() error { return p.upload(ctx, id, files) }},
		{"submit", "in_review", func() error { _, err := p.submit(ctx, id); return err }},
		{"approve", "approved", func() error { _, err := p.approve(ctx, id); return err }},
		{"download link", "approved", func() error { _, err := p.link(ctx, id); return err }},
	} {
		before, err := atRest(ctx, p.azure)
		if err != nil {
			return nil, err
		}
		if err := part.do(); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		after, err := atRest(ctx, p.azure)
		if err != nil {
			return nil, err
		}
		r, err := p.get(ctx, id)
		if err != nil || r.Status != part.status {
			return nil, fmt.Errorf("after %s the request is %q, not %q: %w", part.name, r.Status, part.status, err)
		}
		parts[part.name] = after.minus(before)
	}
	return parts, nil
}

// total adds up the parts of a life.
func total(parts map[string]counts) counts {
	var all counts
	for _, c := range parts {
		all = all.plus(c)
	}
	return all
}

// warm plays a whole life, so that connections, tokens and keys are there.
func warm(ctx context.Context, p *people, direction string) error {
	id, err := p.draft(ctx, direction, 1)
	if err != nil {
		return err
	}
	if _, err := p.submit(ctx, id); err != nil {
		return err
	}
	if _, err := p.await(ctx, id, "in_review"); err != nil {
		return err
	}
	if _, err := p.approve(ctx, id); err != nil {
		return err
	}
	if _, err := p.await(ctx, id, "approved"); err != nil {
		return err
	}
	_, err = p.link(ctx, id)
	return err
}

// counts adds what an approved import and an approved export cost.
func (b *bench) counts(ctx context.Context) error {
	p, err := newPeople(b.azure, b.azure.Workspaces[0])
	if err != nil {
		return err
	}
	for _, direction := range []string{"import", "export"} {
		parts, err := lifeCounts(ctx, p, direction, 1)
		if err != nil {
			return err
		}
		all := total(parts)
		late := all.Messages[localazure.StatusQueue] - all.Invocations["StatusChanged"] // come when the scanner has been silent for too long
		invoked := listed(all.Invocations)
		for _, f := range []struct {
			name  string
			n     int
			limit limit
			note  string
		}{
			// What AzureTRE takes was counted in its code, for a request that is not scanned.
			{"invocations", all.triggered() + late, limit{median: maxInvocations},
				fmt.Sprintf("AzureTRE: 10. %s, and %d later; the calls of the API do not count", invoked, late)},
			{"messages", sum(all.Messages), limit{median: maxMessages}, "AzureTRE: 18. " + listed(all.Messages)},
			{"events", sum(all.Events), limit{}, "AzureTRE: 18. " + listed(all.Events)},
			{"storage calls", sum(all.Storage), limit{}, listed(all.Storage)},
			{"writes to the table", all.Storage["EntityGroupTransaction"] + all.Storage["InsertEntity"] + all.Storage["InsertOrReplaceEntity"], limit{}, "AzureTRE: 6. With two links, the audit records, and what is owed"},
		} {
			b.table.add("approved "+direction+", "+f.name, "", []float64{float64(f.n)}, nil, f.limit, f.note)
		}
	}
	return nil
}
