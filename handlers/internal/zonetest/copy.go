package zonetest

import (
	"crypto/md5"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// note is metadata for copies.
var note = map[string]string{"request": "01890f3a", "sealed": "0x8D0"}

func copyBetweenAccounts(s *stage) { copyWorks(s, s.opened(0), s.opened(1)) }
func copyInsideAnAccount(s *stage) { copyWorks(s, s.opened(0), s.opened(0)) }

func copyWorks(s *stage, from, to airlock.Place) {
	content := strings.Repeat("line of data\n", 5000)
	sum := md5.Sum([]byte(content))
	etag := s.put(from, "dir/a b.csv", upload{content: content})
	if err := s.Zones.Copy(s.ctx, airlock.Copy{From: from, To: to, Name: "dir/a b.csv", IfMatch: etag, Metadata: note}); err != nil {
		s.Fatalf("Copy: %v", err)
	}
	got := s.arrived(to, "dir/a b.csv")
	switch {
	case got.Size != int64(len(content)):
		s.Errorf("size %d, want %d", got.Size, len(content))
	case !slices.Equal(got.MD5, sum[:]):
		s.Errorf("MD5 %x, want %x", got.MD5, sum)
	case got.ETag == "" || got.ETag == etag:
		s.Errorf("the copy's ETag is %q, the source's %q", got.ETag, etag)
	case !maps.Equal(got.Metadata, note):
		s.Errorf("metadata %v, want %v", got.Metadata, note)
	}
	if s.get(to, "dir/a b.csv") != content {
		s.Error("the content is another")
	}
	if b := s.blob(from, "dir/a b.csv"); b.ETag != etag || b.Copy != airlock.CopyNone {
		s.Errorf("the source has changed: %+v", b)
	}
}

// copyTakesNothingAlong: what a user wrote beside the content stays behind, and so does the scanner's verdict, which
// was about another blob.
func copyTakesNothingAlong(s *stage) {
	from, to := s.opened(0), s.opened(1)
	etag := s.put(from, "a.txt", upload{content: "a", metadata: map[string]string{"sealed": "forged", "extra": "x"}})
	if err := s.Tag(s.ctx, from, "a.txt", airlock.Clean); err != nil {
		s.Fatalf("Tag: %v", err)
	}
	if err := s.Zones.Copy(s.ctx, airlock.Copy{From: from, To: to, Name: "a.txt", IfMatch: etag, Metadata: note}); err != nil {
		s.Fatalf("Copy: %v", err)
	}
	got := s.arrived(to, "a.txt")
	if !maps.Equal(got.Metadata, note) {
		s.Errorf("metadata %v, want %v", got.Metadata, note)
	}
	if got.ScanTag != airlock.ScanPending {
		s.Errorf("the copy has the scan tag %q", got.ScanTag)
	}
}

func copyKeepsTheKind(s *stage) {
	from, to := s.opened(0), s.opened(1)
	for _, kind := range []airlock.BlobKind{airlock.AppendBlob, airlock.PageBlob} {
		u := upload{kind: kind}
		if kind == airlock.PageBlob {
			u.content = strings.Repeat("\x00", 512)
		}
		etag := s.put(from, string(kind), u)
		if err := s.Zones.Copy(s.ctx, airlock.Copy{From: from, To: to, Name: string(kind), IfMatch: etag, Metadata: note}); err != nil {
			s.Fatalf("Copy of a %s: %v", kind, err)
		}
		if got := s.arrived(to, string(kind)); got.Kind != kind {
			s.Errorf("a %s became a %s", kind, got.Kind)
		}
	}
}

func copyOfAnEmptyFile(s *stage) {
	from, to := s.opened(0), s.opened(1)
	etag := s.put(from, "empty", upload{})
	if err := s.Zones.Copy(s.ctx, airlock.Copy{From: from, To: to, Name: "empty", IfMatch: etag, Metadata: note}); err != nil {
		s.Fatalf("Copy: %v", err)
	}
	if got := s.arrived(to, "empty"); got.Size != 0 {
		s.Errorf("size %d", got.Size)
	}
}

func copyChanged(s *stage) {
	from, to := s.opened(0), s.opened(1)
	old := s.put(from, "a.txt", upload{content: "sealed"})
	current := s.put(from, "a.txt", upload{content: "changed since"})
	c := airlock.Copy{From: from, To: to, Name: "a.txt", IfMatch: old, Metadata: note}
	s.wantError("Copy of a changed source", s.Zones.Copy(s.ctx, c), airlock.ErrChanged)

	c.IfMatch = current
	if err := s.Zones.Remove(s.ctx, from, "a.txt"); err != nil {
		s.Fatalf("Remove: %v", err)
	}
	s.wantError("Copy of a removed source", s.Zones.Copy(s.ctx, c), airlock.ErrChanged)

	c.From = s.place(0)
	s.wantError("Copy from a container that never was", s.Zones.Copy(s.ctx, c), airlock.ErrChanged)
	c.From, c.To = s.place(1), s.opened(1)
	s.wantError("Copy from no container in the same account", s.Zones.Copy(s.ctx, c), airlock.ErrChanged)
	if blobs := s.list(to); len(blobs) != 0 {
		s.Errorf("a refused copy left %v", blobs)
	}
}

func copyExists(s *stage) {
	from, to := s.opened(0), s.opened(1)
	etag := s.put(from, "a.txt", upload{content: "new"})
	kept := s.put(to, "a.txt", upload{content: "already here"})
	c := airlock.Copy{From: from, To: to, Name: "a.txt", IfMatch: etag, Metadata: note}
	s.wantError("Copy onto a blob", s.Zones.Copy(s.ctx, c), airlock.ErrExists)
	if b := s.blob(to, "a.txt"); b.ETag != kept || s.get(to, "a.txt") != "already here" {
		s.Error("the blob that was there has changed")
	}
	if err := s.Zones.Remove(s.ctx, to, "a.txt"); err != nil {
		s.Fatalf("Remove: %v", err)
	}
	if err := s.Zones.Copy(s.ctx, c); err != nil {
		s.Fatalf("Copy after Remove: %v", err)
	}
	s.wantError("Copy for the second time", s.Zones.Copy(s.ctx, c), airlock.ErrExists)
	s.arrived(to, "a.txt")
	s.wantError("Copy for the third time", s.Zones.Copy(s.ctx, c), airlock.ErrExists)
	if s.get(to, "a.txt") != "new" {
		s.Error("the copy has another content")
	}
}

// copyReplaces: a copy takes the place of the very blob that it names, at one stroke, or nothing happens.
func copyReplaces(s *stage) {
	from, to := s.opened(0), s.opened(1)
	etag := s.put(from, "a.txt", upload{content: "new"})
	old := s.put(to, "a.txt", upload{content: "old"})
	kept := s.put(to, "a.txt", upload{content: "kept", metadata: map[string]string{"was": "here"}})
	unchanged := func(after string) {
		if b := s.blob(to, "a.txt"); b.ETag != kept || s.get(to, "a.txt") != "kept" {
			s.Errorf("after %s the blob that was there has changed", after)
		}
	}
	c := airlock.Copy{From: from, To: to, Name: "a.txt", IfMatch: etag, Replaces: old, Metadata: note}
	s.wantError("Copy over another blob than it replaces", s.Zones.Copy(s.ctx, c), airlock.ErrExists)
	unchanged("that")
	c.IfMatch, c.Replaces = old, kept
	s.wantError("Copy of a changed source over a blob", s.Zones.Copy(s.ctx, c), airlock.ErrChanged)
	unchanged("that")
	c.From = s.opened(0)
	s.wantError("Copy of nothing over a blob", s.Zones.Copy(s.ctx, c), airlock.ErrChanged)
	unchanged("that")
	c.From, c.IfMatch = from, etag
	if err := s.Zones.Copy(s.ctx, c); err != nil {
		s.Fatalf("Copy over the blob that it replaces: %v", err)
	}
	if got := s.arrived(to, "a.txt"); !maps.Equal(got.Metadata, note) || s.get(to, "a.txt") != "new" {
		s.Errorf("the copy has the metadata %v", got.Metadata)
	}
	s.wantError("Copy over a blob that was replaced", s.Zones.Copy(s.ctx, c), airlock.ErrExists)
	if err := s.Zones.Remove(s.ctx, to, "a.txt"); err != nil {
		s.Fatalf("Remove: %v", err)
	}
	s.wantError("Copy over a blob that is gone", s.Zones.Copy(s.ctx, c), airlock.ErrExists)
}

func copyIntoNothing(s *stage) {
	from := s.opened(0)
	etag := s.put(from, "a.txt", upload{content: "a"})
	for _, to := range []airlock.Place{s.place(0), s.place(1)} {
		c := airlock.Copy{From: from, To: to, Name: "a.txt", IfMatch: etag, Metadata: note}
		s.wantError("Copy into a container that never was", s.Zones.Copy(s.ctx, c), airlock.ErrNotFound)
	}
	to := s.opened(1)
	if err := s.Zones.Erase(s.ctx, to); err != nil {
		s.Fatalf("Erase: %v", err)
	}
	c := airlock.Copy{From: from, To: to, Name: "a.txt", IfMatch: etag, Metadata: note}
	s.wantError("Copy into an erased container", s.Zones.Copy(s.ctx, c), airlock.ErrNotFound)
}

// copyOnceAmongMany: of copies that start at the same moment, one does.
func copyOnceAmongMany(s *stage) {
	from, to := s.opened(0), s.opened(1)
	etag := s.put(from, "a.txt", upload{content: "a"})
	errs := make([]error, 8)
	var copies sync.WaitGroup
	for i := range errs {
		copies.Go(func() {
			errs[i] = s.Zones.Copy(s.ctx, airlock.Copy{From: from, To: to, Name: "a.txt", IfMatch: etag,
				Metadata: map[string]string{"by": fmt.Sprint(i)}})
		})
	}
	copies.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			s.Errorf("copies %d and %d were both started", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, airlock.ErrExists):
			s.Errorf("copy %d: %v, want %v", i, err, airlock.ErrExists)
		}
	}
	if got := s.arrived(to, "a.txt").Metadata["by"]; got != fmt.Sprint(winner) {
		s.Errorf("the copy is that of %s, want %d", got, winner)
	}
}

