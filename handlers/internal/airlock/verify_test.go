package airlock_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

// approve lets a request in review be approved, with whatever comes of it.
func (w *world) approve(r airlock.Request) airlock.Request {
	w.t.Helper()
	return w.do(w.Review(context.Background(), manager, ws, r.ID, approve()))
}

// alarmed reports whether somebody is woken up.
func (w *world) alarmed() bool {
	return slices.ContainsFunc(w.problems, func(err error) bool { return errors.Is(err, airlock.ErrDigest) })
}

func TestWhatIsReleasedWasReadAgain(t *testing.T) {
	for _, test := range []struct {
		name           string
		workspace, tre int64
		read           bool
	}{
		{"always", 0, 0, true}, {"up to its size", 0, 12, true}, {"up to less", 0, 11, false},
		{"more in the workspace", 12, 1, true}, {"less in the workspace", 11, 0, false}, {"always in the workspace", -1, 1, true},
	} {
		w := newWorld(t, func(s *airlock.Settings) { s.VerifyUpTo = test.workspace })
		w.VerifyUpTo = test.tre
		r := w.submitted(airlock.Import, "some content")
		w.zones.ResetCounts()
		r = w.approve(r)
		w.want(r, sm.Approved)
		if read := w.zones.Count(memzone.OpRead) > 0; read != test.read || (w.manifest(r).Files[0].ReleasedETag != "") != test.read {
			t.Errorf("%s: read %v: %+v", test.name, read, w.manifest(r).Files[0])
		}
	}
}

// TestOtherContentIsNotReleased damages a copy in a way that storage does not notice. The request fails, both copies stay, and a
// retry finds the same, until somebody has removed what is wrong.
func TestOtherContentIsNotReleased(t *testing.T) {
	for name, begin := range map[string]func(*testing.T) *world{
		"at once": func(t *testing.T) *world { return newWorld(t) }, "in pieces": pieces,
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t)
			r := w.submitted(airlock.Import, "some content")
			place := w.place(r, sm.Released, 1)
			w.damage = func(c airlock.Copy) bool { return c.To == place }
			r = w.approve(r)
			holding, _ := w.zones.Blobs(w.place(r, sm.Holding, 1))
			released, _ := w.zones.Blobs(place)
			if r.Status != sm.Failed || !strings.Contains(r.StatusMessage, "its SHA-256 differs") || len(holding) != 1 || len(released) != 1 || !w.alarmed() {
				t.Fatalf("it is %s (%s), with %d and %d copies: %v", r.Status, r.StatusMessage, len(holding), len(released), w.problems)
			}
			w.damage, w.problems = nil, nil
			r = w.do(w.Retry(t.Context(), manager, ws, r.ID))
			still, _ := w.zones.Blobs(place)
			if r.Status != sm.Failed || still[0].ETag != released[0].ETag || !w.alarmed() {
				t.Fatalf("after a retry it is %s (%s), with %v: %v", r.Status, r.StatusMessage, still, w.problems)
			}
			if err := w.zones.Remove(t.Context(), place, released[0].Name); err != nil {
				t.Fatal(err)
			}
			w.want(w.do(w.Retry(t.Context(), manager, ws, r.ID)), sm.Approved)
			if content, _ := w.zones.Content(place, released[0].Name); string(content) != "some content" {
				t.Errorf("released was %q", content)
			}
		})
	}
}

// TestAnotherListIsNotReleased: what was decided about is what is released, whatever the table says since.
func TestAnotherListIsNotReleased(t *testing.T) {
	w := newWorld(t)
	r := w.submitted(airlock.Import, "some content")
	m, next := w.manifest(r), r
	m.Files[0].SHA256 = sum("other content")
	next.Version++
	if _, err := w.store.Commit(t.Context(), airlock.Commit{Before: r, After: next, Manifest: &m, Dirty: []int{0}}); err != nil {
		t.Fatal(err)
	}
	r = w.approve(r)
	if r.Status != sm.Failed || !strings.Contains(r.StatusMessage, "no longer the one that was decided about") || !w.alarmed() {
		t.Errorf("it is %s (%s): %v", r.Status, r.StatusMessage, w.problems)
	}
}

// TestAChangeWhileItIsVerifiedIsFound: what people get is what was read.
func TestAChangeWhileItIsVerifiedIsFound(t *testing.T) {
	w := pieces(t)
	r := w.submitted(airlock.Import, "content that takes more than one piece")
	if _, err := w.Review(t.Context(), manager, ws, r.ID, approve()); err != nil {
		t.Fatal(err)
	}
	for w.manifest(r).Files[0].Reading.Offset == 0 {
		w.deliver()
	}
	if _, err := w.zones.Put(w.place(r, sm.Released, 1), "data/ä b.csv", memzone.File{Content: []byte("something else")}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if r = w.read(r.ID); r.Status != sm.Failed || !strings.Contains(r.StatusMessage, "not at its destination as it was sealed") {
		t.Errorf("it is %s: %s", r.Status, r.StatusMessage)
	}
}
