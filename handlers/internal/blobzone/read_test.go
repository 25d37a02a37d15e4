package blobzone_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
)

// part answers with so many bytes, from body.
func part(r *http.Request, length int64, body io.Reader) *http.Response {
	resp := reply(r, http.StatusPartialContent, "", "")
	resp.Header.Set("Content-Length", strconv.FormatInt(length, 10))
	resp.ContentLength, resp.Body = length, io.NopCloser(body)
	return resp
}

// TestReadCutOff: what came before the network failed counts, and the rest is worth another try.
func TestReadCutOff(t *testing.T) {
	z := onCloud(t, &cloud{answer: func(r *http.Request) (*http.Response, error) {
		return part(r, 10, io.MultiReader(strings.NewReader("half "), errReader{errors.New("reset by https://x?sig=1")})), nil
	}}, time.Now)
	var got bytes.Buffer
	err := z.Read(t.Context(), airlock.Part{Place: from, Name: secret, ETag: "0x8D", Length: 10}, &got)
	wantError(t, err, airlock.ErrTransient)
	noSecret(t, err)
	if got.String() != "half " {
		t.Errorf("read %q", got.String())
	}
}

type errReader struct{ err error }

// Read implements io.Reader.
func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// endless reads as zero bytes.
type endless struct{}

// Read implements io.Reader.
func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestReadInLittleMemory reads 256 MiB, and allocates no more for it than for little.
func TestReadInLittleMemory(t *testing.T) {
	z := onCloud(t, &cloud{answer: func(r *http.Request) (*http.Response, error) {
		return part(r, 64<<20, io.LimitReader(endless{}, 64<<20)), nil
	}}, time.Now)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 4 {
		var n counted
		if err := z.Read(t.Context(), airlock.Part{Place: from, Name: secret, ETag: "0x8D", Length: 64 << 20}, &n); err != nil || n != 64<<20 {
			t.Fatalf("read %d bytes: %v", n, err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
}

// counted counts what is written to it.
type counted int64

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) { *c += counted(len(p)); return len(p), nil }
