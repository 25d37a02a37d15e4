// Package memstore is the airlock.Store in memory, for tests and simulations.
//
// It promises the whole contract of the port, and is stricter than any real store can be: what is stored shares nothing
// with what goes in or comes out, and a write that misuses the contract in a way that Table Storage could not notice (a
// Before that is not what was read, a manifest page that changed but is not dirty) is refused with an error that says so.
// It is deterministic: the same calls give the same answers, ETags and cursors. Crashes and lost answers are played with
// Fault.
//
// It never reads a clock, never keeps anything after the process and never encodes documents: a write costs a copy.
package memstore

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"

	"airlock/handlers/internal/airlock"
)

// Op is a call to the store as Fault and Calls know it: the name of the method, and Lookups and ForgetBeside for
// the first halves of Create and Forget.
type Op string

// The ops.
const (
	OpLookups         Op = "Lookups" // Create writes the lookups: a fault here leaves them without the request
	OpCreate          Op = "Create"
	OpCommit          Op = "Commit"
	OpForgetBeside    Op = "ForgetBeside"
	OpForget          Op = "Forget"
	OpRequest         Op = "Request"
	OpWorkspace       Op = "Workspace"
	OpRequests        Op = "Requests"
	OpRequestsOf      Op = "RequestsOf"
	OpManifest        Op = "Manifest"
	OpNotices         Op = "Notices"
	OpRecords         Op = "Records"
	OpComments        Op = "Comments"
	OpDue             Op = "Due"
	OpSettingsRecords Op = "SettingsRecords"
	OpSettings        Op = "Settings"
	OpPutSettings     Op = "PutSettings"
	OpWorkspaces      Op = "Workspaces"
	OpPing            Op = "Ping"
)

// Outcome is what Fault makes of a call.
type Outcome int

// The outcomes. After either fault the caller sees the same airlock.ErrTransient.
const (
	Pass     Outcome = iota // nothing special
	NotDone                 // fails before anything is stored or read
	DoneLost                // is done, but the answer is lost
)

// Store is the store. The zero value is ready for use. The fields may only be set before the first call.
type Store struct {
	// Fault is asked before every call and decides how it ends. The key is the id of the request, where the call has
	// one; else that of the workspace, the person for RequestsOf, or empty. It may be called concurrently.
	Fault func(op Op, key string) Outcome

	// Span is the most rows that one list call looks at, so that filtered pages come out short or empty with a Next, as
	// a table may deliver them. 0: as many as it takes to fill the page.
	Span int

	mu         sync.Mutex
	writes     int // makes ETags
	calls      map[Op]int
	spaces     map[string]*space
	workspaces map[string]string   // lookup: request id to workspace
	requesters map[string][]string // lookup: person to request ids, ascending
}

// space is one workspace.
type space struct {
	settings *airlock.Settings
	records  []airlock.Record // of the settings
	rows     map[string]*row
	order    []string // ids, ascending
}

// row is one request with all that is stored beside it.
type row struct {
	request   airlock.Request
	records   []airlock.Record
	comments  []airlock.Comment
	notices   map[string]airlock.Notice
	manifests map[int][]airlock.File
	reviewers map[reviewKey]bool
}

type reviewKey struct {
	round    int
	reviewer string
}

// Calls returns how often each op was asked for since the store was made, whatever came of it.
func (s *Store) Calls() map[Op]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// do runs one call: counts it, asks Fault, and holds the lock while it works. A done context stops it first. With an
// error there is no result, even where the work was done.
func do[T any](ctx context.Context, s *Store, op Op, key string, work func() (T, error)) (T, error) {
	outcome := Pass
	if s.Fault != nil {
		outcome = s.Fault(op, key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls, s.spaces = map[Op]int{}, map[string]*space{}
		s.workspaces, s.requesters = map[string]string{}, map[string][]string{}
	}
	s.calls[op]++
	var none T
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("memstore: %s %s: %w: %w", op, key, airlock.ErrTransient, err)
	}
	if outcome == NotDone {
		return none, fmt.Errorf("memstore: %s %s: fault before: %w", op, key, airlock.ErrTransient)
	}
	result, err := work()
	switch {
	case err != nil:
		return none, fmt.Errorf("memstore: %s %s: %w", op, key, err)
	case outcome == DoneLost:
		return none, fmt.Errorf("memstore: %s %s: fault after: %w", op, key, airlock.ErrTransient)
	default:
		return result, nil
	}
}

// etag makes a new one.
func (s *Store) etag() string {
	s.writes++
	return "write " + strconv.Itoa(s.writes)
}

// find returns the row of a request; nil when there is none.
func (s *Store) find(workspace, id string) *row {
	if space := s.spaces[workspace]; space != nil {
		return space.rows[id]
	}
	return nil
}

// space returns a workspace, made when it is new.
func (s *Store) space(workspace string) *space {
	if s.spaces[workspace] == nil {
		s.spaces[workspace] = &space{rows: map[string]*row{}}
	}
	return s.spaces[workspace]
}
