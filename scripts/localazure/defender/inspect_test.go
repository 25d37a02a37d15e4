package defender_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"pgregory.net/rapid"

	"airlock/scripts/localazure/defender"
)

// chunks gives a text in pieces of the sizes that are drawn.
type chunks struct {
	text []byte
	size func() int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size())], c.text)
	c.text = c.text[n:]
	return n, nil
}

// piecemeal is an azure whose blobs are read in pieces.
type piecemeal struct {
	*azure
	wrap func(io.Reader) io.Reader
}

func (p piecemeal) Open(ctx context.Context, account, container, blob string) (io.ReadCloser, azcore.ETag, error) {
	r, tag, err := p.azure.Open(ctx, account, container, blob)
	if err != nil {
		return nil, "", err
	}
	return reader{p.wrap(r), func() { _ = r.Close() }}, tag, nil
}

// scanPiecemeal scans one text that is read through wrap.
func scanPiecemeal(t *testing.T, text string, wrap func(io.Reader) io.Reader) result {
	t.Helper()
	a := newAzure(t, defender.Options{})
	scanner, err := defender.New(defender.Options{Blobs: piecemeal{a, wrap}, Publish: a.publish})
	if err != nil {
		t.Fatal(err)
	}
	defer scanner.Close()
	a.Scanner = scanner
	return a.scan(t, "f", text)
}

func TestVirusAcrossEveryBorder(t *testing.T) {
	virus := string(defender.EICAR())
	for before := range 3 * len(virus) {
		text := strings.Repeat("X5O!", 60)[:before] + virus + "."
		got := scanPiecemeal(t, text, func(r io.Reader) io.Reader {
			all, err := io.ReadAll(r)
			if err != nil {
				t.Error(err)
			}
			return &chunks{all, func() int { return len(virus) }}
		})
		if got.Data.ScanResultType != "Malicious" {
			t.Errorf("%d bytes before it: %s", before, got.Data.ScanResultType)
		}
	}
	for _, missing := range []string{virus[1:], virus[:len(virus)-1], virus[:30] + " " + virus[30:], strings.ToLower(virus)} {
		if got := scanPiecemeal(t, missing, iotest.OneByteReader); got.Data.ScanResultType != "No threats found" {
			t.Errorf("%d bytes that are not it: %s", len(missing), got.Data.ScanResultType)
		}
	}
}

func TestVirusIsFoundWhereItIs(t *testing.T) {
	virus := defender.EICAR()
	rapid.Check(t, func(rt *rapid.T) {
		var text []byte
		for range rapid.IntRange(0, 6).Draw(rt, "parts") { // parts of it come often, so that near misses do
			from := rapid.IntRange(0, len(virus)).Draw(rt, "from")
			text = append(text, virus[from:rapid.IntRange(from, len(virus)).Draw(rt, "to")]...)
		}
		if rapid.Bool().Draw(rt, "whole") {
			at := rapid.IntRange(0, len(text)).Draw(rt, "at")
			text = append(text[:at:at], append(bytes.Clone(virus), text[at:]...)...)
		}
		got := scanPiecemeal(t, string(text), func(io.Reader) io.Reader {
			return &chunks{bytes.Clone(text), func() int { return rapid.IntRange(1, 90).Draw(rt, "chunk") }}
		})
		want := "No threats found"
		if bytes.Contains(text, virus) {
			want = "Malicious"
		}
		if got.Data.ScanResultType != want {
			rt.Fatalf("%s, want %s", got.Data.ScanResultType, want)
		}
	})
}

func TestBrokenReadIsNotClean(t *testing.T) {
	got := scanPiecemeal(t, "text", func(r io.Reader) io.Reader { return iotest.TimeoutReader(iotest.OneByteReader(r)) })
	if got.Data.ScanResultType != "Not Scanned" || !strings.HasPrefix(got.Data.ScanResultDetails.NotScannedReason, "SAM259201") {
		t.Errorf("result %s", got.raw)
	}
}

// zipped packs texts under made-up names.
func zipped(t *testing.T, texts ...string) string {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for n, text := range texts {
		entry, err := w.Create(strings.Repeat("d/", n) + "entry.txt")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(entry, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.String()
}

func TestZipFiles(t *testing.T) {
	virus := string(defender.EICAR())
	nested := virus
	var nests []string
	for range 6 {
		nested = zipped(t, "beside", nested)
		nests = append(nests, nested)
	}
	if strings.Contains(nests[0], virus) {
		t.Fatal("the zip file holds the virus uncompressed; the cases below would prove nothing")
	}
	locked := []byte(zipped(t, "secret"))
	for _, signature := range []string{"PK\x03\x04", "PK\x01\x02"} { // flags are 6 bytes into a local header, 8 into a central one
		at := bytes.Index(locked, []byte(signature))
		locked[at+6+2*bytes.Count([]byte(signature), []byte{1})] |= 1
	}
	damaged := []byte(zipped(t, strings.Repeat("text", 1000)))
	damaged[60] ^= 0xff
	bomb := zipped(t, strings.Repeat("\x00", 2<<20))
	for _, tt := range []struct{ name, text, want string }{
		{"clean", zipped(t, "a", "b", ""), "No threats found"},
		{"empty", zipped(t), "No threats found"},
		{"virus", zipped(t, "a", virus), "Malicious"},
		{"nested twice", nests[1], "Malicious"},
		{"nested as deep as may be", nests[3], "Malicious"},
		{"nested too deep", nests[4], "SAM259211"},
		{"virus beside what is nested too deep", zipped(t, nests[5], virus), "Malicious"},
		{"password", string(locked), "SAM259210"},
		{"cut off", zipped(t, "a")[:40], "SAM259212"},
		{"damaged", string(damaged), "SAM259212"},
		{"starts like one", "PK\x03\x04 is how zip files start", "SAM259212"},
		{"starts almost like one", "PK\x03 is not how zip files start", "No threats found"},
		{"bomb", zipped(t, bomb, bomb, bomb), "SAM259207"},
		{"virus before the bomb", zipped(t, virus, bomb, bomb, bomb), "Malicious"},
		{"virus after the bomb", zipped(t, bomb, bomb, bomb, virus), "SAM259207"},
		{"larger than is looked into", zipped(t, virus) + strings.Repeat(" ", 1<<20), "No threats found"},
	} {
		got := newAzure(t, defender.Options{MaxArchive: 1 << 20, MaxUnpacked: 5 << 20}).scan(t, "f.zip", tt.text)
		result := got.Data.ScanResultType
		if result == "Not Scanned" {
			result, _, _ = strings.Cut(got.Data.ScanResultDetails.NotScannedReason, ":")
		}
		if result != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, result, tt.want)
		}
	}
}

// TestRepositoryDoesNotHoldTheVirus would fail on a scanned machine by itself, for want of the file.
func TestRepositoryDoesNotHoldTheVirus(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, program) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, defender.EICAR()) {
			t.Errorf("%s holds the test string as a whole", name)
		}
	}
	if got := len(defender.EICAR()); got != 68 {
		t.Errorf("the test string has %d bytes, want 68", got)
	}
}
