package airlock

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"airlock/statemachine"
)

// Policy is how a round of reviews decides about a request. It is stamped on the request at submit, and stays for the
// round whatever becomes of the settings.
type Policy struct {
	Version          int    `json:"version,omitempty"` // of the settings that it comes from; 0 while it stands in them
	Slots            []Slot `json:"slots"`
	OneRejectionEnds bool   `json:"oneRejectionEnds"`        // otherwise every slot is filled first, and any rejection rejects
	SelfReview       bool   `json:"selfReview,omitempty"`    // the requester may review
	Blind            bool   `json:"blind,omitempty"`         // until the round ends, only those who have spoken see what was said
	RequireDigest    bool   `json:"requireDigest,omitempty"` // a review has to name the digest of the manifest
}

// Slot is what somebody has to be to give one of the reviews that a round needs: anybody who has one of the roles, is in
// one of the groups or is one of the people.
type Slot struct {
	Name        string   `json:"name"`
	Count       int      `json:"count"` // how many people fill it
	Roles       []Role   `json:"roles,omitempty"`
	Groups      []string `json:"groups,omitempty"`      // object ids
	People      []string `json:"people,omitempty"`      // object ids
	Independent bool     `json:"independent,omitempty"` // researchers and owners of the workspace cannot fill it
}

// The bounds of a policy. It is stored with every request.
const (
	maxSlots    = 10
	maxReviews  = 20  // of all slots together
	maxNamed    = 100 // groups and people of all slots together
	maxSlotName = 60
)

// ManagerPolicy needs as many airlock managers as it says, and ends with the first rejection.
func ManagerPolicy(reviews int) Policy {
	return Policy{Slots: []Slot{{Name: "airlock-manager", Count: reviews, Roles: []Role{RoleManager}}}, OneRejectionEnds: true}
}

// Policy is what counts for requests of a direction that are submitted now.
func (s Settings) Policy(d Direction) Policy {
	p, ok := s.Policies[d]
	if !ok {
		p = ManagerPolicy(s.Approvals)
		p.SelfReview = s.SelfReview
	}
	p.Version = s.Version
	return p
}

// policy is what counts for the request: what was stamped on it, or what its next submit would stamp.
func (r Request) policy(settings Settings) Policy {
	if len(r.Policy.Slots) == 0 || statemachine.Has(r.Status, statemachine.EventSubmit) {
		return settings.Policy(r.Type)
	}
	return r.Policy
}

// stamp puts the request under a policy. The one before is kept for the record of what was decided under it.
func (r *Request) stamp(p Policy) {
	if len(r.Policy.Slots) > 0 && r.Policy.Version != p.Version {
		r.Policies = append(slices.Clip(r.Policies), r.Policy)
	}
	r.Policy = p
}

// policyOf is what the request was under when its policy had the version. nil: from before policies were stamped.
func (r Request) policyOf(version int) *Policy {
	for _, p := range append(slices.Clip(r.Policies), r.Policy) {
		if p.Version == version && len(p.Slots) > 0 {
			return &p
		}
	}
	return nil
}

// Reviews is how many reviews a round needs.
func (p Policy) Reviews() int {
	n := 0
	for _, s := range p.Slots {
		n += s.Count
	}
	return n
}

// names of the slots, in order.
func (p Policy) names() []string {
	names := make([]string, len(p.Slots))
	for i, s := range p.Slots {
		names[i] = s.Name
	}
	return names
}

// fitting names the slots that somebody can fill, whether they are still open or not.
func (p Policy) fitting(actor Actor) []string {
	var names []string
	for _, s := range p.Slots {
		if s.fits(actor) {
			names = append(names, s.Name)
		}
	}
	return names
}

func (s Slot) fits(actor Actor) bool {
	has := func(r Role) bool { return slices.Contains(actor.Roles, r) }
	if s.Independent && (has(RoleResearcher) || has(RoleOwner)) {
		return false
	}
	return slices.ContainsFunc(s.Roles, has) || lists(s.People, actor.ID) || slices.ContainsFunc(actor.Groups, func(g string) bool { return lists(s.Groups, g) })
}

// lists reports whether an object id is in a list that people typed in.
func lists(ids []string, id string) bool {
	return slices.ContainsFunc(ids, func(other string) bool { return strings.EqualFold(id, other) })
}

var slotName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// check tells every problem of the policy.
func (p Policy) check(wrong func(format string, args ...any)) {
	switch n := len(p.Slots); {
	case n == 0:
		wrong("It needs a slot: nobody could approve anything.")
	case n > maxSlots:
		wrong("It has %d slots, and may have %d.", n, maxSlots)
	}
	named := 0
	for i, s := range p.Slots {
		if !slotName.MatchString(s.Name) || len(s.Name) > maxSlotName {
			wrong("%q is not a name for a slot: use lower-case letters, digits and hyphens, at most %d.", s.Name, maxSlotName)
		}
		if slices.ContainsFunc(p.Slots[:i], func(other Slot) bool { return other.Name == s.Name }) {
			wrong("There are two slots %q.", s.Name)
		}
		if s.Count < 1 || s.Count > maxReviews {
			wrong("The count of slot %q must be from 1 to %d.", s.Name, maxReviews)
		}
		named += len(s.Groups) + len(s.People)
		s.check(wrong)
	}
	if n := p.Reviews(); n > maxReviews {
		wrong("It needs %d reviews, and may need %d.", n, maxReviews)
	}
	if named > maxNamed {
		wrong("It lists %d groups and people, and may list %d.", named, maxNamed)
	}
}

func (s Slot) check(wrong func(format string, args ...any)) {
	if len(s.Roles)+len(s.Groups)+len(s.People) == 0 {
		wrong("Nobody can fill slot %q: give it roles, groups or people.", s.Name)
	}
	if len(s.Roles)+len(s.Groups) == 0 && len(s.People) > 0 && len(s.People) < s.Count {
		wrong("Slot %q needs %d people and lists %d.", s.Name, s.Count, len(s.People))
	}
	for _, r := range s.Roles {
		switch {
		case r != RoleResearcher && r != RoleOwner && r != RoleManager:
			wrong("%q is not a role in a workspace.", r)
		case s.Independent && r != RoleManager:
			wrong("Slot %q is for %s, who can never be independent.", s.Name, r)
		}
	}
	for _, id := range slices.Concat(s.Groups, s.People) {
		if !IsID(id) {
			wrong("%q in slot %q is not an object id.", id, s.Name)
		}
	}
}

// String writes the slots as people say them.
func (p Policy) String() string {
	var words []string
	for _, s := range p.Slots {
		words = append(words, fmt.Sprintf("%s x%d", s.Name, s.Count))
	}
	return strings.Join(words, " + ")
}
