package airlock

import (
	"time"

	"airlock/statemachine"
)

// NewRequest is what somebody brings to make a request.
type NewRequest struct {
	Type          Direction
	Title         string // plain text, at most MaxText characters
	Justification string // the same
}

// MaxText is how many characters a title, a justification or an explanation may have.
const MaxText = 4000

// NewReview is what a reviewer says.
type NewReview struct {
	Decision    statemachine.Decision // approved, rejected or changes_requested
	Explanation string                // Markdown, at most MaxText characters; needed with changes_requested

	Round  int    // that it is about; 0: whichever is the present one
	Digest string // of the manifest that it is about, in hex; empty: the present one, where the policy lets reviews leave it out
	Slot   string // that it is to fill; empty: any that fits
}

// Listing asks for a page of a workspace's requests in the terms of the API.
type Listing struct {
	Status    statemachine.Status
	Type      Direction
	Creator   string
	OrderBy   SortKey // empty: newest first
	Ascending bool
	Limit     int // 0: MaxPage
	Cursor    string
}

// SortKey is a field that lists can be ordered by.
type SortKey string

// The sort keys.
const (
	SortCreated SortKey = "createdWhen"
	SortUpdated SortKey = "updatedWhen"
	SortType    SortKey = "type"
	SortStatus  SortKey = "status"
	SortTitle   SortKey = "title"
)

// Views is a page of requests with what the one who asked may do with each.
type Views struct {
	Views []View
	Next  string
}

// Link is a link to a request's data.
type Link struct {
	URL       string
	ExpiresAt time.Time
	Rights    statemachine.Rights
}

// Listed is the files of a round of a request.
type Listed struct {
	Round  int
	Files  []File
	Sealed bool // false: a draft's files as they are now, not a manifest
	Since  Comparison
}

// Trail is an audit trail, and whether its chain holds.
type Trail struct {
	Records []Record
	Intact  bool   // all of it
	Problem string // what is wrong, where it is not intact

	HeldBack int // how many of the last records are not among Records, because reviews are blind
}

// Check is how one dependency is.
type Check struct {
	Name    string
	Took    time.Duration
	Problem string // empty: it is well
}
