package airlock

import (
	"slices"
	"time"

	"airlock/statemachine"
)

// told is where a trail leads, when it is played back through the state machine.
type told struct {
	status   statemachine.Status
	failedIn statemachine.Status
	round    int
	attempt  int
	entered  time.Time // the status
	changed  time.Time // last transition
	steps    int       // transitions
	notices  []string  // every notice that was due
	onHold   bool
	claimed  string    // object id of who has claimed it
	purged   time.Time // zero: the data is kept
	taken    bool      // from another system, which decided about it

	// Of the present round.
	submitted time.Time
	policy    int // version of the review policy
	cleared   bool
	blocked   bool
	digest    string    // of the manifest, when the gates decided
	approvers []string  // since the gates were passed
	approved  time.Time // zero: the quorum was never complete
}

// chain: the records are whole, and the request holds the head.
func (k *check) chain() {
	seq, head, err := VerifyTrail(Chain(k.r.WorkspaceID, k.r.ID), k.records)
	switch {
	case err != nil:
		k.broken(RuleTrail, "%v", err)
	case seq != k.r.RecordSeq || head != k.r.RecordHash:
		k.broken(RuleTrail, "it has %d records, and the request knows of %d", seq, k.r.RecordSeq)
	}
}

// replay plays the trail back: each record is a row of the table that follows the one before, with its entry in the
// history, and the end is what is stored.
func (k *check) replay() {
	k.trail = told{round: 1}
	for _, rec := range k.records {
		if rec.From != string(k.trail.status) {
			k.broken(RuleReplay, "record %d comes from %q after %q", rec.Seq, rec.From, k.trail.status)
		}
		if rec.Round != k.trail.round {
			k.broken(RuleReplay, "record %d is of round %d in round %d", rec.Seq, rec.Round, k.trail.round)
		}
		if rec.What == recordTakeOver {
			k.takenOver(rec)
			continue
		}
		if rec.To == rec.From && k.aside(rec) {
			continue
		}
		t, ok := k.transitionOf(rec)
		if !ok {
			k.broken(RuleReplay, "record %d: %s from %q to %q is no transition", rec.Seq, rec.What, rec.From, rec.To)
			k.trail.status = statemachine.Status(rec.To)
			continue
		}
		if t.From == statemachine.Failed && !t.Keeps() && t.To != statemachine.Cancelled && t.To != k.trail.failedIn {
			k.broken(RuleReplay, "record %d goes on in %s and it failed in %s", rec.Seq, t.To, k.trail.failedIn)
		}
		if bySystem := t.By == statemachine.System; bySystem != (rec.Who == systemActor) {
			k.broken(RuleReplay, "record %d: %s by %q", rec.Seq, rec.What, rec.Who)
		}
		k.step(rec, t)
	}
	k.end()
}

// aside reports whether a record tells of something that leaves the request as it is: that somebody read it, or
// people who were told that it waits for them, which happens once in a round.
func (k *check) aside(rec Record) bool {
	o := statemachine.Occasion(rec.What)
	if rec.What == recordLink || rec.What == recordFiles || rec.What == recordAudit || rec.What == recordLate || rec.What == recordDisclosure || k.talked(rec) {
		return true
	}
	if !slices.Contains(statemachine.Waits(k.trail.status), o) {
		return false
	}
	in := k.r
	in.Round = rec.Round
	for _, audience := range statemachine.Told(k.trail.status, o) {
		id := noticeID(in, 0, o, audience)
		if slices.Contains(k.trail.notices, id) {
			k.broken(RuleNotice, "record %d tells the %s of the same again: %s", rec.Seq, audience, o)
		}
		k.trail.notices = append(k.trail.notices, id)
	}
	return true
}

// transitionOf finds the row that a record tells of.
func (k *check) transitionOf(rec Record) (statemachine.Transition, bool) {
	i := slices.IndexFunc(k.rows, func(t statemachine.Transition) bool {
		return string(t.From) == rec.From && string(t.Event) == rec.What && string(t.To) == rec.To
	})
	if i < 0 {
		return statemachine.Transition{}, false
	}
	return k.rows[i], true
}

// step plays one transition.
func (k *check) step(rec Record, t statemachine.Transition) {
	at := &k.trail
	version := 1
	if at.steps > 0 {
		if at.steps > len(k.r.History) {
			k.broken(RuleReplay, "record %d has no entry in the history", rec.Seq)
		} else {
			entry := k.r.History[at.steps-1]
			version = entry.Version + 1
			if entry.PreviousStatus != t.From || !entry.When.Equal(rec.When) {
				k.broken(RuleReplay, "record %d and its entry in the history differ", rec.Seq)
			}
		}
	}
	at.steps++
	at.changed = rec.When
	if t.From != t.To {
		at.entered = rec.When
		for _, audience := range statemachine.Told(t.To, statemachine.StatusChanged) {
			at.notices = append(at.notices, noticeID(k.r, version, statemachine.StatusChanged, audience))
		}
	}
	switch t.Event {
	case statemachine.EventSubmit:
		*at = told{round: at.round, attempt: at.attempt, entered: at.entered, changed: at.changed, steps: at.steps, notices: at.notices, onHold: at.onHold, submitted: rec.When, policy: rec.Policy}
	case statemachine.EventClear:
		at.cleared, at.digest, at.approvers = true, rec.Digest, nil
	case statemachine.EventBlock:
		at.blocked, at.digest = true, rec.Digest
	case statemachine.EventEndorse, statemachine.EventApprove, statemachine.EventConclude:
		at.approvers = append(at.approvers, rec.Who)
		if rec.Digest != "" && rec.Digest != at.digest || rec.Policy != at.policy {
			k.broken(RuleQuorum, "record %d approves other files than passed the gates, or under policy %d, and submitted was under %d", rec.Seq, rec.Policy, at.policy)
		}
		if t.Event == statemachine.EventApprove {
			at.approved = rec.When
		}
	case statemachine.EventHold, statemachine.EventLift:
		at.onHold = t.Event == statemachine.EventHold
	case statemachine.EventClaim:
		at.claimed = rec.Who
	case statemachine.EventUnclaim:
		at.claimed = ""
	case statemachine.EventHandOver:
		at.claimed = rec.Subject
	case statemachine.EventPurge:
		at.purged = rec.When
	case statemachine.EventMoved:
		if rec.Digest != at.digest {
			k.broken(RuleManifest, "record %d: what arrived is not what the gates passed", rec.Seq)
		}
	}
	if !t.Keeps() {
		at.claimed = ""
		if t.From == statemachine.Failed {
			at.attempt++
		}
		at.failedIn = statemachine.None
		if t.To == statemachine.Failed {
			at.failedIn = t.From
		}
	}
	if slices.ContainsFunc(t.Owes, func(o statemachine.Owing) bool { return o.Kind == statemachine.KindHandBack }) {
		at.round++
		at.cleared, at.blocked = false, false
	}
	at.status = t.To
}

