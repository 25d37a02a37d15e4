package airlock

import (
	"context"
	"strings"
	"time"

	"airlock/statemachine"
)

// Claim tells the other reviewers that somebody looks at a request, for as long as Timing.ClaimLifetime; again, for as long
// from now. It stops nobody from reviewing, and others from claiming it: until it ends, is given back or handed over, its
// holder has spoken, or the round is over.
func (s *Service) Claim(ctx context.Context, who Identity, workspace, id string) (View, error) {
	return s.act(ctx, action{who: who, workspace: workspace, id: id, action: statemachine.ActionClaim})
}

// Unclaim gives a claim back. Only its holder can.
func (s *Service) Unclaim(ctx context.Context, who Identity, workspace, id string) (View, error) {
	return s.act(ctx, action{who: who, workspace: workspace, id: id, action: statemachine.ActionUnclaim})
}

// HandOver gives a claim to somebody else, who could have claimed the request themselves; it begins anew with them. person
// is their object id.
func (s *Service) HandOver(ctx context.Context, who Identity, workspace, id, person string) (View, error) {
	if !IsID(person) {
		return View{}, problem(Invalid, "person", "The person must be an Entra object id.")
	}
	return s.act(ctx, action{who: who, workspace: workspace, id: id, action: statemachine.ActionHandOver, heir: person})
}

// claim notes who has claimed the request, and until when.
func (r *Request) claim(by Person, until time.Time) { r.ClaimedBy, r.ClaimedUntil = by, until }

// claimSeenBy says whose claim holds when the actor asks.
func (r Request) claimSeenBy(actor Actor) statemachine.Claim {
	switch {
	case r.ClaimedBy.ID == "" || !actor.At.Before(r.ClaimedUntil):
		return statemachine.ClaimNone
	case strings.EqualFold(r.ClaimedBy.ID, actor.ID):
		return statemachine.ClaimOwn
	default:
		return statemachine.ClaimOther
	}
}

// claimableBy asks the rules whether somebody could claim the request if nobody had.
func (r Request) claimableBy(actor Actor, settings Settings) bool {
	r.claim(Person{}, time.Time{})
	_, refusal := statemachine.Decide(facts(r, settings, actor), statemachine.EventClaim)
	return refusal == nil
}

// reviewer is what is known here of somebody who does not ask themselves: their entry in the list of members. What a token of
// theirs would tell, their groups and the roles of an own app registration, is not.
func (s Settings) reviewer(id string, now time.Time) Actor {
	m := s.member(id)
	return Actor{Person: Person{ID: id, Name: m.Name, Email: m.Email, Roles: s.RolesOf(id)}, At: now, SteadOf: s.steadOf(id, now)}
}
