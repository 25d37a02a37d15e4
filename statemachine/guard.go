package statemachine

// Guard is a named condition on a transition. The name is part of the API: clients see it when a rule refuses them.
type Guard string

// The guards.
const (
	DirectionEnabled  Guard = "direction_enabled"
	DraftsLeft        Guard = "drafts_left"
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
	ThisRound         Guard = "this_round"
	TheseFiles        Guard = "these_files"
	SlotOpen          Guard = "slot_open"
	QuorumStillOpen   Guard = "quorum_still_open"
	QuorumCompleted   Guard = "quorum_completed"
	NobodyRejected    Guard = "nobody_rejected"
	SomebodyRejected  Guard = "somebody_rejected"
	RejectionEnds     Guard = "rejection_ends"
	RejectionWaits    Guard = "rejection_waits"
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
	NotClaimed        Guard = "not_claimed"
	ClaimsLeft        Guard = "claims_left"
	ClaimedByYou      Guard = "claimed_by_you"
	CanReview         Guard = "can_review"
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
	case g == TheseFiles:
		return f.DigestProblem
	case g == SlotOpen && f.SlotProblem != "":
		return f.SlotProblem
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
	DraftsLeft: {func(f Facts) bool { return !f.TooManyDrafts },
		"You have as many drafts in this workspace as one person may have at a time. Submit or cancel one of them first."},
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
		"Nobody can review their own request. Ask another reviewer."},
	FirstInRound: {func(f Facts) bool { return !f.SpokenThisRound },
		"You have already reviewed this round. Somebody else has to give the next review."},
	ThisRound: {func(f Facts) bool { return !f.OtherRound },
		"The review names another round: the files may have changed since. Look at them again."},
	TheseFiles: {func(f Facts) bool { return f.DigestProblem == "" }, ""},
	SlotOpen: {func(f Facts) bool { return f.SlotProblem == "" && f.SlotsOpen > 0 },
		"Every review that this round needs was given."},
	QuorumStillOpen: {func(f Facts) bool { return f.SlotsOpen > 1 },
		"This review is the last that is needed."},
	QuorumCompleted: {func(f Facts) bool { return f.SlotsOpen == 1 },
		"More reviews are needed."},
	NobodyRejected: {func(f Facts) bool { return !f.Rejected },
		"Somebody has rejected it in this round."},
	SomebodyRejected: {func(f Facts) bool { return f.Rejected },
		"Nobody has rejected it in this round."},
	RejectionEnds: {func(f Facts) bool { return f.OneRejectionEnds || f.SlotsOpen == 1 },
		"More reviews are needed before anything is decided."},
	RejectionWaits: {func(f Facts) bool { return !f.OneRejectionEnds && f.SlotsOpen > 1 },
		"This rejection ends the round."},
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
	NotClaimed: {func(f Facts) bool { return f.Claim != ClaimOther },
		"Somebody else has claimed it. You can review it all the same, or claim it when their claim has ended."},
	ClaimsLeft: {func(f Facts) bool { return !f.TooManyChanges },
		"It has been claimed so often that no more claims are written down. You can review it all the same."},
	ClaimedByYou: {func(f Facts) bool { return f.Claim == ClaimOwn },
		"You have not claimed it, or your claim has ended."},
	CanReview: {func(f Facts) bool { return !f.HeirUnfit },
		"They could not claim it: name somebody who can fill an open slot of the review policy, has not spoken in this round and did not make the request. Groups that they are in are not known here."},
}

const failedElsewhere = "The request failed in another status."
