package statemachine

import "slices"

// Facts is all that the rules may look at. Whoever asks fills it from what is stored and from what the actor brings.
type Facts struct {
	Status   Status
	FailedIn Status // the status in which a failed request failed

	// The actor.
	Parties     Party // how the actor relates to the request, with rights as they are now
	IsRequester bool  // made this request, whatever rights are left

	// The workspace.
	DirectionEnabled bool

	// The end.
	Purged bool // the data was deleted at the end of its lifetime
	OnHold bool // there is a legal hold on the request
	Held   bool // there is one on the request or on its workspace

	// The round, under the review policy that counts for it.
	Moving           bool   // a move of data is owed
	SelfReview       bool   // the requester may review
	OneRejectionEnds bool   // the first rejection decides; otherwise every slot is filled before anything is decided
	Blind            bool   // reviewers do not see what others say before they have spoken themselves
	SpokenThisRound  bool   // the actor has already given a review
	Rejected         bool   // somebody has rejected
	SlotsOpen        int    // how many reviews are still needed
	Claim            Claim  // whose claim holds at this moment
	TooManyChanges   bool   // the request has changed so often that what is only advice is written down no more
	SlotProblem      string // why the actor can fill none of the open slots, as a sentence; empty: they can

	// What the actor brings.
	TooManyDrafts bool   // the actor has as many as one person may have
	FileProblem   string // why the files cannot be submitted, as a sentence; empty: they can
	Explanation   bool   // a reason or an explanation was given
	HeirUnfit     bool   // whoever a claim is to be handed to could not claim it
	OtherRound    bool   // a review that names another round than the present
	DigestProblem string // why a review is not about the files that are sealed, as a sentence; empty: it is

	// What the system has found out.
	Idle        bool // untouched for longer than a draft may live
	Outlived    bool // what is left of it has been kept for as long as it has to be
	Sealed      bool // every file of the manifest is in the holding zone
	Arrived     bool // what was to be moved has arrived, equal to the manifest
	GatesPassed bool
	GateBlocked bool
	Hashed      bool // the SHA-256 of every sealed file is known
}

// Claim says whose claim on a request holds.
type Claim uint8

// The claims, as the actor sees them.
const (
	ClaimNone Claim = iota
	ClaimOwn
	ClaimOther
)

// RefusalKind says what sort of no it is.
type RefusalKind string

// The kinds of refusal.
const (
	RefusedNoRow     RefusalKind = "no_transition" // a person asked for something that the status does not have
	RefusedStale     RefusalKind = "stale"         // a system event came late; it is old news
	RefusedForbidden RefusalKind = "forbidden"     // the actor is not a party who may
	RefusedByGuard   RefusalKind = "guard"
)

// Refusal is why a transition does not happen.
type Refusal struct {
	Kind     RefusalKind
	Guard    Guard  // with RefusedByGuard
	Sentence string // for the person who asked
}

// Decide says which transition the event makes, or why it makes none. Exactly one of the results is set.
func Decide(f Facts, e Event) (*Transition, *Refusal) {
	row, kind, guard, sentence := weigh(f, e)
	switch kind {
	case RefusedNoRow:
		sentence = noRowSentence(f.Status)
		if _, asked := e.ask(); !asked {
			kind, sentence = RefusedStale, "the request has moved on"
		}
	case RefusedForbidden:
		sentence = row.needs()
	case "":
		t := *row
		return &t, nil
	}
	return nil, &Refusal{Kind: kind, Guard: guard, Sentence: sentence}
}

// needs says who could have fired it.
func (t Transition) needs() string {
	sentence := "This needs the role: " + t.By.String() + "."
	if t.By&Reviewer != 0 {
		sentence += " A reviewer is whoever a slot of the workspace's review policy fits; where it says nothing, that is an airlock manager."
	}
	return sentence
}

// weigh finds the row of the event, and why it does not hold; kind is empty where it does. It finds no words but a guard's
// own, and does not say whose event it is that has no row, because most of what is asked is never said: AllowedActions asks
// for every action of every request in a list.
func weigh(f Facts, e Event) (row *Transition, kind RefusalKind, refusing Guard, sentence string) {
	i := rowOf(f.Status, e)
	if i < 0 {
		return nil, RefusedNoRow, "", ""
	}
	row = &transitions[i]
	if row.By&f.Parties == 0 {
		return row, RefusedForbidden, "", ""
	}
	for _, g := range row.Guards {
		if sentence := g.refuse(f); sentence != "" {
			return row, RefusedByGuard, g, sentence
		}
	}
	return row, "", "", ""
}

