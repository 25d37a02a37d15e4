package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"airlock/statemachine"
)

// The self-test of the malware scanner puts the EICAR test file into the holding zone of imports and waits for what the
// scanner says of it. All that is known of a test is in its container: which has the name of a request that there can never
// be, so that nothing takes it for one, no person hears of it, and a process that dies in between leaves nothing half done
// that the next look could not read.
const (
	scannerTestID   = "00000000-0000-7000-8000-5ca77e570000" // a UUID of version 7 from 1970
	scannerTestFile = "eicar.txt"
	scannerTestTime = 15 * time.Minute // then the scanner has failed
	scannerTestKept = time.Hour        // then the container is deleted

	metaStarted = "airlockstarted" // when the test began
	metaHeard   = "airlockheard"   // when the scanner's event came
)

// eicar is the text that every scanner takes for malware. It is put together when it is needed, or scanners would take this
// program for malware too. Source: EICAR, "Anti Malware Testfile".
func eicar() []byte {
	return []byte(strings.Join([]string{`X5O!P%@AP[4\PZX54(P^)`, `7CC)7}$EICAR-STANDARD-`, `ANTIVIRUS-TEST-FILE!$H+H*`}, ""))
}

// scannerTestNote names the blob that keeps what the scanner's event said.
func scannerTestNote(r ScanResult) string {
	switch r {
	case Malicious:
		return "heard-malicious"
	case Clean:
		return "heard-clean"
	default:
		return "heard-not-scanned"
	}
}

// TestState is how far a self-test is.
type TestState string

// The states of a self-test.
const (
	TestNone    TestState = "none" // there was none within the last hour
	TestRunning TestState = "running"
	TestPassed  TestState = "passed"
	TestFailed  TestState = "failed"
)

// ScannerTest is a self-test of the malware scanner.
type ScannerTest struct {
	State   TestState
	Started time.Time
	Took    time.Duration // until the scanner's event came; 0: it has not
	Event   ScanResult    // what the event said
	Tag     ScanResult    // what the scanner wrote into the file's index tags
	Problem string        // a sentence for whoever runs the airlock
}

// StartScannerTest begins a self-test, unless one is running, and returns it. For TRE admins.
func (s *Service) StartScannerTest(ctx context.Context, who Identity) (ScannerTest, error) {
	place, err := s.enterScannerTest(who)
	if err != nil {
		return ScannerTest{}, err
	}
	test, blobs, err := s.scannerTest(ctx, place)
	if err == nil && test.State != TestRunning {
		if err = s.putScannerTest(ctx, place, blobs); err == nil {
			test, _, err = s.scannerTest(ctx, place)
		}
	}
	if errors.Is(err, ErrTransient) {
		return ScannerTest{}, &Problem{Unavailable, "unavailable", "The holding zone does not take the test file now. Try again in a minute.", err}
	}
	return test, err
}

// putScannerTest takes away what is left of the last test and puts a new file there.
func (s *Service) putScannerTest(ctx context.Context, p Place, left []Blob) error {
	if _, err := s.Zones.Open(ctx, p); err != nil {
		return fmt.Errorf("self-test of the scanner: %w", err)
	}
	for _, b := range left {
		if err := s.Zones.Remove(ctx, p, b.Name); err != nil {
			return fmt.Errorf("self-test of the scanner: %w", err)
		}
	}
	started := map[string]string{metaStarted: s.Now().UTC().Format(time.RFC3339Nano)}
	err := s.Zones.Write(ctx, Upload{Place: p, Name: scannerTestFile, Content: eicar(), Metadata: started})
	if err != nil && !errors.Is(err, ErrExists) { // somebody else has started one at the same moment
		return fmt.Errorf("self-test of the scanner: %w", err)
	}
	return nil
}

// ScannerTest returns the last self-test. For TRE admins.
func (s *Service) ScannerTest(ctx context.Context, who Identity) (ScannerTest, error) {
	place, err := s.enterScannerTest(who)
	if err != nil {
		return ScannerTest{}, err
	}
	test, _, err := s.scannerTest(ctx, place)
	return test, answer(err, sentenceStore)
}

// enterScannerTest lets TRE admins in, and says where tests are.
func (s *Service) enterScannerTest(who Identity) (Place, error) {
	if !who.isAdmin() {
		return Place{}, missingRole([]Role{RoleAdmin})
	}
	place, ok := s.Layout.scannerTest(s.TRE)
	if !ok {
		return Place{}, problem(Illegal, "scanner_test", "The holding zone of imports is not the TRE's own here, so that there is none to test.")
	}
	return place, nil
}

