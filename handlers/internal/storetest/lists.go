package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// testListsFollow makes random changes and compares every list with what it should hold.
func testListsFollow(s *suite) {
	rng := rand.New(rand.NewPCG(5, 6))
	statuses := statemachine.Statuses()
	model := map[string]airlock.Request{}
	for step := range 60 {
		n := rng.IntN(12)
		before, ok := model[id(n)]
		switch {
		case !ok:
			model[id(n)] = s.create(draft(home, n))
		case rng.IntN(4) == 0: // a change that nobody sees
			c := follow(before)
			c.After.Tries = step
			model[id(n)] = s.commit(c)
		case rng.IntN(4) == 0: // a change of something that is not the status
			c := follow(before)
			c.After.UpdatedWhen, c.After.Title = at(100-step), fmt.Sprint("step ", step)
			model[id(n)] = s.commit(c)
		default: // to any status, also the one it has, and to any moment, also one that another request has
			model[id(n)] = s.commit(moved(before, statuses[rng.IntN(len(statuses))].Status, rng.IntN(10)))
		}
		if step%10 == 9 {
			s.listsHold(model)
		}
	}
}

// listsHold compares every list by order and status with the model.
func (s *suite) listsHold(model map[string]airlock.Request) {
	s.Helper()
	for _, q := range queries(home) {
		var want []airlock.Request
		for _, r := range model {
			if q.Status == "" || r.Status == q.Status {
				r.ETag = ""
				want = append(want, r)
			}
		}
		slices.SortFunc(want, func(a, b airlock.Request) int {
			if c := b.UpdatedWhen.Compare(a.UpdatedWhen); c != 0 && q.Order == airlock.LastChanged {
				return c
			}
			return strings.Compare(b.ID, a.ID)
		})
		s.equal(fmt.Sprintf("%s %q", q.Order, q.Status), s.list(q), want)
	}
}

// testListOrder uses ids and moments that differ in one place only.
func testListOrder(s *suite) {
	for i, n := range []int{0x10000, 0xffff, 9, 10, 0x1f, 0x20, 0xa0, 0x9f, 0xffffff, 1} {
		c := draft(home, n)
		c.After.UpdatedWhen = at(0).Add([]time.Duration{1, 0, 1000, 999, 1001, 1e9, 1e9 + 1, 1e9 - 1, 1e15, 1}[i])
		s.create(c)
	}
	ids := func(order airlock.Order) (found []string) {
		for _, r := range s.list(airlock.Query{Workspace: home, Order: order, Limit: 3}) {
			found = append(found, r.ID)
		}
		return found
	}
	s.equal("newest first", ids(airlock.NewestFirst),
		[]string{id(0xffffff), id(0x10000), id(0xffff), id(0xa0), id(0x9f), id(0x20), id(0x1f), id(10), id(9), id(1)})
	s.equal("last changed", ids(airlock.LastChanged),
		[]string{id(0xffffff), id(0xa0), id(0x20), id(0x9f), id(0x1f), id(9), id(10), id(0x10000), id(1), id(0xffff)})
}

func testListFilters(s *suite) {
	statuses := []statemachine.Status{statemachine.Draft, statemachine.Submitted, statemachine.InReview}
	people := []string{alice, "bob", "bob' or Creator ne 'x"}
	for n := range 12 {
		c := draft(home, n)
		c.After.CreatedBy.ID, c.After.Status = people[n%3], statuses[n%2]
		c.After.Type = airlock.Directions()[(n/2)%2]
		s.create(recorded(c, "create"))
	}
	for _, order := range []airlock.Order{airlock.NewestFirst, airlock.LastChanged} {
		for _, status := range append(statuses, "", "draf", "drafts", "no such status", "' or true") {
			for _, direction := range append(airlock.Directions(), "", "x", "' or true") {
				for _, person := range append(people, "", "nobody", "Bob", strings.Repeat("x", 3000)) {
					q := airlock.Query{Workspace: home, Order: order, Status: status, Type: direction, Creator: person, Limit: 2}
					var want, got []string
					for n := 11; n >= 0; n-- {
						if (status == "" || status == statuses[n%2]) && (direction == "" || direction == airlock.Directions()[(n/2)%2]) &&
							(person == "" || person == people[n%3]) {
							want = append(want, id(n))
						}
					}
					for _, r := range s.list(q) {
						got = append(got, r.ID)
					}
					s.equal(fmt.Sprintf("%.200s", fmt.Sprint(q)), got, want)
				}
			}
		}
	}
}

