package airlock

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Everything checks every workspace, and the containers that belong to none. What cannot be read is left out and reported
// in the error.
func (c Checker) Everything(ctx context.Context) ([]Violation, error) {
	var found []Violation
	var errs []error
	where := &containerCheck{Checker: c, settings: map[string]Settings{}}
	for cursor := ""; ; {
		workspaces, next, err := c.Store.Workspaces(ctx, MaxPage, cursor)
		if err != nil {
			return found, fmt.Errorf("check: list workspaces: %w", errors.Join(append(errs, err)...))
		}
		for _, id := range workspaces {
			more, err := c.inside(ctx, id)
			found = append(found, more...)
			if err == nil {
				err = where.add(ctx, id)
			}
			errs = append(errs, err)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	errs = append(errs, where.run(ctx))
	return append(found, where.found...), errors.Join(errs...)
}

// Workspace checks the settings of a workspace, every request of it, its lists, and the containers in its accounts that
// belong to it or to none. What cannot be read is left out and reported in the error.
func (c Checker) Workspace(ctx context.Context, workspace string) ([]Violation, error) {
	found, err := c.inside(ctx, workspace)
	where := &containerCheck{Checker: c, only: workspace, settings: map[string]Settings{}}
	if err := errors.Join(err, where.add(ctx, workspace), where.run(ctx)); err != nil {
		return append(found, where.found...), fmt.Errorf("check workspace %s: %w", workspace, err)
	}
	return append(found, where.found...), nil
}

// inside checks a workspace without the containers that nothing in it leads to. Its memory is bounded: where a workspace has
// very many requests, they are looked at in parts.
func (c Checker) inside(ctx context.Context, workspace string) ([]Violation, error) {
	w := &workspaceCheck{Checker: c, id: workspace, parts: 1}
	if err := w.checkSettings(ctx); err != nil {
		return w.found, err
	}
	var errs []error
	for part := 0; part < w.parts; part++ {
		if err := w.checkLists(ctx, part); err != nil {
			return w.found, errors.Join(append(errs, err)...)
		}
		for _, id := range slices.Sorted(maps.Keys(w.rows)) {
			found, err := c.Request(ctx, workspace, id)
			w.found = append(w.found, found...)
			if errors.Is(err, ErrNotFound) {
				err = nil // it is in a list and not stored, which is known by now
			}
			errs = append(errs, err)
		}
	}
	return w.found, errors.Join(errs...)
}

// workspaceCheck is the look at a workspace.
type workspaceCheck struct {
	Checker
	id       string
	settings Settings
	parts    int             // into which the requests are divided
	rows     map[string]*row // of the part that is looked at, by request
	found    []Violation
}

func (w *workspaceCheck) broken(rule Rule, request, format string, args ...any) {
	w.found = append(w.found, Violation{Rule: rule, Workspace: w.id, Request: request, Detail: fmt.Sprintf(format, args...)})
}

// checkSettings: the settings are the last that their trail tells of.
func (w *workspaceCheck) checkSettings(ctx context.Context) error {
	var err error
	if w.settings, err = w.Store.Settings(ctx, w.id); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	at, seq, head, digest := w.settings.RecordSeq, 0, "", ""
	for {
		page, err := w.Store.SettingsRecords(ctx, w.id, seq, MaxPage)
		if err != nil {
			return fmt.Errorf("records: %w", err)
		}
		if seq, head, err = verifyPart(Chain(w.id, ""), page, seq, head); err != nil {
			w.broken(RuleSettings, "", "%v", err)
			return nil
		}
		for _, r := range page {
			if r.What == recordSettings && r.Seq <= at {
				digest = r.Digest
			}
		}
		if len(page) < MaxPage {
			break
		}
	}
	switch {
	case seq < at || at < 1:
		w.broken(RuleSettings, "", "they know of %d records, and there are %d", at, seq)
	case seq > at: // they were changed in between
	case head != w.settings.RecordHash || digest != w.settings.digest():
		w.broken(RuleSettings, "", "they are not what record %d tells of", at)
	}
	return nil
}
