package airlock_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

// inPieces lets each invocation read a few bytes only.
func inPieces(t *airlock.Timing) { t.HashBytes, t.HashAtOnce = 7, 0 }

// pieces makes a world in which every digest takes many invocations.
func pieces(t *testing.T) *world {
	w := newWorld(t)
	w.timing = inPieces
	w.build()
	return w
}

func (w *world) manifest(r airlock.Request) airlock.Manifest {
	w.t.Helper()
	m, err := w.store.Manifest(context.Background(), ws, r.ID, r.Round)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func sum(content string) string {
	s := sha256.Sum256([]byte(content))
	return hex.EncodeToString(s[:])
}

// draftOf makes a draft with these files, by name.
func draftOf(w *world, files map[string]string) airlock.Request {
	w.t.Helper()
	r := w.create(researcher, airlock.Import)
	w.settle()
	for name, content := range files {
		w.upload(r, name, content)
	}
	return r
}

func TestEveryFileIsHashed(t *testing.T) {
	files := map[string]string{"a.csv": strings.Repeat("line\n", 20), "empty": "", "ä/b c": "x"}
	for name, begin := range map[string]func(*testing.T) *world{
		"at once": func(t *testing.T) *world { return newWorld(t) }, "in pieces": pieces,
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t)
			r := draftOf(w, files)
			r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
			w.want(r, sm.InReview)
			m := w.manifest(r)
			for _, f := range m.Files {
				if f.SHA256 != sum(files[f.Name]) || f.Reading.ETag != "" {
					t.Errorf("%q has the SHA-256 %q, want %q; reading %+v", f.Name, f.SHA256, sum(files[f.Name]), f.Reading)
				}
			}
			if r.ManifestDigest == "" || r.ManifestDigest != m.Digest() || r.Files[0].SHA256 != m.Files[0].SHA256 {
				t.Errorf("the request tells of %q and %+v, the manifest has %q", r.ManifestDigest, r.Files[0], m.Digest())
			}
			records, err := w.store.Records(t.Context(), ws, r.ID, 0, airlock.MaxPage)
			if err != nil {
				t.Fatal(err)
			}
			if last := records[len(records)-1]; last.What != string(sm.EventClear) || last.Digest != r.ManifestDigest {
				t.Errorf("the record of %s names %q, want %q", last.What, last.Digest, r.ManifestDigest)
			}
		})
	}
}

// TestTheListThatIsDigested is the documented form, written down by hand.
func TestTheListThatIsDigested(t *testing.T) {
	m := airlock.Manifest{Files: []airlock.File{
		{Name: "ä b", Size: 2, SHA256: sum("xy")}, {Name: "a", Size: 1 << 40}, {Name: "B/\"c\"", Size: 0, SHA256: sum("")},
	}}
	want := sum(sum("") + " 0 B/\"c\"\n" + "- 1099511627776 a\n" + sum("xy") + " 2 ä b\n")
	if m.Digest() != want || m.Files[0].Name != "ä b" {
		t.Errorf("digest %s of %v, want %s", m.Digest(), m.Files, want)
	}
	if m.Hashed() {
		t.Error("the SHA-256 of a is not known")
	}
	m.Files[1].SHA256 = sum("a")
	if !m.Hashed() || m.Digest() == want {
		t.Error("every SHA-256 is known, and the digest is another")
	}
}

// TestInvocationsReadLittle: each invocation reads what it may, stores how far it has come, and asks for the next at once.
func TestInvocationsReadLittle(t *testing.T) {
	w := pieces(t)
	content := strings.Repeat("0123456789", 10)
	r := draftOf(w, map[string]string{"a": content})
	if _, err := w.Submit(t.Context(), researcher, ws, r.ID); err != nil {
		t.Fatal(err)
	}
	var offsets []int64
	for range 200 {
		w.zones.ResetCounts()
		before := w.store.Calls()[memstore.OpCommit]
		if !w.deliver() {
			break
		}
		reads, commits := w.zones.Count(memzone.OpRead), w.store.Calls()[memstore.OpCommit]-before
		if f := w.manifest(r).Files[0]; reads > 0 {
			offsets = append(offsets, f.Reading.Offset)
			if reads != 1 || commits > 3 || f.SHA256 == "" && f.Reading.Offset != int64(7*len(offsets)) {
				t.Errorf("invocation %d: %d reads, %d commits, at byte %d", len(offsets), reads, commits, f.Reading.Offset)
			}
		}
	}
	if len(offsets) != (100+6)/7 {
		t.Errorf("it took %d invocations: %v", len(offsets), offsets)
	}
	if f := w.manifest(r).Files[0]; f.SHA256 != sum(content) {
		t.Errorf("SHA-256 %q, want %q", f.SHA256, sum(content))
	}
	if r = w.read(r.ID); r.Status != sm.Submitted || len(r.Owed) != 1 || r.Owed[0].Kind != sm.KindGates {
		t.Errorf("it is %s and owes %v, want the verdict alone", r.Status, r.Owed)
	}
	w.settle()
	w.want(w.read(r.ID), sm.InReview)
}

