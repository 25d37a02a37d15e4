package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"airlock/statemachine"
)

// maxRaces is how often a use case decides again after somebody else was faster.
const maxRaces = 8

// Create makes a request and the container for its files, which exists when this returns.
func (s *Service) Create(ctx context.Context, who Identity, workspace string, in NewRequest) (View, error) {
	actor, settings, err := s.enter(ctx, who, workspace, RoleOwner, RoleResearcher)
	if err != nil {
		return View{}, err
	}
	if err := in.check(); err != nil {
		return View{}, err
	}
	r := Request{
		WorkspaceID: workspace, ID: s.NewID(), Type: in.Type, Title: in.Title, Justification: in.Justification,
		CreatedBy: actor.Person, Round: 1, Scanning: settings.Scanning,
	}
	f := facts(r, settings, actor)
	t, refusal := statemachine.Decide(f, statemachine.EventCreate)
	if refusal == nil {
		if f.TooManyDrafts, err = s.tooManyDrafts(ctx, workspace, actor.ID); err != nil {
			return View{}, answer(fmt.Errorf("create in %s: %w", workspace, err), sentenceNoSettings)
		}
		t, refusal = statemachine.Decide(f, statemachine.EventCreate)
	}
	if refusal != nil {
		return View{}, who.explained(refused(refusal))
	}
	stored, err := s.commit(ctx, s.applied(Request{}, r, *t, actor, settings, in.Title, ""))
	if err != nil {
		return View{}, answer(fmt.Errorf("create %s: %w", r.ID, err), sentenceNoSettings)
	}
	// The container is owed and would be made in a moment; whoever asked wants to use it now. Telling people can wait.
	if place, err := s.place(stored, settings, stored.Spot()); err != nil {
		s.report(ctx, err)
	} else if _, err := s.Zones.Open(ctx, place); err != nil {
		s.report(ctx, fmt.Errorf("create %s: %w", r.ID, err))
	}
	s.nudge(ctx, stored, 0)
	return view(stored, settings, actor), nil
}

// tooManyDrafts reports whether somebody has as many drafts as one person may have. Of those who make several at the same
// moment, some can get one more.
func (s *Service) tooManyDrafts(ctx context.Context, workspace, person string) (bool, error) {
	if s.MaxDrafts == 0 {
		return false, nil
	}
	q := Query{Workspace: workspace, Order: NewestFirst, Status: statemachine.Draft, Creator: person, Limit: min(s.MaxDrafts, MaxPage)}
	for found := 0; ; {
		page, err := s.page(ctx, q)
		if err != nil {
			return false, err
		}
		found += len(page.Requests)
		if found >= s.MaxDrafts || page.Next == "" {
			return found >= s.MaxDrafts, nil
		}
		q.Cursor = page.Next
	}
}

func (in NewRequest) check() error {
	if !slices.Contains(Directions(), in.Type) {
		return problem(Invalid, "type", "The type must be import or export.")
	}
	return errors.Join(checkText("title", in.Title), checkText("businessJustification", in.Justification))
}

// action is one thing that a person does with a request.
type action struct {
	who       Identity
	workspace string
	id        string
	action    statemachine.Action
	review    NewReview // where the action is one
	text      string
	heir      string // object id of whom a claim is to be handed to
	// prepare adds what the person brings, once the rules have nothing against it otherwise: it returns why the files
	// cannot be submitted, and what to store with the change.
	prepare func(ctx context.Context, r Request, settings Settings) (problem string, extra Commit, err error)
}

// Submit seals the files as they are now and hands the request over.
func (s *Service) Submit(ctx context.Context, who Identity, workspace, id string) (View, error) {
	return s.act(ctx, action{who: who, workspace: workspace, id: id, action: statemachine.ActionSubmit, prepare: s.prepareSubmit})
}

// Cancel withdraws a request and deletes its files.
func (s *Service) Cancel(ctx context.Context, who Identity, workspace, id string) (View, error) {
	return s.act(ctx, action{who: who, workspace: workspace, id: id, action: statemachine.ActionCancel})
}

// Retry lets a failed request go on where it failed.
func (s *Service) Retry(ctx context.Context, who Identity, workspace, id string) (View, error) {
	return s.act(ctx, action{who: who, workspace: workspace, id: id, action: statemachine.ActionRetry})
}

