package zonetest

import (
	"bytes"
	"errors"
	"strings"

	"airlock/handlers/internal/airlock"
)

// read returns part of a blob that must be there.
func (s *stage) read(part airlock.Part) string {
	s.Helper()
	var b bytes.Buffer
	if err := s.Zones.Read(s.ctx, part, &b); err != nil {
		s.Fatalf("Read of %d bytes at %d: %v", part.Length, part.Offset, err)
	}
	return b.String()
}

// readParts reads a file in pieces that are larger and smaller than any buffer, and a copy of it as a whole.
func readParts(s *stage) {
	from, to := s.opened(0), s.opened(1)
	content := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	const name = "dir/ä b%41.csv"
	etag := s.put(from, name, upload{content: content})
	for _, part := range []struct{ offset, length int64 }{
		{0, 1}, {0, 1 << 20}, {1, 700_000}, {1<<20 - 1, 1}, {300_000, 17}, {1 << 19, 1 << 19},
	} {
		got := s.read(airlock.Part{Place: from, Name: name, ETag: etag, Offset: part.offset, Length: part.length})
		if got != content[part.offset:part.offset+part.length] {
			s.Errorf("%d bytes at %d: other content, of %d bytes", part.length, part.offset, len(got))
		}
	}
	if err := s.Zones.Copy(s.ctx, airlock.Copy{From: from, To: to, Name: name, IfMatch: etag, Metadata: note}); err != nil {
		s.Fatalf("Copy: %v", err)
	}
	b := s.arrived(to, name)
	if s.read(airlock.Part{Place: to, Name: name, ETag: b.ETag, Length: b.Size}) != content {
		s.Error("the copy has other content")
	}
}

// readChanged: what is read is the very blob that was asked for, or nothing.
func readChanged(s *stage) {
	p := s.opened(0)
	first := s.put(p, "a.txt", upload{content: "first"})
	second := s.put(p, "a.txt", upload{content: "other"})
	part := airlock.Part{Place: p, Name: "a.txt", ETag: first, Length: 5}
	refused := func(what string, part airlock.Part) {
		s.Helper()
		var b bytes.Buffer
		s.wantError(what, s.Zones.Read(s.ctx, part, &b), airlock.ErrChanged)
		if b.Len() != 0 {
			s.Errorf("%s: %q was read", what, b.String())
		}
	}
	refused("Read of a blob that was overwritten", part)
	part.ETag = second
	if got := s.read(part); got != "other" {
		s.Errorf("read %q", got)
	}
	part.Name = "b.txt"
	refused("Read of a blob that never was", part)
	part.Place = s.place(0)
	refused("Read in a container that never was", part)
	part.Place, part.Name = p, "a.txt"
	if err := s.Zones.Erase(s.ctx, p); err != nil {
		s.Fatalf("Erase: %v", err)
	}
	refused("Read in a container that was erased", part)
}

// readBeyondTheEnd: whoever knows the ETag knows the size.
func readBeyondTheEnd(s *stage) {
	p := s.opened(0)
	etag := s.put(p, "a.txt", upload{content: "five."})
	for _, part := range []airlock.Part{{Offset: 0, Length: 6}, {Offset: 4, Length: 2}, {Offset: 5, Length: 1}, {Offset: 1 << 40, Length: 1}} {
		part.Place, part.Name, part.ETag = p, "a.txt", etag
		err := s.Zones.Read(s.ctx, part, &bytes.Buffer{})
		if err == nil {
			s.Errorf("%d bytes at %d of five were read", part.Length, part.Offset)
		}
		s.wantError("Read beyond the end", err, nil)
	}
}

// full is a writer that takes a little, and then no more.
type full struct{ left int }

var errFull = errors.New("full")

// Write implements io.Writer.
func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// readIntoAWriterThatFails: the error is the writer's own, and nobody takes it for one of storage.
func readIntoAWriterThatFails(s *stage) {
	p := s.opened(0)
	content := strings.Repeat("x", 1<<20)
	etag := s.put(p, "a.txt", upload{content: content})
	err := s.Zones.Read(s.ctx, airlock.Part{Place: p, Name: "a.txt", ETag: etag, Length: 1 << 20}, &full{left: 1000})
	s.wantError("Read into a writer that is full", err, nil)
	if !errors.Is(err, errFull) {
		s.Errorf("error %v, want the writer's", err)
	}
	if got := s.read(airlock.Part{Place: p, Name: "a.txt", ETag: etag, Length: 1 << 20}); got != content {
		s.Error("afterwards other content is read")
	}
}
