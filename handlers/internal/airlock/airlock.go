// Package airlock is the domain: requests to bring files into a workspace or take them out, and what happens to them.
//
// It promises that a status changes in one way only: read the stored request, ask the state machine, and commit the
// new state together with its audit record, its owed work and its notices in one transaction. What the system owes is
// done by Reconcile, which looks at what is true in storage and does the next step; every event that arrives from
// outside only says "look at this request". Anything may therefore be lost, doubled, late or out of order.
//
// It never talks to Azure, HTTP or the clock itself: Store, Zones, Queue and Announcer are its ports, and time and
// ids are fields. It reads files only to compute their digests, and never holds one.
package airlock

import (
	"strings"
	"time"

	"airlock/statemachine"
)

// Direction says which way data goes. The values are the wire's.
type Direction string

// The directions.
const (
	Import Direction = "import"
	Export Direction = "export"
)

// Directions returns both, in the order of the documentation.
func Directions() []Direction { return []Direction{Import, Export} }

// Role is what somebody may be in a workspace, or in the whole TRE. The values are those of the Entra app roles.
type Role string

// The roles.
const (
	RoleResearcher Role = "WorkspaceResearcher"
	RoleOwner      Role = "WorkspaceOwner"
	RoleManager    Role = "AirlockManager"
	RoleAdmin      Role = "TREAdmin"
)

// Person is somebody as a request remembers them.
type Person struct {
	ID       string `json:"id"` // Entra object id; empty: the system itself
	Name     string `json:"name"`
	Email    string `json:"email"`
	Roles    []Role `json:"roles,omitempty"`
	Audience string `json:"audience,omitempty"` // of the token they came with
}

// Actor is who asks for something now: a person with the roles that they hold in the workspace at this moment, and
// where the request came from.
type Actor struct {
	Person
	Groups        []string  // object ids of the groups that they are known to be in
	At            time.Time // the moment at which they ask
	SteadOf       []string  // object ids of the owners whose deputy they are now
	SourceAddress string    // IP address, for the audit record; may be empty
	CorrelationID string    // ties the audit record to the logs; may be empty
}

// partyOf maps roles to the parties of the state machine.
func partyOf(roles []Role, isRequester bool) statemachine.Party {
	var p statemachine.Party
	for _, r := range roles {
		switch r {
		case RoleResearcher:
			p |= statemachine.Researcher
		case RoleOwner:
			p |= statemachine.Owner
		case RoleManager:
			p |= statemachine.Manager
		case RoleAdmin:
			p |= statemachine.Admin
		}
	}
	if isRequester && p&(statemachine.Researcher|statemachine.Owner) != 0 {
		p |= statemachine.Requester
	}
	return p
}

// Request is one request to move files through the airlock: its stored state without its files' details (Manifest)
// and its audit trail (Record), which are stored beside it.
type Request struct {
	WorkspaceID   string    `json:"workspaceId"`
	ID            string    `json:"id"` // UUIDv7, lower case
	Type          Direction `json:"type"`
	Title         string    `json:"title"`
	Justification string    `json:"businessJustification"`

	Status        statemachine.Status `json:"status"`
	StatusMessage string              `json:"statusMessage,omitempty"` // for the people concerned; says what is wrong
	StatusSince   time.Time           `json:"statusSince"`
	FailedIn      statemachine.Status `json:"failedIn,omitempty"`

	CreatedBy   Person    `json:"createdBy"`
	CreatedWhen time.Time `json:"createdWhen"`
	UpdatedBy   Person    `json:"updatedBy"`
	UpdatedWhen time.Time `json:"updatedWhen"` // of the last change that people see; the order "last changed"
	History     []Change  `json:"history,omitempty"`

	Version int `json:"version"` // counts every commit, from 1
	Round   int `json:"round"`   // counts submissions' containers, from 1
	Attempt int `json:"attempt"` // counts retries after a failure, from 0

	Files        []FileSummary `json:"files,omitempty"` // the first SummaryFiles of the manifest
	FileCount    int           `json:"fileCount,omitempty"`
	TotalBytes   int64         `json:"totalBytes,omitempty"`
	Scanning     bool          `json:"scanning"` // the malware scan is a gate of this round; fixed at submit
	SealedAt     time.Time     `json:"sealedAt,omitzero"`
	Policy       Policy        `json:"policy,omitzero"`    // of the reviews of this round; fixed at submit
	Policies     []Policy      `json:"policies,omitempty"` // of the reviews of earlier rounds, where they were others, oldest first
	Reviews      []Review      `json:"reviews,omitempty"`
	ClaimedBy    Person        `json:"claimedBy,omitzero"`    // the reviewer who looks at it; nobody: no ID
	ClaimedUntil time.Time     `json:"claimedUntil,omitzero"` // not at this moment any more
	Comments     int           `json:"comments,omitempty"`    // of this round

	// ManifestDigest is that of the round's manifest, once the SHA-256 of every sealed file is known: what people decide about.
	ManifestDigest string `json:"manifestDigest,omitempty"`

	Owed       []statemachine.Task `json:"owed,omitempty"`       // data work, in order
	Untold     []string            `json:"untold,omitempty"`     // ids of the notices that are not published yet
	OnHold     bool                `json:"onHold,omitempty"`     // there is a legal hold on it
	PurgedWhen time.Time           `json:"purgedWhen,omitzero"`  // its data was deleted at the end of its lifetime; zero: it was not
	LedgerFrom int                 `json:"ledgerFrom,omitempty"` // number of the record in the workspace's trail after which it can tell of the deletion of this request

	Due       time.Time               `json:"due,omitzero"`        // when the sweep looks at it; zero: never
	Reminded  []statemachine.Occasion `json:"reminded,omitempty"`  // what people were told because it waited in this status
	Tries     int                     `json:"tries,omitempty"`     // consecutive failures of owed work
	LastError string                  `json:"lastError,omitempty"` // of owed work, for operators

	Gone      []statemachine.Spot `json:"gone,omitempty"`     // containers that were deleted, and will be once more
	GoneAgain time.Time           `json:"goneAgain,omitzero"` // when

	Signed []Signed `json:"signed,omitempty"` // disclosures that somebody has asked for

	RecordSeq  int    `json:"recordSeq"` // sequence number of the last audit record
	RecordHash string `json:"recordHash"`

	// Stamp is different for every commit: it tells a writer whose answer was lost whether its own write is stored.
	Stamp string `json:"stamp"`

	// Later is a JSON object with what a newer program has stored and this one does not know; empty: nothing. It goes from
	// version to version as it is.
	Later string `json:"-"`

	// ETag is the store's token for the version that was read. Opaque; never written into the stored document.
	ETag string `json:"-"`
}

