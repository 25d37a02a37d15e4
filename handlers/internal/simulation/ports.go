package simulation

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
)

// ending is how a call to a port ends.
type ending int

const (
	well   ending = iota
	before        // it fails, and nothing is done
	after         // it is done, and fails all the same
)

// errSimulated is how a call fails that the simulation lets fail.
var errSimulated = fmt.Errorf("simulated: %w", airlock.ErrTransient)

// deadline is how long an invocation may go on. Nothing that it calls later is done.
const deadline = 10 * time.Minute

// call is asked at every call to a port. It may let others go on first, end the call badly, or end the process.
func (w *world) call(op string, key func() string) ending {
	j := w.current
	if j == nil {
		return well
	}
	if j.on.dead {
		panic(died{})
	}
	w.pause(j)
	end, text := well, ""
	switch {
	case w.now.Sub(j.started) > deadline:
		w.count(TimedOut)
		end, text = before, ": is too late"
	case w.chance(w.mood.dies):
		w.count(Crash)
		j.on.dead = true
		if w.chance(0.5) {
			w.note(j, "dies before "+op, key)
			panic(died{})
		}
		end, text = after, ", and dies"
	case w.chance(w.mood.fails):
		w.count(CallFailed)
		end, text = before, ": fails"
	case w.chance(w.mood.loses):
		w.count(ReplyLost)
		end, text = after, ": loses its reply"
	}
	w.note(j, op+text, key)
	return end
}

// note traces a call.
func (w *world) note(j *job, what string, key func() string) {
	w.result.Steps++
	if w.tracer != nil {
		w.tracer(fmt.Sprintf("%s %s: %s: %s (%s)", w.now.Format("02 15:04:05"), j.on.name, j.name(), what, key()))
	}
}

// just is a key that is at hand.
func just(key string) func() string { return func() string { return key } }

func (w *world) storeFault(op memstore.Op, key string) memstore.Outcome {
	end := w.call(string(op), just(key))
	if op == memstore.OpCreate {
		w.known = append(w.known, key)
	}
	return [...]memstore.Outcome{memstore.Pass, memstore.NotDone, memstore.DoneLost}[end]
}

func (w *world) zoneFault(c memzone.Call) (failBefore, failAfter error) {
	end := w.call(string(c.Op), func() string { return c.Place.Account + "/" + c.Place.Container + " " + c.Name })
	if c.Op == memzone.OpCopy && end != before {
		w.written(c.Place, c.Name, w.mood.copyTime)
	}
	switch end {
	case before:
		return errSimulated, nil
	case after:
		return nil, errSimulated
	default:
		return nil, nil
	}
}

func (w *world) copyEnd(c airlock.Copy) airlock.CopyState {
	if w.mood.jammed && holding(c.From) || w.chance(w.mood.copyBreaks) {
		w.count(CopyBroken)
		return pick(w, airlock.CopyFailed, airlock.CopyAborted)
	}
	return airlock.CopySuccess
}

// message is a nudge on its way.
type message struct {
	airlock.Nudge
	at    time.Time
	tries int
}

// queue brings nudges to anybody who asks, at least once, in any order.
type queue struct{ w *world }

// dedupe is how long the queue knows a key.
const dedupe = 10 * time.Minute

func (q queue) Nudge(_ context.Context, n airlock.Nudge, delay time.Duration) error {
	w := q.w
	end := w.call("Nudge", just(n.Key))
	if end == before {
		return errSimulated
	}
	if last, seen := w.keys[n.Key]; !seen || w.now.Sub(last) > dedupe {
		w.keys[n.Key] = w.now
		m := message{n, w.now.Add(delay), 0}
		switch {
		case w.chance(w.mood.drops):
			w.count(NudgeLost)
		case w.chance(w.mood.doubles):
			w.count(NudgeTwice)
			w.queue = append(w.queue, m, m)
		default:
			w.queue = append(w.queue, m)
		}
	}
	if end == after {
		return errSimulated
	}
	return nil
}

func (q queue) Ping(context.Context) error { return nil }

// topic publishes notices, and sees whether what they tell of is stored.
type topic struct{ w *world }

func (t topic) Announce(_ context.Context, n airlock.Notice) error {
	w := t.w
	end := w.call("Announce", just(n.ID))
	if end != before && w.mood.mute {
		w.count(TopicDown)
		end = before
	}
	if end == before {
		return errSimulated
	}
	r, _, ok := w.store.Look(n.WorkspaceID, n.RequestID)
	if w.published[n.ID] == 0 && (!ok || !slices.Contains(r.Untold, n.ID)) {
		w.wrong("notice %s was published before what it tells of was stored", n.ID)
	}
	w.published[n.ID]++
	if end == after {
		return errSimulated
	}
	return nil
}

// containers lists those of the storage.
type containers struct{ *memzone.Zones }

// Containers implements airlock.Containers.
func (c containers) Containers(_ context.Context, account string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, p := range c.Places() {
			if p.Account == account && !yield(p.Container, nil) {
				return
			}
		}
	}
}
