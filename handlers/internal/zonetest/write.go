package zonetest

import (
	"airlock/handlers/internal/airlock"
)

// writeOnce: what is written is there as it is, and is never replaced.
func writeOnce(s *stage) {
	p := s.opened(0)
	u := airlock.Upload{Place: p, Name: "a b/ä.txt", Content: []byte("content"), Metadata: map[string]string{"key": "a value"}}
	if err := s.Zones.Write(s.ctx, u); err != nil {
		s.Fatalf("Write: %v", err)
	}
	b := s.blob(p, u.Name)
	if b.Size != 7 || b.Kind != airlock.BlockBlob || b.Copy != airlock.CopyNone || b.ETag == "" || len(b.Metadata) != 1 || b.Metadata["key"] != "a value" || b.ScanTag != "" {
		s.Errorf("written as %+v", b)
	}
	if got := s.read(airlock.Part{Place: p, Name: u.Name, ETag: b.ETag, Length: b.Size}); got != "content" {
		s.Errorf("its content is %q", got)
	}
	u.Content = []byte("other")
	s.wantError("Write of a blob that is there", s.Zones.Write(s.ctx, u), airlock.ErrExists)
	if after := s.blob(p, u.Name); after.ETag != b.ETag {
		s.Error("it was replaced")
	}
}

func writeIntoNothing(s *stage) {
	u := airlock.Upload{Place: s.place(0), Name: "a.txt", Content: []byte("content")}
	s.wantError("Write into no container", s.Zones.Write(s.ctx, u), airlock.ErrNotFound)
}
