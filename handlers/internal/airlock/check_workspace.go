package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"airlock/statemachine"
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

// inside checks a workspace without the containers that nothing in it leads to.
func (c Checker) inside(ctx context.Context, workspace string) ([]Violation, error) {
	w := &workspaceCheck{Checker: c, id: workspace}
	if err := errors.Join(w.checkSettings(ctx), w.checkLists(ctx)); err != nil {
		return w.found, err
	}
	var errs []error
	for _, id := range w.order {
		found, err := c.Request(ctx, workspace, id)
		w.found = append(w.found, found...)
		if errors.Is(err, ErrNotFound) {
			err = nil // it is in a list and not stored, which is known by now
		}
		errs = append(errs, err)
	}
	return w.found, errors.Join(errs...)
}

// workspaceCheck is the look at a workspace.
type workspaceCheck struct {
	Checker
	id       string
	settings Settings
	lists    []list   // all of them; the first is of every request, newest first
	order    []string // the ids of all requests, ascending
	found    []Violation
}

// list is one of the lists in which requests stand, as it was read.
type list struct {
	name string
	rows map[string]Request
	has  func(Request) bool // whether a request belongs into it
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
	records, err := allRecords(func(after int) ([]Record, error) { return w.Store.SettingsRecords(ctx, w.id, after, MaxPage) })
	if err != nil {
		return err
	}
	seq, head, err := VerifyTrail(Chain(w.id, ""), records)
	switch at := w.settings.RecordSeq; {
	case err != nil:
		w.broken(RuleSettings, "", "%v", err)
	case seq < at || at < 1:
		w.broken(RuleSettings, "", "they know of %d records, and there are %d", at, seq)
	case seq > at: // they were changed in between
	case head != w.settings.RecordHash || lastSettings(records[:at]).Digest != w.settings.digest():
		w.broken(RuleSettings, "", "they are not what record %d tells of", at)
	}
	return nil
}

// lastSettings is the last record that tells of a change of the settings.
func lastSettings(records []Record) Record {
	for _, r := range slices.Backward(records) {
		if r.What == recordSettings {
			return r
		}
	}
	return Record{}
}

// checkLists: every request stands in every list where it belongs, exactly once, and in no other.
func (w *workspaceCheck) checkLists(ctx context.Context) error {
	everything := func(Request) bool { return true }
	queries := []Query{{Order: NewestFirst}, {Order: LastChanged}}
	for _, s := range statemachine.Statuses() {
		queries = append(queries, Query{Order: NewestFirst, Status: s.Status})
	}
	for _, q := range queries {
		q.Workspace, q.Limit = w.id, MaxPage
		l := list{name: string(q.Order), has: everything}
		if q.Status != "" {
			l.name, l.has = string(q.Status), func(r Request) bool { return r.Status == q.Status }
		}
		if err := w.walk(&l, func(cursor string) (Page, error) {
			q.Cursor = cursor
			return w.Store.Requests(ctx, q)
		}); err != nil {
			return err
		}
	}
	if err := w.readMine(ctx); err != nil {
		return err
	}
	for _, l := range w.lists {
		for id := range l.rows {
			if at, known := slices.BinarySearch(w.order, id); !known {
				w.order = slices.Insert(w.order, at, id)
			}
		}
	}
	due, err := w.readDue(ctx)
	if err != nil {
		return err
	}
	for _, id := range w.order {
		if err := w.checkListed(ctx, id, due); err != nil {
			return err
		}
	}
	return nil
}

// walk reads a list to its end.
func (w *workspaceCheck) walk(l *list, page func(cursor string) (Page, error)) error {
	l.rows = map[string]Request{}
	for cursor := ""; ; {
		p, err := page(cursor)
		if err != nil {
			return fmt.Errorf("list %q: %w", l.name, err)
		}
		for _, r := range p.Requests {
			if r.WorkspaceID != w.id {
				continue // people make requests in other workspaces too
			}
			if _, twice := l.rows[r.ID]; twice {
				w.broken(RuleIndex, r.ID, "it is twice in the list %q", l.name)
			}
			l.rows[r.ID] = r
		}
		if cursor = p.Next; cursor == "" {
			w.lists = append(w.lists, *l)
			return nil
		}
	}
}

// readMine reads the lists of everybody who made a request.
func (w *workspaceCheck) readMine(ctx context.Context) error {
	var people []string
	for _, r := range w.lists[0].rows {
		if at, known := slices.BinarySearch(people, r.CreatedBy.ID); !known {
			people = slices.Insert(people, at, r.CreatedBy.ID)
		}
	}
	for _, who := range people {
		l := list{name: "of " + who, has: func(r Request) bool { return r.CreatedBy.ID == who }}
		if err := w.walk(&l, func(cursor string) (Page, error) { return w.Store.RequestsOf(ctx, who, MaxPage, cursor) }); err != nil {
			return err
		}
	}
	return nil
}

// endOfTime is later than anything can be due.
func endOfTime() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }

// readDue reads what is due at any time; nil where that is more than can be listed.
func (w *workspaceCheck) readDue(ctx context.Context) (map[string]time.Time, error) {
	owed, err := w.Store.Due(ctx, w.id, endOfTime(), MaxPage)
	if err != nil {
		return nil, fmt.Errorf("due: %w", err)
	}
	if len(owed) == MaxPage {
		return nil, nil
	}
	due := map[string]time.Time{}
	for _, o := range owed {
		due[o.Request] = o.Due
	}
	return due, nil
}

// checkListed holds the lists against one request. One that changed while they were read is not held against them.
func (w *workspaceCheck) checkListed(ctx context.Context, id string, due map[string]time.Time) error {
	r, err := w.Store.Request(ctx, w.id, id)
	if errors.Is(err, ErrNotFound) {
		w.broken(RuleIndex, id, "it is in a list and is not stored")
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", id, err)
	}
	if first, ok := w.lists[0].rows[id]; !ok || first.Version != r.Version || statemachine.Forgetting(r.Owed) {
		return nil
	}
	for _, l := range w.lists {
		row, listed := l.rows[id]
		switch {
		case listed != l.has(r):
			w.broken(RuleIndex, id, "it is %s; in the list %q: %v", r.Status, l.name, listed)
		case listed && (row.Version != r.Version || row.Status != r.Status || !row.UpdatedWhen.Equal(r.UpdatedWhen)):
			w.broken(RuleIndex, id, "the list %q has version %d of %d", l.name, row.Version, r.Version)
		}
	}
	if at, ok := due[id]; due != nil && (ok == r.Due.IsZero() || !at.Equal(r.Due)) {
		w.broken(RuleIndex, id, "it is due at %s; listed as due: %v, at %s", r.Due, ok, at)
	}
	if found, err := w.Store.Workspace(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("workspace of %s: %w", id, err)
	} else if found != w.id {
		w.broken(RuleIndex, id, "its id leads to the workspace %q", found)
	}
	return nil
}
