package tablestore

import (
	"fmt"
	"reflect"
	"slices"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// check reports what can be seen to be wrong with a commit before anything is read.
func check(c airlock.Commit, create bool) error {
	if err := c.Check(); err != nil {
		return err
	}
	a, b := c.After, c.Before
	_, known := statemachine.Of(a.Status)
	switch {
	case !workspaceID.MatchString(a.WorkspaceID) || !requestID.MatchString(a.ID):
		return fmt.Errorf("commit %q in %q: not an id", a.ID, a.WorkspaceID)
	case !known:
		return fmt.Errorf("commit %s: there is no status %q", a.ID, a.Status)
	case create != reflect.ValueOf(b).IsZero():
		return fmt.Errorf("commit %s: only a new request has no Before", a.ID)
	case !create && b.ETag == "":
		return fmt.Errorf("commit %s: Before has no ETag: it comes from a list, or was not read", a.ID)
	case !nameable(a.CreatedBy.ID) || (!create && a.CreatedBy.ID != b.CreatedBy.ID):
		return fmt.Errorf("commit %s: %q cannot be its requester", a.ID, a.CreatedBy.ID)
	case a.UpdatedWhen.Unix() < 0 || a.UpdatedWhen.UTC().Year() > 2200:
		return fmt.Errorf("commit %s: changed at %v", a.ID, a.UpdatedWhen)
	case c.Record != nil && c.Record.Seq > maxSeq:
		return fmt.Errorf("commit %s: record %d is one too many", a.ID, c.Record.Seq)
	case c.Review != nil && (!nameable(c.Review.Reviewer.ID) || c.Review.Round < 1):
		return fmt.Errorf("commit %s: a review by %q in round %d", a.ID, c.Review.Reviewer.ID, c.Review.Round)
	case c.Manifest != nil && (c.Manifest.Round < 1 || len(c.Manifest.Files) > airlock.MaxManifestFiles):
		return fmt.Errorf("commit %s: a manifest of %d files in round %d", a.ID, len(c.Manifest.Files), c.Manifest.Round)
	}
	for i, page := range c.Dirty {
		if slices.Contains(c.Dirty[:i], page) {
			return fmt.Errorf("commit %s: page %d is dirty twice", a.ID, page)
		}
	}
	return checkNotices(c)
}

// checkNotices refuses a list of untold notices that is not what was there before, without some, with the new ones.
func checkNotices(c airlock.Commit) error {
	fresh := map[string]bool{}
	for _, n := range c.Notices {
		if !nameable(n.ID) || fresh[n.ID] || slices.Contains(c.Before.Untold, n.ID) {
			return fmt.Errorf("commit %s: notice %q is not new", c.After.ID, n.ID)
		}
		fresh[n.ID] = true
	}
	for i, id := range c.After.Untold {
		if slices.Contains(c.After.Untold[:i], id) || (!fresh[id] && !slices.Contains(c.Before.Untold, id)) {
			return fmt.Errorf("commit %s: there is no notice %q", c.After.ID, id)
		}
	}
	return nil
}

// checkSettings does the same for settings.
func checkSettings(set airlock.Settings, r airlock.Record) error {
	_, _, err := airlock.VerifyChain([]airlock.Record{r}, r.Seq-1, r.Previous)
	switch {
	case !workspaceID.MatchString(set.WorkspaceID):
		return fmt.Errorf("settings of %q: not an id", set.WorkspaceID)
	case err != nil:
		return fmt.Errorf("settings of %s: %w", set.WorkspaceID, err)
	case set.RecordSeq != r.Seq || set.RecordHash != r.Hash || r.Seq > maxSeq:
		return fmt.Errorf("settings of %s do not hold the head of their chain", set.WorkspaceID)
	case set.ETag == "" && (r.Seq != 1 || r.Previous != ""):
		return fmt.Errorf("settings of %s: record %d does not continue the chain", set.WorkspaceID, r.Seq)
	default:
		return nil
	}
}

// checkLimit refuses a limit that no list has.
func checkLimit(limit int) error {
	if limit < 1 || limit > airlock.MaxPage {
		return fmt.Errorf("tablestore: a limit of %d is not in 1 to %d", limit, airlock.MaxPage)
	}
	return nil
}