// Choose finds the event that a person's action means for these facts and decides it: an approval endorses or
// approves, depending on the round; a retry resumes the status in which the request failed. Where no event of the
// action is accepted, the refusal is that of the row that came nearest.
func Choose(f Facts, a Action, d Decision) (*Transition, *Refusal) {
	nearest := &Refusal{Kind: RefusedNoRow, Sentence: noRowSentence(f.Status)}
	depth := -1
	for _, ask := range asks {
		if ask.Action != a || ask.Decision != d {
			continue
		}
		t, refusal := Decide(f, ask.Event)
		if t != nil {
			return t, nil
		}
		if at := reached(f, ask.Event, refusal); at > depth {
			nearest, depth = refusal, at
		}
	}
	return nil, nearest
}

// reached counts how far into a row a decision got before it was refused.
func reached(f Facts, e Event, r *Refusal) int {
	switch r.Kind {
	case RefusedForbidden:
		return 1
	case RefusedByGuard:
		return 2 + slices.Index(transitions[rowOf(f.Status, e)].Guards, r.Guard)
	default:
		return 0
	}
}

// AllowedActions is what the actor can do now, given that they bring what it takes (acceptable files, an explanation, a
// review of what is there, somebody who can review).
// It never returns nil: an empty list is an answer.
func AllowedActions(f Facts) []Action {
	f.FileProblem, f.Explanation, f.OtherRound, f.DigestProblem, f.HeirUnfit = "", true, false, "", false
	allowed := make([]Action, 0, len(actionOrder))
	for _, action := range actionOrder {
		if slices.ContainsFunc(eventsOf[action], func(e Event) bool { _, kind, _, _ := weigh(f, e); return kind == "" }) {
			allowed = append(allowed, action)
		}
	}
	return allowed
}

// ShowsReviews reports whether the actor is shown what others have said in the present round. Where reviews are blind, and
// they are still given, only those are who have spoken themselves.
func ShowsReviews(f Facts) bool {
	return !f.Blind || f.SpokenThisRound || !Has(f.Status, EventApprove)
}

// ShowsClaim reports whether the actor is shown who has claimed the request. Its requester is not, whatever else they are.
func ShowsClaim(f Facts) bool { return !f.IsRequester && f.Parties&claimShownTo != 0 }

// LinkRights says what a link to the request's data allows the actor, or why there is none for them.
// The answer is empty where a link is given, and also where only the actor's role is missing (rights are then 0).
func LinkRights(f Facts) (Rights, LinkAnswer) {
	facts, ok := Of(f.Status)
	switch {
	case !ok:
		return 0, LinkClosed
	case len(facts.Links) == 0:
		return 0, facts.NoLink
	}
	var rights Rights
	for _, g := range facts.Links {
		if g.To&f.Parties != 0 {
			rights |= g.Rights
		}
	}
	switch {
	case rights != 0 && f.Moving:
		return 0, LinkBusy
	case rights != 0 && f.Purged:
		return 0, LinkDeleted
	}
	return rights, ""
}

func noRowSentence(s Status) string {
	facts, ok := Of(s)
	if !ok {
		return "There is no such request."
	}
	return "The request is " + string(s) + ": " + facts.Explanation + "."
}

// Has reports whether the status has a row for the event.
func Has(s Status, e Event) bool { return rowOf(s, e) >= 0 }

// rowOf returns the index of the row for the event in the status; -1 when there is none.
func rowOf(s Status, e Event) int {
	if i, ok := rowIndex[rowKey{s, e}]; ok {
		return i
	}
	return -1
}

// rowKey is what there is one row for.
type rowKey struct {
	from  Status
	event Event
}

// rowIndex is where the row of each key is among the transitions.
var rowIndex = func() map[rowKey]int {
	index := make(map[rowKey]int, len(transitions))
	for i, t := range transitions {
		index[rowKey{t.From, t.Event}] = i
	}
	return index
}()

// eventsOf is what each action may ask for, in the order of the asks.
var eventsOf = func() map[Action][]Event {
	events := map[Action][]Event{}
	for _, ask := range asks {
		events[ask.Action] = append(events[ask.Action], ask.Event)
	}
	return events
}()

// Carries returns the decision of a round of reviews that is carried out in the status; empty where none is.
func Carries(s Status) Decision {
	for _, t := range transitions {
		if t.To == s && (t.Event == EventApprove || t.Event == EventReject) {
			return DecisionOf(t.Event)
		}
	}
	return ""
}

// DecisionOf returns the decision that the event carries; empty where it carries none.
func DecisionOf(e Event) Decision {
	if e == EventRevoke {
		return DecisionRevoked
	}
	ask, _ := e.ask()
	return ask.Decision
}
