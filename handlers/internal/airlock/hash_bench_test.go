package airlock_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

// benchFile is large enough that starting sha256sum does not count.
const benchFile = 256 << 20

// diskZones is a storage in memory whose content is that of a file, of which it reads 256 KiB at a time, as the real one does.
type diskZones struct {
	*memzone.Zones
	file   *os.File
	buffer []byte
}

// Read implements airlock.Zones.
func (z diskZones) Read(_ context.Context, part airlock.Part, w io.Writer) error {
	_, err := io.CopyBuffer(w, struct{ io.Reader }{io.NewSectionReader(z.file, part.Offset, part.Length)}, z.buffer)
	return err
}

// BenchmarkHash computes the SHA-256 of a file as everybody does, and as the airlock does: in 16 invocations, each of which reads
// the request, restores the state of the hash, reads on, and stores how far it has come.
func BenchmarkHash(b *testing.B) {
	path := filepath.Join(b.TempDir(), "file")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(file, hash), rand.NewChaCha8([32]byte{}), benchFile); err != nil {
		b.Fatal(err)
	}
	want := hex.EncodeToString(hash.Sum(nil))
	b.Run("by=sha256sum", func(b *testing.B) {
		b.SetBytes(benchFile)
		for b.Loop() {
			out, err := exec.CommandContext(b.Context(), "sha256sum", path).Output()
			if err != nil || !strings.HasPrefix(string(out), want) {
				b.Fatalf("sha256sum: %s: %v", out, err)
			}
		}
	})
	b.Run("by=airlock", func(b *testing.B) {
		b.SetBytes(benchFile)
		b.ReportAllocs()
		for b.Loop() {
			hashOnce(b, file, want)
		}
	})
}

// hashOnce seals a file, and hashes it.
func hashOnce(b *testing.B, file *os.File, want string) {
	b.StopTimer()
	s, store := benchService()
	zones := memzone.New(memzone.Options{Now: s.Now})
	s.Zones = diskZones{zones, file, make([]byte, 256<<10)}
	s.Timing.HashBytes = benchFile / 16
	benchSettings(b, s, ws)
	made, err := s.Create(b.Context(), researcher, ws, airlock.NewRequest{Type: airlock.Import})
	if err != nil {
		b.Fatal(err)
	}
	place, err := s.Layout.Place(airlock.Import, "tre", "1111", made.Request.ID, sm.Spot{Zone: sm.Intake, Round: 1})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Reconcile(b.Context(), ws, made.Request.ID); err != nil {
		b.Fatal(err)
	}
	if _, err := zones.Put(place, "file", memzone.File{Size: benchFile}); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Submit(b.Context(), researcher, ws, made.Request.ID); err != nil {
		b.Fatal(err)
	}
	b.StartTimer()
	for range 16 {
		if err := s.Reconcile(b.Context(), ws, made.Request.ID); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	m, err := store.Manifest(b.Context(), ws, made.Request.ID, 1)
	if err != nil || m.Files[0].SHA256 != want {
		b.Fatalf("%+v: %v", m.Files, err)
	}
	b.StartTimer()
}
