package airlock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"airlock/statemachine"
)

// Request reads one request of a workspace.
func (s *Service) Request(ctx context.Context, who Identity, workspace, id string) (View, error) {
	actor, settings, err := s.enter(ctx, who, workspace, members()...)
	if err != nil {
		return View{}, err
	}
	r, err := s.find(ctx, workspace, id)
	if err != nil {
		return View{}, answer(fmt.Errorf("read %s: %w", id, err), sentenceNoRequest)
	}
	return view(r, settings, actor), nil
}

// Requests lists a workspace's requests. Orders that have no index are served up to MaxPage requests and refused beyond.
func (s *Service) Requests(ctx context.Context, who Identity, workspace string, l Listing) (Views, error) {
	actor, settings, err := s.enter(ctx, who, workspace, members()...)
	if err != nil {
		return Views{}, err
	}
	page, err := s.list(ctx, workspace, l)
	if err != nil {
		return Views{}, answer(err, sentenceNoRequest)
	}
	views := Views{Next: page.Next, Views: make([]View, len(page.Requests))}
	for i, r := range page.Requests {
		views.Views[i] = view(r, settings, actor)
	}
	return views, nil
}

func (s *Service) list(ctx context.Context, workspace string, l Listing) (Page, error) {
	limit := l.Limit
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	q := Query{Workspace: workspace, Order: NewestFirst, Status: l.Status, Type: l.Type, Creator: l.Creator, Limit: limit, Cursor: l.Cursor}
	switch {
	case l.OrderBy == "", l.OrderBy == SortCreated && !l.Ascending:
		return s.page(ctx, q)
	case l.OrderBy == SortUpdated && !l.Ascending:
		q.Order = LastChanged
		return s.page(ctx, q)
	}
	return s.sorted(ctx, q, l)
}

func (s *Service) page(ctx context.Context, q Query) (Page, error) {
	page, err := s.Store.Requests(ctx, q)
	if err != nil {
		return Page{}, fmt.Errorf("list %s: %w", q.Workspace, err)
	}
	return page, nil
}

// sorted serves an order that has no index: all requests that match, if they fit one page.
func (s *Service) sorted(ctx context.Context, q Query, l Listing) (Page, error) {
	q.Limit, q.Cursor = MaxPage, ""
	page, err := s.page(ctx, q)
	if err != nil {
		return Page{}, err
	}
	if page.Next != "" {
		return Page{}, problem(Invalid, "order_by", "There are more than %d requests: list them by createdWhen or updatedWhen, descending, or filter by status.", MaxPage)
	}
	slices.SortStableFunc(page.Requests, l.compare)
	return page, nil
}

// compare is the order that is asked for.
func (l Listing) compare(a, b Request) int {
	c := compareBy(l.OrderBy, a, b)
	if !l.Ascending {
		c = -c
	}
	return c
}

func compareBy(key SortKey, a, b Request) int {
	switch key {
	case SortUpdated:
		return a.UpdatedWhen.Compare(b.UpdatedWhen)
	case SortType:
		return cmp.Compare(a.Type, b.Type)
	case SortStatus:
		return cmp.Compare(a.Status, b.Status)
	case SortTitle:
		return cmp.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title))
	default:
		return a.CreatedWhen.Compare(b.CreatedWhen)
	}
}

// Mine lists requests over all workspaces: those that the person made, newest first, or as a reviewer those that have a slot
// for them in the review policy that they are under, in every workspace where settings have one. A workspace that they are
// known to have left is left out, and so is one that cannot be read, which is reported. An order that is asked for holds
// within each page.
func (s *Service) Mine(ctx context.Context, who Identity, asReviewer bool, l Listing) (Views, error) {
	if !who.ForAPI {
		return Views{}, problem(Unauthenticated, "wrong_audience", sentenceNotForAPI)
	}
	limit := l.Limit
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	if asReviewer {
		return s.reviewable(ctx, who, l, limit)
	}
	page, err := s.Store.RequestsOf(ctx, who.ID, limit, l.Cursor)
	if err != nil {
		return Views{}, answer(fmt.Errorf("requests of %s: %w", who.ID, err), sentenceNoRequest)
	}
	page.Requests = slices.DeleteFunc(page.Requests, func(r Request) bool {
		return l.Status != "" && r.Status != l.Status || l.Type != "" && r.Type != l.Type
	})
	return s.viewsAcross(ctx, who, page, l), nil
}

