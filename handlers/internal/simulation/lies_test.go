package simulation

import (
	"context"
	"iter"
	"slices"
	"time"

	"airlock/handlers/internal/airlock"
)

// liar is a store that does not do what it says. What it is not told to lie about it does.
type liar struct {
	airlock.Store
	commit     func(ctx context.Context, c airlock.Commit, next airlock.Store) (airlock.Request, error)
	settings   func(*airlock.Settings)
	due        func([]airlock.Owed) []airlock.Owed
	ledger     func([]airlock.Record) []airlock.Record
	put        error
	workspaces error
	forgets    bool // it says so, and does not
}

func (l liar) Commit(ctx context.Context, c airlock.Commit) (airlock.Request, error) {
	if l.commit == nil {
		return l.Store.Commit(ctx, c)
	}
	return l.commit(ctx, c, l.Store)
}

func (l liar) Settings(ctx context.Context, workspace string) (airlock.Settings, error) {
	s, err := l.Store.Settings(ctx, workspace)
	if err == nil && l.settings != nil {
		l.settings(&s)
	}
	return s, err
}

func (l liar) PutSettings(ctx context.Context, s airlock.Settings, r airlock.Record) (airlock.Settings, error) {
	if l.put != nil {
		return airlock.Settings{}, l.put
	}
	return l.Store.PutSettings(ctx, s, r)
}

func (l liar) Due(ctx context.Context, workspace string, now time.Time, limit int) ([]airlock.Owed, error) {
	due, err := l.Store.Due(ctx, workspace, now, limit)
	if err == nil && l.due != nil {
		due = l.due(due)
	}
	return due, err
}

func (l liar) SettingsRecords(ctx context.Context, workspace string, after, limit int) ([]airlock.Record, error) {
	records, err := l.Store.SettingsRecords(ctx, workspace, after, limit)
	if err == nil && l.ledger != nil {
		records = l.ledger(records)
	}
	return records, err
}

func (l liar) Workspaces(ctx context.Context, limit int, cursor string) ([]string, string, error) {
	if l.workspaces != nil {
		return nil, "", l.workspaces
	}
	return l.Store.Workspaces(ctx, limit, cursor)
}

func (l liar) Forget(ctx context.Context, r airlock.Request) error {
	if l.forgets {
		l.Store.(slowStore).w.keep(r)
		return nil
	}
	return l.Store.Forget(ctx, r)
}

// lies puts a lying store before the one of a service.
func lies(l liar) bend {
	return func(_ *world, s *airlock.Service) {
		l.Store = s.Store
		s.Store = l
	}
}

// pretender is a storage that shows other blobs than it has.
type pretender struct {
	airlock.Zones
	show    func(airlock.Place, *airlock.Blob)
	unmade  bool // a container that is opened is not there
	settles func(airlock.Copy) airlock.Copy
}

