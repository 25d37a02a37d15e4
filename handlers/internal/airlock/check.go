package airlock

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"airlock/statemachine"
)

// Rule names something that must always be true. The values are for programs and stay.
type Rule string

// The rules.
const (
	RuleTrail    Rule = "trail"    // the audit chain is whole, and the request holds its head
	RuleReplay   Rule = "replay"   // the state machine allows what the trail tells, and it leads to the stored state
	RuleQuorum   Rule = "quorum"   // nothing is released without enough reviewers, none of them the requester
	RuleManifest Rule = "manifest" // what is stored is what was sealed, and what people decided about
	RuleVerdict  Rule = "verdict"  // what passed the gates is clean, where scanning is on
	RuleZone     Rule = "zone"     // data is where the status says, and nowhere else
	RuleOrphan   Rule = "orphan"   // every container belongs to a request
	RuleOwed     Rule = "owed"     // work that is owed is done in time
	RuleNotice   Rule = "notice"   // every notice is published, or kept until it is
	RuleIndex    Rule = "index"    // every list shows every request exactly where it belongs
	RuleSettings Rule = "settings" // the settings are what their own trail says
)

// Violation is one thing that is not as it must be. It can be compared.
type Violation struct {
	Rule      Rule   `json:"rule"`
	Workspace string `json:"workspaceId,omitempty"` // empty: a container that no workspace knows
	Request   string `json:"requestId,omitempty"`   // empty: of the workspace itself
	Container string `json:"container,omitempty"`   // account and name, where it is about one that should not be there
	Detail    string `json:"detail"`                // for operators; holds no file's name
}

// String is for logs and tests.
func (v Violation) String() string {
	if v.Container != "" {
		return fmt.Sprintf("%s: %s/%s: %s: %s", v.Rule, v.Workspace, v.Request, v.Container, v.Detail)
	}
	return fmt.Sprintf("%s: %s/%s: %s", v.Rule, v.Workspace, v.Request, v.Detail)
}

// Containers lists the containers of an account: what Zones has no need of, and finding those that belong to nobody has.
type Containers interface {
	// Containers yields the names, in any order, page by page. The last pair holds the error, if any.
	Containers(ctx context.Context, account string) iter.Seq2[string, error]
}

// Checker holds what is stored against what must always be true. It only reads. What changes while it is looked at is
// looked at again, so that it can be used on a living airlock.
type Checker struct {
	Store  Store
	Zones  Zones
	TRE    string
	Layout Layout

	Containers Containers               // nil: containers that belong to nobody are not looked for
	Looked     func(Request)            // told of every request as it was when it was checked; may be nil
	Published  func(notice string) bool // whether a notice with this id was ever published; nil: not known
	AtOnce     int                      // how many requests of a workspace are held against its lists at a time; 0: 20,000
	Deadline   time.Time                // work that was due at this time and is still owed is a violation; zero: none is
}

// maxLooks is how often a request that keeps changing is looked at.
const maxLooks = 5

// Request checks one request. The error says what could not be read; violations found until then come with it.
func (c Checker) Request(ctx context.Context, workspace, id string) ([]Violation, error) {
	for range maxLooks {
		r, err := c.Store.Request(ctx, workspace, id)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", id, err)
		}
		k := &check{Checker: c, r: r, rows: statemachine.Transitions()}
		if err := k.run(ctx); err != nil {
			return nil, fmt.Errorf("check %s: %w", id, err)
		}
		again, err := c.Store.Request(ctx, workspace, id)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", id, err)
		}
		if again.ETag == r.ETag {
			if c.Looked != nil {
				c.Looked(r)
			}
			return k.found, nil
		}
	}
	return nil, fmt.Errorf("check %s: it changed every time: %w", id, ErrLost)
}

// check is the look at one version of a request.
type check struct {
	Checker
	rows     []statemachine.Transition
	r        Request
	settings Settings
	records  []Record
	manifest Manifest
	trail    told
	found    []Violation
}

func (k *check) broken(rule Rule, format string, args ...any) {
	k.found = append(k.found, Violation{Rule: rule, Workspace: k.r.WorkspaceID, Request: k.r.ID, Detail: fmt.Sprintf(format, args...)})
}