// reviewable walks the workspaces in the order of their ids. Its cursor is the workspace and the cursor within it.
func (s *Service) reviewable(ctx context.Context, who Identity, l Listing, limit int) (Views, error) {
	var page Page
	at, inner, _ := strings.Cut(l.Cursor, "~")
	after := ""
	for {
		workspaces, next, err := s.Store.Workspaces(ctx, MaxPage, after)
		if err != nil {
			return Views{}, answer(fmt.Errorf("list workspaces: %w", err), sentenceNoSettings)
		}
		for _, w := range workspaces {
			if w < at {
				continue
			}
			if w != at {
				inner = ""
			}
			if len(page.Requests) >= limit {
				page.Next = w + "~"
				return s.viewsAcross(ctx, who, page, l), nil
			}
			got, err := s.reviewableIn(ctx, who, w, l, limit-len(page.Requests), inner)
			if errors.Is(err, ErrCursor) {
				return Views{}, answer(err, sentenceNoRequest)
			}
			if err != nil {
				s.report(ctx, err)
				continue
			}
			page.Requests = append(page.Requests, got.Requests...)
			if got.Next != "" {
				page.Next = w + "~" + got.Next
				return s.viewsAcross(ctx, who, page, l), nil
			}
		}
		if next == "" {
			return s.viewsAcross(ctx, who, page, l), nil
		}
		after = next
	}
}

func (s *Service) reviewableIn(ctx context.Context, who Identity, workspace string, l Listing, limit int, cursor string) (Page, error) {
	settings, err := s.workspaceSettings(ctx, workspace)
	if err != nil {
		return Page{}, err
	}
	actor, ok := s.actorIn(settings, who)
	if !ok || settings.Archived || len(actor.Roles) == 0 || !slices.ContainsFunc(Directions(), func(d Direction) bool {
		return settings.Policy(d).reviewer(Request{}, actor)
	}) {
		return Page{}, nil
	}
	page, err := s.page(ctx, Query{Workspace: workspace, Order: NewestFirst, Status: l.Status, Type: l.Type, Limit: limit, Cursor: cursor})
	page.Requests = slices.DeleteFunc(page.Requests, func(r Request) bool {
		return !r.policy(settings).reviewer(r, actor)
	})
	return page, err
}

// viewsAcross adds what the person may do with each request in its own workspace, and puts the page into the order that
// was asked for.
func (s *Service) viewsAcross(ctx context.Context, who Identity, page Page, l Listing) Views {
	views := Views{Next: page.Next, Views: []View{}}
	for _, r := range page.Requests {
		settings, err := s.workspaceSettings(ctx, r.WorkspaceID)
		if err != nil {
			s.report(ctx, err)
			continue
		}
		actor, _ := s.actorIn(settings, who)
		if len(actor.Roles) == 0 && settings.Audience == "" {
			continue // they have left it; where it has an audience of its own, only a token for that could tell
		}
		views.Views = append(views.Views, view(r, settings, actor))
	}
	if l.OrderBy != "" {
		slices.SortStableFunc(views.Views, func(a, b View) int { return l.compare(a.Request, b.Request) })
	}
	return views
}

// Files lists the files of a round of a request (0: the present one), and what became of them since people last reviewed
// them: of a draft as they are now, later as they were submitted, with their verdicts. The request's trail tells of it.
func (s *Service) Files(ctx context.Context, who Identity, workspace, id string, round int) (Listed, error) {
	actor, settings, err := s.enter(ctx, who, workspace, members()...)
	if err != nil {
		return Listed{}, err
	}
	r, err := s.reads(ctx, recordFiles, actor, workspace, id, func(r Request) error {
		if round < 0 || round > r.Round {
			return problem(Invalid, "round", "There is no round %d yet: the request is in round %d.", round, r.Round)
		}
		return nil
	})
	if err != nil {
		return Listed{}, err
	}
	listed, err := s.listed(ctx, r, settings, cmp.Or(round, r.Round))
	if err != nil {
		return Listed{}, answer(fmt.Errorf("files of %s: %w", id, err), sentenceNoRequest)
	}
	if before := r.reviewedBefore(listed.Round); before > 0 {
		earlier, err := s.Store.Manifest(ctx, workspace, id, before)
		if err != nil {
			return Listed{}, answer(fmt.Errorf("files of %s: %w", id, err), sentenceNoRequest)
		}
		listed.Since = compare(listed.Files, earlier)
	}
	return listed, nil
}

