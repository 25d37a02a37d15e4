package airlock_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
)

// testPlace is where the self-test of the scanner puts its file.
var testPlace = airlock.Place{Account: "stalimiptre", Container: "00000000-0000-7000-8000-5ca77e570000"}

const testFile = "eicar.txt"

// startTest begins a self-test.
func (w *world) startTest() airlock.ScannerTest {
	w.t.Helper()
	test, err := w.StartScannerTest(w.t.Context(), admin)
	if err != nil {
		w.t.Fatal(err)
	}
	return test
}

func (w *world) lastTest() airlock.ScannerTest {
	w.t.Helper()
	test, err := w.ScannerTest(w.t.Context(), admin)
	if err != nil {
		w.t.Fatal(err)
	}
	return test
}

// report is what the scanner's event says of the test file as it is now.
func (w *world) report(result airlock.ScanResult) airlock.ScanReport {
	w.t.Helper()
	blobs, _ := w.zones.Blobs(testPlace)
	for _, b := range blobs {
		if b.Name == testFile {
			return airlock.ScanReport{Place: testPlace, Name: testFile, ETag: b.ETag, Verdict: airlock.Verdict{Result: result}}
		}
	}
	w.t.Fatal("there is no test file")
	return airlock.ScanReport{}
}

func (w *world) hearTest(r airlock.ScanReport, want airlock.Heard) {
	w.t.Helper()
	if heard, err := w.Scanned(w.t.Context(), r); err != nil || heard != want {
		w.t.Errorf("heard as %q, %v, want %q", heard, err, want)
	}
}

// TestScannerTest plays what a scanner can do with the test file.
func TestScannerTest(t *testing.T) {
	const m, c, n = airlock.Malicious, airlock.Clean, airlock.NotScanned
	for _, test := range []struct {
		name       string
		event, tag airlock.ScanResult
		noTags     bool
		soon, late airlock.TestState
		says       string
	}{
		{"as it must", m, m, false, airlock.TestPassed, airlock.TestPassed, ""},
		{"silent", "", "", false, airlock.TestRunning, airlock.TestFailed, "no result within 15m"},
		{"without tags, which are wanted", m, "", false, airlock.TestRunning, airlock.TestFailed, "index tags"},
		{"without tags, which are not wanted", m, "", true, airlock.TestPassed, airlock.TestPassed, ""},
		{"without an event", "", m, false, airlock.TestRunning, airlock.TestFailed, "event has not arrived"},
		{"asleep", c, c, false, airlock.TestFailed, airlock.TestFailed, "No threats found"},
		{"asleep, says the tag", "", c, false, airlock.TestFailed, airlock.TestFailed, "No threats found"},
		{"unable", n, n, false, airlock.TestRunning, airlock.TestFailed, "no result"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.ScanTags = !test.noTags
			if got := w.lastTest(); got.State != airlock.TestNone {
				t.Errorf("before: %+v", got)
			}
			if got := w.startTest(); got.State != airlock.TestRunning || !got.Started.Equal(w.now) {
				t.Errorf("started: %+v", got)
			}
			content, _ := w.zones.Content(testPlace, testFile)
			if len(content) != 68 || !bytes.Contains(content, []byte("EICAR")) {
				t.Errorf("the test file has %d bytes", len(content))
			}
			w.now = w.now.Add(7 * time.Second)
			if test.tag != "" {
				if err := w.zones.Tag(testPlace, testFile, test.tag); err != nil {
					t.Fatal(err)
				}
			}
			if test.event != "" {
				w.hearTest(w.report(test.event), airlock.HeardTest)
				w.hearTest(w.report(test.event), airlock.HeardTwice)
			}
			got := w.lastTest()
			if got.State != test.soon || got.Event != test.event || got.Tag != test.tag || (got.Took == 7*time.Second) != (test.event != "") {
				t.Errorf("soon: %+v", got)
			}
			w.now = w.now.Add(15 * time.Minute)
			if got := w.lastTest(); got.State != test.late || !strings.Contains(got.Problem, test.says) || (got.Problem == "") != (test.says == "") {
				t.Errorf("late: %+v", got)
			}
			w.later(90 * time.Minute) // 10:45: a sweep has to come at half past
			for range 60 {
				w.later(time.Minute)
			}
			if _, there := w.zones.Blobs(testPlace); there {
				t.Error("the container is still there")
			}
			if found, err := w.checker().Everything(t.Context()); err != nil || len(found) > 0 || len(w.told.by) > 0 || len(w.queue.sent) > 0 {
				t.Errorf("%v, %v, notices %v, nudges %v", found, err, w.told.by, w.queue.sent)
			}
			if mine, err := w.store.Workspace(t.Context(), testPlace.Container); err == nil {
				t.Errorf("the test is a request in %s", mine)
			}
		})
	}
}

