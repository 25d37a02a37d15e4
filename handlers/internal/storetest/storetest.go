// Package storetest is the conformance suite of the port airlock.Store.
//
// It promises that two stores that pass it can stand in for each other: everything that the port's comment says is
// tested here, through the port alone. What only one store can do (faults, HTTP requests) is tested beside that store.
//
// It never sleeps, needs no clock, and draws its random values from fixed seeds.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// Run tests a store. open returns an empty one, which ends with the test.
func Run(t *testing.T, open func(t *testing.T) airlock.Store) {
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"Create", testCreate},
		{"Commit", testCommit},
		{"CommitLost", testCommitLost},
		{"CommitSecondReview", testCommitSecondReview},
		{"CommitMistakes", testCommitMistakes},
		{"CommitConcurrent", testCommitConcurrent},
		{"CommitTooLarge", testCommitTooLarge},
		{"CommitLarge", testCommitLarge},
		{"Forget", testForget},
		{"ForgetGoesOn", testForgetGoesOn},
		{"ContextDone", testContextDone},
		{"RoundTrip", testRoundTrip},
		{"Copies", testCopies},
		{"Texts", testTexts},
		{"ListsFollow", testListsFollow},
		{"ListOrder", testListOrder},
		{"ListFilters", testListFilters},
		{"ListPaging", testListPaging},
		{"ListCursors", testListCursors},
		{"ListMistakes", testListMistakes},
		{"ListMany", testListMany},
		{"RequestsOf", testRequestsOf},
		{"Isolation", testIsolation},
		{"Manifests", testManifests},
		{"ManifestNames", testManifestNames},
		{"Notices", testNotices},
		{"Records", testRecords},
		{"Comments", testComments},
		{"Due", testDue},
		{"Settings", testSettings},
		{"SettingsRecords", testSettingsRecords},
		{"SettingsConcurrent", testSettingsConcurrent},
		{"Workspaces", testWorkspaces},
		{"Ping", func(s *suite) { s.ok(s.store.Ping(s.ctx)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(&suite{T: t, ctx: t.Context(), store: open(t)})
		})
	}
}

// suite is one test with its store.
type suite struct {
	*testing.T
	ctx   context.Context
	store airlock.Store
}

// The workspaces of the tests. As ids they look alike on purpose.
const (
	home  = "a"
	other = "a-"
)

// alice is the requester where nothing else is said.
const alice = "9a2e5a3e-0000-4000-8000-00000000a11c"

// id returns the nth request id: a version 7 UUID, later for a greater n.
func id(n int) string { return fmt.Sprintf("0199%04x-%04x-7abc-8def-0123456789ab", n>>16, n&0xffff) }

// at returns the nth moment of the tests. It has nanoseconds, which must not get lost.
func at(n int) time.Time {
	return time.Date(2025, 11, 22, 10, 0, 0, 123456789, time.UTC).Add(time.Duration(n) * time.Second)
}

// draft returns the commit that makes the nth request.
func draft(workspace string, n int) airlock.Commit {
	a := airlock.Request{
		WorkspaceID: workspace, ID: id(n), Type: airlock.Import, Title: fmt.Sprintf("request %d", n),
		Status: statemachine.Draft, StatusSince: at(n), Version: 1, Round: 1,
		CreatedBy: airlock.Person{ID: alice, Name: "Alice"}, CreatedWhen: at(n),
		UpdatedBy: airlock.Person{ID: alice, Name: "Alice"}, UpdatedWhen: at(n),
	}
	return recorded(airlock.Commit{After: a}, "create")
}

// follow returns a commit of the next version, in which nothing else has changed.
func follow(before airlock.Request) airlock.Commit {
	after := before
	after.Version++
	return airlock.Commit{Before: before, After: after}
}

// moved returns a commit of the next version with another status, stored at the nth moment.
func moved(before airlock.Request, to statemachine.Status, n int) airlock.Commit {
	c := follow(before)
	c.After.Status, c.After.StatusSince, c.After.UpdatedWhen = to, at(n), at(n)
	return recorded(c, "move")
}

// recorded returns the commit with the record that its change of status needs. It comes last: the record is sealed.
func recorded(c airlock.Commit, what string) airlock.Commit {
	r := airlock.Record{
		When: c.After.UpdatedWhen, Who: alice, What: what, From: string(c.Before.Status), To: string(c.After.Status),
	}.Seal(c.Before.RecordSeq, c.Before.RecordHash)
	c.Record = &r
	c.After.RecordSeq, c.After.RecordHash = r.Seq, r.Hash
	return c
}

// noticed returns the commit with new notices.
func noticed(c airlock.Commit, ids ...string) airlock.Commit {
	c.After.Untold = append([]string(nil), c.After.Untold...)
	for _, id := range ids {
		c.Notices = append(c.Notices, airlock.Notice{ID: id, RequestID: c.After.ID, Title: "notice " + id})
		c.After.Untold = append(c.After.Untold, id)
	}
	return c
}

