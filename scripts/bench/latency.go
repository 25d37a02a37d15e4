package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"time"

	"airlock/scripts/apiclient"
)

// duel is something that is measured, and its floor.
type duel struct {
	figure string
	do     func(context.Context, int) error
	floor  func(context.Context, int) (time.Duration, error)
	then   *duel                       // goes on at once where this ends, and is measured from where this began
	after  func(context.Context) error // what the next duel needs; not measured
	limit  limit
	note   string
	hop    *duel // what the host adds to each call; nil where that is no part of the figure
	warm   warmth
	loop   int // how often it is done in a row, each time a sample: more than once only what changes nothing. 0 is once

	took, least []float64
}

// warmth makes calls before something is measured, each side its own: as in a loop, one after the other. Who comes after a rest pays
// for it, with a process that slept and caches that others filled. Both are nil where both sides rest alike.
type warmth struct {
	mine, floor func(context.Context) error
}

// round measures each duel, and its floor beside it, so that whatever else the machine does meets both alike. Who comes
// second finds the machine warm: they take turns.
func (b *bench) round(ctx context.Context, duels []*duel, i int) error {
	for _, first := range duels {
		sides := []func(context.Context, *duel, int) error{b.mine, b.floors}
		if i%2 == 1 {
			slices.Reverse(sides)
		}
		for _, side := range sides {
			if err := side(ctx, first, i); err != nil {
				return err
			}
		}
		for d := first; d != nil; d = d.then {
			if d.after == nil {
				continue
			}
			if err := d.after(ctx); err != nil {
				return fmt.Errorf("after %s: %w", d.figure, err)
			}
		}
	}
	return nil
}

// ready waits until nothing else goes on, and warms up.
func (b *bench) ready(ctx context.Context, d *duel, warm func(context.Context) error) error {
	if _, err := atRest(ctx, b.azure); err != nil {
		return err
	}
	if warm == nil {
		return nil
	}
	if err := warm(ctx); err != nil {
		return fmt.Errorf("before %s: %w", d.figure, err)
	}
	return nil
}

// mine measures what the airlock takes, from the first duel to where the last one ends.
func (b *bench) mine(ctx context.Context, first *duel, i int) error {
	if err := b.ready(ctx, first, first.warm.mine); err != nil {
		return err
	}
	for range first.samples() {
		began := time.Now()
		for d := first; d != nil; d = d.then {
			if err := d.do(ctx, i); err != nil {
				return fmt.Errorf("%s: %w", d.figure, err)
			}
			d.took = append(d.took, milliseconds(time.Since(began)))
		}
	}
	return nil
}

// floors measures the floor of each.
func (b *bench) floors(ctx context.Context, first *duel, i int) error {
	for d := first; d != nil; d = d.then {
		if err := b.ready(ctx, d, first.warm.floor); err != nil {
			return err
		}
		for range d.samples() {
			took, err := d.floor(ctx, i)
			if err != nil {
				return fmt.Errorf("floor of %s: %w", d.figure, err)
			}
			d.least = append(d.least, milliseconds(took))
		}
	}
	return nil
}

// samples is how many a round gives.
func (d *duel) samples() int { return max(1, d.loop) }

// counted is the samples without those of the first round.
func (d *duel) counted() (took, least []float64) { return d.took[d.samples():], d.least[d.samples():] }

// timed is a floor that is measured here.
func timed(do func(context.Context, int) error) func(context.Context, int) (time.Duration, error) {
	return func(ctx context.Context, i int) (time.Duration, error) {
		began := time.Now()
		err := do(ctx, i)
		return time.Since(began), err
	}
}

// play plays the duels over and over, and adds their figures. The first round opens the connections and does not count.
func (b *bench) play(ctx context.Context, runs int, duels ...*duel) error {
	for i := range runs + 1 {
		if err := b.round(ctx, duels, i); err != nil {
			return err
		}
	}
	for _, first := range duels {
		for d := first; d != nil; d = d.then {
			took, least := d.counted()
			b.table.add(d.figure, "ms", took, least, d.limit, d.parts())
		}
	}
	return nil
}

// parts is the note of a call: what of its time is whose. The rest is the airlock's, less what the SDK does with rows that the airlock
// reads by itself.
func (d *duel) parts() string {
	if d.hop == nil {
		return d.note
	}
	through, direct := d.hop.counted()
	host := quantile(through, 0.5) - quantile(direct, 0.5)
	took, least := d.counted()
	storage := quantile(least, 0.5)
	return fmt.Sprintf("host %s ms, SDK, storage and bus %s ms, the rest %s ms", number(host), number(storage),
		number(quantile(took, 0.5)-host-storage))
}

