package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

func testCreate(s *suite) {
	c := draft(home, 1)
	made := s.create(c)
	if made.ETag == "" {
		s.Error("no ETag")
	}
	want := c.After
	want.ETag = made.ETag
	s.equal("created", made, want)
	s.equal("read", s.request(home, id(1)), want)
	before := s.everything(home, id(1))

	again := draft(home, 1)
	again.After.Title, again.After.CreatedBy.ID = "another", "somebody else"
	_, err := s.store.Create(s.ctx, again)
	s.fails(err, airlock.ErrExists)
	elsewhere := draft(other, 1)
	_, err = s.store.Create(s.ctx, elsewhere)
	s.fails(err, airlock.ErrExists)
	_, err = s.store.Request(s.ctx, other, id(1))
	s.fails(err, airlock.ErrNotFound)
	s.equal("after both", s.everything(home, id(1)), before)

	found, err := s.store.Workspace(s.ctx, id(1))
	s.ok(err)
	s.equal("workspace", found, home)
	page, err := s.store.RequestsOf(s.ctx, "somebody else", 10, "")
	s.ok(err)
	s.equal("requests of somebody who made none", page.Requests, []airlock.Request{})
}

func testCommit(s *suite) {
	first := s.create(draft(home, 1))
	c := noticed(reviewed(moved(first, statemachine.Submitted, 2), "bob", 1), "n1", "n2")
	c.After.Due = at(50)
	c.Manifest = &airlock.Manifest{Round: 1, Files: []airlock.File{{Name: "x", Size: 1}}}
	c.Dirty = []int{0}
	second := s.commit(c)
	if second.ETag == "" || second.ETag == first.ETag {
		s.Errorf("ETag %q after %q", second.ETag, first.ETag)
	}
	want := c.After
	want.ETag = second.ETag
	s.equal("committed", second, want)
	s.equal("read", s.request(home, id(1)), want)
	all := s.everything(home, id(1))
	s.equal("manifest", all.Manifests[1], *c.Manifest)
	s.equal("notices", all.Notices, c.Notices)
	s.equal("last record", all.Records[1], *c.Record)
	s.equal("due", all.Due, []airlock.Owed{{Workspace: home, Request: id(1), Due: at(50)}})

	// A commit without a change of status needs no record.
	c = follow(second)
	c.After.Tries = 3
	third := s.commit(c)
	s.equal("tries", s.request(home, id(1)).Tries, 3)

	// An ETag is for one version: every one before is lost.
	for _, stale := range []airlock.Request{first, second} {
		_, err := s.store.Commit(s.ctx, follow(stale))
		s.fails(err, airlock.ErrLost)
	}
	s.commit(follow(third))
}

// loaded returns a commit that writes a row of every kind.
func loaded(before airlock.Request) airlock.Commit {
	c := reviewed(moved(before, statemachine.InReview, 90), "carol", 2)
	c.After.Untold = c.After.Untold[min(1, len(c.After.Untold)):]
	c = noticed(c, "late notice")
	c.After.Due = at(91)
	c.Manifest = &airlock.Manifest{Round: 2, Files: make([]airlock.File, 60)}
	for i := range c.Manifest.Files {
		c.Manifest.Files[i].Name = fmt.Sprintf("file %02d", i)
	}
	c.Dirty = []int{0, 1}
	return commented(recorded(c, "everything"), "a comment")
}

// prepared stores a request that has a row of every kind.
func (s *suite) prepared() airlock.Request {
	s.Helper()
	c := noticed(reviewed(moved(s.create(draft(home, 1)), statemachine.Submitted, 2), "bob", 1), "n1", "n2")
	c.After.Due = at(50)
	return s.commit(commented(c, "an earlier comment"))
}

func testCommitLost(s *suite) {
	stale := s.prepared()
	c := follow(stale)
	c.After.LastError = "somebody was faster"
	s.commit(c)
	before := s.everything(home, id(1))
	_, err := s.store.Commit(s.ctx, loaded(stale))
	s.fails(err, airlock.ErrLost)
	s.equal("after a lost race", s.everything(home, id(1)), before)

	// A request that was never stored is lost too.
	never := draft(home, 2).After
	never.ETag = stale.ETag
	_, err = s.store.Commit(s.ctx, follow(never))
	s.fails(err, airlock.ErrLost)
	_, err = s.store.Request(s.ctx, home, id(2))
	s.fails(err, airlock.ErrNotFound)
}

