package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"airlock/handlers/internal/airlock"
)

// settings returns settings of home with every field set.
func (s *suite) settings(rng *rand.Rand) airlock.Settings {
	set := filled[airlock.Settings](s, rng)
	set.WorkspaceID, set.ETag, set.RecordSeq, set.RecordHash = home, "", 0, ""
	return set
}

// decided returns settings that hold the head of their chain, with the record that continues it.
func decided(set airlock.Settings) (airlock.Settings, airlock.Record) {
	r := airlock.Record{When: at(set.RecordSeq), Who: alice, What: "settings", Text: set.Name}.Seal(set.RecordSeq, set.RecordHash)
	set.RecordSeq, set.RecordHash = r.Seq, r.Hash
	return set, r
}

func testSettings(s *suite) {
	_, err := s.store.Settings(s.ctx, home)
	s.fails(err, airlock.ErrNotFound)
	set, r := decided(s.settings(rand.New(rand.NewPCG(9, 10))))

	elsewhere, elsewhereRecord := decided(airlock.Settings{WorkspaceID: other})
	elsewhere, err = s.store.PutSettings(s.ctx, elsewhere, elsewhereRecord)
	s.ok(err)
	early := set
	early.ETag = elsewhere.ETag
	_, err = s.store.PutSettings(s.ctx, early, r)
	s.fails(err, airlock.ErrLost)
	_, err = s.store.Settings(s.ctx, home)
	s.fails(err, airlock.ErrNotFound)

	first, err := s.store.PutSettings(s.ctx, set, r)
	s.ok(err)
	set.ETag = first.ETag
	s.equal("stored", first, set)
	read, err := s.store.Settings(s.ctx, home)
	s.ok(err)
	s.equal("read", read, set)

	next, nextRecord := decided(read)
	next.Name = "changed"
	second, err := s.store.PutSettings(s.ctx, next, nextRecord)
	s.ok(err)
	if second.ETag == first.ETag || second.ETag == "" {
		s.Errorf("ETag %q after %q", second.ETag, first.ETag)
	}

	unread, firstRecord := decided(airlock.Settings{WorkspaceID: home})
	for what, lost := range map[string]func() (airlock.Settings, airlock.Record){
		"stale":  func() (airlock.Settings, airlock.Record) { return decided(first) },
		"unread": func() (airlock.Settings, airlock.Record) { return unread, firstRecord },
	} {
		set, r := lost()
		_, err = s.store.PutSettings(s.ctx, set, r)
		s.fails(err, airlock.ErrLost)
		read, err := s.store.Settings(s.ctx, home)
		s.ok(err)
		s.equal(what, read, second)
		records, err := s.store.SettingsRecords(s.ctx, home, 0, 10)
		s.ok(err)
		s.equal(what, len(records), 2)
	}
	for what, spoil := range map[string]func(*airlock.Settings, *airlock.Record){
		"record changed": func(_ *airlock.Settings, r *airlock.Record) { r.Text += "!" },
		"hash":           func(set *airlock.Settings, _ *airlock.Record) { set.RecordHash = first.RecordHash },
		"number":         func(set *airlock.Settings, _ *airlock.Record) { set.RecordSeq++ },
		"no id":          func(set *airlock.Settings, _ *airlock.Record) { set.WorkspaceID = "" },
		"bad id":         func(set *airlock.Settings, _ *airlock.Record) { set.WorkspaceID = "a_" },
		"first but not 1": func(set *airlock.Settings, _ *airlock.Record) {
			set.WorkspaceID, set.ETag = "fresh", ""
		},
	} {
		set, r := decided(second)
		spoil(&set, &r)
		_, err = s.store.PutSettings(s.ctx, set, r)
		if err == nil {
			s.Fatalf("%s: accepted", what)
		}
		s.fails(err, errMistake)
	}
}

func testSettingsRecords(s *suite) {
	var want []airlock.Record
	set := airlock.Settings{WorkspaceID: home}
	for n := range 12 {
		set.Name = fmt.Sprint("name ", n)
		var r airlock.Record
		set, r = decided(set)
		var err error
		set, err = s.store.PutSettings(s.ctx, set, r)
		s.ok(err)
		want = append(want, r)
	}
	s.create(draft(home, 1)) // its records are another chain
	for _, after := range []int{-1, 0, 1, 9, 10, 11, 12, 13} {
		for _, limit := range []int{1, 5, 100} {
			got, err := s.store.SettingsRecords(s.ctx, home, after, limit)
			s.ok(err)
			from := min(max(after, 0), len(want))
			s.equal(fmt.Sprintf("%d after %d", limit, after), got, want[from:min(from+limit, len(want))])
			if got == nil {
				s.Error("nil for no records")
			}
		}
	}
}

func testSettingsConcurrent(s *suite) {
	const n = 8
	var set airlock.Settings
	set.WorkspaceID = home
	for range 3 {
		results, errs := make([]airlock.Settings, n), make([]error, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				mine := set
				mine.Name = fmt.Sprint("by ", i)
				mine, r := decided(mine)
				results[i], errs[i] = s.store.PutSettings(s.ctx, mine, r)
			})
		}
		all.Wait()
		wins := 0
		for i, err := range errs {
			if err != nil {
				s.fails(err, airlock.ErrLost)
				continue
			}
			wins++
			set = results[i]
		}
		s.equal("winners", wins, 1)
		read, err := s.store.Settings(s.ctx, home)
		s.ok(err)
		s.equal("the winner's", read, set)
	}
}

func testWorkspaces(s *suite) {
	s.create(draft("without-settings", 1))
	want := []string{"-", "0", "9", "a", "a-", "a-a", "a0", "aa", "b", "z"}
	for _, i := range rand.New(rand.NewPCG(11, 12)).Perm(len(want)) {
		set, r := decided(airlock.Settings{WorkspaceID: want[i]})
		_, err := s.store.PutSettings(s.ctx, set, r)
		s.ok(err)
	}
	for _, limit := range []int{1, 3, 10, 11, airlock.MaxPage} {
		var got []string
		for cursor := ""; ; {
			ids, next, err := s.store.Workspaces(s.ctx, limit, cursor)
			s.ok(err)
			if len(ids) > limit {
				s.Fatalf("a page of %d, limit %d", len(ids), limit)
			}
			got = append(got, ids...)
			if cursor = next; cursor == "" {
				break
			}
		}
		s.equal(fmt.Sprint("limit ", limit), got, want)
	}
}