// Review gives one reviewer's decision.
func (s *Service) Review(ctx context.Context, who Identity, workspace, id string, in NewReview) (View, error) {
	if err := checkMarkdown("decisionExplanation", in.Explanation); err != nil {
		return View{}, err
	}
	given := []statemachine.Decision{statemachine.DecisionApproved, statemachine.DecisionRejected, statemachine.DecisionChangesRequested}
	if !slices.Contains(given, in.Decision) {
		return View{}, problem(Invalid, "decision", "The decision must be approved, rejected or changes_requested.")
	}
	return s.act(ctx, action{
		who: who, workspace: workspace, id: id, action: statemachine.ActionReview, review: in, text: in.Explanation,
	})
}

// Revoke takes an approval back and puts the files aside, so that every link to them dies.
func (s *Service) Revoke(ctx context.Context, who Identity, workspace, id, reason string) (View, error) {
	if err := checkMarkdown("reason", reason); err != nil {
		return View{}, err
	}
	return s.act(ctx, action{who: who, workspace: workspace, id: id, action: statemachine.ActionRevoke, text: reason})
}

// act reads the request, asks the rules, commits and nudges; it starts again when somebody else was faster.
func (s *Service) act(ctx context.Context, a action) (View, error) {
	actor, settings, err := s.enter(ctx, a.who, a.workspace, members()...)
	if err != nil {
		return View{}, err
	}
	var said *Review // that was in time when it was decided, and too late to be stored
	for range maxRaces {
		r, err := s.find(ctx, a.workspace, a.id)
		if err != nil {
			return View{}, answer(fmt.Errorf("%s %s: %w", a.action, a.id, err), sentenceNoRequest)
		}
		c, err := s.decide(ctx, a, r, actor, settings)
		if err != nil && said != nil && !statemachine.Has(r.Status, statemachine.EventApprove) {
			return View{}, s.late(ctx, actor, *said, r)
		}
		if err != nil {
			return View{}, a.who.explained(err)
		}
		stored, err := s.commit(ctx, c)
		if errors.Is(err, ErrLost) {
			said = c.Review
			continue
		}
		if err != nil {
			return View{}, answer(fmt.Errorf("%s %s: %w", a.action, a.id, err), sentenceNoRequest)
		}
		s.nudge(ctx, stored, 0)
		return view(stored, settings, actor), nil
	}
	return View{}, answer(fmt.Errorf("%s %s: %w", a.action, a.id, ErrLost), sentenceNoRequest)
}

// late writes into the trail what somebody said at the moment at which the round ended, and returns the answer for them.
// Nothing else comes of it.
func (s *Service) late(ctx context.Context, actor Actor, said Review, r Request) error {
	for range maxRaces {
		_, err := s.note(ctx, Record{
			What: recordLate, Subject: said.SteadOf, Text: string(said.Decision) + ": " + said.Explanation, Digest: said.Digest,
		}, actor, r, r)
		switch {
		case err == nil:
			return problem(Conflict, "too_late", "The round ended at the same moment: somebody else decided it, or the request was withdrawn. Your review is recorded, and does not count.")
		case !errors.Is(err, ErrLost):
			return answer(fmt.Errorf("review %s: %w", r.ID, err), sentenceNoRequest)
		}
		if r, err = s.find(ctx, r.WorkspaceID, r.ID); err != nil {
			return answer(fmt.Errorf("review %s: %w", r.ID, err), sentenceNoRequest)
		}
	}
	return answer(fmt.Errorf("review %s: %w", r.ID, ErrLost), sentenceNoRequest)
}

