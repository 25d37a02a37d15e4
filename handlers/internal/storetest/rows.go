package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// manifest returns a manifest with the names of n files. Some names are as long as Azure allows.
func manifest(round, n int) *airlock.Manifest {
	m := &airlock.Manifest{Round: round}
	for i := range n {
		f := airlock.File{Name: fmt.Sprintf("folder %d/file %d.csv", i/10, i), Size: int64(i), SubmittedETag: fmt.Sprint("0x", i)}
		if i%40 == 7 {
			f.Name = strings.Repeat("🧬", 1024-len(f.Name)) + f.Name
		}
		m.Files = append(m.Files, f)
	}
	return m
}

// pages returns the numbers of all pages.
func pages(m *airlock.Manifest) (all []int) {
	for n := range m.Pages() {
		all = append(all, n)
	}
	return all
}

func testManifests(s *suite) {
	read := s.create(draft(home, 1))
	for round, n := range map[int]int{1: 0, 2: 1, 3: 49, 4: 50, 5: 51, 6: 500, 10: 3, 11: 120, 100: 2} {
		c := follow(read)
		c.Manifest = manifest(round, n)
		c.Dirty = pages(c.Manifest)
		read = s.commit(c)
	}
	for round, n := range map[int]int{0: 0, 1: 0, 2: 1, 3: 49, 4: 50, 5: 51, 6: 500, 7: 0, 10: 3, 11: 120, 100: 2, -1: 0} {
		got, err := s.store.Manifest(s.ctx, home, id(1), round)
		s.ok(err)
		s.equal(fmt.Sprint("round ", round), got, *manifest(round, n))
	}

	// The largest, together with all else that a commit can hold.
	c := loaded(read)
	c.Manifest = manifest(2000, airlock.MaxManifestFiles)
	c.Dirty = pages(c.Manifest)
	read = s.commit(c)
	got, err := s.store.Manifest(s.ctx, home, id(1), 2000)
	s.ok(err)
	s.equal("the largest", got, *c.Manifest)

	// One page changes; another grows, and there is a new one.
	c = follow(read)
	c.Manifest = manifest(5, 51)
	c.Manifest.Files[50].Verdict = airlock.Verdict{Result: airlock.Malicious, Malware: []string{"a", "b"}}
	c.Dirty = []int{1}
	read = s.commit(c)
	got, err = s.store.Manifest(s.ctx, home, id(1), 5)
	s.ok(err)
	s.equal("one page", got, *c.Manifest)
	grown := follow(read)
	grown.Manifest = manifest(5, 101)
	grown.Manifest.Files[50] = c.Manifest.Files[50]
	grown.Dirty = []int{2, 1}
	read = s.commit(grown)
	got, err = s.store.Manifest(s.ctx, home, id(1), 5)
	s.ok(err)
	s.equal("grown", got, *grown.Manifest)

	// A manifest with no dirty page writes nothing.
	c = follow(read)
	c.Manifest = grown.Manifest
	s.commit(c)
	got, err = s.store.Manifest(s.ctx, home, id(1), 5)
	s.ok(err)
	s.equal("no page", got, *grown.Manifest)
}

func testManifestNames(s *suite) {
	c := draft(home, 1)
	rng := rand.New(rand.NewPCG(7, 8))
	c.Manifest = &airlock.Manifest{Round: 1}
	for _, text := range texts {
		f := filled[airlock.File](s, rng)
		f.Name = text
		c.Manifest.Files = append(c.Manifest.Files, f)
		c.After.Files = append(c.After.Files, airlock.FileSummary{Name: text})
	}
	c.Dirty = pages(c.Manifest)
	read := s.create(c)
	got, err := s.store.Manifest(s.ctx, home, id(1), 1)
	s.ok(err)
	s.equal("manifest", got, *c.Manifest)
	s.equal("summary", s.request(home, id(1)), read)
}

func testNotices(s *suite) {
	ids := func() (found []string) {
		s.Helper()
		notices, err := s.store.Notices(s.ctx, home, id(1))
		s.ok(err)
		for _, n := range notices {
			s.equal("title", n.Title, "notice "+n.ID)
			found = append(found, n.ID)
		}
		return found
	}
	read := s.create(noticed(draft(home, 1), "b", "B", "a1", "a/10", "a/9"))
	s.equal("in the order of ids", ids(), []string{"B", "a/10", "a/9", "a1", "b"})

	// Some go, some stay, new ones come.
	c := follow(read)
	c.After.Untold = []string{"b", "a/9"}
	c = noticed(c, "ä", "c d")
	read = s.commit(c)
	s.equal("after some", ids(), []string{"a/9", "b", "c d", "ä"})

	// One that went may come again.
	read = s.commit(noticed(follow(read), "B"))
	s.equal("again", ids(), []string{"B", "a/9", "b", "c d", "ä"})

	// In another order it is the same list.
	c = follow(read)
	c.After.Untold = []string{"ä", "c d", "b", "a/9", "B"}
	read = s.commit(c)
	s.equal("reordered", ids(), []string{"B", "a/9", "b", "c d", "ä"})
	c = follow(read)
	c.After.Untold = nil
	s.commit(c)
	s.equal("all told", ids(), []string(nil))
}