// TestScannerTestHearsOfItsOwnFileOnly: events of earlier tests, of other files and of requests change nothing, and those of the
// test change no request.
func TestScannerTestHearsOfItsOwnFileOnly(t *testing.T) {
	w := newWorld(t)
	w.startTest()
	early := w.report(airlock.Malicious)
	w.now = w.now.Add(16 * time.Minute)
	if got := w.startTest(); got.State != airlock.TestRunning || got.Event != "" {
		t.Fatalf("the second test: %+v", got)
	}
	w.hearTest(early, airlock.HeardStale)
	other := w.report(airlock.Malicious)
	other.Name = "heard-malicious"
	w.hearTest(other, airlock.HeardStale)
	if heard, err := w.Stored(t.Context(), testPlace); err != nil || heard != airlock.HeardUnknown {
		t.Errorf("a blob event is heard as %q, %v", heard, err)
	}
	if got := w.startTest(); got.State != airlock.TestRunning || !got.Started.Equal(w.now) {
		t.Errorf("asked again: %+v", got)
	}
	if got := w.lastTest(); got.Event != "" {
		t.Errorf("it has heard %q", got.Event)
	}
	w.hearTest(w.report(airlock.Malicious), airlock.HeardTest)
	if err := w.zones.Tag(testPlace, testFile, airlock.Malicious); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	if got := w.startTest(); got.Event != "" || !got.Started.Equal(w.now) {
		t.Errorf("a new test begins with what the last one heard: %+v", got)
	}
}

func TestScannerTestIsForAdmins(t *testing.T) {
	w := newWorld(t)
	for _, who := range []airlock.Identity{researcher, owner, manager, {Person: admin.Person}, {}} {
		_, err := w.StartScannerTest(t.Context(), who)
		_, errToo := w.ScannerTest(t.Context(), who)
		if refusal(t, err).Kind != airlock.Forbidden || refusal(t, errToo).Kind != airlock.Forbidden {
			t.Errorf("%s: %v, %v", who.Name, err, errToo)
		}
	}
	if len(w.zones.Places()) > 0 {
		t.Errorf("there is %v", w.zones.Places())
	}
	w.Layout = airlock.Layout{"import/holding": {Account: "stalip{ws}", Container: "{id}{round}"}}
	_, err := w.StartScannerTest(t.Context(), admin)
	if p := refusal(t, err); p.Kind != airlock.Illegal || p.Code != "scanner_test" {
		t.Errorf("%v", p)
	}
}

// TestScannerTestSurvivesCrashes: wherever the process dies, asking again leads to a test that can pass, and nothing stays.
func TestScannerTestSurvivesCrashes(t *testing.T) {
	for _, how := range []effect{fails, losesReply, diesBefore, diesAfter} {
		for at := 1; at <= 4; at++ {
			w := newWorld(t)
			writes := 0
			w.onWrite = func(string) effect {
				if writes++; writes == at {
					return how
				}
				return passes
			}
			again := func(do func() error) {
				for range 3 {
					if w.survive(do) == nil {
						return
					}
				}
				t.Errorf("%s at write %d: it never works", how, at)
			}
			again(func() error { return second2(w.StartScannerTest(t.Context(), admin)) })
			if err := w.zones.Tag(testPlace, testFile, airlock.Malicious); err != nil {
				t.Fatal(err)
			}
			r := w.report(airlock.Malicious)
			again(func() error { return second2(w.Scanned(context.Background(), r)) })
			if got := w.lastTest(); got.State != airlock.TestPassed {
				t.Errorf("%s at write %d: %+v", how, at, got)
			}
			w.now = w.now.Add(90 * time.Minute)
			for range 2 {
				_ = w.survive(func() error { return second2(w.Sweep(context.Background())) })
				w.now = w.now.Add(time.Hour)
			}
			if _, there := w.zones.Blobs(testPlace); there {
				t.Errorf("%s at write %d: something stays", how, at)
			}
			if at == 4 && writes < 3 {
				t.Errorf("only %d writes: Open, Write, Write, Erase", writes)
			}
		}
	}
}

// TestScannerTestWhileItsContainerIsBeingDeleted says that one has to wait.
func TestScannerTestWhileItsContainerIsBeingDeleted(t *testing.T) {
	w := newWorld(t)
	w.zones = memzone.New(memzone.Options{Now: w.clock, BusyTime: time.Minute})
	w.build()
	w.startTest()
	if err := w.zones.Erase(t.Context(), testPlace); err != nil {
		t.Fatal(err)
	}
	_, err := w.StartScannerTest(t.Context(), admin)
	if p := refusal(t, err); p.Kind != airlock.Unavailable || !strings.Contains(p.Detail, "minute") {
		t.Errorf("%v", p)
	}
}
