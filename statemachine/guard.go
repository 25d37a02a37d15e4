package statemachine

// Guard is a named condition on a transition. The name is part of the API: clients see it when a rule refuses them.
type Guard string

// The guards.
const (
	DirectionEnabled  Guard = "direction_enabled"
	Prepared          Guard = "prepared"
	FilesAcceptable   Guard = "files_acceptable"
	Idle              Guard = "idle"
	Sealed            Guard = "sealed"
	Arrived           Guard = "arrived"
	GatesPassed       Guard = "gates_passed"
	GateBlocked       Guard = "gate_blocked"
	Hashed            Guard = "hashed"
	ReasonGiven       Guard = "reason_given"
	NotTheRequester   Guard = "not_the_requester"
	FirstInRound      Guard = "first_in_round"
	QuorumStillOpen   Guard = "quorum_still_open"
	QuorumCompleted   Guard = "quorum_completed"
	ExplanationGiven  Guard = "explanation_given"
	FailedInSubmitted Guard = "failed_in_submitted"
	FailedInApproval  Guard = "failed_in_approval"
	FailedInRejection Guard = "failed_in_rejection"
	FailedInBlocking  Guard = "failed_in_blocking"
	NotHeld           Guard = "not_held"
	NotOnHold         Guard = "not_on_hold"
	OnHold            Guard = "on_hold"
	DataKept          Guard = "data_kept"
	DataPurged        Guard = "data_purged"
	Outlived          Guard = "outlived"
)

// refuse returns the sentence with which the guard refuses the facts, or nothing where it holds. A guard without a
// rule refuses everything.
func (g Guard) refuse(f Facts) string {
	rule, ok := guardRules[g]
	switch {
	case !ok:
		return "The rule " + string(g) + " does not exist."
	case rule.holds(f):
		return ""
	case g == FilesAcceptable:
		return f.FileProblem
	default:
		return rule.sentence
	}
}

type guardRule struct {
	holds    func(Facts) bool
	sentence string
}

// guardRules is what each guard means, and what it says when it refuses.
var guardRules = map[Guard]guardRule{
	DirectionEnabled: {func(f Facts) bool { return f.DirectionEnabled },
		"Airlock is not enabled in this workspace."},
	Prepared: {func(f Facts) bool { return !f.Moving },
		"The files are still being prepared. Try again in a moment."},
	FilesAcceptable: {func(f Facts) bool { return f.FileProblem == "" }, ""},
	Idle: {func(f Facts) bool { return f.Idle },
		"The draft is still in use."},
	Sealed: {func(f Facts) bool { return f.Sealed },
		"The files are not sealed yet."},
	Arrived: {func(f Facts) bool { return f.Arrived },
		"The files have not arrived yet."},
	GatesPassed: {func(f Facts) bool { return f.GatesPassed },
		"The automatic checks have not passed."},
	GateBlocked: {func(f Facts) bool { return f.GateBlocked },
		"No automatic check has blocked the request."},
	Hashed: {func(f Facts) bool { return f.Hashed },
		"The SHA-256 of a file is not known yet."},
	ReasonGiven: {func(f Facts) bool { return f.Explanation },
		"This needs a reason."},
	NotTheRequester: {func(f Facts) bool { return f.SelfReview || !f.IsRequester },
		"Nobody can review their own request. Ask another airlock manager."},
	FirstInRound: {func(f Facts) bool { return !f.SpokenThisRound },
		"You have already reviewed this round. Another airlock manager has to give the next review."},
	QuorumStillOpen: {func(f Facts) bool { return f.ApprovalsGiven+1 < f.ApprovalsNeeded },
		"This approval completes the quorum."},
	QuorumCompleted: {func(f Facts) bool { return f.ApprovalsNeeded > 0 && f.ApprovalsGiven+1 >= f.ApprovalsNeeded },
		"More approvals are needed."},
	ExplanationGiven: {func(f Facts) bool { return f.Explanation },
		"Say why: this needs an explanation."},
	FailedInSubmitted: {func(f Facts) bool { return f.FailedIn == Submitted }, failedElsewhere},
	FailedInApproval:  {func(f Facts) bool { return f.FailedIn == ApprovalInProgress }, failedElsewhere},
	FailedInRejection: {func(f Facts) bool { return f.FailedIn == RejectionInProgress }, failedElsewhere},
	FailedInBlocking:  {func(f Facts) bool { return f.FailedIn == BlockingInProgress }, failedElsewhere},
	NotHeld: {func(f Facts) bool { return !f.Held },
		"There is a legal hold: nothing may be deleted. A TRE admin can lift it."},
	NotOnHold: {func(f Facts) bool { return !f.OnHold },
		"There is a legal hold on the request already."},
	OnHold: {func(f Facts) bool { return f.OnHold },
		"There is no legal hold on the request."},
	DataKept: {func(f Facts) bool { return !f.Purged },
		"The files were deleted at the end of their lifetime."},
	DataPurged: {func(f Facts) bool { return f.Purged },
		"The files are still kept."},
	Outlived: {func(f Facts) bool { return f.Outlived },
		"It has to be kept for longer."},
}

const failedElsewhere = "The request failed in another status."
