package airlock

import (
	"slices"
	"strings"
	"time"
)

// Deputy lets somebody review in place of an owner for a while. The deputy needs a role in the workspace of their own.
type Deputy struct {
	Owner  string    `json:"owner"`  // object id
	Deputy string    `json:"deputy"` // object id
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"` // not at this moment any more
}

const maxDeputies = 100

// steadOf are the owners whose deputy somebody is at a moment.
func (s Settings) steadOf(id string, now time.Time) []string {
	var owners []string
	for _, d := range s.Deputies {
		if strings.EqualFold(d.Deputy, id) && !now.Before(d.From) && now.Before(d.Until) {
			owners = append(owners, d.Owner)
		}
	}
	return owners
}

// stead is the slots that can be filled in place of an owner: none where the owner has spoken in the round, or may not, and
// none that only somebody independent can fill, whom no owner is.
func (p Policy) stead(r Request, owner string) []string {
	if r.ReviewedBy(owner) || strings.EqualFold(owner, r.CreatedBy.ID) && !p.SelfReview {
		return nil
	}
	return p.fitting(Actor{Person: Person{ID: owner, Roles: []Role{RoleOwner}}})
}

// reviewer reports whether the policy has any slot for the actor, be it open or not, or had one that they filled.
func (p Policy) reviewer(r Request, actor Actor) bool {
	return r.ReviewedBy(actor.ID) || len(p.fitting(actor)) > 0 || slices.ContainsFunc(actor.SteadOf, func(owner string) bool { return len(p.stead(r, owner)) > 0 })
}

// candidacy is the slots that somebody can fill now, in whose place (empty: their own), and why there are none, as a
// sentence. Their own come first.
func (p Policy) candidacy(r Request, actor Actor, wanted string) (slots []string, owner, problem string) {
	only := func(names []string) []string {
		return slices.DeleteFunc(names, func(name string) bool { return wanted != "" && name != wanted })
	}
	spoken := r.spoken()
	slots = only(p.fitting(actor))
	problem = p.room(spoken, slots)
	for _, owner := range actor.SteadOf {
		if problem == "" {
			break
		}
		if other := only(p.stead(r, owner)); len(other) > 0 && p.room(spoken, other) == "" {
			return other, owner, ""
		}
	}
	return slots, "", problem
}

// checkDeputies tells every problem of the list.
func (next Settings) checkDeputies(wrong func(field, format string, args ...any)) {
	if len(next.Deputies) > maxDeputies {
		wrong("deputies", "There may be at most %d.", maxDeputies)
	}
	for i, d := range next.Deputies {
		switch {
		case !IsID(d.Owner) || !IsID(d.Deputy) || strings.EqualFold(d.Owner, d.Deputy):
			wrong("deputies", "Entry %d needs the object ids of an owner and of somebody else.", i+1)
		case !storable(d.From) || !storable(d.Until) || !d.From.Before(d.Until):
			wrong("deputies", "Entry %d must end after it begins, from 1970 to 2200.", i+1)
		case next.Audience == "" && !slices.Contains(next.RolesOf(d.Owner), RoleOwner):
			wrong("deputies", "%q in entry %d is not an owner.", d.Owner, i+1)
		}
	}
}

// foreignDeputies are the entries that are not somebody's own.
func (s Settings) foreignDeputies(id string) []Deputy {
	return slices.DeleteFunc(slices.Clone(s.Deputies), func(d Deputy) bool { return strings.EqualFold(d.Owner, id) })
}

func (d Deputy) equal(other Deputy) bool {
	return d.Owner == other.Owner && d.Deputy == other.Deputy && d.From.Equal(other.From) && d.Until.Equal(other.Until)
}
