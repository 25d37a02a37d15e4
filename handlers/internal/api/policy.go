package api

import (
	"time"

	"airlock/handlers/internal/airlock"
)

// reviewPolicies says who reviews, for each direction.
type reviewPolicies struct {
	_      struct{}     `additionalProperties:"true"`
	Import reviewPolicy `json:"import"`
	Export reviewPolicy `json:"export"`
}

// reviewPolicy is how a round of reviews decides.
type reviewPolicy struct {
	_                struct{} `additionalProperties:"true"`
	Slots            []slot   `json:"slots" nullable:"false" maxItems:"10" doc:"The reviews that a round needs. One person gives one of them, whichever they can."`
	OneRejectionEnds *bool    `json:"oneRejectionEnds,omitempty" default:"true" doc:"The first rejection rejects the request. Otherwise every review is given first, and any rejection among them rejects it."`
	SelfReview       bool     `json:"selfReview,omitempty" doc:"The requester may review."`
	Blind            bool     `json:"blind,omitempty" doc:"Until the round ends, what was said in it is shown only to those who have given their review. Who has given one can still be seen."`
	RequireDigest    bool     `json:"requireDigest,omitempty" doc:"A review must name the manifestDigest. Clients of AzureTRE do not."`
}

type slot struct {
	_           struct{} `additionalProperties:"true"`
	Name        string   `json:"name" maxLength:"60" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" patternDescription:"lower-case letters and digits, with hyphens between" example:"output-checker"`
	Count       int      `json:"count" minimum:"1" maximum:"20" doc:"How many people fill it."`
	Roles       []role   `json:"roles,omitempty" nullable:"false" doc:"Who has one of these can fill it."`
	Groups      []string `json:"groups,omitempty" nullable:"false" maxItems:"100" doc:"Entra object ids: their members can fill it."`
	People      []string `json:"people,omitempty" nullable:"false" maxItems:"100" doc:"Entra object ids: these people can fill it. They need a role in the workspace to see the request."`
	Independent bool     `json:"independent,omitempty" doc:"Researchers and owners of the workspace cannot fill it."`
}

// reviewRound is the present round of reviews of a request. A draft shows what its submission will be under.
type reviewRound struct {
	Round            int    `json:"round" doc:"Counts submissions, from 1."`
	PolicyVersion    int    `json:"policyVersion" doc:"Version of the workspace's settings that the policy comes from. It stays for the round."`
	OneRejectionEnds bool   `json:"oneRejectionEnds" doc:"The first rejection rejects the request."`
	SelfReview       bool   `json:"selfReview" doc:"The requester may review."`
	Blind            bool   `json:"blind" doc:"Until the round ends, only those who have given their review see what was said."`
	RequireDigest    bool   `json:"requireDigest" doc:"A review must name the manifestDigest of the request."`
	Slots            []seat `json:"slots" nullable:"false"`
}

// seat is a slot with who fills it.
type seat struct {
	slot
	Open     int      `json:"open" doc:"How many more people are needed."`
	FilledBy []filled `json:"filledBy" nullable:"false" doc:"Who fills it; nobody is named to those who do not see the reviews. Somebody who can fill several slots may move to another one until the round is complete."`
}

type filled struct {
	Reviewer user    `json:"reviewer"`
	Decision decided `json:"decision"`
}

func (s *server) round(v airlock.View) *reviewRound {
	return &reviewRound{
		Round: v.Request.Round, PolicyVersion: v.Policy.Version, OneRejectionEnds: v.Policy.OneRejectionEnds, SelfReview: v.Policy.SelfReview,
		Blind: v.Policy.Blind, RequireDigest: v.Policy.RequireDigest,
		Slots: each(v.Seats, func(at airlock.Seat) seat {
			return seat{slot: slotOf(at.Slot), Open: at.Open, FilledBy: each(at.By, func(r airlock.Review) filled {
				return filled{s.user(r.Reviewer), decided(r.Decision)}
			})}
		}),
	}
}

// deputy reviews in place of an owner.
type deputy struct {
	_      struct{}  `additionalProperties:"true"`
	Owner  string    `json:"owner" maxLength:"100" doc:"Entra object id."`
	Deputy string    `json:"deputy" maxLength:"100" doc:"Entra object id of somebody with a role in the workspace."`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until" doc:"Not at this moment any more."`
}

// policies writes the review policies into settings in the way in which they are given.
func (w workspaceSettings) policies(to *airlock.Settings) (missing []fieldProblem) {
	if w.Policies == nil {
		take(&missing, "approvals", w.Approvals, &to.Approvals, same)
		take(&missing, "selfReview", w.SelfReview, &to.SelfReview, same)
		return missing
	}
	to.Policies = map[airlock.Direction]airlock.Policy{airlock.Import: w.Policies.Import.value(), airlock.Export: w.Policies.Export.value()}
	to.Approvals, to.SelfReview = orZero(w.Approvals), orZero(w.SelfReview)
	return nil
}

func (p reviewPolicy) value() airlock.Policy {
	return airlock.Policy{
		OneRejectionEnds: p.OneRejectionEnds == nil || *p.OneRejectionEnds, SelfReview: p.SelfReview, Blind: p.Blind, RequireDigest: p.RequireDigest,
		Slots: each(p.Slots, func(s slot) airlock.Slot {
			return airlock.Slot{
				Name: s.Name, Count: s.Count, Groups: s.Groups, People: s.People, Independent: s.Independent,
				Roles: each(s.Roles, func(r role) airlock.Role { return airlock.Role(r) }),
			}
		}),
	}
}

func policiesOf(all map[airlock.Direction]airlock.Policy) *reviewPolicies {
	return &reviewPolicies{Import: policyOf(all[airlock.Import]), Export: policyOf(all[airlock.Export])}
}

func policyOf(p airlock.Policy) reviewPolicy {
	return reviewPolicy{
		OneRejectionEnds: &p.OneRejectionEnds, SelfReview: p.SelfReview, Blind: p.Blind, RequireDigest: p.RequireDigest,
		Slots: each(p.Slots, slotOf),
	}
}

func slotOf(s airlock.Slot) slot {
	return slot{
		Name: s.Name, Count: s.Count, Groups: s.Groups, People: s.People, Independent: s.Independent,
		Roles: each(s.Roles, func(r airlock.Role) role { return role(r) }),
	}
}
