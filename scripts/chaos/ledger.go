package main

import (
	"maps"
	"net/http"
	"slices"
	"sync"
)

// attempt is one thing that somebody tried to do, with an id that its audit record will hold if it was done.
type attempt struct {
	trace     string
	who       string
	action    string // as in the path; "" makes a request
	workspace string
	request   string
	answer    answer
	said      string // what the airlock said when it was no success
	recorded  int    // records that hold the id
}

// answer is what somebody was told.
type answer string

const (
	unknown answer = "unknown" // nothing, or that it is not known
	done    answer = "done"
	no      answer = "refused"
)

// ledger is what people tried and were told. It is safe for concurrent use.
type ledger struct {
	mu       sync.Mutex
	attempts []*attempt
	statuses map[int]int // answers by HTTP status
}

func newLedger() *ledger { return &ledger{statuses: map[int]int{}} }

func (l *ledger) begin(a attempt) *attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.answer = unknown
	l.attempts = append(l.attempts, &a)
	return &a
}

func (l *ledger) end(a *attempt, id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		a.answer, a.request = done, id
	case refused(err):
		a.answer, a.said = no, err.Error()
	default:
		a.said = err.Error()
	}
}

// rename gives an attempt the id that its record will hold, where the airlock chooses it.
func (l *ledger) rename(a *attempt, trace string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.trace = trace
}

func (l *ledger) count(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statuses[status]++
}

// counted counts the answers that come through it.
type counted struct {
	next   http.RoundTripper
	ledger *ledger
}

// RoundTrip implements http.RoundTripper.
func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(r)
	if err == nil {
		c.ledger.count(response.StatusCode)
	}
	return response, err
}

// lost is how many actions nobody knows the outcome of.
func (l *ledger) lost() (n int) {
	for _, a := range l.all() {
		if a.answer == unknown {
			n++
		}
	}
	return n
}

// all returns the attempts as they are now.
func (l *ledger) all() []attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	copies := make([]attempt, len(l.attempts))
	for i, a := range l.attempts {
		copies[i] = *a
	}
	return copies
}

// answers returns how often each HTTP status was answered.
func (l *ledger) answers() map[int]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.statuses)
}

// matches reports whether an audit record tells of the attempt's action.
func (a attempt) matches(what string) bool {
	switch a.action {
	case "":
		return what == "create"
	case "review":
		return slices.Contains([]string{"approve", "endorse", "reject", "return"}, what)
	case "retry":
		return slices.Contains([]string{"resume_submitted", "resume_approval", "resume_rejection", "resume_blocking"}, what)
	default:
		return what == a.action
	}
}
