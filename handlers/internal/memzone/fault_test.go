package memzone_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
	"airlock/statemachine"
)

var (
	here  = airlock.Place{Account: "stalimextre", Container: "0191c2a4-7b1e-7cc0-8000-000000000001"}
	there = airlock.Place{Account: "stalimiptre", Container: "0191c2a4-7b1e-7cc0-8000-000000000001"}
	note  = map[string]string{"sealed": "1"}
)

// house is a storage with two containers and a file in the first.
func house(t *testing.T, o memzone.Options) (z *memzone.Zones, c *clock, etag string) {
	t.Helper()
	c = newClock()
	o.Now = c.Now
	z = memzone.New(o)
	for _, p := range []airlock.Place{here, there} {
		if _, err := z.Open(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	etag, err := z.Put(here, "a.txt", memzone.File{Content: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	return z, c, etag
}

func startCopy(t *testing.T, z *memzone.Zones, etag string) {
	t.Helper()
	if err := z.Copy(t.Context(), airlock.Copy{From: here, To: there, Name: "a.txt", IfMatch: etag, Metadata: note}); err != nil {
		t.Fatal(err)
	}
}

// only returns the one blob of a container.
func only(t *testing.T, z *memzone.Zones, p airlock.Place) airlock.Blob {
	t.Helper()
	blobs, ok := z.Blobs(p)
	if !ok || len(blobs) != 1 {
		t.Fatalf("%v holds %v, want one blob", p, blobs)
	}
	return blobs[0]
}

func TestCopyTakesItsTime(t *testing.T) {
	z, c, etag := house(t, memzone.Options{CopyTime: time.Minute})
	startCopy(t, z, etag)
	pending := only(t, z, there)
	if pending.Copy != airlock.CopyPending || pending.Size != 0 || pending.MD5 != nil {
		t.Errorf("while it is pending: %+v", pending)
	}
	if _, err := z.Put(there, "a.txt", memzone.File{}); !errors.Is(err, airlock.ErrExists) {
		t.Errorf("upload over a pending copy: %v", err)
	}
	c.Advance(time.Minute - 1)
	if b := only(t, z, there); b.Copy != airlock.CopyPending {
		t.Errorf("a moment before the end: %+v", b)
	}
	c.Advance(1)
	done := only(t, z, there)
	if done.Copy != airlock.CopySuccess || done.Size != 5 || done.MD5 == nil || done.ETag == pending.ETag {
		t.Errorf("at the end: %+v, before it %+v", done, pending)
	}
}

func TestCopyEnds(t *testing.T) {
	for _, test := range []struct {
		name    string
		options memzone.Options
		meddle  func(*memzone.Zones) error
		want    airlock.CopyState
	}{
		{"by itself", memzone.Options{CopyTime: time.Minute}, nil, airlock.CopySuccess},
		{"badly by itself", memzone.Options{CopyTime: time.Minute,
			CopyEnd: func(airlock.Copy) airlock.CopyState { return airlock.CopyFailed }}, nil, airlock.CopyFailed},
		{"never", memzone.Options{CopyTime: -1}, nil, airlock.CopyPending},
		{"on demand", memzone.Options{CopyTime: -1},
			func(z *memzone.Zones) error { return z.Conclude(there, "a.txt", airlock.CopySuccess) }, airlock.CopySuccess},
		{"aborted", memzone.Options{CopyTime: -1},
			func(z *memzone.Zones) error { return z.Conclude(there, "a.txt", airlock.CopyAborted) }, airlock.CopyAborted},
		{"the source has changed", memzone.Options{CopyTime: time.Minute}, func(z *memzone.Zones) error {
			_, err := z.Put(here, "a.txt", memzone.File{Content: []byte("other")})
			return err
		}, airlock.CopyFailed},
		{"the source is gone", memzone.Options{CopyTime: time.Minute}, func(z *memzone.Zones) error {
			return z.Erase(t.Context(), here)
		}, airlock.CopyFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			z, c, etag := house(t, test.options)
			startCopy(t, z, etag)
			if test.meddle != nil {
				if err := test.meddle(z); err != nil {
					t.Fatal(err)
				}
			}
			c.Advance(time.Hour)
			b := only(t, z, there)
			if b.Copy != test.want {
				t.Fatalf("copy state %q, want %q", b.Copy, test.want)
			}
			if (b.Size == 5) != (test.want == airlock.CopySuccess) || b.Metadata["sealed"] != "1" {
				t.Errorf("left behind: %+v", b)
			}
			content, ok := z.Content(there, "a.txt")
			if ok != (test.want == airlock.CopySuccess) || ok && string(content) != "hello" {
				t.Errorf("content %q, %v", content, ok)
			}
		})
	}
}

func TestRemoveEndsACopy(t *testing.T) {
	z, c, etag := house(t, memzone.Options{CopyTime: time.Minute})
	startCopy(t, z, etag)
	if err := z.Remove(t.Context(), there, "a.txt"); err != nil {
		t.Fatal(err)
	}
	if err := z.Conclude(there, "a.txt", airlock.CopySuccess); !errors.Is(err, airlock.ErrNotFound) {
		t.Errorf("Conclude after Remove: %v", err)
	}
	c.Advance(time.Hour)
	if blobs, _ := z.Blobs(there); len(blobs) != 0 {
		t.Errorf("came back: %v", blobs)
	}
}

func TestFaults(t *testing.T) {
	broken := fmt.Errorf("cut off: %w", airlock.ErrTransient)
	calls := map[memzone.Op]func(*memzone.Zones, string) error{
		memzone.OpOpen: func(z *memzone.Zones, _ string) error {
			_, err := z.Open(t.Context(), airlock.Place{Account: "stalimextre", Container: "new"})
			return err
		},
		memzone.OpCopy: func(z *memzone.Zones, etag string) error {
			return z.Copy(t.Context(), airlock.Copy{From: here, To: there, Name: "a.txt", IfMatch: etag, Metadata: note})
		},
		memzone.OpWrite: func(z *memzone.Zones, _ string) error {
			return z.Write(t.Context(), airlock.Upload{Place: here, Name: "new.txt", Content: []byte("x")})
		},
		memzone.OpRemove: func(z *memzone.Zones, _ string) error { return z.Remove(t.Context(), here, "a.txt") },
		memzone.OpErase:  func(z *memzone.Zones, _ string) error { return z.Erase(t.Context(), here) },
		memzone.OpPing:   func(z *memzone.Zones, _ string) error { return z.Ping(t.Context()) },
		memzone.OpLink: func(z *memzone.Zones, _ string) error {
			_, err := z.Link(t.Context(), here, airlock.LinkTerms{Rights: statemachine.Read, Until: newClock().now,
				CorrelationID: "0191c2a4-7b1e-7cc0-8000-000000000001"})
			return err
		},
		memzone.OpList: func(z *memzone.Zones, _ string) error {
			for _, err := range z.List(t.Context(), here) {
				return err
			}
			return nil
		},
	}
	changes := map[memzone.Op]bool{memzone.OpOpen: true, memzone.OpCopy: true, memzone.OpWrite: true, memzone.OpRemove: true, memzone.OpErase: true}
	state := func(z *memzone.Zones) string {
		s := ""
		for _, p := range z.Places() {
			blobs, _ := z.Blobs(p)
			s += fmt.Sprint(p, blobs)
		}
		return s
	}
	for op, call := range calls {
		for _, answerLost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, answer lost %v", op, answerLost), func(t *testing.T) {
				armed := false
				var z *memzone.Zones
				z, _, etag := house(t, memzone.Options{Fault: func(c memzone.Call) (before, after error) {
					switch {
					case !armed || c.Op != op:
						return nil, nil
					case answerLost:
						return nil, broken
					default:
						return broken, nil
					}
				}})
				was := state(z)
				z.ResetCounts()
				armed = true
				if err := call(z, etag); !errors.Is(err, broken) {
					t.Fatalf("error %v, want the fault", err)
				}
				if done := state(z) != was; done != (answerLost && changes[op]) {
					t.Errorf("work done: %v", done)
				}
				if got := z.Count(op); got != 1 {
					t.Errorf("%d calls counted, want 1", got)
				}
			})
		}
	}
}