// run makes every check of one request. It fails where something cannot be read.
func (k *check) run(ctx context.Context) error {
	var err error
	if k.settings, err = k.Store.Settings(ctx, k.r.WorkspaceID); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	if k.records, err = allRecords(func(after int) ([]Record, error) {
		return k.Store.Records(ctx, k.r.WorkspaceID, k.r.ID, after, MaxPage)
	}); err != nil {
		return err
	}
	if k.manifest, err = k.Store.Manifest(ctx, k.r.WorkspaceID, k.r.ID, k.r.Round); err != nil {
		return err
	}
	notices, err := k.Store.Notices(ctx, k.r.WorkspaceID, k.r.ID)
	if err != nil {
		return err
	}
	if _, ok := statemachine.Of(k.r.Status); !ok {
		k.broken(RuleReplay, "there is no status %q", k.r.Status)
		return nil
	}
	if statemachine.Forgetting(k.r.Owed) { // what lies beside it goes before it does
		k.owed()
		return nil
	}
	k.chain()
	k.replay()
	k.approvals()
	k.notices(notices)
	k.owed()
	k.sealed()
	k.verdicts()
	if err := k.comments(ctx); err != nil {
		return err
	}
	return k.data(ctx)
}

// allRecords reads a whole trail.
func allRecords(read func(after int) ([]Record, error)) ([]Record, error) {
	var all []Record
	for {
		page, err := read(len(all))
		if err != nil {
			return nil, fmt.Errorf("records: %w", err)
		}
		all = append(all, page...)
		if len(page) < MaxPage {
			return all, nil
		}
	}
}

// zones are all places where data can be.
func zones() []statemachine.Zone {
	return []statemachine.Zone{statemachine.Intake, statemachine.Holding, statemachine.Released, statemachine.Refused, statemachine.Quarantine}
}

// owed: whatever the system owes is done some time, and a request that rests owes nothing.
func (k *check) owed() {
	r := k.r
	busy := r.Busy()
	switch {
	case busy && r.Due.IsZero():
		k.broken(RuleOwed, "%s owes %v and %d notices, and will never be looked at", r.Status, r.Owed, len(r.Untold))
	case busy && !r.Due.After(k.Deadline):
		k.broken(RuleOwed, "%s owes %v and %d notices since %s: %s", r.Status, r.Owed, len(r.Untold), r.StatusSince.UTC().Format(time.RFC3339), r.LastError)
	}
	if r.Status == statemachine.Failed && r.StatusMessage == "" {
		k.broken(RuleOwed, "it failed and does not say why")
	}
}

// notices: those that are not published are stored, and all others were published.
func (k *check) notices(stored []Notice) {
	for _, n := range stored {
		if !slices.Contains(k.r.Untold, n.ID) {
			k.broken(RuleNotice, "notice %s is stored and nobody owes it", n.ID)
		}
	}
	for _, id := range k.r.Untold {
		if !slices.ContainsFunc(stored, func(n Notice) bool { return n.ID == id }) {
			k.broken(RuleNotice, "notice %s is owed and not stored", id)
		}
	}
	for _, id := range k.trail.notices {
		if k.Published != nil && !slices.Contains(k.r.Untold, id) && !k.Published(id) {
			k.broken(RuleNotice, "notice %s was never published", id)
		}
	}
}

// verdicts: what has passed the gates is clean, and what was blocked is not.
func (k *check) verdicts() {
	if !k.r.Scanning {
		return
	}
	malicious := 0
	for i, f := range k.manifest.Files {
		if k.trail.cleared && (!f.Verdict.final() || f.Verdict.Result != Clean) {
			k.broken(RuleVerdict, "file %d of round %d passed with the verdict %q (claimed: %v)", i+1, k.r.Round, f.Verdict.Result, f.Verdict.Claimed)
		}
		if f.Verdict.final() && f.Verdict.Result == Malicious {
			malicious++
		}
	}
	if k.trail.blocked && malicious == 0 {
		k.broken(RuleVerdict, "it was blocked, and no file of round %d is malicious", k.r.Round)
	}
}
