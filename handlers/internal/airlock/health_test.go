package airlock_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
)

// TestHealthNamesWhatIsIll: every dependency is asked, with a deadline, and only those that fail are ill. Why stands in the log,
// and not in the answer.
func TestHealthNamesWhatIsIll(t *testing.T) {
	all := []string{"store", "zones", "queue", "topic", "issuer"}
	for _, ill := range append(all, "") {
		w := newWorld(t)
		secret := errors.New("a name that nobody has to know")
		ask := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				if end, ok := ctx.Deadline(); !ok || time.Until(end) > 5*time.Second {
					t.Errorf("%s is asked without a deadline: %s", name, end)
				}
				if name == ill {
					return secret
				}
				return nil
			}
		}
		w.Probes = []airlock.Probe{{Name: "topic", Ask: ask("topic")}, {Name: "issuer", Ask: ask("issuer")}}
		w.store = &memstore.Store{Fault: func(memstore.Op, string) memstore.Outcome {
			if ill == "store" {
				return memstore.NotDone
			}
			return memstore.Pass
		}}
		w.zones = memzone.New(memzone.Options{Now: w.clock, Fault: func(memzone.Call) (before, after error) {
			if ill == "zones" {
				return secret, nil
			}
			return nil, nil
		}})
		w.Store, w.Zones = w.store, w.zones
		if ill == "queue" {
			w.queue.fail = secret
		}
		var names, sick []string
		for _, c := range w.Health(t.Context()) {
			names = append(names, c.Name)
			if c.Problem != "" {
				sick = append(sick, c.Name)
				if c.Problem != "it does not answer" {
					t.Errorf("%s says %q", c.Name, c.Problem)
				}
			}
		}
		if !slices.Equal(names, all) || ill != "" && !slices.Equal(sick, []string{ill}) || ill == "" && len(sick) > 0 || len(w.problems) != len(sick) {
			t.Errorf("with %q ill: of %v these are %v; in the log %v", ill, names, sick, w.problems)
		}
	}
}