func testCommitSecondReview(s *suite) {
	read := s.prepared()
	before := s.everything(home, id(1))
	c := loaded(read)
	again := *c.Review
	again.Round, again.Reviewer.ID = 1, "bob"
	c.Review = &again
	_, err := s.store.Commit(s.ctx, c)
	s.fails(err, airlock.ErrLost)
	s.equal("after a second review", s.everything(home, id(1)), before)

	// Anybody else may, and bob may in another round. Ids that look alike are different people.
	for i, by := range []struct {
		reviewer string
		round    int
	}{{"bob", 2}, {"bo", 1}, {"Bob", 1}, {"bob_1", 1}, {"bob/1", 1}, {"bob#1", 1}, {"1_bob", 1}, {"bob", 11}, {"b ob", 1}, {"böb", 1}} {
		c := reviewed(follow(read), by.reviewer, by.round)
		c.After.Tries = i
		read = s.commit(c)
	}
	s.equal("reviews", len(s.request(home, id(1)).Reviews), 11)
}

func testCommitMistakes(s *suite) {
	read := s.prepared()
	s.create(draft(home, 7))
	before := s.everything(home, id(1))
	for name, spoil := range map[string]func(*airlock.Commit){
		"status without a record":  func(c *airlock.Commit) { c.Record = nil },
		"version skipped":          func(c *airlock.Commit) { c.After.Version++ },
		"version kept":             func(c *airlock.Commit) { c.After.Version-- },
		"record out of order":      func(c *airlock.Commit) { r := c.Record.Seal(c.Record.Seq, c.Record.Hash); c.Record = &r },
		"record changed":           func(c *airlock.Commit) { c.Record.Text = "changed" },
		"head of the chain":        func(c *airlock.Commit) { c.After.RecordHash = "0" },
		"no status":                func(c *airlock.Commit) { c.After.Status = "" },
		"unknown status":           func(c *airlock.Commit) { c.After.Status = "in-review"; *c = recorded(*c, "move") },
		"another id":               func(c *airlock.Commit) { c.After.ID = id(7) },
		"another workspace":        func(c *airlock.Commit) { c.After.WorkspaceID = other },
		"notice not listed":        func(c *airlock.Commit) { c.After.Untold = nil },
		"notice without an id":     func(c *airlock.Commit) { *c = noticed(*c, "") },
		"notice with a long id":    func(c *airlock.Commit) { *c = noticed(*c, strings.Repeat("n", 129)) },
		"notice twice":             func(c *airlock.Commit) { c.Notices = append(c.Notices, c.Notices[0]) },
		"notice that was there":    func(c *airlock.Commit) { *c = noticed(*c, "n2") },
		"notice listed twice":      func(c *airlock.Commit) { c.After.Untold = append(c.After.Untold, "n2") },
		"listed without a notice":  func(c *airlock.Commit) { c.After.Untold = append(c.After.Untold, "n3") },
		"page out of range":        func(c *airlock.Commit) { c.Dirty = append(c.Dirty, 2) },
		"negative page":            func(c *airlock.Commit) { c.Dirty = []int{-1} },
		"page twice":               func(c *airlock.Commit) { c.Dirty = []int{0, 1, 1} },
		"dirty without a manifest": func(c *airlock.Commit) { c.Manifest = nil },
		"manifest without a round": func(c *airlock.Commit) { c.Manifest.Round = 0 },
		"too many files":           func(c *airlock.Commit) { c.Manifest.Files = make([]airlock.File, airlock.MaxManifestFiles+1) },
		"review without a person":  func(c *airlock.Commit) { c.Review.Reviewer.ID = "" },
		"review without a round":   func(c *airlock.Commit) { c.Review.Round = 0 },
		"comment without a record": func(c *airlock.Commit) {
			c.Record, c.After.Status, c.After.RecordSeq, c.After.RecordHash = nil, c.Before.Status, c.Before.RecordSeq, c.Before.RecordHash
		},
		"comment of another record": func(c *airlock.Commit) { c.Comment.Seq++ },
		"comment that was changed":  func(c *airlock.Commit) { c.Comment.Text = "changed" },
		"another requester":         func(c *airlock.Commit) { c.After.CreatedBy.ID = "bob" },
		"changed at no time":        func(c *airlock.Commit) { c.After.UpdatedWhen = time.Time{} },
		"changed too early":         func(c *airlock.Commit) { c.After.UpdatedWhen = time.Unix(-1, 0) },
		"changed too late":          func(c *airlock.Commit) { c.After.UpdatedWhen = time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC) },
		"never read":                func(c *airlock.Commit) { c.Before.ETag = "" },
	} {
		c := loaded(read)
		c.After.Untold = append([]string(nil), c.After.Untold...)
		spoil(&c)
		_, err := s.store.Commit(s.ctx, c)
		if err == nil {
			s.Fatalf("%s: accepted", name)
		}
		s.fails(err, errMistake)
		s.equal(name, s.everything(home, id(1)), before)
	}
	_, err := s.store.Create(s.ctx, loaded(read))
	s.fails(err, errMistake)
	_, err = s.store.Commit(s.ctx, draft(home, 3))
	s.fails(err, errMistake)
	for _, bad := range badIDs {
		c := draft(home, 3)
		c.After.ID = bad
		_, err := s.store.Create(s.ctx, c)
		s.fails(err, errMistake)
	}
	for _, bad := range []string{"", "A", "a_b", "a b", "ä", "a/b", "a'b", strings.Repeat("a", 65)} {
		c := draft(home, 3)
		c.After.WorkspaceID = bad
		_, err := s.store.Create(s.ctx, c)
		s.fails(err, errMistake)
	}
	s.commit(loaded(read)) // which is right, so that every refusal above had its own reason
}