// reviewed returns the commit with a review of the round.
func reviewed(c airlock.Commit, reviewer string, round int) airlock.Commit {
	v := airlock.Review{
		ID: fmt.Sprintf("%s in %d", reviewer, round), Round: round, Reviewer: airlock.Person{ID: reviewer},
		When: c.After.UpdatedWhen, Decision: statemachine.DecisionApproved, Explanation: "fine",
	}
	c.Review = &v
	c.After.Reviews = append(append([]airlock.Review(nil), c.After.Reviews...), v)
	return c
}

// commented returns the commit with a comment. It comes last: the record that the commit has is sealed anew.
func commented(c airlock.Commit, text string) airlock.Commit {
	v := airlock.Comment{
		Seq: c.Record.Seq, ID: fmt.Sprint("comment ", c.Record.Seq), Round: 1, Status: c.After.Status, By: airlock.Person{ID: alice}, As: statemachine.SideReviewer,
		When: c.After.UpdatedWhen, Visibility: statemachine.Private, Text: text, File: "a/b c.csv",
	}
	c.Comment, c.Record.Digest = &v, v.Digest()
	return resealed(c)
}

// ok stops the test at an error.
func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// fails expects an error of one kind, and of no other that callers branch on.
func (s *suite) fails(err, want error) {
	s.Helper()
	if err == nil {
		s.Fatalf("no error, want %v", want)
	}
	for _, kind := range []error{
		airlock.ErrNotFound, airlock.ErrExists, airlock.ErrLost, airlock.ErrChanged, airlock.ErrCursor, airlock.ErrTransient,
	} {
		if errors.Is(err, kind) != (kind == want) {
			s.Fatalf("error %q: it being %q is %t", err, kind, kind != want)
		}
	}
}

// errMistake is the kind of errors that callers cannot do anything about.
var errMistake = errors.New("mistake")

// create stores a new request.
func (s *suite) create(c airlock.Commit) airlock.Request {
	s.Helper()
	r, err := s.store.Create(s.ctx, c)
	s.ok(err)
	return r
}

// commit stores the next version.
func (s *suite) commit(c airlock.Commit) airlock.Request {
	s.Helper()
	r, err := s.store.Commit(s.ctx, c)
	s.ok(err)
	return r
}

// request reads one.
func (s *suite) request(workspace, id string) airlock.Request {
	s.Helper()
	r, err := s.store.Request(s.ctx, workspace, id)
	s.ok(err)
	return r
}

// equal compares as the contract does: nil is as good as empty, and a time is an instant.
func (s *suite) equal(what string, got, want any) {
	s.Helper()
	if d := difference(what, reflect.ValueOf(got), reflect.ValueOf(want)); d != "" {
		s.Fatal(d)
	}
}

// stored is everything that the port can tell about one request.
type stored struct {
	Request   airlock.Request
	Manifests []airlock.Manifest
	Notices   []airlock.Notice
	Comments  []airlock.Comment
	Records   []airlock.Record
	Due       []airlock.Owed
	Lists     map[string][]airlock.Request
}

// everything reads all that is stored for a request, and its workspace's lists.
func (s *suite) everything(workspace, id string) stored {
	s.Helper()
	all := stored{Request: s.request(workspace, id), Lists: map[string][]airlock.Request{}}
	for round := range 4 {
		m, err := s.store.Manifest(s.ctx, workspace, id, round)
		s.ok(err)
		all.Manifests = append(all.Manifests, m)
	}
	var err error
	all.Notices, err = s.store.Notices(s.ctx, workspace, id)
	s.ok(err)
	all.Records, err = s.store.Records(s.ctx, workspace, id, 0, airlock.MaxPage)
	s.ok(err)
	all.Comments, err = s.store.Comments(s.ctx, workspace, id, 0, airlock.MaxPage)
	s.ok(err)
	all.Due, err = s.store.Due(s.ctx, workspace, at(1e6), airlock.MaxPage)
	s.ok(err)
	for _, q := range queries(workspace) {
		all.Lists[fmt.Sprintf("%s %s", q.Order, q.Status)] = s.list(q)
	}
	return all
}

// queries are all lists of a workspace by order and status.
func queries(workspace string) []airlock.Query {
	var all []airlock.Query
	for _, order := range []airlock.Order{airlock.NewestFirst, airlock.LastChanged} {
		all = append(all, airlock.Query{Workspace: workspace, Order: order, Limit: airlock.MaxPage})
		for _, status := range statemachine.Statuses() {
			all = append(all, airlock.Query{Workspace: workspace, Order: order, Status: status.Status, Limit: airlock.MaxPage})
		}
	}
	return all
}

// list reads all pages of a list.
func (s *suite) list(q airlock.Query) []airlock.Request {
	s.Helper()
	var all []airlock.Request
	for {
		page, err := s.store.Requests(s.ctx, q)
		s.ok(err)
		if len(page.Requests) > q.Limit {
			s.Fatalf("a page of %d, limit %d", len(page.Requests), q.Limit)
		}
		all = append(all, page.Requests...)
		if page.Next == "" {
			return all
		}
		q.Cursor = page.Next
	}
}