// TestFaultMayMeddle: a fault can change the storage at the worst moment, between a caller's decision and its call.
func TestFaultMayMeddle(t *testing.T) {
	var z *memzone.Zones
	z, _, etag := house(t, memzone.Options{Fault: func(c memzone.Call) (before, after error) {
		if c.Op == memzone.OpCopy {
			_, err := z.Put(here, c.Name, memzone.File{Content: []byte("swapped")})
			return err, nil
		}
		return nil, nil
	}})
	err := z.Copy(t.Context(), airlock.Copy{From: here, To: there, Name: "a.txt", IfMatch: etag, Metadata: note})
	if !errors.Is(err, airlock.ErrChanged) {
		t.Errorf("error %v, want %v", err, airlock.ErrChanged)
	}
}

func TestDeterministic(t *testing.T) {
	run := func() string {
		z, c, etag := house(t, memzone.Options{CopyTime: time.Minute})
		startCopy(t, z, etag)
		c.Advance(time.Hour)
		link, err := z.Link(t.Context(), there, airlock.LinkTerms{Rights: statemachine.Read | statemachine.List, From: c.Now(),
			Until: c.Now().Add(time.Hour), CorrelationID: "0191c2a4-7b1e-7cc0-8000-000000000001"})
		if err != nil {
			t.Fatal(err)
		}
		blobs, _ := z.Blobs(there)
		return fmt.Sprint(blobs, link)
	}
	if a, b := run(), run(); a != b {
		t.Errorf("two runs differ:\n%s\n%s", a, b)
	}
}

// TestSizeWithoutContent: a file of any size costs nothing, and can still be copied and read.
func TestSizeWithoutContent(t *testing.T) {
	z, c, _ := house(t, memzone.Options{})
	etag, err := z.Put(here, "a.txt", memzone.File{Size: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	startCopy(t, z, etag)
	if b := only(t, z, there); b.Size != 1<<40 || b.MD5 != nil {
		t.Errorf("the copy is %+v", b)
	}
	link, err := z.Link(t.Context(), there, airlock.LinkTerms{Rights: statemachine.Read, From: c.Now(), Until: c.Now().Add(time.Hour),
		CorrelationID: "0191c2a4-7b1e-7cc0-8000-000000000001"})
	if err != nil {
		t.Fatal(err)
	}
	base, query, _ := strings.Cut(link, "?")
	resp, err := z.Client().Get(base + "/a.txt?" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var first [8]byte
	if _, err := io.ReadFull(resp.Body, first[:]); err != nil || first != [8]byte{} {
		t.Errorf("read %v, %v", first, err)
	}
	if resp.StatusCode != http.StatusOK || resp.ContentLength != 1<<40 {
		t.Errorf("status %d, length %d", resp.StatusCode, resp.ContentLength)
	}
}

// TestTellsCopies: nobody can change the storage through what it returned.
func TestTellsCopies(t *testing.T) {
	z, _, _ := house(t, memzone.Options{})
	b := only(t, z, here)
	b.MD5[0] ^= 0xff
	b.Metadata["x"] = "y"
	again := only(t, z, here)
	if again.MD5[0] == b.MD5[0] || len(again.Metadata) != 0 {
		t.Errorf("changed from outside: %+v", again)
	}
}