func testCommitConcurrent(s *suite) {
	const n = 12
	race := func(write func(i int) (airlock.Request, error), lost error) airlock.Request {
		s.Helper()
		results, errs := make([]airlock.Request, n), make([]error, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { results[i], errs[i] = write(i) })
		}
		all.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err != nil:
				s.fails(err, lost)
			case winner >= 0:
				s.Fatalf("%d and %d both won", winner, i)
			default:
				winner = i
			}
		}
		if winner < 0 {
			s.Fatal("nobody won")
		}
		return results[winner]
	}
	read := race(func(i int) (airlock.Request, error) {
		c := draft(home, 1)
		c.After.Tries = i
		return s.store.Create(s.ctx, c)
	}, airlock.ErrExists)
	for range 3 {
		s.equal("the winner's", s.request(home, id(1)), read)
		read = race(func(i int) (airlock.Request, error) {
			c := follow(read) // the same version and the same records: only the winner's own write may count as its own
			c.After.Tries = i
			return s.store.Commit(s.ctx, c)
		}, airlock.ErrLost)
	}
}

func testCommitTooLarge(s *suite) {
	read := s.prepared()
	before := s.everything(home, id(1))
	huge := strings.Repeat("x", 3<<20)
	for name, spoil := range map[string]func(*airlock.Commit){
		"title":       func(c *airlock.Commit) { c.After.Title = huge },
		"explanation": func(c *airlock.Commit) { c.After.Reviews[0].Explanation = huge },
		"record":      func(c *airlock.Commit) { c.Record.Text = huge; *c = resealed(*c) },
		"comment":     func(c *airlock.Commit) { *c = commented(*c, huge) },
		"file name":   func(c *airlock.Commit) { c.Manifest.Files[0].Name = huge },
		"rows": func(c *airlock.Commit) {
			for n := range 100 {
				*c = noticed(*c, fmt.Sprint("one of many ", n))
			}
		},
		"all files": func(c *airlock.Commit) {
			c.Manifest.Files, c.Dirty = make([]airlock.File, airlock.MaxManifestFiles), nil
			for i := range c.Manifest.Files {
				c.Manifest.Files[i].Name = strings.Repeat("🧬", 1000)
			}
			for page := range c.Manifest.Pages() {
				c.Dirty = append(c.Dirty, page)
			}
		},
	} {
		c := loaded(read)
		spoil(&c)
		_, err := s.store.Commit(s.ctx, c)
		if err == nil {
			s.Fatalf("%s: accepted", name)
		}
		s.fails(err, errMistake)
		if len(err.Error()) > 1000 {
			s.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		s.equal(name, s.everything(home, id(1)), before)
	}
}

// resealed returns the commit with its record sealed again.
func resealed(c airlock.Commit) airlock.Commit {
	r := c.Record.Seal(c.Before.RecordSeq, c.Before.RecordHash)
	c.Record, c.After.RecordSeq, c.After.RecordHash = &r, r.Seq, r.Hash
	return c
}

func testCommitLarge(s *suite) {
	read := s.create(draft(home, 1))
	for i, text := range []string{strings.Repeat("x", 100_000), strings.Repeat("ä\"\\\n", 30_000), strings.Repeat("🧬", 30_000)} {
		c := noticed(moved(read, statemachine.InReview, i), fmt.Sprint("notice ", i))
		c.After.Title, c.Record.Text, c.Notices[0].Explanation = text, text, text
		c = resealed(c)
		c.Manifest = &airlock.Manifest{Round: i + 1, Files: []airlock.File{{Name: text}}}
		c.Dirty = []int{0}
		read = s.commit(c)
		all := s.everything(home, id(1))
		s.equal("request", all.Request, read)
		s.equal("title", all.Request.Title, text)
		s.equal("record", all.Records[i+1], *c.Record)
		s.equal("notice", all.Notices[i], c.Notices[0])
		s.equal("manifest", all.Manifests[i+1], *c.Manifest)
		s.equal("listed", all.Lists["last_changed in_review"][0].Title, text)
	}
}

func testContextDone(s *suite) {
	read := s.prepared()
	before := s.everything(home, id(1))
	cancelled, cancel := context.WithCancel(s.ctx)
	cancel()
	expired, cancel := context.WithDeadline(s.ctx, time.Unix(1, 0))
	defer cancel()
	for name, call := range map[string]func(context.Context) error{
		"Create":          func(ctx context.Context) error { _, err := s.store.Create(ctx, draft(home, 2)); return err },
		"Commit":          func(ctx context.Context) error { _, err := s.store.Commit(ctx, loaded(read)); return err },
		"Request":         func(ctx context.Context) error { _, err := s.store.Request(ctx, home, id(1)); return err },
		"Workspace":       func(ctx context.Context) error { _, err := s.store.Workspace(ctx, id(1)); return err },
		"Requests":        func(ctx context.Context) error { _, err := s.store.Requests(ctx, queries(home)[0]); return err },
		"RequestsOf":      func(ctx context.Context) error { _, err := s.store.RequestsOf(ctx, alice, 10, ""); return err },
		"Manifest":        func(ctx context.Context) error { _, err := s.store.Manifest(ctx, home, id(1), 1); return err },
		"Notices":         func(ctx context.Context) error { _, err := s.store.Notices(ctx, home, id(1)); return err },
		"Records":         func(ctx context.Context) error { _, err := s.store.Records(ctx, home, id(1), 0, 10); return err },
		"Comments":        func(ctx context.Context) error { _, err := s.store.Comments(ctx, home, id(1), 0, 10); return err },
		"Due":             func(ctx context.Context) error { _, err := s.store.Due(ctx, home, at(99), 10); return err },
		"SettingsRecords": func(ctx context.Context) error { _, err := s.store.SettingsRecords(ctx, home, 0, 10); return err },
		"Settings":        func(ctx context.Context) error { _, err := s.store.Settings(ctx, home); return err },
		"PutSettings": func(ctx context.Context) error {
			set, r := decided(airlock.Settings{WorkspaceID: home})
			_, err := s.store.PutSettings(ctx, set, r)
			return err
		},
		"Workspaces": func(ctx context.Context) error { _, _, err := s.store.Workspaces(ctx, 10, ""); return err },
		"Ping":       func(ctx context.Context) error { return s.store.Ping(ctx) },
		"Requests that cannot be": func(ctx context.Context) error {
			_, err := s.store.Requests(ctx, airlock.Query{Workspace: "A", Order: airlock.NewestFirst, Limit: 1})
			return err
		},
		"Records that cannot be":  func(ctx context.Context) error { _, err := s.store.Records(ctx, home, "A", 0, 10); return err },
		"Comments that cannot be": func(ctx context.Context) error { _, err := s.store.Comments(ctx, home, "A", 0, 10); return err },
	} {
		for ctx, want := range map[context.Context]error{cancelled: context.Canceled, expired: context.DeadlineExceeded} {
			err := call(ctx)
			s.fails(err, airlock.ErrTransient)
			if !errors.Is(err, want) {
				s.Errorf("%s: %v, want %v too", name, err, want)
			}
		}
	}
	s.equal("afterwards", s.everything(home, id(1)), before)
	_, err := s.store.Request(s.ctx, home, id(2))
	s.fails(err, airlock.ErrNotFound)
	_, err = s.store.Settings(s.ctx, home)
	s.fails(err, airlock.ErrNotFound)
}
