package airlock

import (
	"fmt"
	"slices"
	"strings"

	"airlock/statemachine"
)

// seat finds a slot for everybody, so that no slot takes more than its count. choices[i] holds the indexes of the slots that
// the i-th person can fill. It returns the index of each one's slot, or unseated for those for whom there is none beside
// everybody before them. Whoever fits several slots is moved to another when somebody needs theirs (bipartite matching by
// augmenting paths), and nobody ever loses their seat.
func seat(counts []int, choices [][]int) []int {
	slotOf := make([]int, len(choices))
	for i := range slotOf {
		slotOf[i] = unseated
	}
	free := slices.Clone(counts)
	var tried []bool
	var place func(person int) bool
	place = func(person int) bool {
		for _, slot := range choices[person] {
			if tried[slot] {
				continue
			}
			tried[slot] = true
			if free[slot] > 0 {
				free[slot]--
				slotOf[person] = slot
				return true
			}
			for other := range slotOf {
				if slotOf[other] == slot && place(other) {
					slotOf[person] = slot
					return true
				}
			}
		}
		return false
	}
	for person := range choices {
		tried = make([]bool, len(counts))
		place(person)
	}
	return slotOf
}

const unseated = -1

// counts are those of the slots.
func (p Policy) counts() []int {
	counts := make([]int, len(p.Slots))
	for i, s := range p.Slots {
		counts[i] = s.Count
	}
	return counts
}

// choices are the indexes of the slots with these names.
func (p Policy) choices(names []string) []int {
	var choices []int
	for i, s := range p.Slots {
		if slices.Contains(names, s.Name) {
			choices = append(choices, i)
		}
	}
	return choices
}

// spoken are the reviews of the present round.
func (r Request) spoken() []Review {
	var spoken []Review
	for _, v := range r.Reviews {
		if v.Round == r.Round && v.Decision != statemachine.DecisionRevoked {
			spoken = append(spoken, v)
		}
	}
	return spoken
}

// choice is the slots that a review can fill: those that were noted, or those of whoever gave it.
func (p Policy) choice(v Review) []int {
	if len(v.Slots) == 0 {
		return p.choices(p.fitting(Actor{Person: v.Reviewer}))
	}
	return p.choices(v.Slots)
}

// seated says which slot each of the reviews fills.
func (p Policy) seated(reviews []Review) (slotOf []int) {
	choices := make([][]int, len(reviews))
	for i, v := range reviews {
		choices[i] = p.choice(v)
	}
	return seat(p.counts(), choices)
}

// Seat is a slot with the reviews that fill it.
type Seat struct {
	Slot
	Open int // how many more it needs
	By   []Review
}

// seats shows who fills the slots.
func (p Policy) seats(reviews []Review) []Seat {
	seats := make([]Seat, len(p.Slots))
	for i, s := range p.Slots {
		seats[i] = Seat{Slot: s, Open: s.Count}
	}
	for i, slot := range p.seated(reviews) {
		if slot != unseated {
			seats[slot].Open--
			seats[slot].By = append(seats[slot].By, reviews[i])
		}
	}
	return seats
}

// open is how many reviews are needed beside these.
func (p Policy) open(reviews []Review) int {
	open := p.Reviews()
	for _, slot := range p.seated(reviews) {
		if slot != unseated {
			open--
		}
	}
	return open
}

// room says why somebody who can fill the named slots can fill none of those that the reviews leave open; empty: they can.
func (p Policy) room(reviews []Review, names []string) string {
	switch {
	case len(names) == 0:
		return "The review policy has no slot for you."
	case p.seated(append(slices.Clip(reviews), Review{Slots: names}))[len(reviews)] != unseated:
		return ""
	case len(names) == 1:
		return fmt.Sprintf("The slot %q is filled already.", names[0])
	default:
		return fmt.Sprintf("The slots that you can fill are filled already: %s.", strings.Join(names, ", "))
	}
}