// scannerTest is the container of tests. ok is false where the layout gives imports no holding zone of the TRE.
func (l Layout) scannerTest(tre string) (p Place, ok bool) {
	if at := l[LayoutKey(Import, statemachine.Holding)]; strings.Contains(at.Account+at.Container, "{ws}") {
		return Place{}, false
	}
	p, err := l.Place(Import, tre, "", scannerTestID, statemachine.Spot{Zone: statemachine.Holding, Round: 1})
	return p, err == nil
}

// scannerTest reads the state of the last test from its container.
func (s *Service) scannerTest(ctx context.Context, p Place) (ScannerTest, []Blob, error) {
	var blobs []Blob
	for b, err := range s.Zones.List(ctx, p) {
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			return ScannerTest{}, nil, fmt.Errorf("self-test of the scanner: %w", err)
		}
		blobs = append(blobs, b)
	}
	at := slices.IndexFunc(blobs, func(b Blob) bool { return b.Name == scannerTestFile })
	if at < 0 {
		return ScannerTest{State: TestNone}, blobs, nil
	}
	file := blobs[at]
	started, err := time.Parse(time.RFC3339Nano, file.Metadata[metaStarted])
	if err != nil {
		return ScannerTest{State: TestNone}, blobs, nil // not one of ours: the next test takes its place
	}
	t := ScannerTest{Started: started, Tag: file.ScanTag}
	for _, result := range []ScanResult{NotScanned, Clean, Malicious} { // what says most comes last
		for _, note := range blobs {
			heard, err := time.Parse(time.RFC3339Nano, note.Metadata[metaHeard])
			if err == nil && note.Name == scannerTestNote(result) && note.Metadata[metaSource] == file.ETag {
				t.Event, t.Took = result, heard.Sub(started)
			}
		}
	}
	t.judge(s.ScanTags, s.Now())
	return t, blobs, nil
}

// judge says what is to be thought of a test. Only malware that was found, and of which everybody was told who has to be, is a
// success.
func (t *ScannerTest) judge(tags bool, now time.Time) {
	over := !now.Before(t.Started.Add(scannerTestTime))
	t.State = TestRunning
	switch {
	case t.Event == Clean || t.Tag == Clean:
		t.State, t.Problem = TestFailed, fmt.Sprintf("The scanner says %q of a file that every scanner has to take for malware.", Clean)
	case t.Event == Malicious && (t.Tag == Malicious || !tags):
		t.State = TestPassed
	case !over:
	case t.Event == Malicious:
		t.State, t.Problem = TestFailed, "The scanner's event came, but it has written no result into the file's index tags, without which no file passes."
	case t.Tag == Malicious:
		t.State, t.Problem = TestFailed, "The scanner has found the malware, but its event has not arrived: requests wait for the sweep."
	default:
		t.State, t.Problem = TestFailed, fmt.Sprintf("The scanner has given no result within %s.", scannerTestTime)
	}
}

// heardScannerTest notes what the scanner says of the test file.
func (s *Service) heardScannerTest(ctx context.Context, p Place, reports []ScanReport) ([]Heard, error) {
	heard := slices.Repeat([]Heard{HeardStale}, len(reports))
	_, blobs, err := s.scannerTest(ctx, p)
	if err != nil {
		return make([]Heard, len(reports)), err
	}
	for i, r := range reports {
		if r.Name != scannerTestFile || !slices.ContainsFunc(blobs, func(b Blob) bool { return b.Name == r.Name && b.ETag == r.ETag }) {
			continue
		}
		note := map[string]string{metaHeard: s.Now().UTC().Format(time.RFC3339Nano), metaSource: r.ETag}
		err := s.Zones.Write(ctx, Upload{Place: p, Name: scannerTestNote(r.Verdict.Result), Content: []byte("noted"), Metadata: note})
		switch {
		case errors.Is(err, ErrExists):
			heard[i] = HeardTwice
		case errors.Is(err, ErrNotFound): // it was tidied away meanwhile
		case err != nil:
			return make([]Heard, len(reports)), fmt.Errorf("self-test of the scanner: %w", err)
		default:
			heard[i] = HeardTest
		}
	}
	return heard, nil
}

// tidyScannerTest deletes what is left of an old test.
func (s *Service) tidyScannerTest(ctx context.Context) error {
	p, ok := s.Layout.scannerTest(s.TRE)
	if !ok {
		return nil
	}
	test, _, err := s.scannerTest(ctx, p)
	if err != nil || s.Now().Before(test.Started.Add(scannerTestKept)) {
		return err
	}
	return s.Zones.Erase(ctx, p) // also where none was seen: it may be empty
}