// names carries every name that must pass from a user through a copy to a user, each with its own content.
func names(s *stage) {
	from, to := s.opened(0), s.opened(1)
	write := s.link(from, statemachine.Write)
	want := map[string]string{} // name to ETag
	for i, name := range trickyNames() {
		if want[name] != "" {
			s.Fatalf("%q is twice in the table", name)
		}
		want[name] = s.putBy(write, name, upload{content: fmt.Sprintf("content %d", i)})
	}
	for _, b := range s.list(from) {
		if want[b.Name] != b.ETag {
			s.Errorf("List yields %q with ETag %s, want %s", b.Name, b.ETag, want[b.Name])
		}
	}
	for name, etag := range want {
		if err := s.Zones.Copy(s.ctx, airlock.Copy{From: from, To: to, Name: name, IfMatch: etag, Metadata: note}); err != nil {
			s.Errorf("Copy of %q: %v", name, err)
		}
	}
	if got := len(s.list(to)); got != len(want) {
		s.Fatalf("%d copies, want %d", got, len(want))
	}
	for i, name := range trickyNames() {
		s.arrived(to, name)
		if got, want := s.get(to, name), fmt.Sprintf("content %d", i); got != want {
			s.Errorf("%q holds %q, want %q", name, got, want)
		}
		if err := s.Zones.Remove(s.ctx, to, name); err != nil {
			s.Errorf("Remove of %q: %v", name, err)
		}
	}
	if got := s.list(to); len(got) != 0 {
		s.Errorf("not removed: %v", got)
	}
}

