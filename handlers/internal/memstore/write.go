package memstore

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"airlock/handlers/internal/airlock"
)

// Create stores a new request.
func (s *Store) Create(ctx context.Context, c airlock.Commit) (airlock.Request, error) {
	if err := check(&c, true); err != nil {
		return airlock.Request{}, fmt.Errorf("memstore: create: %w", err)
	}
	a := c.After
	_, err := do(ctx, s, OpLookups, a.ID, func() (struct{}, error) {
		if taken, ok := s.workspaces[a.ID]; ok && taken != a.WorkspaceID {
			return struct{}{}, airlock.ErrExists
		}
		s.workspaces[a.ID] = a.WorkspaceID
		ids := s.requesters[a.CreatedBy.ID]
		if at, found := slices.BinarySearch(ids, a.ID); !found {
			s.requesters[a.CreatedBy.ID] = slices.Insert(ids, at, a.ID)
		}
		return struct{}{}, nil
	})
	if err != nil {
		return airlock.Request{}, err
	}
	return do(ctx, s, OpCreate, a.ID, func() (airlock.Request, error) {
		if s.find(a.WorkspaceID, a.ID) != nil {
			return airlock.Request{}, airlock.ErrExists
		}
		r := &row{notices: map[string]airlock.Notice{}, manifests: map[int][]airlock.File{}, reviewers: map[reviewKey]bool{}}
		if err := r.checkManifest(c); err != nil {
			return airlock.Request{}, err
		}
		space := s.space(a.WorkspaceID)
		space.rows[a.ID] = r
		at, _ := slices.BinarySearch(space.order, a.ID)
		space.order = slices.Insert(space.order, at, a.ID)
		return r.apply(&c, s.etag()), nil
	})
}

// Commit stores the next version of a request.
func (s *Store) Commit(ctx context.Context, c airlock.Commit) (airlock.Request, error) {
	if err := check(&c, false); err != nil {
		return airlock.Request{}, fmt.Errorf("memstore: %w", err)
	}
	return do(ctx, s, OpCommit, c.After.ID, func() (airlock.Request, error) {
		var none airlock.Request
		r := s.find(c.After.WorkspaceID, c.After.ID)
		if r == nil || r.request.ETag != c.Before.ETag {
			return none, airlock.ErrLost
		}
		if v := c.Review; v != nil && r.reviewers[reviewKey{v.Round, v.Reviewer.ID}] {
			return none, fmt.Errorf("%w: %s has a review in round %d", airlock.ErrLost, v.Reviewer.ID, v.Round)
		}
		if !equalRequests(&r.request, &c.Before) {
			return none, errors.New("misuse: Before is not the request as it was read")
		}
		if err := r.checkManifest(c); err != nil {
			return none, err
		}
		return r.apply(&c, s.etag()), nil
	})
}

// apply stores a commit that was checked, and returns the request: the caller's own one, with the new ETag.
func (r *row) apply(c *airlock.Commit, etag string) airlock.Request {
	c.After.ETag = etag
	r.request = cloneRequest(c.After)
	if c.Record != nil {
		r.records = append(r.records, *c.Record)
	}
	if v := c.Review; v != nil {
		r.reviewers[reviewKey{v.Round, v.Reviewer.ID}] = true
	}
	if c.Comment != nil {
		r.comments = append(r.comments, cloneComment(*c.Comment))
	}
	for id := range r.notices {
		if !slices.Contains(c.After.Untold, id) {
			delete(r.notices, id)
		}
	}
	for _, n := range c.Notices {
		r.notices[n.ID] = cloneNotice(n)
	}
	if c.Manifest != nil && len(c.Dirty) > 0 {
		r.manifests[c.Manifest.Round] = cloneFiles(c.Manifest.Files)
	}
	return c.After
}

// checkManifest refuses a manifest of which the dirty pages are not all that changed: a store that keeps pages apart
// would then hold another manifest than the caller believes.
func (r *row) checkManifest(c airlock.Commit) error {
	m := c.Manifest
	if m == nil {
		return nil
	}
	old := airlock.Manifest{Round: m.Round, Files: r.manifests[m.Round]}
	if m.Pages() < old.Pages() {
		return fmt.Errorf("misuse: the manifest of round %d had %d pages and cannot have %d", m.Round, old.Pages(), m.Pages())
	}
	for n := range m.Pages() {
		if !slices.Contains(c.Dirty, n) && (n >= old.Pages() || !reflect.DeepEqual(m.Page(n), old.Page(n))) {
			return fmt.Errorf("misuse: page %d of round %d has changed and is not dirty", n, m.Round)
		}
	}
	return nil
}

// maxDocument is how many bytes of text a document may hold. Azure: an entity is at most 1 MiB, and its strings take
// two bytes a character.
const maxDocument = 1 << 20

// A commit may take so many bytes and rows. Azure: an entity group transaction is at most 4 MiB and 100 operations.
const (
	maxTransaction = 4 << 20
	maxRows        = 100
)

// rows counts what a commit writes and deletes: at most two rows for each index, and one for all else.
func rows(c *airlock.Commit) int {
	n := 1 + 2 + 2 + len(c.Notices) + len(c.Dirty)
	for _, one := range []bool{c.Record != nil, c.Review != nil, c.Comment != nil, !c.Before.Due.IsZero(), !c.After.Due.IsZero()} {
		if one {
			n++
		}
	}
	for _, id := range c.Before.Untold {
		if !slices.Contains(c.After.Untold, id) {
			n++
		}
	}
	return n
}

// check refuses a commit before anything is read.
func check(c *airlock.Commit, create bool) error {
	if err := c.Check(create); err != nil {
		return err
	}
	return checkSize(c)
}

// checkSize refuses what cannot fit a table, roughly.
func checkSize(c *airlock.Commit) error {
	document := weight(&c.After)
	total := 3 * document // with its two index rows
	largest := document
	if c.Record != nil {
		total += len(c.Record.Text)
		largest = max(largest, len(c.Record.Text))
	}
	if c.Review != nil {
		total += len(c.Review.Explanation)
	}
	if c.Comment != nil {
		total += len(c.Comment.Text)
		largest = max(largest, len(c.Comment.Text))
	}
	for _, page := range c.Dirty {
		size := fileWeight(c.Manifest.Page(page))
		total += size
		largest = max(largest, size)
	}
	if n := rows(c); largest > maxDocument || total > maxTransaction || n > maxRows {
		return fmt.Errorf("commit %s: too large: a document of %d bytes, %d bytes in all, %d rows", c.After.ID, largest, total, n)
	}
	return nil
}

// PutSettings stores the settings of a workspace.
func (s *Store) PutSettings(ctx context.Context, set airlock.Settings, r airlock.Record) (airlock.Settings, error) {
	if err := set.CheckRecord(r); err != nil {
		return airlock.Settings{}, fmt.Errorf("memstore: %w", err)
	}
	return do(ctx, s, OpPutSettings, set.WorkspaceID, func() (airlock.Settings, error) {
		space := s.space(set.WorkspaceID)
		var old airlock.Settings
		if space.settings != nil {
			old = *space.settings
		}
		if old.ETag != set.ETag {
			return airlock.Settings{}, airlock.ErrLost
		}
		if r.Seq != old.RecordSeq+1 || r.Previous != old.RecordHash {
			return airlock.Settings{}, errors.New("misuse: the record does not continue the chain of the settings")
		}
		kept := cloneSettings(set)
		kept.ETag = s.etag()
		space.settings, space.records = &kept, append(space.records, r)
		return cloneSettings(kept), nil
	})
}
