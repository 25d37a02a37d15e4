package statemachine

import "slices"

// Status is what is stored for a request. The values are the wire's and never change.
type Status string

// The statuses. None is before a request exists; it is never stored.
const (
	None                Status = ""
	Draft               Status = "draft"
	Submitted           Status = "submitted"
	InReview            Status = "in_review"
	ApprovalInProgress  Status = "approval_in_progress"
	Approved            Status = "approved"
	RejectionInProgress Status = "rejection_in_progress"
	Rejected            Status = "rejected"
	BlockingInProgress  Status = "blocking_in_progress"
	BlockedByScan       Status = "blocked_by_scan"
	Cancelled           Status = "cancelled"
	Failed              Status = "failed"
	Revoked             Status = "revoked"
)

// Event is an input of the state machine.
type Event string

// The events.
const (
	EventCreate          Event = "create"
	EventSubmit          Event = "submit"
	EventCancel          Event = "cancel"
	EventExpire          Event = "expire"
	EventClear           Event = "clear"
	EventBlock           Event = "block"
	EventUnseal          Event = "unseal"
	EventEndorse         Event = "endorse"
	EventOppose          Event = "oppose" // a rejection, and the round goes on
	EventApprove         Event = "approve"
	EventConclude        Event = "conclude" // the last review of a round in which somebody has rejected; it approves
	EventReject          Event = "reject"
	EventReturn          Event = "return"
	EventMoved           Event = "moved"
	EventRevoke          Event = "revoke"
	EventFail            Event = "fail"
	EventResumeSubmitted Event = "resume_submitted"
	EventResumeApproval  Event = "resume_approval"
	EventResumeRejection Event = "resume_rejection"
	EventResumeBlocking  Event = "resume_blocking"
	EventHold            Event = "hold"   // a legal hold is put on it
	EventLift            Event = "lift"   // and taken off again
	EventPurge           Event = "purge"  // its data is deleted at the end of its lifetime
	EventForget          Event = "forget" // and so are its records
	EventClaim           Event = "claim"  // a reviewer says that they look at it
	EventUnclaim         Event = "unclaim"
	EventHandOver        Event = "hand_over" // the claim goes to another reviewer
)

// transitions is the whole law: one row per (status, event), in the order in which a reader meets them.
// Whatever has no row does not happen.
var transitions = slices.Concat(life, claims, end, holds(Draft, InReview, Approved, Rejected, BlockedByScan, Cancelled, Failed, Revoked))

// life is how a request comes to its end.
var life = []Transition{
	{None, EventCreate, Draft, Researcher | Owner, guards(DirectionEnabled, DraftsLeft), tasks(open(Intake))},

	{Draft, EventSubmit, Submitted, Requester | Owner, guards(Prepared, FilesAcceptable), tasks(seal(Intake, Holding), runGates(), hash(Holding))},
	{Draft, EventCancel, Cancelled, Requester | Owner | Admin, guards(NotHeld), tasks(erase(Intake))},
	{Draft, EventExpire, Cancelled, System, guards(Idle, NotHeld), tasks(erase(Intake))},

	{Submitted, EventClear, InReview, System, guards(Sealed, GatesPassed, Hashed), tasks(erase(Intake))},
	{Submitted, EventBlock, BlockingInProgress, System, guards(GateBlocked), tasks(erase(Intake), move(Holding, Quarantine))},
	{Submitted, EventUnseal, Draft, System, guards(ReasonGiven), tasks(handBack(Intake), erase(Intake), erase(Holding))},
	{Submitted, EventFail, Failed, System, guards(ReasonGiven), nil},

	{InReview, EventEndorse, InReview, Reviewer, speaks(QuorumStillOpen), nil},
	{InReview, EventOppose, InReview, Reviewer, speaks(RejectionWaits), nil},
	{InReview, EventApprove, ApprovalInProgress, Reviewer, speaks(QuorumCompleted, NobodyRejected), tasks(move(Holding, Released), hash(Holding), verify(Released))},
	{InReview, EventConclude, RejectionInProgress, Reviewer, speaks(QuorumCompleted, SomebodyRejected), tasks(move(Holding, Refused))},
	{InReview, EventReject, RejectionInProgress, Reviewer, speaks(RejectionEnds), tasks(move(Holding, Refused))},
	{InReview, EventReturn, Draft, Reviewer, speaks(ExplanationGiven), tasks(handBack(Holding), erase(Holding))},
	{InReview, EventCancel, Cancelled, Requester | Owner | Admin, guards(NotHeld), tasks(erase(Holding))},

	{ApprovalInProgress, EventMoved, Approved, System, guards(Arrived), tasks(erase(Holding))},
	{ApprovalInProgress, EventFail, Failed, System, guards(ReasonGiven), nil},
	{RejectionInProgress, EventMoved, Rejected, System, guards(Arrived), tasks(erase(Holding))},
	{RejectionInProgress, EventFail, Failed, System, guards(ReasonGiven), nil},
	{BlockingInProgress, EventMoved, BlockedByScan, System, guards(Arrived), tasks(erase(Holding))},
	{BlockingInProgress, EventFail, Failed, System, guards(ReasonGiven), nil},

	{Approved, EventRevoke, Revoked, Manager | Admin, guards(DataKept, ExplanationGiven), tasks(move(Released, Refused), erase(Released))},

	{Failed, EventResumeSubmitted, Submitted, Manager | Owner | Admin, guards(FailedInSubmitted), tasks(seal(Intake, Holding), runGates(), hash(Holding))},
	{Failed, EventResumeApproval, ApprovalInProgress, Manager | Owner | Admin, guards(FailedInApproval), tasks(move(Holding, Released), hash(Holding), verify(Released))},
	{Failed, EventResumeRejection, RejectionInProgress, Manager | Owner | Admin, guards(FailedInRejection), tasks(move(Holding, Refused))},
	{Failed, EventResumeBlocking, BlockingInProgress, Manager | Owner | Admin, guards(FailedInBlocking), tasks(move(Holding, Quarantine))},
	{Failed, EventCancel, Cancelled, Owner | Admin, guards(NotHeld), tasks(erase(Intake), erase(Holding), erase(Released), erase(Refused), erase(Quarantine))},
}

