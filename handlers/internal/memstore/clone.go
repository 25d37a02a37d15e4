package memstore

import (
	"maps"
	"slices"

	"airlock/handlers/internal/airlock"
)

// Clone returns a store of its own that holds the same, so that a test can prepare something once and try much on it. It
// counts its calls from zero. Of what is stored nothing is ever changed in place, so that both can hold it.
func (s *Store) Clone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Store{
		Fault: s.Fault, Span: s.Span, writes: s.writes, calls: map[Op]int{}, spaces: map[string]*space{},
		workspaces: maps.Clone(s.workspaces), requesters: map[string][]string{},
	}
	if c.workspaces == nil {
		c.workspaces = map[string]string{}
	}
	for person, ids := range s.requesters {
		c.requesters[person] = slices.Clone(ids)
	}
	for id, from := range s.spaces {
		to := &space{settings: from.settings, records: slices.Clip(from.records), rows: map[string]*row{}, order: slices.Clone(from.order)}
		for id, r := range from.rows {
			to.rows[id] = &row{
				request: r.request, records: slices.Clip(r.records), comments: slices.Clip(r.comments), notices: maps.Clone(r.notices),
				manifests: maps.Clone(r.manifests), reviewers: maps.Clone(r.reviewers),
			}
		}
		c.spaces[id] = to
	}
	return c
}

// roles copies role lists into one array: a request holds one for everybody in its history, and each would cost an
// allocation of its own.
type roles []airlock.Role

func (all *roles) clone(of *[]airlock.Role) {
	if *of == nil {
		return
	}
	if cap(*all)-len(*all) < len(*of) {
		*all = make(roles, 0, max(16, len(*of)))
	}
	from := len(*all)
	*all = append(*all, *of...)
	*of = slices.Clip([]airlock.Role((*all)[from:]))
}

func (all *roles) policy(p airlock.Policy) airlock.Policy {
	p.Slots = slices.Clone(p.Slots)
	for i := range p.Slots {
		s := &p.Slots[i]
		all.clone(&s.Roles)
		s.Groups, s.People = slices.Clone(s.Groups), slices.Clone(s.People)
	}
	return p
}

func cloneRequest(r airlock.Request) airlock.Request {
	var all roles
	all.clone(&r.CreatedBy.Roles)
	all.clone(&r.UpdatedBy.Roles)
	all.clone(&r.ClaimedBy.Roles)
	r.History = slices.Clone(r.History)
	for i := range r.History {
		all.clone(&r.History[i].By.Roles)
	}
	r.Reviews = slices.Clone(r.Reviews)
	for i := range r.Reviews {
		all.clone(&r.Reviews[i].Reviewer.Roles)
		r.Reviews[i].Slots = slices.Clone(r.Reviews[i].Slots)
	}
	r.Files, r.Owed, r.Untold, r.Gone = slices.Clone(r.Files), slices.Clone(r.Owed), slices.Clone(r.Untold), slices.Clone(r.Gone)
	r.Reminded, r.Policy = slices.Clone(r.Reminded), all.policy(r.Policy)
	r.Policies = slices.Clone(r.Policies)
	for i, p := range r.Policies {
		r.Policies[i] = all.policy(p)
	}
	r.Signed = slices.Clone(r.Signed)
	return r
}

func cloneComment(c airlock.Comment) airlock.Comment {
	c.By.Roles = slices.Clone(c.By.Roles)
	return c
}

func cloneNotice(n airlock.Notice) airlock.Notice {
	n.Files, n.Recipients, n.MustAct = slices.Clone(n.Files), slices.Clone(n.Recipients), slices.Clone(n.MustAct)
	n.Location = airlock.Location{} // never stored
	n.CreatedBy.Roles, n.UpdatedBy.Roles = slices.Clone(n.CreatedBy.Roles), slices.Clone(n.UpdatedBy.Roles)
	n.RecipientsByRole = maps.Clone(n.RecipientsByRole)
	for role, emails := range n.RecipientsByRole {
		n.RecipientsByRole[role] = slices.Clone(emails)
	}
	return n
}

func cloneFile(f airlock.File) airlock.File {
	f.MD5, f.Reading.State = slices.Clone(f.MD5), slices.Clone(f.Reading.State)
	f.Verdict.Malware = slices.Clone(f.Verdict.Malware)
	return f
}

func cloneFiles(files []airlock.File) []airlock.File {
	files = slices.Clone(files)
	for i := range files {
		files[i] = cloneFile(files[i])
	}
	return files
}

func cloneSettings(s airlock.Settings) airlock.Settings {
	s.Directions, s.NameDenied = slices.Clone(s.Directions), slices.Clone(s.NameDenied)
	var all roles
	s.Members = slices.Clone(s.Members)
	for i := range s.Members {
		all.clone(&s.Members[i].Roles)
	}
	s.Deputies = slices.Clone(s.Deputies)
	s.Layout, s.Policies = maps.Clone(s.Layout), maps.Clone(s.Policies)
	for d, p := range s.Policies {
		s.Policies[d] = all.policy(p)
	}
	return s
}

// weight is roughly how many bytes of text a request holds: what can make it too large.
func weight(r *airlock.Request) int {
	person := func(p *airlock.Person) int { return len(p.ID) + len(p.Name) + len(p.Email) + len(p.Audience) }
	n := len(r.Title) + len(r.Justification) + len(r.StatusMessage) + len(r.LastError) + person(&r.CreatedBy) + person(&r.UpdatedBy) + person(&r.ClaimedBy)
	for i := range r.History {
		n += 100 + person(&r.History[i].By)
	}
	for i := range r.Reviews {
		n += 100 + len(r.Reviews[i].Explanation) + person(&r.Reviews[i].Reviewer)
	}
	for _, f := range r.Files {
		n += 20 + len(f.Name)
	}
	for _, id := range r.Untold {
		n += len(id)
	}
	return n
}

// fileWeight is weight for the files of a manifest.
func fileWeight(files []airlock.File) int {
	n := 0
	for _, f := range files {
		n += 200 + len(f.Name) + len(f.Verdict.Reason)
		for _, m := range f.Verdict.Malware {
			n += len(m)
		}
	}
	return n
}
