package simulation

import (
	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memzone"
	"airlock/statemachine"
)

// goal is how far a request is brought before anything goes wrong.
type goal struct {
	status  statemachine.Status
	failing statemachine.Status // where it fails on the way; empty: it does not
}

// goals are what most runs begin with, so that not all goes wrong with drafts.
func goals() []goal {
	return []goal{
		{status: statemachine.InReview}, {status: statemachine.InReview}, {status: statemachine.InReview}, {status: statemachine.Approved}, {status: statemachine.Rejected},
		{status: statemachine.BlockedByScan}, {status: statemachine.Revoked}, {status: statemachine.Failed, failing: statemachine.Submitted},
		{status: statemachine.Failed, failing: statemachine.ApprovalInProgress}, {status: statemachine.Failed, failing: statemachine.RejectionInProgress},
		{status: statemachine.Failed, failing: statemachine.BlockingInProgress},
	}
}

// prelude brings a request some way while all is well, in most runs. Now and then it stops in the middle of the last step.
func (w *world) prelude() {
	if !w.chance(0.7) {
		return
	}
	storm := w.mood
	w.mood = w.calm()
	defer func() { w.mood = storm }()
	w.insist(airlock.Request{WorkspaceID: north}, pick(w, "ada", "ben", "rob", "una"), "create")
	if len(w.known) == 0 { // which is a violation by now
		return
	}
	g := pick(w, goals()...)
	if g.failing == statemachine.Submitted {
		w.mood.silent = 1
	}
	w.mood.jammed = g.failing != "" && g.failing != statemachine.Submitted
	for range 6 {
		if w.chance(0.9) {
			w.rest()
		}
		r, ok := w.request(w.known[0])
		if !ok || r.Status == g.status || !w.advance(r, g) {
			return
		}
	}
}

// advance does the next thing on the way to a goal, if there is one.
func (w *world) advance(r airlock.Request, g goal) bool {
	rejects := g.status == statemachine.Rejected || g.failing == statemachine.RejectionInProgress
	blocks := g.status == statemachine.BlockedByScan || g.failing == statemachine.BlockingInProgress
	switch {
	case r.Status == statemachine.Draft && len(r.Owed) == 0:
		content := "ok from the beginning"
		if blocks {
			content = malware + " from the beginning"
		}
		if err := w.putBlob(w.place(r, statemachine.Intake), names[0], memzone.File{Content: []byte(content)}); err != nil {
			w.wrong("nothing can be uploaded to %s: %v", r.ID, err)
		}
		w.insist(r, "una", "submit")
	case r.Status == statemachine.InReview && rejects:
		w.insist(r, "mia", "reject")
	case r.Status == statemachine.InReview:
		w.insist(r, "mia", "approve")
	case r.Status == statemachine.Approved && g.status == statemachine.Revoked && r.PurgedWhen.IsZero(): // lifetimes can be shorter than a rest
		w.insist(r, "tara", "revoke")
	default:
		return false
	}
	return true
}
