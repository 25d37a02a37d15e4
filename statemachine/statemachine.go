// Package statemachine holds the rules of the airlock as one table: which status a request may take next,
// who may make it so, under which conditions, and what the system then owes.
//
// It promises that nothing else decides: the server asks Decide before it changes a status, and what a client
// is offered (AllowedActions) comes from the same Decide, so the two cannot differ. It is pure: the same facts
// give the same answer.
//
// It never reads a clock, the environment, storage or the network, and never changes anything.
package statemachine

// Transition is one row of the table.
type Transition struct {
	From   Status
	Event  Event
	To     Status
	By     Party   // any one of these may fire it
	Guards []Guard // all must hold
	Owes   []Owing // what the system must do because of it, in this order
}

// Ask says how a person asks for an event.
type Ask struct {
	Event    Event
	Action   Action
	Decision Decision // empty unless the action is a review
}

// StatusFacts is what is true of a request because of its status alone.
type StatusFacts struct {
	Status      Status
	Turn        Turn       // whose move it is
	Zone        Zone       // where the data is, or where it is on its way to
	Links       []Grant    // who may have a link, with which rights; empty: nobody
	NoLink      LinkAnswer // why there is no link, where Links is empty
	Completion  Event      // the system event that follows when all owed work is done; empty: the status rests
	Explanation string
}

// Party is a set of the ways in which somebody relates to a request.
type Party uint8

// The parties. Requester is the person who made the request and still is a researcher or an owner of its workspace.
// Reviewer is whoever can fill a slot of the review policy that the request is under, whatever else they are.
const (
	Requester Party = 1 << iota
	Researcher
	Owner
	Reviewer
	Manager
	Admin
	System
)

// partyNames is in the order in which sets are written.
var partyNames = []struct {
	party Party
	name  string
}{
	{Requester, "requester"},
	{Researcher, "researcher"},
	{Owner, "owner"},
	{Reviewer, "reviewer"},
	{Manager, "airlock manager"},
	{Admin, "TRE admin"},
	{System, "system"},
}

// Action is what a person can ask the API for.
type Action string

// The actions.
const (
	ActionCreate   Action = "create"
	ActionReview   Action = "review"
	ActionCancel   Action = "cancel"
	ActionSubmit   Action = "submit"
	ActionRevoke   Action = "revoke"
	ActionRetry    Action = "retry"
	ActionHold     Action = "hold"
	ActionLift     Action = "lift"
	ActionClaim    Action = "claim"
	ActionUnclaim  Action = "unclaim"
	ActionHandOver Action = "hand_over"
)

// actionOrder is the order in which clients expect allowed actions; create is not an action on a request.
var actionOrder = []Action{ActionReview, ActionCancel, ActionSubmit, ActionRevoke, ActionRetry, ActionHold, ActionLift,
	ActionClaim, ActionUnclaim, ActionHandOver}

// Decision is what one reviewer says.
type Decision string

// The decisions. Revoked is how a revocation appears among the reviews.
const (
	DecisionApproved         Decision = "approved"
	DecisionRejected         Decision = "rejected"
	DecisionChangesRequested Decision = "changes_requested"
	DecisionRevoked          Decision = "revoked"
)

// Turn says whose move it is.
type Turn string

// The turns.
const (
	TurnRequester Turn = "requester"
	TurnReviewer  Turn = "reviewer"
	TurnSystem    Turn = "system"
	TurnOperator  Turn = "operator"
	TurnNobody    Turn = "nobody"
)

// Zone is where data is.
type Zone string

// The zones. Nowhere means that no data is kept; WhereItFailed is the zones of the status a request failed in.
const (
	Nowhere       Zone = ""
	Intake        Zone = "intake"
	Holding       Zone = "holding"
	Released      Zone = "released"
	Refused       Zone = "refused"
	Quarantine    Zone = "quarantine"
	WhereItFailed Zone = "where it failed"
)

// Rights is what a link allows in one container.
type Rights uint8

// The rights.
const (
	Read Rights = 1 << iota
	Write
	List
	Delete
)

// Grant gives rights to parties.
type Grant struct {
	To     Party
	Rights Rights
}

// LinkAnswer says why a status gives out no link.
type LinkAnswer string

// The answers.
const (
	LinkBusy      LinkAnswer = "busy"      // come back later
	LinkCancelled LinkAnswer = "cancelled" // withdrawn or taken back
	LinkClosed    LinkAnswer = "closed"    // the data is not for anybody
	LinkDeleted   LinkAnswer = "deleted"   // the data was deleted at the end of its lifetime
)

// Transitions returns every row, in table order. The caller owns the slice, not what its rows point to.
func Transitions() []Transition { return append([]Transition(nil), transitions...) }

// Keeps reports whether the request stays in its status.
func (t Transition) Keeps() bool { return t.From == t.To }

// Purges reports whether the data of the request is deleted, and its status stays.
func (t Transition) Purges() bool { return t.Event == EventPurge }

// Statuses returns the facts of every stored status, in table order.
func Statuses() []StatusFacts { return append([]StatusFacts(nil), statuses...) }

// Actions returns every action that there is on a request, in the order in which clients expect them.
func Actions() []Action { return append([]Action(nil), actionOrder...) }

// Events returns every event of the table once, in table order.
func Events() []Event {
	var events []Event
	seen := map[Event]bool{}
	for _, t := range transitions {
		if !seen[t.Event] {
			seen[t.Event] = true
			events = append(events, t.Event)
		}
	}
	return events
}

// Of returns the facts of a status, and whether the status exists.
func Of(s Status) (StatusFacts, bool) {
	for _, f := range statuses {
		if f.Status == s {
			return f, true
		}
	}
	return StatusFacts{}, false
}

// Rests reports whether a request can stay in the status for ever: the system has nothing of its own to do in it.
func (f StatusFacts) Rests() bool { return f.Completion == "" }

// ask returns how a person asks for the event; ok is false where the event is the system's.
func (e Event) ask() (a Ask, ok bool) {
	for _, a := range asks {
		if a.Event == e {
			return a, true
		}
	}
	return Ask{}, false
}

func guards(g ...Guard) []Guard           { return g }
func tasks(o ...Owing) []Owing            { return o }
func links(g ...Grant) []Grant            { return g }
func grant(to Party, rights Rights) Grant { return Grant{to, rights} }
func says(v ...Visibility) []Visibility   { return v }
func on(s ...Status) []Status             { return s }
