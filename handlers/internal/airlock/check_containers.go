package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"airlock/statemachine"
)

// containerCheck is the look at the containers of accounts: each belongs to a request that knows of it. Those whose names
// hold no request's id are somebody else's.
type containerCheck struct {
	Checker
	only     string              // look at containers of this workspace and of none; empty: of all
	settings map[string]Settings // of the workspaces that were seen
	accounts []string            // ascending
	found    []Violation
}

// add notes the accounts in which a workspace has its data.
func (k *containerCheck) add(ctx context.Context, workspace string) error {
	settings, err := k.settingsOf(ctx, workspace)
	if err != nil {
		return err
	}
	for _, d := range Directions() {
		for _, zone := range zones() {
			p, err := k.Layout.With(settings.Layout).Place(d, k.TRE, settings.Suffix, "", statemachine.Spot{Zone: zone, Round: 1})
			if err != nil {
				return err
			}
			if at, known := slices.BinarySearch(k.accounts, p.Account); !known {
				k.accounts = slices.Insert(k.accounts, at, p.Account)
			}
		}
	}
	return nil
}

func (k *containerCheck) settingsOf(ctx context.Context, workspace string) (Settings, error) {
	if s, known := k.settings[workspace]; known {
		return s, nil
	}
	s, err := k.Store.Settings(ctx, workspace)
	if err != nil {
		return Settings{}, fmt.Errorf("settings of %s: %w", workspace, err)
	}
	k.settings[workspace] = s
	return s, nil
}

// run looks at every container of every account. One that cannot be listed does not stop the others.
func (k *containerCheck) run(ctx context.Context) error {
	if k.Containers == nil {
		return nil
	}
	var errs []error
	for _, account := range k.accounts {
		for name, err := range k.Containers.Containers(ctx, account) {
			if err == nil {
				err = k.container(ctx, Place{account, name})
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("containers of %s: %w", account, err))
				break
			}
		}
	}
	return errors.Join(errs...)
}

func (k *containerCheck) container(ctx context.Context, p Place) error {
	id := RequestID(p.Container)
	if test, ok := k.Layout.scannerTest(k.TRE); id == "" || ok && p == test { // what a self-test leaves, the sweep deletes
		return nil
	}
	broken := func(rule Rule, workspace, detail string) {
		k.found = append(k.found, Violation{rule, workspace, id, p.Account + "/" + p.Container, detail})
	}
	workspace, err := k.Store.Workspace(ctx, id)
	if errors.Is(err, ErrNotFound) {
		broken(RuleOrphan, "", "the container belongs to no request")
		return nil
	}
	if err != nil {
		return fmt.Errorf("workspace of %s: %w", id, err)
	}
	if k.only != "" && workspace != k.only {
		return nil
	}
	r, err := k.Store.Request(ctx, workspace, id)
	if errors.Is(err, ErrNotFound) {
		broken(RuleOrphan, workspace, "the request of the container was never stored")
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", id, err)
	}
	settings, err := k.settingsOf(ctx, workspace)
	if err != nil {
		return err
	}
	if _, ok := k.Layout.With(settings.Layout).Spot(r.Type, k.TRE, settings.Suffix, id, r.Round, p); !ok {
		broken(RuleZone, workspace, "the container is none of the zones of its request")
	}
	return nil
}