// listed is the files of a round: those of its manifest, or of a draft those that are there now.
func (s *Service) listed(ctx context.Context, r Request, settings Settings, round int) (Listed, error) {
	listed := Listed{Round: round}
	if round < r.Round || r.Zone() != statemachine.Intake {
		m, err := s.Store.Manifest(ctx, r.WorkspaceID, r.ID, round)
		listed.Files, listed.Sealed = m.Files, true
		return listed, err
	}
	place, err := s.place(r, settings, r.Spot())
	if err != nil {
		return Listed{}, err
	}
	for b, err := range s.Zones.List(ctx, place) {
		if errors.Is(err, ErrNotFound) || len(listed.Files) == MaxManifestFiles {
			break
		}
		if err != nil {
			return Listed{}, err
		}
		listed.Files = append(listed.Files, File{Name: b.Name, Size: b.Size, MD5: b.MD5, SubmittedETag: b.ETag})
	}
	return listed, nil
}

// Audit returns the whole trail of a request and whether its chain holds. Requesters see the trail of their own
// requests; owners, airlock managers and TRE admins see every one. The trail tells of the export itself too. While a blind
// round of reviews goes on, the records from its first review on are held back from whoever has not given one.
func (s *Service) Audit(ctx context.Context, who Identity, workspace, id string) (Trail, error) {
	actor, settings, err := s.enter(ctx, who, workspace, members()...)
	if err != nil {
		return Trail{}, err
	}
	r, err := s.reads(ctx, recordAudit, actor, workspace, id, func(r Request) error { return who.explained(mayAudit(r, actor)) })
	if err != nil {
		return Trail{}, err
	}
	records, err := allRecords(func(after int) ([]Record, error) { return s.Store.Records(ctx, workspace, id, after, MaxPage) })
	if err != nil {
		return Trail{}, answer(fmt.Errorf("audit of %s: %w", id, err), sentenceNoRequest)
	}
	trail := s.verified(ctx, Chain(workspace, id), records, r.RecordSeq, r.RecordHash)
	if !statemachine.ShowsReviews(facts(r, settings, actor)) {
		trail.blind(r.Round)
	}
	return trail, nil
}

// mayAudit refuses whoever is neither the requester nor one of those who look after all requests of the workspace.
func mayAudit(r Request, actor Actor) error {
	auditors := []Role{RoleOwner, RoleManager, RoleAdmin}
	if r.CreatedBy.ID != actor.ID && !slices.ContainsFunc(auditors, func(x Role) bool { return slices.Contains(actor.Roles, x) }) {
		return missingRole(auditors)
	}
	return nil
}

// blind holds back what was said in the round, and with it all that follows: what is shown is a chain as well.
func (t *Trail) blind(round int) {
	for i, rec := range t.Records {
		if rec.Round == round && statemachine.DecisionOf(statemachine.Event(rec.What)) != "" {
			t.Records, t.HeldBack = t.Records[:i], len(t.Records)-i
			return
		}
	}
}

// WorkspaceAudit returns the trail of a workspace: how its settings changed, and which requests were deleted at the end of
// their lifetime. For owners and TRE admins. The trail tells of the export
// itself too.
func (s *Service) WorkspaceAudit(ctx context.Context, who Identity, workspace string) (Trail, error) {
	if !who.isAdmin() {
		if _, _, err := s.enter(ctx, who, workspace, RoleOwner); err != nil {
			return Trail{}, err
		}
	}
	settings, err := s.readsWorkspace(ctx, recordAudit, who, workspace)
	if err != nil {
		return Trail{}, err
	}
	records, err := allRecords(func(after int) ([]Record, error) { return s.Store.SettingsRecords(ctx, workspace, after, MaxPage) })
	if err != nil {
		return Trail{}, answer(fmt.Errorf("audit of %s: %w", workspace, err), sentenceNoSettings)
	}
	return s.verified(ctx, Chain(workspace, ""), records, settings.RecordSeq, settings.RecordHash), nil
}

// verified is a trail with whether its chain holds, which is reported where it does not. seq and head are what is known of
// it elsewhere.
func (s *Service) verified(ctx context.Context, chain string, records []Record, seq int, head string) Trail {
	trail := Trail{Records: append([]Record{}, records...)}
	lastSeq, lastHead, err := VerifyTrail(chain, records)
	switch {
	case err != nil:
		trail.Problem = err.Error()
	case lastSeq < seq || lastSeq == seq && lastHead != head:
		trail.Problem = fmt.Sprintf("%d records are known of; the trail has %d", seq, lastSeq)
	default:
		trail.Intact = true
	}
	if !trail.Intact {
		s.report(ctx, fmt.Errorf("trail %s: %w: %s", chain, ErrBroken, trail.Problem))
	}
	return trail
}