// latency measures what people wait for: each call of the API through the host, and the system until they are told of the next
// status. The floor of a call is what it needs of storage and of the bus, with the SDKs alone, one call after the other.
func (b *bench) latency(ctx context.Context) (err error) {
	// Everything waits for everything else here. With a second thread this process would spend a fifth of its time on looking for
	// work that there is none of, on a processor that the handler or the storage needs.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p, err := newPeople(b.azure, b.azure.Workspaces[0])
	if err != nil {
		return err
	}
	p = p.alone()
	r, err := newRaw(ctx, b.azure)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop(ctx)) }()
	alone, err := spawn(b.azure.Command(ctx))
	if err != nil {
		return err
	}
	defer alone.stop()
	alone.client.Transport = &wire{}
	const well = "/api/health"
	if err := alone.firstAnswer(ctx, well); err != nil {
		return err
	}
	direct := func(ctx context.Context) error { _, err := alone.send(ctx, http.MethodGet, well, ""); return err }
	hop := &duel{
		figure: "health: what the host takes of a call", note: "floor: the same without the host",
		do:    func(ctx context.Context, _ int) error { return p.well(ctx) },
		floor: timed(func(ctx context.Context, _ int) error { return direct(ctx) }),
		warm:  warmth{mine: often(p.well), floor: often(direct)},
	}
	still, err := newWorkspace(ctx, p, p.workspace, 5)
	if err != nil {
		return err
	}
	var idle apiclient.Request
	for range fullPage {
		if idle, err = still.create(ctx, "import"); err != nil {
			return err
		}
	}
	reads := warmth{
		mine:  often(func(ctx context.Context) error { return still.ask(ctx, idle.ID) }),
		floor: often(func(context.Context) error { _, err := r.ask("read"); return err }),
	}
	duels := waits(p, still, r, hop)
	for _, d := range duels {
		d.warm = reads
	}
	return b.play(ctx, b.runs(100), append([]*duel{hop}, duels...)...)
}

// often does something a hundred times: the more programs a call goes through, the longer it takes until it is as fast as in a loop.
func often(do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for range 100 {
			if err := do(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// commit is a call of the floor that writes a request, and so many rows beside it.
func commit(document, beside int) string { return fmt.Sprintf("commit %d %d", document, beside) }

const (
	fullPage = 50 // requests that are listed
	inARow   = 20 // reads that are measured one after the other, as of somebody who polls
)

// waits is the life of a request, and a list of a workspace in which nothing happens, as duels with the floor.
func waits(p, still *people, r *raw, hop *duel) []*duel {
	id := ""
	call, wait := limit{ratio: 1.5}, limit{ratio: 2}
	// The rows of a commit are as many as the airlock writes: the request with its two indexes, and what changes with it. What
	// is sealed is read to be hashed, and what arrives is read to be compared; the last relay is the notice that people wait for.
	submit := []string{"read", "list", commit(documentSize, 9)}
	seal := []string{relay, "read", "query 1", "send", "query 1", "open", "copy", "list", "download", commit(documentSize, 6)}
	verdict := []string{"download", "tag", "read", "read", "query 1", "list", commit(documentSize, 9), relay}
	review := []string{"read", commit(decidedSize, 9)}
	move := []string{relay, "read", "query 1", "send", "query 1", "open", "copy", "list", "download", commit(decidedSize, 10), relay}
	return []*duel{
		{figure: "create", limit: call, hop: hop,
			do:    func(ctx context.Context, _ int) error { made, err := p.create(ctx, "import"); id = made.ID; return err },
			floor: r.all("query 1", "add", "set", commit(draftSize, 5), "open", "send"),
			after: func(ctx context.Context) error { return p.upload(ctx, id, 1) },
		},
		{figure: "link", limit: call, hop: hop,
			do:    func(ctx context.Context, _ int) error { _, err := p.link(ctx, id); return err },
			floor: r.all("read", commit(draftSize, 4)),
		},
		{figure: "submit", limit: call, hop: hop,
			do:    func(ctx context.Context, _ int) error { _, err := p.submit(ctx, id); return err },
			floor: r.all(append(submit, "send")...),
			then: &duel{figure: "submit → in_review", limit: wait, note: "one small file, scanned; floor: with the scanner's own calls",
				do:    func(ctx context.Context, _ int) error { return r.notices.told(ctx, id, "in_review") },
				floor: r.all(slices.Concat(submit, seal, verdict)...),
			},
		},
		{figure: "get", limit: call, hop: hop, loop: inARow,
			do:    func(ctx context.Context, _ int) error { return p.ask(ctx, id) },
			floor: r.all("read"),
		},
		{figure: fmt.Sprintf("list, %d drafts", fullPage), limit: call, hop: hop, loop: inARow,
			do:    func(ctx context.Context, _ int) error { _, err := still.list(ctx, fullPage); return err },
			floor: r.all(fmt.Sprintf("query %d", fullPage)),
		},
		{figure: "review", limit: call, hop: hop,
			do:    func(ctx context.Context, _ int) error { _, err := p.approve(ctx, id); return err },
			floor: r.all(append(review, "send")...),
			then: &duel{figure: "approve → approved", limit: wait, note: "one small file",
				do:    func(ctx context.Context, _ int) error { return r.notices.told(ctx, id, "approved") },
				floor: r.all(slices.Concat(review, move)...),
			},
		},
	}
}
