package defender

import (
	"fmt"
	"slices"
	"time"
)

// Behavior is how a scanner deals with a blob. The zero value is to do the job.
type Behavior struct {
	// Delay is how long the blob waits before it is read.
	Delay time.Duration
	// Silent: neither tags nor an event, as for a blob beyond the monthly cap.
	Silent bool
	// NotScanned gives this code, such as SAM259215, in place of a scan.
	NotScanned string
	// Claim gives this result whatever is in the blob, like somebody who forges an event. The blob is still read.
	Claim Result
	// NoTags publishes the event and leaves the blob as it is; NoEvent is the reverse.
	NoTags  bool
	NoEvent bool
}

// Result is what a scan came to, as events spell it.
type Result string

// The results. Azure: malware scanning, scanResultType. Only Clean says that a blob is clean.
const (
	Clean      Result = "No threats found"
	Malicious  Result = "Malicious"
	NotScanned Result = "Not Scanned"
)

// tag is how index tags spell a result (Azure: the two spellings differ in one letter).
func (r Result) tag() string {
	if r == NotScanned {
		return "Not scanned"
	}
	return string(r)
}

// reason is the notScannedReason for a code: the code, and a sentence. Azure: "Understand results from malware scanning",
// error codes.
func reason(code string) string {
	sentence := "the service could not scan the blob"
	switch code {
	case codeInternal:
		sentence = "an internal error occurred"
	case codeNotFound:
		sentence = "the blob was not found"
	case codeETag:
		sentence = "the blob changed before it was scanned"
	case codeTooLarge:
		sentence = "the blob exceeded the maximum allowed size of 50 GB"
	case codeTimedOut:
		sentence = "the scan timed out"
	case codeProtected:
		sentence = "the blob is password protected"
	case codeNesting:
		sentence = "the archive is nested too deeply"
	case codeCorrupt:
		sentence = "the blob is corrupt"
	case CodeDelayed:
		sentence = "delayed by the service"
	}
	return fmt.Sprintf("%s: Not scanned - %s.", code, sentence)
}

// CodeDelayed is the transient code: a real result follows it.
const CodeDelayed = "SAM259215"

const (
	codeInternal  = "SAM259201"
	codeNotFound  = "SAM259204"
	codeETag      = "SAM259205"
	codeTooLarge  = "SAM259206"
	codeTimedOut  = "SAM259207"
	codeProtected = "SAM259210"
	codeNesting   = "SAM259211"
	codeCorrupt   = "SAM259212"
)

// rule is a behavior for some blobs.
type rule struct {
	match    func(Blob) bool
	behavior Behavior
}

// Behave changes what happens to blobs that no rule of BehaveFor matches. It counts for events from now on.
func (s *Scanner) Behave(b Behavior) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.general = b
}

// BehaveFor changes what happens to the blobs that match, from now on and until restore is called. A later rule hides an
// earlier one. match must not call the scanner.
func (s *Scanner) BehaveFor(match func(Blob) bool, b Behavior) (restore func()) {
	r := &rule{match: match, behavior: b}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, r)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rules = slices.DeleteFunc(s.rules, func(other *rule) bool { return other == r })
	}
}

// behaviorFor finds the rule for a blob. s.mu is held.
func (s *Scanner) behaviorFor(blob Blob) Behavior {
	for _, r := range slices.Backward(s.rules) {
		if r.match(blob) {
			return r.behavior
		}
	}
	return s.general
}
