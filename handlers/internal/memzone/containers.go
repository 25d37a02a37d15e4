package memzone

import (
	"context"
	"errors"
	"iter"
	"slices"

	"airlock/handlers/internal/airlock"
)

// OpContainers is the operation of airlock.Containers.
const OpContainers Op = "Containers"

// Containers implements airlock.Containers. What it yields is the state at the moment of the call.
func (z *Zones) Containers(ctx context.Context, account string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var names []string
		err := z.do(ctx, Call{Op: OpContainers, Place: airlock.Place{Account: account}}, func() error {
			if !airlock.IsAccount(account) {
				return errors.New("not the name of an account")
			}
			for p := range z.containers {
				if p.Account == account {
					names = append(names, p.Container)
				}
			}
			slices.Sort(names)
			return nil
		})
		if err != nil {
			yield("", err)
			return
		}
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
	}
}
