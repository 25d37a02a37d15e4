package airlock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"airlock/statemachine"
)

// maxRows is how many requests of a workspace are held against its lists at a time, unless the checker says otherwise: some
// megabytes.
const maxRows = 20_000

// row is what is kept of a request that stands in lists: the version that the first list has, in which lists it is, and in
// which of them it is another than in the first.
type row struct {
	version         int
	status          statemachine.Status
	updated         int64 // nanoseconds since 1970
	listed, differs uint32
}

// listing is a list of a workspace's requests. The first is of every request, newest first; all others are held against it.
type listing struct {
	name  string
	query Query
	has   func(Request) bool // whether a request belongs into it
}

// listings are the lists of a workspace. Each is a bit of a row. The last has no query: it is those of the requesters.
func (w *workspaceCheck) listings() []listing {
	everything := func(Request) bool { return true }
	all := []listing{{string(NewestFirst), Query{Order: NewestFirst}, everything}, {string(LastChanged), Query{Order: LastChanged}, everything}}
	for _, s := range statemachine.Statuses() {
		all = append(all, listing{string(s.Status), Query{Order: NewestFirst, Status: s.Status}, func(r Request) bool { return r.Status == s.Status }})
	}
	for i := range all {
		all[i].query.Workspace, all[i].query.Limit = w.id, MaxPage
	}
	return append(all, listing{name: "of the requester", has: everything})
}

// errTooMany says that the requests have to be divided further.
var errTooMany = errors.New("too many requests to hold at a time")

// inPart reports whether a request belongs to a part.
func (w *workspaceCheck) inPart(id string, part int) bool {
	if w.parts == 1 {
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(id))
	return int(h.Sum32()%uint32(w.parts)) == part
}

// checkLists: every request of the part stands in every list where it belongs, exactly once, and in no other.
func (w *workspaceCheck) checkLists(ctx context.Context, part int) error {
	all := w.listings()
	people := map[string]bool{}
	for n, l := range all {
		read := func(cursor string) (Page, error) {
			l.query.Cursor = cursor
			return w.Store.Requests(ctx, l.query)
		}
		var err error
		switch {
		case n == 0:
			people, err = w.walkFirst(l, part, read)
		case l.query.Limit > 0:
			err = w.walk(n, l.name, part, read, nil)
		default:
			err = w.walkPeople(ctx, n, part, people)
		}
		if err != nil {
			return err
		}
	}
	due, err := w.readDue(ctx)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(w.rows)) {
		if err := w.checkListed(ctx, id, all, due); err != nil {
			return err
		}
	}
	return nil
}

// walkFirst reads the list of all, in more parts where there are too many for one, and returns who made requests.
func (w *workspaceCheck) walkFirst(l listing, part int, read func(cursor string) (Page, error)) (people map[string]bool, err error) {
	for {
		w.rows, people = map[string]*row{}, map[string]bool{}
		err := w.walk(0, l.name, part, read, func(r Request) error {
			people[r.CreatedBy.ID] = true
			if part == 0 && len(w.rows) > cmp.Or(w.AtOnce, maxRows) {
				return errTooMany
			}
			return nil
		})
		if !errors.Is(err, errTooMany) {
			return people, err
		}
		w.parts *= 2
	}
}

// walkPeople reads the lists of everybody who made a request.
func (w *workspaceCheck) walkPeople(ctx context.Context, n, part int, people map[string]bool) error {
	for who := range people {
		read := func(cursor string) (Page, error) { return w.Store.RequestsOf(ctx, who, MaxPage, cursor) }
		if err := w.walk(n, "of "+who, part, read, func(r Request) error {
			if r.CreatedBy.ID != who {
				w.broken(RuleIndex, r.ID, "it is in the list of %s, and is not theirs", who)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// walk reads a list to its end, and notes which requests of the part are in it.
func (w *workspaceCheck) walk(n int, name string, part int, read func(cursor string) (Page, error), also func(Request) error) error {
	for cursor := ""; ; {
		p, err := read(cursor)
		if err != nil {
			return fmt.Errorf("list %q: %w", name, err)
		}
		for _, r := range p.Requests {
			if r.WorkspaceID != w.id || !w.inPart(r.ID, part) {
				continue // people make requests in other workspaces too
			}
			w.note(n, name, r)
			if also == nil {
				continue
			}
			if err := also(r); err != nil {
				return err
			}
		}
		if cursor = p.Next; cursor == "" {
			return nil
		}
	}
}

// note notes that a request is in a list.
func (w *workspaceCheck) note(n int, name string, r Request) {
	bit := uint32(1) << n
	seen := w.rows[r.ID]
	switch {
	case seen == nil:
		seen = &row{}
		if n == 0 {
			seen.version, seen.status, seen.updated = r.Version, r.Status, r.UpdatedWhen.UnixNano()
		}
		w.rows[r.ID] = seen
	case seen.listed&bit != 0:
		w.broken(RuleIndex, r.ID, "it is twice in the list %q", name)
	}
	seen.listed |= bit
	if seen.version != r.Version || seen.status != r.Status || seen.updated != r.UpdatedWhen.UnixNano() {
		seen.differs |= bit
	}
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
func (w *workspaceCheck) checkListed(ctx context.Context, id string, all []listing, due map[string]time.Time) error {
	r, err := w.Store.Request(ctx, w.id, id)
	if errors.Is(err, ErrNotFound) {
		w.broken(RuleIndex, id, "it is in a list and is not stored")
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", id, err)
	}
	seen := w.rows[id]
	if seen.listed&1 == 0 || seen.version != r.Version || statemachine.Forgetting(r.Owed) {
		return nil
	}
	if seen.status != r.Status || seen.updated != r.UpdatedWhen.UnixNano() {
		w.broken(RuleIndex, id, "the lists have another version %d of it", r.Version)
	}
	for n, l := range all {
		listed := seen.listed&(1<<n) != 0
		switch {
		case listed != l.has(r):
			w.broken(RuleIndex, id, "it is %s; in the list %q: %v", r.Status, l.name, listed)
		case listed && seen.differs&(1<<n) != 0:
			w.broken(RuleIndex, id, "the list %q does not have version %d", l.name, r.Version)
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