func testRecords(s *suite) {
	read := s.create(draft(home, 1))
	s.create(draft(home, 2))
	want := []airlock.Record{*draft(home, 1).Record}
	for n := range 24 {
		c := recorded(follow(read), fmt.Sprint("event ", n))
		read = s.commit(c)
		want = append(want, *c.Record)
	}
	for _, after := range []int{-1, 0, 1, 9, 10, 24, 25, 26, 1000, 1 << 40} {
		for _, limit := range []int{1, 2, 10, airlock.MaxPage} {
			got, err := s.store.Records(s.ctx, home, id(1), after, limit)
			s.ok(err)
			from := min(max(after, 0), len(want))
			s.equal(fmt.Sprintf("%d after %d", limit, after), got, want[from:min(from+limit, len(want))])
			if got == nil {
				s.Error("nil for no records")
			}
		}
	}
	if _, _, err := airlock.VerifyChain(want, 0, ""); err != nil {
		s.Error(err)
	}
}

func testComments(s *suite) {
	read := s.create(draft(home, 1))
	s.commit(commented(recorded(follow(s.create(draft(home, 2))), "comment"), "on another"))
	want := []airlock.Comment{}
	for n := range 24 {
		c := recorded(follow(read), fmt.Sprint("event ", n))
		if n%3 != 1 { // the others are records of something else
			c = commented(c, texts[n%len(texts)])
			want = append(want, *c.Comment)
		}
		read = s.commit(c)
	}
	for _, after := range []int{-1, 0, 1, 2, 3, 9, 10, 24, 25, 26, 1000, 1 << 40} {
		for _, limit := range []int{1, 2, 10, airlock.MaxPage} {
			got, err := s.store.Comments(s.ctx, home, id(1), after, limit)
			s.ok(err)
			rest := slices.DeleteFunc(slices.Clone(want), func(c airlock.Comment) bool { return c.Seq <= after })
			s.equal(fmt.Sprintf("%d after %d", limit, after), got, rest[:min(limit, len(rest))])
			if got == nil {
				s.Error("nil for no comments")
			}
		}
	}
	for _, of := range []struct{ workspace, id string }{{other, id(1)}, {home, id(3)}} {
		got, err := s.store.Comments(s.ctx, of.workspace, of.id, 0, 10)
		s.ok(err)
		s.equal("comments on what is not there", got, []airlock.Comment{})
	}
}

// longestFirst is the order in which a store lists what is due.
func longestFirst(a, b airlock.Owed) int {
	return cmp.Or(a.Due.Compare(b.Due), strings.Compare(a.Request, b.Request))
}

func testDue(s *suite) {
	now := at(100)
	times := []time.Time{
		{}, now.Add(-1), now, now.Add(1), at(0), {}, now.Add(-time.Hour), now.Add(365 * 24 * time.Hour), time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		now.In(time.FixedZone("", 3600)), now.Add(time.Minute).In(time.FixedZone("", -7200)),
	}
	rows := map[string]airlock.Request{}
	for n, due := range times {
		for i, workspace := range []string{home, other} {
			c := draft(workspace, 100*i+n)
			c.After.Due = due
			if i == 1 {
				c.After.Due = times[(n+1)%len(times)]
			}
			rows[c.After.ID] = s.create(c)
		}
	}
	hold := func(what string) {
		s.Helper()
		for _, workspace := range []string{home, other, "b"} {
			got, err := s.store.Due(s.ctx, workspace, now, airlock.MaxPage)
			s.ok(err)
			if !slices.IsSortedFunc(got, longestFirst) {
				s.Errorf("%s: listed in the order %v", what, got)
			}
			listed := map[string]bool{}
			for _, owed := range got {
				r := rows[owed.Request]
				s.equal(what, owed, airlock.Owed{Workspace: workspace, Request: r.ID, Due: r.Due})
				if listed[r.ID] || r.WorkspaceID != workspace || r.Due.IsZero() || r.Due.After(now) {
					s.Errorf("%s: %s is listed, due %v", what, r.ID, r.Due)
				}
				listed[r.ID] = true
			}
			for id, r := range rows {
				if r.WorkspaceID == workspace && !r.Due.IsZero() && !r.Due.After(now) && !listed[id] {
					s.Errorf("%s: %s is not listed, due %v", what, id, r.Due)
				}
			}
		}
	}
	hold("created")
	for key, r := range rows {
		for _, due := range []time.Time{now.Add(-time.Second), {}, {}, now, now.Add(time.Second)} {
			c := follow(r)
			c.After.Due, c.After.Tries, c.After.LastError = due, r.Tries+1, "it's \"not\" there"
			r = s.commit(c)
			rows[key] = r
			if key == id(1) {
				hold("changed")
			}
		}
		if r.ID > id(103) {
			c := follow(r)
			c.After.Due = now.Add(-time.Hour)
			rows[key] = s.commit(c)
		}
	}
	hold("at the end")
	all, err := s.store.Due(s.ctx, other, now, airlock.MaxPage)
	s.ok(err)
	got, err := s.store.Due(s.ctx, other, now, 3)
	s.ok(err)
	s.equal("limited", got, all[:3]) // whatever fails again and again does not keep the others from being seen
	for _, late := range []time.Time{time.Date(2200, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		got, err := s.store.Due(s.ctx, other, late, airlock.MaxPage)
		s.ok(err)
		with := 0
		for _, r := range rows {
			if r.WorkspaceID == other && !r.Due.IsZero() {
				with++
			}
		}
		s.equal("due at "+late.String(), len(got), with)
	}
	for _, never := range []time.Time{time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC)} {
		c := follow(s.request(home, id(1)))
		c.After.Due = never
		_, err := s.store.Commit(s.ctx, c)
		s.fails(err, errMistake)
	}
	s.commit(moved(s.request(home, id(1)), statemachine.Cancelled, 5)) // the rows are still in step with the request
}
