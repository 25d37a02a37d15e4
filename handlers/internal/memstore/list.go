package memstore

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"airlock/handlers/internal/airlock"
)

// Requests lists one page of a workspace's requests.
func (s *Store) Requests(ctx context.Context, q airlock.Query) (airlock.Page, error) {
	return do(ctx, s, OpRequests, q.Workspace, func() (airlock.Page, error) {
		if err := airlock.CheckLimit(q.Limit); err != nil {
			return airlock.Page{}, err
		}
		if q.Order != airlock.NewestFirst && q.Order != airlock.LastChanged {
			return airlock.Page{}, fmt.Errorf("there is no order %q", q.Order)
		}
		list := func() string {
			return fmt.Sprintf("requests %q %q %q %q %q", q.Workspace, q.Order, q.Status, q.Type, q.Creator)
		}
		after, err := parseCursor(list, q.Cursor)
		if err != nil {
			return airlock.Page{}, err
		}
		rows := ordered{}
		if space := s.spaces[q.Workspace]; space != nil {
			rows = space.in(q.Order)
		}
		return s.page(rows, list, after, q.Limit, func(r *row) bool {
			return (q.Status == "" || r.request.Status == q.Status) && (q.Type == "" || r.request.Type == q.Type) &&
				(q.Creator == "" || r.request.CreatedBy.ID == q.Creator)
		}), nil
	})
}

// RequestsOf lists one page of a person's requests.
func (s *Store) RequestsOf(ctx context.Context, person string, limit int, cursor string) (airlock.Page, error) {
	return do(ctx, s, OpRequestsOf, person, func() (airlock.Page, error) {
		if err := airlock.CheckLimit(limit); err != nil {
			return airlock.Page{}, err
		}
		list := func() string { return fmt.Sprintf("of %q", person) }
		after, err := parseCursor(list, cursor)
		if err != nil {
			return airlock.Page{}, err
		}
		ids := s.requesters[person]
		rows := ordered{len(ids), func(i int) listed {
			id := ids[len(ids)-1-i]
			return listed{position{ID: id}, s.find(s.workspaces[id], id)}
		}}
		return s.page(rows, list, after, limit, func(r *row) bool {
			return r != nil && r.request.CreatedBy.ID == person
		}), nil
	})
}

// listed is a row and where it stands in a list.
type listed struct {
	at  position
	row *row
}

// position is a place in a list. Lists run downwards: the latest time first, then the highest id.
type position struct {
	When int64 // Unix nanoseconds; 0 where the list goes by id
	ID   string
}

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(q.When, p.When), cmp.Compare(q.ID, p.ID))
}

// ordered is a list, of which only what is asked for is made.
type ordered struct {
	n  int
	at func(int) listed
}

// in returns the rows of a workspace in an order. Newest first is how they are kept; for the last change they are sorted.
func (s *space) in(order airlock.Order) ordered {
	newest := func(i int) listed {
		id := s.order[len(s.order)-1-i]
		return listed{position{ID: id}, s.rows[id]}
	}
	if order == airlock.NewestFirst {
		return ordered{len(s.order), newest}
	}
	rows := make([]listed, len(s.order))
	for i := range rows {
		rows[i] = newest(i)
		rows[i].at.When = rows[i].row.request.UpdatedWhen.UnixNano()
	}
	slices.SortFunc(rows, func(a, b listed) int { return a.at.compare(b.at) })
	return ordered{len(rows), func(i int) listed { return rows[i] }}
}

// page takes the next page of a list, behind the position. Requests of a list have no ETag.
func (s *Store) page(rows ordered, list func() string, after *position, limit int, want func(*row) bool) airlock.Page {
	from := 0
	if after != nil {
		from = sort.Search(rows.n, func(i int) bool { return rows.at(i).at.compare(*after) > 0 })
	}
	found := []airlock.Request{}
	for i := from; i < rows.n; i++ {
		if len(found) == limit || (s.Span > 0 && i-from == s.Span) {
			return airlock.Page{Requests: found, Next: makeCursor(list, rows.at(i-1).at)}
		}
		if one := rows.at(i); want(one.row) {
			r := cloneRequest(one.row.request)
			r.ETag = ""
			found = append(found, r)
		}
	}
	return airlock.Page{Requests: found}
}

// Workspaces lists one page of the workspaces that have settings.
func (s *Store) Workspaces(ctx context.Context, limit int, cursor string) (ids []string, next string, err error) {
	ids, err = do(ctx, s, OpWorkspaces, "", func() ([]string, error) {
		ids := []string{}
		if err := airlock.CheckLimit(limit); err != nil {
			return nil, err
		}
		list := func() string { return "workspaces" }
		after, err := parseCursor(list, cursor)
		if err != nil {
			return nil, err
		}
		for _, id := range slices.Sorted(maps.Keys(s.spaces)) {
			if s.spaces[id].settings == nil || (after != nil && id <= after.ID) {
				continue
			}
			if len(ids) == limit {
				next = makeCursor(list, position{ID: ids[limit-1]})
				break
			}
			ids = append(ids, id)
		}
		return ids, nil
	})
	if err != nil {
		next = ""
	}
	return ids, next, err
}

// makeCursor writes a position with the list that it is of: the list, the time and the id, a line each.
func makeCursor(list func() string, at position) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list() + "\n" + strconv.FormatInt(at.When, 10) + "\n" + at.ID + "\n"))
}

func parseCursor(list func() string, text string) (*position, error) {
	if text == "" {
		return nil, nil
	}
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	lines := strings.Split(string(decoded), "\n")
	if err != nil || len(lines) != 4 || lines[3] != "" || lines[0] != list() {
		return nil, airlock.ErrCursor
	}
	at, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return nil, airlock.ErrCursor
	}
	return &position{at, lines[2]}, nil
}
