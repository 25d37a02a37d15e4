package airlock

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"airlock/statemachine"
)

// MaxID is how many bytes the id of a person or a notice may have.
const MaxID = 128

// MaxRecords is how many records a chain may have: stores write their numbers with ten digits.
const MaxRecords = 9_999_999_999

// IsWorkspaceID reports whether a workspace can have the id: 1 to 64 lower-case letters, digits and hyphens.
func IsWorkspaceID(id string) bool {
	for i := range len(id) {
		if c := id[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return id != "" && len(id) <= 64
}

// IsRequestID reports whether a request can have the id: a UUID in lower case.
func IsRequestID(id string) bool {
	const shape = "00000000-0000-0000-0000-000000000000"
	if len(id) != len(shape) {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if hyphen := shape[i] == '-'; hyphen != (c == '-') || !hyphen && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// IsID reports whether a person or a notice can have the id.
func IsID(id string) bool { return id != "" && len(id) <= MaxID }

// storable reports whether a time is one that requests are sorted by.
func storable(t time.Time) bool { return t.Unix() >= 0 && t.UTC().Year() <= 2200 }

// Check reports what every store must refuse, as Store.Create and Store.Commit say, as far as it can be seen before
// anything is read. create is for a new request.
func (c Commit) Check(create bool) error {
	b, a := &c.Before, &c.After
	_, known := statemachine.Of(a.Status)
	switch {
	case a.ID == "" || a.WorkspaceID == "":
		return errors.New("commit without an id or a workspace")
	case !IsWorkspaceID(a.WorkspaceID) || !IsRequestID(a.ID):
		return fmt.Errorf("commit %q in %q: not an id", a.ID, a.WorkspaceID)
	case create != (b.ETag == "" && reflect.ValueOf(*b).IsZero()):
		return fmt.Errorf("commit %s: only a new request has no Before", a.ID)
	case !create && (a.ID != b.ID || a.WorkspaceID != b.WorkspaceID):
		return fmt.Errorf("commit of %s over %s", a.ID, b.ID)
	case !create && b.ETag == "":
		return fmt.Errorf("commit %s: Before has no ETag: it comes from a list, or was not read", a.ID)
	case a.Version != b.Version+1:
		return fmt.Errorf("commit %s: version %d does not follow %d", a.ID, a.Version, b.Version)
	case !known:
		return fmt.Errorf("commit %s: there is no status %q", a.ID, a.Status)
	case !IsID(a.CreatedBy.ID) || !create && a.CreatedBy.ID != b.CreatedBy.ID:
		return fmt.Errorf("commit %s: %q cannot be its requester", a.ID, a.CreatedBy.ID)
	case !storable(a.UpdatedWhen):
		return fmt.Errorf("commit %s: changed at %v", a.ID, a.UpdatedWhen)
	case !a.Due.IsZero() && !storable(a.Due):
		return fmt.Errorf("commit %s: due at %v", a.ID, a.Due)
	case c.Review != nil && (!IsID(c.Review.Reviewer.ID) || c.Review.Round < 1):
		return fmt.Errorf("commit %s: a review by %q in round %d", a.ID, c.Review.Reviewer.ID, c.Review.Round)
	}
	for _, check := range []func() error{c.checkRecord, c.checkComment, c.checkManifest, c.checkNotices} {
		if err := check(); err != nil {
			return fmt.Errorf("commit %s: %w", a.ID, err)
		}
	}
	return nil
}

// checkRecord refuses a change of status without its record, and a record that does not continue the chain.
func (c *Commit) checkRecord() error {
	b, a, r := &c.Before, &c.After, c.Record
	if r == nil {
		switch {
		case a.Status != b.Status:
			return fmt.Errorf("status %s to %s without a record", b.Status, a.Status)
		case a.RecordSeq != b.RecordSeq || a.RecordHash != b.RecordHash:
			return errors.New("the head of the chain moved without a record")
		}
		return nil
	}
	if r.Seq > MaxRecords {
		return fmt.Errorf("record %d is one too many", r.Seq)
	}
	if _, _, err := VerifyChain([]Record{*r}, b.RecordSeq, b.RecordHash); err != nil {
		return err
	}
	if a.RecordSeq != r.Seq || a.RecordHash != r.Hash {
		return errors.New("the request does not hold the head of its chain")
	}
	return nil
}

// checkComment refuses a comment that has no record of its own.
func (c *Commit) checkComment() error {
	switch {
	case c.Comment == nil:
		return nil
	case c.Record == nil || c.Comment.Seq != c.Record.Seq:
		return fmt.Errorf("comment %d without its record", c.Comment.Seq)
	case c.Record.Digest != c.Comment.Digest():
		return fmt.Errorf("record %d is not of the comment", c.Record.Seq)
	default:
		return nil
	}
}

// checkManifest refuses a manifest that cannot be, and pages that it does not have.
func (c *Commit) checkManifest() error {
	m := c.Manifest
	if m != nil && (m.Round < 1 || len(m.Files) > MaxManifestFiles) {
		return fmt.Errorf("a manifest of %d files in round %d", len(m.Files), m.Round)
	}
	for i, page := range c.Dirty {
		switch {
		case m == nil || page < 0 || page >= m.Pages():
			return fmt.Errorf("page %d is not in the manifest", page)
		case slices.Contains(c.Dirty[:i], page):
			return fmt.Errorf("page %d is dirty twice", page)
		}
	}
	return nil
}

// checkNotices refuses notices that are not new, and a list of untold ones that is not what was there before, without
// some, with the new ones.
func (c *Commit) checkNotices() error {
	untold := c.After.Untold
	fresh := map[string]bool{}
	for _, n := range c.Notices {
		switch {
		case !slices.Contains(untold, n.ID):
			return fmt.Errorf("notice %s is not listed", n.ID)
		case !IsID(n.ID) || fresh[n.ID] || slices.Contains(c.Before.Untold, n.ID):
			return fmt.Errorf("notice %q is not new", n.ID)
		}
		fresh[n.ID] = true
	}
	for i, id := range untold {
		if slices.Contains(untold[:i], id) || !fresh[id] && !slices.Contains(c.Before.Untold, id) {
			return fmt.Errorf("there is no notice %q", id)
		}
	}
	return nil
}

// CheckRecord reports what every store must refuse of settings with the record of their change, as Store.PutSettings
// says, as far as it can be seen before anything is read.
func (s Settings) CheckRecord(r Record) error {
	_, _, err := VerifyChain([]Record{r}, r.Seq-1, r.Previous)
	switch {
	case !IsWorkspaceID(s.WorkspaceID):
		return fmt.Errorf("settings of %q: not an id", s.WorkspaceID)
	case err != nil:
		return fmt.Errorf("settings of %s: %w", s.WorkspaceID, err)
	case s.RecordSeq != r.Seq || s.RecordHash != r.Hash || r.Seq > MaxRecords:
		return fmt.Errorf("settings of %s do not hold the head of their chain", s.WorkspaceID)
	case s.ETag == "" && (r.Seq != 1 || r.Previous != ""):
		return fmt.Errorf("settings of %s: record %d does not continue the chain", s.WorkspaceID, r.Seq)
	default:
		return nil
	}
}

// CheckLimit reports a limit that no list has.
func CheckLimit(limit int) error {
	if limit < 1 || limit > MaxPage {
		return fmt.Errorf("a limit of %d is not in 1 to %d", limit, MaxPage)
	}
	return nil
}