// SummaryFiles is how many files a request itself lists; the manifest has all.
const SummaryFiles = 100

// FileSummary is a file as lists show it, with the digests of its content that are known, in hex.
type FileSummary struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	MD5    string `json:"md5,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// Change is one version in a request's history.
type Change struct {
	Version        int                 `json:"version"`
	PreviousStatus statemachine.Status `json:"previousStatus"`
	When           time.Time           `json:"when"`
	By             Person              `json:"by"`
}

// Review is what one reviewer said in one round.
type Review struct {
	ID          string                `json:"id"`
	Round       int                   `json:"round"`
	Reviewer    Person                `json:"reviewer"`
	When        time.Time             `json:"when"`
	Decision    statemachine.Decision `json:"decision"`
	Explanation string                `json:"explanation"`
	Slots       []string              `json:"slots,omitempty"`   // of the policy, that it can fill
	Digest      string                `json:"digest,omitempty"`  // of the manifest that it is about
	SteadOf     string                `json:"steadOf,omitempty"` // object id of the owner in whose place it was given; empty: nobody's
}

// Zone returns the zone that the request's status names; for a failed one that of the status it failed in. It is nowhere
// when the data was deleted at the end of its lifetime.
func (r Request) Zone() statemachine.Zone {
	if !r.PurgedWhen.IsZero() {
		return statemachine.Nowhere
	}
	facts, _ := statemachine.Of(r.Status)
	if facts.Zone == statemachine.WhereItFailed {
		facts, _ = statemachine.Of(r.FailedIn)
	}
	return facts.Zone
}

// Spot returns the place of the request's data in its present round.
func (r Request) Spot() statemachine.Spot {
	return statemachine.Spot{Zone: r.Zone(), Round: r.Round}
}

// Busy reports whether the system has something to do for the request, now or later: without it nothing here goes on.
func (r Request) Busy() bool {
	status, _ := statemachine.Of(r.Status)
	return len(r.Owed) > 0 || len(r.Untold) > 0 || !status.Rests()
}

// Approvals counts the approving reviews of the present round.
func (r Request) Approvals() int { return r.said(statemachine.DecisionApproved) }

// said counts the reviews of the present round with the decision.
func (r Request) said(d statemachine.Decision) int {
	n := 0
	for _, v := range r.Reviews {
		if v.Round == r.Round && v.Decision == d {
			n++
		}
	}
	return n
}

// ReviewedBy reports whether the person has given a review in the present round, or a deputy in their place.
func (r Request) ReviewedBy(id string) bool {
	for _, v := range r.Reviews {
		if v.Round == r.Round && (strings.EqualFold(v.Reviewer.ID, id) || v.SteadOf != "" && strings.EqualFold(v.SteadOf, id)) {
			return true
		}
	}
	return false
}
