package simulation

import (
	"slices"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// This file is a second opinion on who may do what. It is written down from the rules as people tell them, and shares
// nothing with the table of the state machine.

// policy is what the settings of a workspace may have been for a while.
type policy struct {
	airlock.Settings
	began, ended time.Time // the attempt to store them; ended zero: still running
	until        time.Time // from when on nobody uses them any more; zero: for ever
}

// patience is how much longer than the cache settings may live on.
const patience = time.Second

// policies returns the settings that somebody may have been judged by, who asked at one time and was recorded at another.
func (w *world) policiesOf(workspace string, from, to time.Time) []*policy {
	var all []*policy
	for _, p := range w.policies {
		if p.WorkspaceID == workspace && !p.began.After(to) && (p.until.IsZero() || !p.until.Before(from)) {
			all = append(all, p)
		}
	}
	return all
}

// rolesIn is what somebody is in a workspace.
func rolesIn(s airlock.Settings, who airlock.Identity) []airlock.Role {
	if !who.ForAPI {
		if who.Audience == "api://"+s.WorkspaceID {
			return who.Roles
		}
		return nil
	}
	var roles []airlock.Role
	for _, m := range s.Members {
		if m.ID == who.ID {
			roles = append(roles, m.Roles...)
		}
	}
	if slices.Contains(who.Roles, airlock.RoleAdmin) {
		roles = append(roles, airlock.RoleAdmin)
	}
	return roles
}

// standing is how far a request has come.
type standing struct {
	status statemachine.Status
	onHold bool
	purged bool // its data was deleted

	selfReview bool // the policy that it was submitted under lets its requester review
}

// may says whether somebody with these roles may do something with a request that stands so.
func may(s airlock.Settings, roles []airlock.Role, requester bool, action string, at standing, explained bool) bool {
	status, held, selfReview := at.status, at.onHold || s.LegalHold, at.selfReview
	if status == "draft" {
		selfReview = s.Policy(airlock.Import).SelfReview
	}
	is := func(r airlock.Role) bool { return slices.Contains(roles, r) }
	mine := requester && (is(airlock.RoleResearcher) || is(airlock.RoleOwner))
	admin, owner, manager := is(airlock.RoleAdmin), is(airlock.RoleOwner), is(airlock.RoleManager)
	switch action {
	case "create":
		return (is(airlock.RoleResearcher) || owner) && !s.Archived
	case "submit":
		return status == "draft" && (mine || owner)
	case "cancel":
		return !held && ((status == "draft" || status == "in_review") && (mine || owner || admin) || status == "failed" && (owner || admin))
	case "approve", "reject":
		return status == "in_review" && manager && (!requester || selfReview)
	case "return":
		return status == "in_review" && manager && (!requester || selfReview) && explained
	case "review", "claim", "unclaim", "hand_over":
		return status == "in_review" && manager && (!requester || selfReview)
	case "revoke":
		return status == "approved" && !at.purged && (manager || admin) && explained
	case "retry":
		return status == "failed" && (manager || owner || admin)
	case "hold", "lift":
		return admin && explained && at.onHold == (action == "lift") && status != "submitted" && !strings.HasSuffix(string(status), "_in_progress")
	case "note": // a private comment
		return (status == "draft" || status == "in_review") && manager && (!requester || selfReview)
	case "share": // one that the requester is shown too
		return (status == "draft" || status == "in_review") && (mine || owner || manager && (!requester || selfReview))
	case "files":
		return len(roles) > 0
	case "audit":
		return len(roles) > 0 && (requester || owner || manager || admin)
	case "link":
		return status == "draft" && (mine || owner) || status == "in_review" && (manager || owner) || status == "approved" && !at.purged && (mine || owner)
	default:
		return false
	}
}

// permitted asks whether an attempt may have succeeded at a time on a request that was made by somebody.
func (w *world) permitted(a *attempt, requester string, stood standing, at time.Time) bool {
	return slices.ContainsFunc(w.policiesOf(a.workspace, a.started, at), func(p *policy) bool {
		return may(p.Settings, rolesIn(p.Settings, a.who), requester == a.who.ID, a.action, stood, a.explained)
	})
}

// offered asks the same of something that somebody is offered.
func (w *world) offered(a *attempt, r airlock.Request, action string) bool {
	return slices.ContainsFunc(w.policiesOf(a.workspace, a.started, w.now), func(p *policy) bool {
		return may(p.Settings, rolesIn(p.Settings, a.who), r.CreatedBy.ID == a.who.ID, action, standing{status: r.Status, onHold: r.OnHold, purged: !r.PurgedWhen.IsZero(), selfReview: r.Policy.SelfReview}, true)
	})
}

// mayRead asks whether somebody may see what they have seen.
func (w *world) mayRead(a *attempt) bool {
	r, _, ok := w.store.Look(a.workspace, a.id)
	if gone := w.forgotten[a.id]; !ok && gone != nil { // it was deleted while they read
		r, ok = gone.Request, true
	}
	if !ok || r.WorkspaceID != a.workspace {
		return false
	}
	return slices.ContainsFunc(w.policiesOf(a.workspace, a.started, w.now), func(p *policy) bool {
		roles := rolesIn(p.Settings, a.who)
		if a.action != "audit" || r.CreatedBy.ID == a.who.ID {
			return len(roles) > 0
		}
		return slices.ContainsFunc(roles, func(role airlock.Role) bool { return role != airlock.RoleResearcher })
	})
}

// actionOf is what somebody did, of whom a record tells.
func actionOf(rec airlock.Record) string {
	switch rec.What {
	case "comment":
		return map[string]string{"private": "note", "shared": "share"}[rec.Text]
	case "endorse", "approve", "conclude":
		return "approve"
	case "oppose":
		return "reject"
	case "late": // a review that came as another one decided the round
		said, _, _ := strings.Cut(rec.Text, ":")
		return map[string]string{"approved": "approve", "rejected": "reject", "changes_requested": "return"}[said]
	case "resume_submitted", "resume_approval", "resume_rejection", "resume_blocking":
		return "retry"
	default:
		return rec.What
	}
}
