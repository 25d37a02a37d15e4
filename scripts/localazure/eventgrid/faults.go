package eventgrid

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Faults says how unreliable the delivery is. The zero value delivers every event once, at once.
//
// The real service promises at-least-once and no order. Drop goes beyond that promise: it stands for
// the ways in which an event never comes to be (a scan that is never done, a subscription deleted by mistake).
type Faults struct {
	// Drop is the probability, 0 to 1, that a subscription never sees an event.
	Drop float64
	// Double is the probability that a subscription gets an event twice.
	Double float64
	// Reorder is the probability that an event is held back until a later event of the same subscription
	// has been tried, or until ReorderHold has passed.
	Reorder float64
	// ReorderHold bounds how long a reordered event waits for a later one. Zero means one second.
	ReorderHold time.Duration
	// DelayMin and DelayMax bound a uniform delay before the first attempt of each delivery.
	DelayMin, DelayMax time.Duration
}

// validate reports the first field that makes no sense.
func (f Faults) validate() error {
	for _, p := range []struct {
		name  string
		value float64
	}{{"Drop", f.Drop}, {"Double", f.Double}, {"Reorder", f.Reorder}} {
		if !(p.value >= 0 && p.value <= 1) {
			return fmt.Errorf("fault %s is %v, want a probability from 0 to 1", p.name, p.value)
		}
	}
	if f.DelayMin < 0 || f.DelayMax < f.DelayMin {
		return fmt.Errorf("fault delay %v to %v is not a range", f.DelayMin, f.DelayMax)
	}
	if f.ReorderHold < 0 {
		return fmt.Errorf("fault ReorderHold is %v, want 0 or more", f.ReorderHold)
	}
	return nil
}

// hold is ReorderHold with its default.
func (f Faults) hold() time.Duration {
	if f.ReorderHold == 0 {
		return time.Second
	}
	return f.ReorderHold
}

// fate is what the faults decided for one event and one subscription.
type fate struct {
	drop, reorder bool
	delays        []time.Duration // one for each copy to deliver
}

// draw decides the fate of one delivery. It always takes the same number of values from r, so that with
// the same seed changing one probability does not change what the others decide.
func (f Faults) draw(r *rand.Rand) fate {
	drop, double, reorder := r.Float64(), r.Float64(), r.Float64()
	first, second := r.Float64(), r.Float64()
	span := float64(f.DelayMax - f.DelayMin)
	out := fate{
		drop:    drop < f.Drop,
		reorder: reorder < f.Reorder,
		delays:  []time.Duration{f.DelayMin + time.Duration(first*span)},
	}
	if double < f.Double {
		out.delays = append(out.delays, f.DelayMin+time.Duration(second*span))
	}
	return out
}