// TestInvocationsReadForAShortTime: slow storage ends an invocation as well as much data does.
func TestInvocationsReadForAShortTime(t *testing.T) {
	w := newWorld(t, manyFiles)
	w.timing = func(t *airlock.Timing) { t.HashAtOnce = 0 }
	w.build()
	r := w.create(researcher, airlock.Import)
	for i := range 7 {
		w.upload(r, fmt.Sprint(i), "x")
	}
	w.settle()
	w.onRead = func() { w.now = w.now.Add(w.Timing.HashTime/2 - 1) }
	if _, err := w.Submit(t.Context(), researcher, ws, r.ID); err != nil {
		t.Fatal(err)
	}
	w.zones.ResetCounts()
	var reads []int
	for w.deliver() {
		if n := w.zones.Count(memzone.OpRead); n > 0 {
			reads = append(reads, n)
		}
		w.zones.ResetCounts()
	}
	if !slices.Equal(reads, []int{3, 3, 1}) {
		t.Errorf("the invocations read %v files, want 3, 3 and 1", reads)
	}
}

// TestTheScanDoesNotWaitForTheHash, nor the hash for the scan.
func TestTheScanDoesNotWaitForTheHash(t *testing.T) {
	w := pieces(t)
	broken := errors.New("storage cannot be read")
	w.readFault = broken
	r := draftOf(w, map[string]string{"a": "some content"})
	r = w.do(w.Submit(t.Context(), researcher, ws, r.ID))
	if f := w.manifest(r).Files[0]; r.Status != sm.Submitted || f.Verdict.Result != airlock.Clean || f.SHA256 != "" {
		t.Fatalf("it is %s, and the file %+v", r.Status, f)
	}
	w.readFault = nil
	w.later(w.Timing.RetryLongest)
	w.want(w.read(r.ID), sm.InReview)
}

// TestMalwareDoesNotWaitForTheHash: nobody has to read what nobody will get.
func TestMalwareDoesNotWaitForTheHash(t *testing.T) {
	w := pieces(t)
	w.scanner = func(string) airlock.ScanResult { return airlock.Malicious }
	w.readFault = errors.New("storage cannot be read")
	r := draftOf(w, map[string]string{"a": "some content"})
	w.want(w.do(w.Submit(t.Context(), researcher, ws, r.ID)), sm.BlockedByScan)
}