// trickyNames are names that clients, URLs, headers, XML and signatures each have an opinion on. Azure: up to 1,024
// characters and 254 segments; upper and lower case differ.
func trickyNames() []string {
	return []string{
		"plain.txt", "PLAIN.TXT", "no-extension", ".hidden", "dots..in...between.txt",
		"with space.txt", " leading space.txt", "two  spaces.txt",
		"#hash.txt", "a#b?c.txt", "100%.txt", "a%20b.txt", "a b.txt", "%", "%2F", "a%2Fb.txt", "%E4%BD%A0.txt",
		"a+b.txt", "+", "a&b=c.txt", "?", "what?.txt", "a;b,c.txt", "a:b@c.txt", "$HOME.txt", "*.txt", "~", "a|b^c`d.txt",
		"it's.txt", `say "hi".txt`, "<b>&amp;</b>.txt", "[1]{2}(3).txt", "a=b", "!",
		"folder/file.txt", "a/b/c/d/e/f/g.txt", "folder/with space/100%/#1/a+b.txt", "folder/file.txt/inner.txt",
		"käse.txt", "cafe\u0301.txt", "caf\u00e9.txt", "данные/отчёт №1.csv", "日本語/ファイル.csv", "统计 数据.xlsx", "مرحبا.txt",
		"ไทย.txt", "한국어.txt", "ﬁle.txt", "😀🎉 party.txt", "👩‍👩‍👧.txt", "﹏.txt",
		strings.Repeat("long segment/", 78) + "ends.txt", strings.Repeat("x", 1000), strings.Repeat("ü", 200),
		strings.Repeat("a/", 100) + "deep",
	}
}
