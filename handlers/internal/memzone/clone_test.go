package memzone_test

import (
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
)

// TestCloneIsASecondStorage changes a storage and its clone, and each sees its own: also of a copy that was on its way.
func TestCloneIsASecondStorage(t *testing.T) {
	c := newClock()
	first := memzone.New(memzone.Options{Now: c.Now, CopyTime: time.Minute})
	from, to := airlock.Place{Account: "stalimextre", Container: "from"}, airlock.Place{Account: "stalimiptre", Container: "target"}
	for _, p := range []airlock.Place{from, to} {
		if _, err := first.Open(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	etag, err := first.Put(from, "a", memzone.File{Content: []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Copy(t.Context(), airlock.Copy{From: from, To: to, Name: "a", IfMatch: etag, Metadata: map[string]string{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	second := first.Clone()
	if second.Count(memzone.OpCopy) != 0 {
		t.Error("the clone begins with calls")
	}
	if err := first.Conclude(to, "a", airlock.CopyFailed); err != nil {
		t.Fatal(err)
	}
	if err := first.Tag(from, "a", airlock.Malicious); err != nil {
		t.Fatal(err)
	}
	if err := first.Erase(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	if blobs, ok := second.Blobs(from); !ok || len(blobs) != 1 || blobs[0].ScanTag != airlock.ScanPending {
		t.Errorf("the clone's source holds %v, %v", blobs, ok)
	}
	if blobs, _ := second.Blobs(to); len(blobs) != 1 || blobs[0].Copy != airlock.CopyPending {
		t.Errorf("the clone's target holds %+v", blobs)
	}
	c.Advance(time.Hour)
	if content, ok := second.Content(to, "a"); !ok || string(content) != "a" {
		t.Errorf("the clone's copy ended with %q, %v", content, ok)
	}
	if blobs, _ := first.Blobs(to); len(blobs) != 1 || blobs[0].Copy != airlock.CopyFailed {
		t.Errorf("the first's target holds %+v", blobs)
	}
}
