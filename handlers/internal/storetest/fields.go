package storetest

import (
	"math/rand/v2"
	"reflect"
	"strings"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// full returns a commit in which every field is set, also those that no rule would set together.
func (s *suite) full(before airlock.Request, n int, rng *rand.Rand) airlock.Commit {
	s.Helper()
	c := airlock.Commit{Before: before, After: filled[airlock.Request](s, rng)}
	a := &c.After
	a.WorkspaceID, a.ID, a.Version, a.Status = home, id(n), before.Version+1, statemachine.Submitted
	a.ETag = ""
	a.Later = `{"laterList":[1,{"a":"<&>"}],"laterText":"ä\n"}`
	if before.ID != "" {
		a.CreatedBy = before.CreatedBy
	} else {
		a.CreatedBy.ID = alice
	}
	a.Untold = nil
	for _, key := range []string{"first", "second"} {
		notice := filled[airlock.Notice](s, rng)
		notice.ID = key + " of " + a.ID + before.ETag
		notice.Location = airlock.Location{} // never stored
		c.Notices, a.Untold = append(c.Notices, notice), append(a.Untold, notice.ID)
	}
	review := filled[airlock.Review](s, rng)
	review.Reviewer.ID = "reviewer"
	review.Round = 1 + before.Version
	c.Review = &review
	c.Manifest = &airlock.Manifest{Round: 1 + before.Version}
	for range 3 {
		c.Manifest.Files = append(c.Manifest.Files, filled[airlock.File](s, rng))
	}
	c.Dirty = []int{0}
	comment := filled[airlock.Comment](s, rng)
	comment.Seq = before.RecordSeq + 1
	c.Comment = &comment
	record := filled[airlock.Record](s, rng)
	record.Digest = comment.Digest()
	record = record.Seal(before.RecordSeq, before.RecordHash)
	c.Record, a.RecordSeq, a.RecordHash = &record, record.Seq, record.Hash
	return c
}

func testRoundTrip(s *suite) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 4 {
		c := s.full(airlock.Request{}, n, rng)
		read := s.create(c)
		s.holds(c, read)
		c = s.full(read, n, rng)
		s.holds(c, s.commit(c))
	}
}

// holds compares all that a commit stored with what can be read.
func (s *suite) holds(c airlock.Commit, made airlock.Request) {
	s.Helper()
	want := c.After
	want.ETag = made.ETag
	s.equal("made", made, want)
	s.equal("request", s.request(home, want.ID), want)
	manifest, err := s.store.Manifest(s.ctx, home, want.ID, c.Manifest.Round)
	s.ok(err)
	s.equal("manifest", manifest, *c.Manifest)
	notices, err := s.store.Notices(s.ctx, home, want.ID)
	s.ok(err)
	s.equal("notices", notices, c.Notices)
	records, err := s.store.Records(s.ctx, home, want.ID, c.Before.RecordSeq, 10)
	s.ok(err)
	s.equal("records", records, []airlock.Record{*c.Record})
	if _, _, err := airlock.VerifyChain(records, c.Before.RecordSeq, c.Before.RecordHash); err != nil {
		s.Error("the chain does not hold: ", err)
	}
	comments, err := s.store.Comments(s.ctx, home, want.ID, c.Before.RecordSeq, 10)
	s.ok(err)
	s.equal("comments", comments, []airlock.Comment{*c.Comment})
	want.ETag = ""
	for _, order := range []airlock.Order{airlock.NewestFirst, airlock.LastChanged} {
		for _, status := range []statemachine.Status{"", want.Status} {
			found := false
			for _, r := range s.list(airlock.Query{Workspace: home, Order: order, Status: status, Limit: 100}) {
				if r.ID == want.ID {
					found = true
					s.equal("listed", r, want)
				}
			}
			if !found {
				s.Errorf("%s is not listed: %s %s", want.ID, order, status)
			}
		}
	}
}

// testCopies scribbles over all that was given to the store, and over all that came out of it.
func testCopies(s *suite) {
	seed := func() *rand.Rand { return rand.New(rand.NewPCG(3, 4)) }
	given, same := s.full(airlock.Request{}, 1, seed()), s.full(airlock.Request{}, 1, seed())
	set, record := decided(s.settings(seed()))
	sameSet, _ := decided(s.settings(seed()))
	made := s.create(given)
	keptSet, err := s.store.PutSettings(s.ctx, set, record)
	s.ok(err)
	etag, setETag := made.ETag, keptSet.ETag
	for _, v := range []any{&given.After, &given.Notices, given.Manifest, given.Review, given.Comment, &made, &set, &keptSet} {
		scribble(reflect.ValueOf(v).Elem())
	}
	same.After.ETag, sameSet.ETag = etag, setETag
	for range 2 {
		all := s.everything(home, id(1))
		s.equal("request", all.Request, same.After)
		s.equal("manifest", all.Manifests[1], *same.Manifest)
		s.equal("notices", all.Notices, same.Notices)
		s.equal("comments", all.Comments, []airlock.Comment{*same.Comment})
		read, err := s.store.Settings(s.ctx, home)
		s.ok(err)
		s.equal("settings", read, sameSet)
		of, err := s.store.RequestsOf(s.ctx, alice, 10, "")
		s.ok(err)
		listed := same.After
		listed.ETag = ""
		s.equal("listed", of.Requests, []airlock.Request{listed})
		scribble(reflect.ValueOf(&all).Elem())
		scribble(reflect.ValueOf(&read).Elem())
		scribble(reflect.ValueOf(&of).Elem())
	}
}

// testTexts stores every text in places that a store may use as a key or in a filter.
func testTexts(s *suite) {
	n := 0
	for _, text := range texts {
		if len(text) > 128 {
			text = text[:128]
		}
		n++
		c := draft(home, n)
		c.After.CreatedBy.ID = text
		c.After.Title = text
		read := s.create(noticed(c, text))
		c = reviewed(follow(read), text, 1)
		read = s.commit(c)
		s.equal("request", s.request(home, id(n)), read)
		notices, err := s.store.Notices(s.ctx, home, id(n))
		s.ok(err)
		s.equal("notices", len(notices), 1)
		s.equal("notice", notices[0].ID, text)
		_, err = s.store.Commit(s.ctx, reviewed(follow(read), text, 1))
		s.fails(err, airlock.ErrLost)
		of, err := s.store.RequestsOf(s.ctx, text, 10, "")
		s.ok(err)
		s.equal("requests of", len(of.Requests), 1)
		s.equal("request of", of.Requests[0].ID, id(n))
		found := s.list(airlock.Query{Workspace: home, Order: airlock.NewestFirst, Creator: text, Limit: 1000})
		s.equal("found", len(found), 1)
		s.equal("found", found[0].ID, id(n))
		c = follow(read)
		c.After.Untold = nil
		s.commit(c)
		notices, err = s.store.Notices(s.ctx, home, id(n))
		s.ok(err)
		s.equal("notices", len(notices), 0)
	}
}

// badIDs are request ids under which nothing can be stored. Some try to be more than a key.
var badIDs = []string{
	"", "x", "' or true or '", "../" + home, "0199_", "0199\x00", strings.ToUpper(id(10)), id(1) + "'", id(1) + "_1", id(1)[1:], id(1) + "a",
	strings.Repeat("a", 2000), "請求", "%27", "req_" + id(1),
}