// speaks are the conditions on every review, and more.
func speaks(more ...Guard) []Guard {
	return append(guards(NotTheRequester, FirstInRound, ThisRound, TheseFiles, SlotOpen), more...)
}

// claims are the rows with which reviewers tell each other who looks at it. A claim is advice and no lock: no review looks
// at it. It ends by itself, so that nobody but its holder has to be able to take it away.
var claims = []Transition{
	{InReview, EventClaim, InReview, Reviewer, guards(NotTheRequester, FirstInRound, SlotOpen, NotClaimed, ClaimsLeft), nil},
	{InReview, EventUnclaim, InReview, Reviewer, guards(ClaimedByYou), nil},
	{InReview, EventHandOver, InReview, Reviewer, guards(ClaimedByYou, ClaimsLeft, CanReview), nil},
}

// claimShownTo is who is shown a claim: those who review requests, or look after them.
const claimShownTo = Reviewer | Manager | Owner | Admin

// end is what becomes of a request that has come to its end: its data is deleted when nobody needs it any more, and then
// the request itself. The status tells how it ended, and stays.
var end = []Transition{
	{Approved, EventPurge, Approved, System, guards(DataKept, Outlived, NotHeld), tasks(erase(Released))},
	{Rejected, EventPurge, Rejected, System, guards(DataKept, Outlived, NotHeld), tasks(erase(Refused))},
	{BlockedByScan, EventPurge, BlockedByScan, System, guards(DataKept, Outlived, NotHeld), tasks(erase(Quarantine))},
	{Revoked, EventPurge, Revoked, System, guards(DataKept, Outlived, NotHeld), tasks(erase(Refused))},

	{Approved, EventForget, Approved, System, guards(DataPurged, Outlived, NotHeld), tasks(forget())},
	{Rejected, EventForget, Rejected, System, guards(DataPurged, Outlived, NotHeld), tasks(forget())},
	{BlockedByScan, EventForget, BlockedByScan, System, guards(DataPurged, Outlived, NotHeld), tasks(forget())},
	{Revoked, EventForget, Revoked, System, guards(DataPurged, Outlived, NotHeld), tasks(forget())},
	{Cancelled, EventForget, Cancelled, System, guards(Outlived, NotHeld), tasks(forget())},
}

// holds are the rows of the legal hold, which can be put on whatever rests. Under it nothing is deleted.
func holds(on ...Status) []Transition {
	var rows []Transition
	for _, s := range on {
		rows = append(rows,
			Transition{s, EventHold, s, Admin, guards(NotOnHold, ExplanationGiven), nil},
			Transition{s, EventLift, s, Admin, guards(OnHold, ExplanationGiven), nil})
	}
	return rows
}