// TestAChangeWhileItIsHashedIsFound: what was hashed is what was sealed.
func TestAChangeWhileItIsHashedIsFound(t *testing.T) {
	w := pieces(t)
	r := draftOf(w, map[string]string{"a": "some content that takes a while"})
	if _, err := w.Submit(t.Context(), researcher, ws, r.ID); err != nil {
		t.Fatal(err)
	}
	for w.manifest(r).Files[0].Reading.Offset == 0 {
		w.deliver()
	}
	if _, err := w.zones.Put(w.place(r, sm.Holding, 1), "a", memzone.File{Content: []byte("some content that takes a whole")}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if r = w.read(r.ID); r.Status != sm.Failed || !strings.Contains(r.StatusMessage, "no longer as it was sealed") {
		t.Errorf("it is %s: %s", r.Status, r.StatusMessage)
	}
}

// TestAnotherCommitCostsNoReading: what was read is stored although somebody else was faster, and is not read again.
func TestAnotherCommitCostsNoReading(t *testing.T) {
	w := pieces(t)
	w.scanner = func(string) airlock.ScanResult { return airlock.ScanPending }
	r := draftOf(w, map[string]string{"a": strings.Repeat("x", 21)})
	if _, err := w.Submit(t.Context(), researcher, ws, r.ID); err != nil {
		t.Fatal(err)
	}
	for w.manifest(r).Files[0].Reading.Offset == 0 {
		w.deliver()
	}
	w.zones.ResetCounts()
	w.onRead = func() { // the verdict comes while the second piece is read
		w.onRead = nil
		place := w.place(r, sm.Holding, 1)
		blobs, _ := w.zones.Blobs(place)
		report := airlock.ScanReport{Place: place, Name: "a", ETag: blobs[0].ETag, Verdict: airlock.Verdict{Result: airlock.NotScanned, Reason: "later"}}
		if _, err := w.Scanned(context.Background(), report); err != nil {
			t.Error(err)
		}
	}
	w.deliver()
	if f := w.manifest(r).Files[0]; f.Reading.Offset != 14 || f.Verdict.Result != airlock.NotScanned {
		t.Errorf("%+v", f)
	}
	due := slices.DeleteFunc(slices.Clone(w.queue.sent), func(n sentNudge) bool { return n.at.After(w.now) })
	if len(due) != 1 {
		t.Errorf("%d nudges are due: one goes on", len(due))
	}
	if n := w.zones.Count(memzone.OpRead); n != 2 { // the piece itself, and the one that the verdict's invocation began
		t.Errorf("%d reads", n)
	}
	w.settle()
	if f := w.manifest(r).Files[0]; f.SHA256 != sum(strings.Repeat("x", 21)) {
		t.Errorf("%+v", f)
	}
}

// TestAStateThatCannotBeReadIsBegunAnew: another version of Go may write another one.
func TestAStateThatCannotBeReadIsBegunAnew(t *testing.T) {
	w := pieces(t)
	content := strings.Repeat("x", 100)
	r := draftOf(w, map[string]string{"a": content})
	if _, err := w.Submit(t.Context(), researcher, ws, r.ID); err != nil {
		t.Fatal(err)
	}
	for w.manifest(r).Files[0].Reading.Offset < 30 {
		w.deliver()
	}
	m, stored := w.manifest(r), w.read(r.ID)
	m.Files[0].Reading.State = []byte("something else")
	next := stored
	next.Version++
	if _, err := w.store.Commit(t.Context(), airlock.Commit{Before: stored, After: next, Manifest: &m, Dirty: []int{0}}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	r = w.read(r.ID)
	w.want(r, sm.InReview)
	if f := w.manifest(r).Files[0]; f.SHA256 != sum(content) {
		t.Errorf("SHA-256 %q, want %q", f.SHA256, sum(content))
	}
	if said := fmt.Sprint(w.problems); !strings.Contains(said, "begun anew") {
		t.Errorf("nothing was said of it: %s", said)
	}
}

// TestSealedByAnOlderProgram: while two releases work side by side, one of them knows nothing of digests.
func TestSealedByAnOlderProgram(t *testing.T) {
	w := newWorld(t)
	r, reports := sealedReports(w, 2)
	m, stored := w.manifest(r), w.read(r.ID)
	m.Files[1].SHA256 = ""
	next := stored
	next.Version++
	next.Owed = []sm.Task{{Kind: sm.KindGates, From: sm.Spot{Zone: sm.Holding, Round: 1}}}
	if _, err := w.store.Commit(t.Context(), airlock.Commit{Before: stored, After: next, Manifest: &m, Dirty: []int{0}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ScannedAll(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	w.settle()
	r = w.read(r.ID)
	w.want(r, sm.InReview)
	if m := w.manifest(r); !m.Hashed() || r.ManifestDigest != m.Digest() {
		t.Errorf("the request tells of %q: %+v", r.ManifestDigest, m.Files)
	}
}

// TestTheScannersDigest: when it has read other bytes, the log says so.
func TestTheScannersDigest(t *testing.T) {
	for _, test := range []struct {
		digest string
		said   bool
	}{{"", false}, {strings.ToUpper(sum("x")), false}, {sum("y"), true}} {
		w := newWorld(t)
		r, reports := sealedReports(w, 1)
		reports[0].Verdict.SHA256 = test.digest
		if _, err := w.ScannedAll(t.Context(), reports); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want(w.read(r.ID), sm.InReview)
		if said := strings.Contains(fmt.Sprint(w.problems), "the scanner has read other bytes"); said != test.said {
			t.Errorf("digest %q: said %v: %v", test.digest, said, w.problems)
		}
	}
}
