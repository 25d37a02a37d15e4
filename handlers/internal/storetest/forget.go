package storetest

import (
	"context"
	"errors"
	"slices"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// testForget: everything of the request goes, nothing of any other does, and its id can be used again.
func testForget(s *suite) {
	first := s.commit(loaded(s.prepared()))
	kept := s.commit(noticed(reviewed(moved(s.create(draft(home, 2)), statemachine.Submitted, 2), "bob", 1), "n1", "n2"))
	before := s.everything(home, kept.ID)
	latest := s.commit(follow(first))

	s.fails(s.store.Forget(s.ctx, first), airlock.ErrLost)
	s.equal("after a forget of an old version", s.request(home, id(1)), latest)
	records, err := s.store.Records(s.ctx, home, id(1), 0, 10)
	s.ok(err)
	s.equal("records after a forget of an old version", len(records), latest.RecordSeq)

	listed := latest
	listed.ETag = ""
	s.fails(s.store.Forget(s.ctx, listed), errMistake)

	for range 2 { // the second time there is nothing to do
		s.ok(s.store.Forget(s.ctx, latest))
	}
	_, err = s.store.Request(s.ctx, home, id(1))
	s.fails(err, airlock.ErrNotFound)
	_, err = s.store.Workspace(s.ctx, id(1))
	s.fails(err, airlock.ErrNotFound)
	for round := range 3 {
		m, err := s.store.Manifest(s.ctx, home, id(1), round)
		s.ok(err)
		s.equal("manifest", len(m.Files), 0)
	}
	s.nothingIn(home, id(1))
	gone := func(r airlock.Request) bool { return r.ID == id(1) }
	for _, q := range queries(home) {
		if slices.ContainsFunc(s.list(q), gone) {
			s.Errorf("it is still listed: %+v", q)
		}
	}
	page, err := s.store.RequestsOf(s.ctx, alice, airlock.MaxPage, "")
	s.ok(err)
	s.equal("requests of its requester", len(page.Requests), 1)
	due, err := s.store.Due(s.ctx, home, at(1e6), airlock.MaxPage)
	s.ok(err)
	s.equal("due", len(due), 0)
	_, err = s.store.Commit(s.ctx, follow(latest))
	s.fails(err, airlock.ErrLost)
	after := s.everything(home, kept.ID)
	for name, list := range before.Lists {
		before.Lists[name] = slices.DeleteFunc(list, gone)
	}
	before.Due, after.Due = nil, nil
	s.equal("another request", after, before)

	s.prepared() // reviews and all: nothing of the old one is in the way
}

// testForgetGoesOn: whoever was interrupted, or comes second, goes on from wherever it stands.
func testForgetGoesOn(s *suite) {
	r := s.commit(loaded(s.prepared()))
	cancelled, cancel := context.WithCancel(s.ctx)
	cancel()
	err := s.store.Forget(cancelled, r)
	s.fails(err, airlock.ErrTransient)
	if !errors.Is(err, context.Canceled) {
		s.Errorf("error %v, want the context's", err)
	}
	results := make(chan error)
	for range 4 {
		go func() { results <- s.store.Forget(s.ctx, r) }()
	}
	for range 4 {
		if err := <-results; err != nil && !errors.Is(err, airlock.ErrTransient) {
			s.Errorf("one of many: %v", err)
		}
	}
	s.ok(s.store.Forget(s.ctx, r))
	_, err = s.store.Request(s.ctx, home, id(1))
	s.fails(err, airlock.ErrNotFound)
	s.nothingIn(home, id(1))
}