// asks says how a person asks for an event: the action of the API and, where the action is a
// review, the decision. Events that are not here belong to the system.
var asks = []Ask{
	{EventCreate, ActionCreate, ""},
	{EventEndorse, ActionReview, DecisionApproved},
	{EventApprove, ActionReview, DecisionApproved},
	{EventConclude, ActionReview, DecisionApproved},
	{EventOppose, ActionReview, DecisionRejected},
	{EventReject, ActionReview, DecisionRejected},
	{EventReturn, ActionReview, DecisionChangesRequested},
	{EventCancel, ActionCancel, ""},
	{EventSubmit, ActionSubmit, ""},
	{EventRevoke, ActionRevoke, ""},
	{EventResumeSubmitted, ActionRetry, ""},
	{EventResumeApproval, ActionRetry, ""},
	{EventResumeRejection, ActionRetry, ""},
	{EventResumeBlocking, ActionRetry, ""},
	{EventHold, ActionHold, ""},
	{EventLift, ActionLift, ""},
	{EventClaim, ActionClaim, ""},
	{EventUnclaim, ActionUnclaim, ""},
	{EventHandOver, ActionHandOver, ""},
}

// statuses holds what is true of a request because of its status alone.
var statuses = []StatusFacts{
	{Draft, TurnRequester, Intake, links(grant(Requester|Owner, Read|Write|List|Delete)), "", "", "files are being put together"},
	{Submitted, TurnSystem, Holding, nil, LinkBusy, EventClear, "sealed, and waiting for the automatic checks"},
	{InReview, TurnReviewer, Holding, links(grant(Reviewer|Manager|Owner, Read|List)), "", "", "people decide"},
	{ApprovalInProgress, TurnSystem, Released, nil, LinkBusy, EventMoved, "approved; the files are moving to their destination"},
	{Approved, TurnNobody, Released, links(grant(Requester|Owner, Read|List)), "", "", "the files are at their destination"},
	{RejectionInProgress, TurnSystem, Refused, nil, LinkBusy, EventMoved, "rejected; the files are being put aside"},
	{Rejected, TurnNobody, Refused, nil, LinkClosed, "", "rejected by a reviewer"},
	{BlockingInProgress, TurnSystem, Quarantine, nil, LinkBusy, EventMoved, "malware was found; the files are moving to quarantine"},
	{BlockedByScan, TurnNobody, Quarantine, nil, LinkClosed, "", "malware was found; the files are in quarantine"},
	{Cancelled, TurnNobody, Nowhere, nil, LinkCancelled, "", "withdrawn, or expired; the files are deleted"},
	{Failed, TurnOperator, WhereItFailed, nil, LinkClosed, "", "could not go on; retry continues where it stopped"},
	{Revoked, TurnNobody, Refused, nil, LinkCancelled, "", "approval was taken back; the files are put aside"},
}

// tellings is who is told what. A status without a row passes quickly, and the one that follows is told of. A draft that
// was returned, or could not be sealed, is told of as a draft, with what happened.
var tellings = []Telling{
	{Draft, StatusChanged, tell(AudienceRequester)},
	{Submitted, StatusChanged, tell(AudienceRequester)},
	{InReview, StatusChanged, tell(AudienceReviewers)},
	{InReview, ReviewReminder, tell(AudienceReviewers)},
	{InReview, ReviewEscalation, tell(AudienceReviewers, AudienceOwners)},
	{ApprovalInProgress, StatusChanged, tell(AudienceRequester)},
	{Approved, StatusChanged, tell(AudienceRequester)},
	{RejectionInProgress, StatusChanged, tell(AudienceRequester)},
	{Rejected, StatusChanged, tell(AudienceRequester)},
	{BlockedByScan, StatusChanged, tell(AudienceRequester, AudienceOwners)},
	{Cancelled, StatusChanged, tell(AudienceRequester)},
	{Failed, StatusChanged, tell(AudienceRequester, AudienceOperators)},
	{Revoked, StatusChanged, tell(AudienceRequester)},
}

// talks is who says what about a request, and who is shown it. What is said after a decision could change nothing: then
// there is a new request to be made. What is said about a draft is no part of a round's reviews, so that a requester who
// does not understand what to change can ask, and be answered, at once.
var talks = []Talk{
	{Reviewer | Manager, SideReviewer, true, says(Private, Shared), on(Draft, InReview), AtOnce, AfterTheirReview, AfterTheirReview},
	{Admin, SideOnlooker, true, nil, nil, AtOnce, AtOnce, AtOnce},
	{Requester | Owner, SideRequester, false, says(Shared), on(Draft, InReview), AtOnce, AfterTheRound, Never},
}