// end: what is stored is where the trail leads.
func (k *check) end() {
	at, r := k.trail, k.r
	if at.status != r.Status || at.failedIn != r.FailedIn || at.round != r.Round || at.attempt != r.Attempt {
		k.broken(RuleReplay, "the trail ends in %s (%s) round %d attempt %d; stored is %s (%s) round %d attempt %d",
			at.status, at.failedIn, at.round, at.attempt, r.Status, r.FailedIn, r.Round, r.Attempt)
	}
	if at.onHold != r.OnHold || !at.purged.Equal(r.PurgedWhen) {
		k.broken(RuleReplay, "the trail tells of a hold: %v, and of data deleted at %s; stored is %v and %s", at.onHold, at.purged, r.OnHold, r.PurgedWhen)
	}
	if claimed := at.claimed; r.ClaimedBy.ID != claimed && !(r.ClaimedBy.ID == "" && r.ReviewedBy(claimed)) {
		k.broken(RuleReplay, "the trail tells of a claim of %q, stored is one of %q", claimed, r.ClaimedBy.ID)
	}
	if at.steps != len(r.History)+1 {
		k.broken(RuleReplay, "the trail tells of %d transitions, the history of %d", at.steps, len(r.History)+1)
	}
	if !at.entered.Equal(r.StatusSince) || !at.changed.Equal(r.UpdatedWhen) {
		k.broken(RuleReplay, "the trail entered the status at %s and ends at %s; stored is %s and %s", at.entered, at.changed, r.StatusSince, r.UpdatedWhen)
	}
	if at.cleared && r.SealedAt.Before(at.submitted) {
		k.broken(RuleManifest, "the files were sealed at %s and submitted at %s", r.SealedAt, at.submitted)
	}
}

// settingsDelay is how long settings that were changed may still be used as they were.
const settingsDelay = time.Minute

// approvals: a quorum was complete before anything went to the released zone, of different people who are not the
// requester, and together fill every slot of the policy.
func (k *check) approvals() {
	passed := k.r.Status == statemachine.ApprovalInProgress || k.r.Status == statemachine.Approved ||
		k.r.Status == statemachine.Revoked || k.r.FailedIn == statemachine.ApprovalInProgress
	if !passed {
		return
	}
	at := k.trail
	if at.taken {
		return
	}
	if !at.cleared || at.approved.IsZero() {
		k.broken(RuleQuorum, "it is %s and was never approved in round %d", k.r.Status, k.r.Round)
		return
	}
	for i, who := range at.approvers {
		if slices.Contains(at.approvers[:i], who) {
			k.broken(RuleQuorum, "%s approved twice in round %d", who, k.r.Round)
		}
		if !slices.ContainsFunc(k.r.Reviews, func(v Review) bool {
			return v.Round == k.r.Round && v.Decision == statemachine.DecisionApproved && v.Reviewer.ID == who
		}) {
			k.broken(RuleQuorum, "the approval by %s in round %d is not among the reviews", who, k.r.Round)
		}
	}
	if n := k.r.Approvals(); n != len(at.approvers) {
		k.broken(RuleQuorum, "%d reviews approve in round %d, and the trail tells of %d", n, k.r.Round, len(at.approvers))
	}
	policy := k.r.policy(k.settings)
	if k.r.Policy.Version != at.policy {
		k.broken(RuleQuorum, "it is under policy %d, and round %d was submitted under %d", k.r.Policy.Version, k.r.Round, at.policy)
	}
	if len(k.r.Policy.Slots) == 0 && !k.settings.ChangedAt.Before(at.submitted.Add(-settingsDelay)) {
		return // which policy it was under, nobody knows
	}
	if open := policy.open(k.r.spoken()); open > 0 || k.r.said(statemachine.DecisionRejected) > 0 {
		k.broken(RuleQuorum, "%d approvals and %d rejections in round %d leave %d open of %s", len(at.approvers),
			k.r.said(statemachine.DecisionRejected), k.r.Round, open, policy)
	}
	if !policy.SelfReview && slices.Contains(at.approvers, k.r.CreatedBy.ID) {
		k.broken(RuleQuorum, "the requester approved it in round %d", k.r.Round)
	}
}