// decide builds the commit for what a person asks, or says why not.
func (s *Service) decide(ctx context.Context, a action, r Request, actor Actor, settings Settings) (Commit, error) {
	f := facts(r, settings, actor)
	f.Explanation = strings.TrimSpace(a.text) != ""
	heir := settings.reviewer(a.heir, actor.At)
	f.HeirUnfit = a.heir != "" && !r.claimableBy(heir, settings)
	slots, stead := a.review.bring(&f, r, settings, actor)
	t, refusal := statemachine.Choose(f, a.action, a.review.Decision)
	base, extra := r, Commit{}
	if refusal == nil && a.prepare != nil {
		var err error
		if f.FileProblem, extra, err = a.prepare(ctx, r, settings); err != nil {
			return Commit{}, answer(fmt.Errorf("%s %s: %w", a.action, a.id, err), sentenceNoRequest)
		}
		if t, refusal = statemachine.Choose(f, a.action, a.review.Decision); refusal == nil {
			base = extra.After
		}
	}
	if refusal != nil {
		return Commit{}, refused(refusal)
	}
	switch t.Event {
	case statemachine.EventClaim:
		base.claim(actor.Person, s.Now().Add(s.Timing.ClaimLifetime))
	case statemachine.EventUnclaim:
		base.claim(Person{}, time.Time{})
	case statemachine.EventHandOver:
		base.claim(heir.Person, s.Now().Add(s.Timing.ClaimLifetime))
	}
	digest := extra.digest()
	said, ok := s.review(r, *t, actor, a.text)
	if speaks(t.Event) {
		said.Slots, said.SteadOf = slots, stead
	}
	if ok {
		base.Reviews, digest = append(slices.Clip(base.Reviews), said), said.Digest
	}
	c := s.applied(r, base, *t, actor, settings, a.text, digest)
	c.Manifest, c.Dirty = extra.Manifest, extra.Dirty
	if speaks(t.Event) {
		c.Review = &said
	}
	return c, nil
}

// review is how what somebody says stands among the reviews. ok is false where the transition says nothing.
func (s *Service) review(r Request, t statemachine.Transition, actor Actor, text string) (v Review, ok bool) {
	d := statemachine.DecisionOf(t.Event)
	if d == "" {
		return Review{}, false
	}
	v = Review{ID: s.NewID(), Round: r.Round, Reviewer: actor.Person, When: s.Now(), Decision: d, Explanation: text, Digest: r.ManifestDigest}
	return v, true
}

// bring adds to the facts what a review names, and returns the slots that it can fill, and in whose place.
func (in NewReview) bring(f *statemachine.Facts, r Request, settings Settings, actor Actor) (slots []string, owner string) {
	policy := r.policy(settings)
	f.OtherRound = in.Round != 0 && in.Round != r.Round
	switch {
	case in.Digest == "" && policy.RequireDigest:
		f.DigestProblem = "The review has to name the digest of the files that you have looked at (manifestDigest)."
	case in.Digest != "" && !strings.EqualFold(in.Digest, r.ManifestDigest):
		f.DigestProblem = "The review names the digest of other files than those that are sealed now. Look at them again."
	}
	slots, owner, f.SlotProblem = policy.candidacy(r, actor, in.Slot)
	if in.Slot != "" && !slices.Contains(policy.names(), in.Slot) {
		f.SlotProblem = fmt.Sprintf("The review policy has no slot %q. It has: %s.", in.Slot, strings.Join(policy.names(), ", "))
	} else if in.Slot != "" && len(slots) == 0 {
		f.SlotProblem = fmt.Sprintf("The slot %q is not for you.", in.Slot)
	}
	return slots, owner
}

// digest is that of the manifest that is stored with the commit, if any.
func (c Commit) digest() string {
	if c.Manifest == nil {
		return ""
	}
	return c.Manifest.Digest()
}

// refused turns the state machine's no into an answer.
func refused(r *statemachine.Refusal) error {
	switch r.Kind {
	case statemachine.RefusedForbidden:
		return &Problem{Kind: Forbidden, Code: "forbidden", Detail: r.Sentence}
	case statemachine.RefusedByGuard:
		kind := Ruled
		if r.Guard == statemachine.DirectionEnabled {
			kind = Disabled
		}
		return &Problem{Kind: kind, Code: string(r.Guard), Detail: r.Sentence}
	default:
		return &Problem{Kind: Illegal, Code: string(r.Kind), Detail: sentenceIllegal + ". " + r.Sentence}
	}
}

// place resolves a spot of a request to a container.
func (s *Service) place(r Request, settings Settings, spot statemachine.Spot) (Place, error) {
	p, err := s.Layout.With(settings.Layout).Place(r.Type, s.TRE, settings.Suffix, r.ID, spot)
	if err != nil {
		return Place{}, fmt.Errorf("place of %s: %w", r.ID, err)
	}
	return p, nil
}