func (p pretender) List(ctx context.Context, at airlock.Place) iter.Seq2[airlock.Blob, error] {
	return func(yield func(airlock.Blob, error) bool) {
		for b, err := range p.Zones.List(ctx, at) {
			if err == nil && p.show != nil {
				p.show(at, &b)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func (p pretender) Open(ctx context.Context, at airlock.Place) (bool, error) {
	if p.unmade {
		return true, nil
	}
	return p.Zones.Open(ctx, at)
}

func (p pretender) Copy(ctx context.Context, c airlock.Copy) error {
	if p.settles != nil {
		c = p.settles(c)
	}
	return p.Zones.Copy(ctx, c)
}

// resealed changes the record of a commit so that the chain still fits.
func resealed(c airlock.Commit, change func(*airlock.Record)) airlock.Commit {
	rec := *c.Record
	change(&rec)
	rec = rec.Seal(c.Before.RecordSeq, c.Before.RecordHash)
	c.Record = &rec
	c.After.RecordSeq, c.After.RecordHash = rec.Seq, rec.Hash
	return c
}

// overwriting stores a commit over whatever is there by now.
func overwriting(w *world, s *airlock.Service) {
	lies(liar{commit: func(ctx context.Context, c airlock.Commit, next airlock.Store) (airlock.Request, error) {
		current, _, ok := w.store.Look(c.After.WorkspaceID, c.After.ID)
		if !ok || current.ETag == c.Before.ETag {
			return next.Commit(ctx, c)
		}
		c.Before, c.After.Version = current, current.Version+1
		c.After.RecordSeq, c.After.RecordHash = current.RecordSeq, current.RecordHash
		if c.Record != nil {
			c = resealed(c, func(*airlock.Record) {})
		}
		c.Notices = slices.DeleteFunc(slices.Clone(c.Notices), func(n airlock.Notice) bool { return slices.Contains(current.Untold, n.ID) })
		c.After.Untold = slices.Clone(current.Untold)
		for _, n := range c.Notices {
			c.After.Untold = append(c.After.Untold, n.ID)
		}
		if c.Manifest != nil {
			c.Dirty = []int{0}
		}
		return next.Commit(ctx, c)
	}})(w, s)
}

// hasty shows every copy as complete as soon as it has begun.
func hasty(w *world, s *airlock.Service) {
	s.Zones = pretender{Zones: s.Zones, show: func(_ airlock.Place, b *airlock.Blob) {
		if b.Copy != airlock.CopyPending {
			return
		}
		for _, p := range w.zones.Places() {
			blobs, _ := w.zones.Blobs(p)
			for _, source := range blobs {
				if source.ETag == b.Metadata["airlocksource"] {
					b.Copy, b.Size, b.MD5 = airlock.CopySuccess, source.Size, source.MD5
				}
			}
		}
	}}
}

// unconditional copies whatever is at the source.
func unconditional(w *world, s *airlock.Service) {
	s.Zones = pretender{Zones: s.Zones, settles: func(c airlock.Copy) airlock.Copy {
		if b, ok := w.find(c.From, c.Name); ok {
			c.IfMatch = b.ETag
		}
		return c
	}}
}

// early publishes notices before what they tell of is stored.
func early(w *world, s *airlock.Service) {
	lies(liar{commit: func(ctx context.Context, c airlock.Commit, next airlock.Store) (airlock.Request, error) {
		for _, n := range c.Notices {
			_ = s.Announcer.Announce(ctx, n)
		}
		return next.Commit(ctx, c)
	}})(w, s)
}

// tagged shows all blobs with the same tag.
func tagged(tag airlock.ScanResult) bend {
	return func(_ *world, s *airlock.Service) {
		s.Zones = pretender{Zones: s.Zones, show: func(_ airlock.Place, b *airlock.Blob) { b.ScanTag = tag }}
	}
}

// changed lets a store change what is committed.
func changed(change func(*airlock.Commit)) bend {
	return lies(liar{commit: func(ctx context.Context, c airlock.Commit, next airlock.Store) (airlock.Request, error) {
		change(&c)
		return next.Commit(ctx, c)
	}})
}

// doubled stores each record of a person twice.
func doubled(ctx context.Context, c airlock.Commit, next airlock.Store) (airlock.Request, error) {
	stored, err := next.Commit(ctx, c)
	if err != nil || c.Record == nil || c.Record.Who == "system" {
		return stored, err
	}
	again := airlock.Commit{Before: stored, After: stored, Record: c.Record}
	again.After.Version++
	return next.Commit(ctx, resealed(again, func(*airlock.Record) {}))
}

// denied stores what people do, and says that somebody else was faster.
func denied(ctx context.Context, c airlock.Commit, next airlock.Store) (airlock.Request, error) {
	stored, err := next.Commit(ctx, c)
	if err == nil && c.Record != nil && c.Record.Who != "system" {
		return airlock.Request{}, airlock.ErrLost
	}
	return stored, err
}

// forgetful stores nothing of what people do.
func forgetful(ctx context.Context, c airlock.Commit, next airlock.Store) (airlock.Request, error) {
	if c.Record != nil && c.Record.Who != "system" {
		return c.After, nil
	}
	return next.Commit(ctx, c)
}

// generous gives everybody every role.
func generous(s *airlock.Settings) {
	s.Members = nil
	for _, p := range people() {
		s.Members = append(s.Members, airlock.Member{ID: p.ID, Email: p.Email, Roles: []airlock.Role{airlock.RoleOwner, airlock.RoleResearcher, airlock.RoleManager}})
	}
}

// silence is a topic that nobody hears.
type silence struct{}

func (silence) Announce(context.Context, airlock.Notice) error { return nil }