// testListPaging adds, moves and changes requests while lists are read page by page. Those that stay as they are must
// be listed once each.
func testListPaging(s *suite) {
	for _, q := range []airlock.Query{
		{Order: airlock.NewestFirst}, {Order: airlock.LastChanged}, {Order: airlock.NewestFirst, Status: statemachine.Draft},
		{Order: airlock.LastChanged, Status: statemachine.Draft}, {Order: airlock.NewestFirst, Creator: alice},
	} {
		for _, limit := range []int{1, 2, 3} {
			q.Workspace, q.Limit, q.Cursor = fmt.Sprintf("w%d", limit)+strings.ReplaceAll(string(q.Order), "_", "-")+string(q.Status), limit, ""
			if q.Creator != "" {
				q.Workspace += "-by"
			}
			s.pagingHolds(q)
		}
	}
}

// pagingHolds reads a list of 12, of which every third stays, while it changes. Ids are unique over all workspaces, so
// each call has numbers of its own.
func (s *suite) pagingHolds(q airlock.Query) {
	s.Helper()
	base := 0
	for _, letter := range q.Workspace {
		base = (base*31 + int(letter)) % 9973
	}
	base *= 64
	rows := map[int]airlock.Request{}
	for n := range 12 {
		rows[n] = s.create(draft(q.Workspace, base+2*n))
	}
	seen := map[string]int{}
	for step := 0; ; step++ {
		page, err := s.store.Requests(s.ctx, q)
		s.ok(err)
		for _, r := range page.Requests {
			seen[r.ID]++
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
		if step >= 12 {
			continue
		}
		s.create(draft(q.Workspace, base+2*step+1)) // a new one beside each
		if n := 11 - step; n%3 != 0 {               // the next of the list goes, or goes elsewhere in it
			rows[n] = s.commit(moved(rows[n], statemachine.Submitted, base+100+step))
		}
	}
	for n := 0; n < 12; n += 3 {
		if seen[rows[n].ID] != 1 {
			s.Errorf("%s by %d: request %d was listed %d times", q.Order, q.Limit, n, seen[rows[n].ID])
		}
	}
}

func testListCursors(s *suite) {
	for n := range 4 {
		s.create(draft(home, n))
		s.create(draft(other, 10+n))
	}
	queries := []airlock.Query{
		{Workspace: home, Order: airlock.NewestFirst}, {Workspace: other, Order: airlock.NewestFirst},
		{Workspace: home, Order: airlock.LastChanged}, {Workspace: home, Order: airlock.NewestFirst, Status: statemachine.Draft},
		{Workspace: home, Order: airlock.NewestFirst, Type: airlock.Import}, {Workspace: home, Order: airlock.NewestFirst, Creator: alice},
		{Workspace: home, Order: airlock.LastChanged, Status: statemachine.Draft},
	}
	var cursors []string
	for _, q := range queries {
		q.Limit = 2
		page, err := s.store.Requests(s.ctx, q)
		s.ok(err)
		if len(page.Requests) > 2 || page.Next == "" {
			s.Fatalf("%d requests and the cursor %q", len(page.Requests), page.Next)
		}
		cursors = append(cursors, page.Next)
	}
	of, err := s.store.RequestsOf(s.ctx, alice, 2, "")
	s.ok(err)
	for _, workspace := range []string{home, other, "c"} {
		set, r := decided(airlock.Settings{WorkspaceID: workspace})
		_, err := s.store.PutSettings(s.ctx, set, r)
		s.ok(err)
	}
	_, spaces, err := s.store.Workspaces(s.ctx, 2, "")
	s.ok(err)
	cursors = append(cursors, of.Next, spaces)

	garbage := []string{"x", "=", "null", "e30", "{}", "%", "\x00", "ä", strings.Repeat("A", 5000), " "}
	for _, c := range cursors {
		garbage = append(garbage, c[1:], c[:len(c)-1], c+"A", strings.ToUpper(c), string(c[0]+1)+c[1:], c[:len(c)/2]+"AA"+c[len(c)/2+2:])
	}
	for i, q := range queries {
		for j, c := range append(cursors, garbage...) {
			q.Limit, q.Cursor = 3, c
			page, err := s.store.Requests(s.ctx, q)
			if i == j {
				s.ok(err) // with another limit
				for _, r := range page.Requests {
					s.equal("workspace", r.WorkspaceID, q.Workspace)
				}
				continue
			}
			s.fails(err, airlock.ErrCursor)
		}
	}
	for j, c := range append(cursors, garbage...) {
		_, err := s.store.RequestsOf(s.ctx, "bob", 3, c)
		s.fails(err, airlock.ErrCursor)
		if j != len(queries) {
			_, err := s.store.RequestsOf(s.ctx, alice, 3, c)
			s.fails(err, airlock.ErrCursor)
		}
		if j != len(queries)+1 {
			_, _, err := s.store.Workspaces(s.ctx, 3, c)
			s.fails(err, airlock.ErrCursor)
		}
	}
}

func testListMistakes(s *suite) {
	for _, q := range []airlock.Query{
		{Workspace: home, Order: airlock.NewestFirst, Limit: 0}, {Workspace: home, Order: airlock.NewestFirst, Limit: -1},
		{Workspace: home, Order: airlock.NewestFirst, Limit: airlock.MaxPage + 1}, {Workspace: home, Limit: 1},
		{Workspace: home, Order: "title", Limit: 1},
	} {
		_, err := s.store.Requests(s.ctx, q)
		s.fails(err, errMistake)
	}
	for _, limit := range []int{-1, 0, airlock.MaxPage + 1} {
		_, err := s.store.RequestsOf(s.ctx, alice, limit, "")
		s.fails(err, errMistake)
		_, _, err = s.store.Workspaces(s.ctx, limit, "")
		s.fails(err, errMistake)
		_, err = s.store.Records(s.ctx, home, id(1), 0, limit)
		s.fails(err, errMistake)
		_, err = s.store.Comments(s.ctx, home, id(1), 0, limit)
		s.fails(err, errMistake)
		_, err = s.store.SettingsRecords(s.ctx, home, 0, limit)
		s.fails(err, errMistake)
		_, err = s.store.Due(s.ctx, home, at(1), limit)
		s.fails(err, errMistake)
	}
}

// many is more than a table returns at once.
const many = airlock.MaxPage + 20

func testListMany(s *suite) {
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := worker; n < many; n += 8 {
				c := draft(home, n)
				c.After.Due = at(n)
				if _, err := s.store.Create(s.ctx, c); err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	for _, q := range queries(home) {
		if q.Status != "" && q.Status != statemachine.Draft {
			continue
		}
		for _, limit := range []int{7, airlock.MaxPage} {
			q.Limit = limit
			page, err := s.store.Requests(s.ctx, q)
			s.ok(err)
			if len(page.Requests) > limit || page.Next == "" {
				s.Fatalf("a page of %d with limit %d, next %q", len(page.Requests), limit, page.Next)
			}
		}
		requests := s.list(q)
		s.equal("requests", len(requests), many)
		for i, r := range requests {
			s.equal("place", r.ID, id(many-1-i))
		}
	}
	due, err := s.store.Due(s.ctx, home, at(many), airlock.MaxPage)
	s.ok(err)
	s.equal("due", len(due), airlock.MaxPage)
	due, err = s.store.Due(s.ctx, home, at(9), airlock.MaxPage)
	s.ok(err)
	s.equal("due", len(due), 10)
}

func testRequestsOf(s *suite) {
	var want []airlock.Request
	for n := range 9 {
		workspace := []string{home, other, "b"}[n%3]
		c := draft(workspace, n)
		if n == 4 {
			c.After.CreatedBy.ID = strings.ToUpper(alice)
		}
		r := s.create(c)
		if n == 5 {
			r = s.commit(moved(r, statemachine.Cancelled, 20)) // lists show the present state
		}
		if n != 4 {
			r.ETag = ""
			want = append([]airlock.Request{r}, want...)
		}
	}
	for _, limit := range []int{1, 3, 8, 100} {
		var got []airlock.Request
		for cursor := ""; ; {
			page, err := s.store.RequestsOf(s.ctx, alice, limit, cursor)
			s.ok(err)
			if len(page.Requests) > limit {
				s.Fatalf("a page of %d, limit %d", len(page.Requests), limit)
			}
			got = append(got, page.Requests...)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		s.equal(fmt.Sprint("limit ", limit), got, want)
	}
	for _, nobody := range []string{"", "nobody", alice[1:], alice + " ", alice + "'", strings.Repeat("x", 2000)} {
		page, err := s.store.RequestsOf(s.ctx, nobody, 10, "")
		s.ok(err)
		s.equal("nobody", page, airlock.Page{})
	}
}

// testIsolation puts a request with rows of every kind into one workspace and looks for it from others.
func testIsolation(s *suite) {
	s.prepared()
	s.create(draft(other, 2))
	set, r := decided(airlock.Settings{WorkspaceID: home})
	_, err := s.store.PutSettings(s.ctx, set, r)
	s.ok(err)
	for _, workspace := range []string{other, "-", "a-a", "aa", "b", "A", "", "a ", "a_", "a'", "a' or PartitionKey ne 'a", "../a", "a%", strings.Repeat("a", 2000)} {
		_, err := s.store.Request(s.ctx, workspace, id(1))
		s.fails(err, airlock.ErrNotFound)
		_, err = s.store.Settings(s.ctx, workspace)
		s.fails(err, airlock.ErrNotFound)
		_, err = s.store.Commit(s.ctx, func() airlock.Commit {
			read := s.request(home, id(1))
			read.WorkspaceID = workspace
			return loaded(read)
		}())
		if err == nil {
			s.Errorf("a commit from %q was accepted", workspace)
		}
		s.nothingIn(workspace, id(1))
		for _, q := range queries(workspace) {
			for _, r := range s.list(q) {
				s.equal("listed", r.ID, id(2))
			}
		}
		due, err := s.store.Due(s.ctx, workspace, at(99), 10)
		s.ok(err)
		s.equal("due", len(due), 0)
		records, err := s.store.SettingsRecords(s.ctx, workspace, 0, 10)
		s.ok(err)
		s.equal("records of settings", len(records), 0)
	}
	for _, bad := range append(badIDs, id(3)) {
		_, err := s.store.Request(s.ctx, home, bad)
		s.fails(err, airlock.ErrNotFound)
		_, err = s.store.Workspace(s.ctx, bad)
		s.fails(err, airlock.ErrNotFound)
		s.nothingIn(home, bad)
	}
}

// nothingIn expects that the workspace has nothing beside a request of that id.
func (s *suite) nothingIn(workspace, id string) {
	s.Helper()
	manifest, err := s.store.Manifest(s.ctx, workspace, id, 1)
	s.ok(err)
	s.equal("manifest", manifest, airlock.Manifest{Round: 1})
	notices, err := s.store.Notices(s.ctx, workspace, id)
	s.ok(err)
	s.equal("notices", len(notices), 0)
	records, err := s.store.Records(s.ctx, workspace, id, 0, 10)
	s.ok(err)
	s.equal("records", len(records), 0)
	comments, err := s.store.Comments(s.ctx, workspace, id, 0, 10)
	s.ok(err)
	s.equal("comments", len(comments), 0)
}
