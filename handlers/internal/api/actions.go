package api

import (
	"context"
	"net/http"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// defaultExplanation stands in reviews whose client sent none, in the form that AzureTRE has for them.
const defaultExplanation = "Decision Explanation"

type reviewInput struct {
	OfRequest
	Body struct {
		_           struct{}  `additionalProperties:"true"`
		Approval    *lenient  `json:"approval,omitempty" nullable:"false" doc:"AzureTRE's form: true approves, false rejects."`
		Decision    *decision `json:"decision,omitempty" doc:"Instead of approval. changes_requested gives the request back to its requester and needs an explanation."`
		Explanation *text     `json:"decisionExplanation,omitempty" doc:"Why, in Markdown. With approval, one is made up where it is missing, as AzureTRE does."`
		Round       *int      `json:"round,omitempty" minimum:"1" doc:"That the review is about. Another one than the present is refused: the files may have changed."`
		Digest      *string   `json:"manifestDigest,omitempty" pattern:"^[0-9A-Fa-f]{64}$" patternDescription:"a SHA-256 in hex" doc:"Of the files that the review is about. Others than those that are sealed are refused. Needed where the review policy says so."`
		Slot        *string   `json:"slot,omitempty" maxLength:"60" doc:"Of the review policy, that the review is to fill. Default: any that is open and fits."`
	} `nameHint:"NewReview"`
}

type reasonInput struct {
	OfRequest
	Body struct {
		_      struct{} `additionalProperties:"true"`
		Reason text     `json:"reason" doc:"Why, in Markdown."`
	} `nameHint:"Reason"`
}

type handOverInput struct {
	OfRequest
	Body struct {
		_      struct{} `additionalProperties:"true"`
		Person id       `json:"person" doc:"Entra object id of who takes the claim."`
	} `nameHint:"HandOver"`
}

// addActions adds what people do with a request.
func (s *server) addActions() {
	refusals := []int{http.StatusBadRequest, http.StatusConflict}
	type act func(u UseCases, ctx context.Context, who airlock.Identity, workspace, id string) (airlock.View, error)
	for _, a := range []struct {
		action         statemachine.Action
		summary, about string
		do             act
	}{
		{statemachine.ActionSubmit, "Submit a draft", "For the requester and workspace owners. The files as they are now are sealed and checked; links to the draft die.", UseCases.Submit},
		{statemachine.ActionCancel, "Withdraw a request", "For the requester, workspace owners and TRE admins. The files are deleted.", UseCases.Cancel},
		{statemachine.ActionRetry, "Let a failed request go on", "For airlock managers, workspace owners and TRE admins. It goes on where it failed.", UseCases.Retry},
		{statemachine.ActionClaim, "Claim a request", "For whoever can review it. It tells other reviewers, for as long as the TRE lets claims live, that somebody looks at it, and stops them from claiming it and never from reviewing it. It ends when it expires, with unclaim, when its holder has given their review, and with the round. Claiming it again begins anew.", UseCases.Claim},
		{statemachine.ActionUnclaim, "Give a claim back", "For who has claimed it.", UseCases.Unclaim},
	} {
		add(s, operation{
			id: string(a.action) + "Request", method: http.MethodPost, path: requestPath + "/" + string(a.action), tag: "Actions",
			summary: a.summary, about: a.about + " A body is not looked at. 400 says that the status does not allow it, 409 that a rule does not.",
			fails: refusals,
		}, func(ctx context.Context, who airlock.Identity, in *OfRequest) (*requestOutput, error) {
			return s.output(a.do(s.Service, ctx, who, in.Workspace.lower(), in.Request.lower()))
		})
	}
	add(s, operation{
		id: "reviewRequest", method: http.MethodPost, path: requestPath + "/review", tag: "Actions", summary: "Review a request",
		about: "For whoever can fill an open slot of the review policy that the request was submitted under (by default: airlock managers, and never the requester), once in a round. " +
			"Give approval or decision. Name the round and the digest of the files that you have looked at, so that the review cannot count for others. " +
			"409 says with the name of the rule that it does: this_round, these_files, slot_open, first_in_round, not_the_requester.", fails: refusals,
	}, s.review)
	add(s, operation{
		id: "handOverRequest", method: http.MethodPost, path: requestPath + "/hand-over", tag: "Actions", summary: "Hand a claim over",
		about: "For who has claimed it. The claim begins anew with the named person, who has to be able to claim it: by the list of members or of the policy, since groups of somebody else are not known here.",
		fails: refusals,
	}, func(ctx context.Context, who airlock.Identity, in *handOverInput) (*requestOutput, error) {
		return s.output(s.Service.HandOver(ctx, who, in.Workspace.lower(), in.Request.lower(), in.Body.Person.lower()))
	})
	type actWithReason func(u UseCases, ctx context.Context, who airlock.Identity, workspace, id, reason string) (airlock.View, error)
	for _, a := range []struct {
		action         statemachine.Action
		summary, about string
		do             actWithReason
	}{
		{statemachine.ActionRevoke, "Take an approval back", "For airlock managers and TRE admins. The files are put aside and links to them die.", UseCases.Revoke},
		{statemachine.ActionHold, "Put a legal hold on a request", "For TRE admins. Nothing of the request is deleted until the hold is lifted: it cannot be withdrawn, and lifetimes do not count.", UseCases.Hold},
		{statemachine.ActionLift, "Lift a legal hold", "For TRE admins. What has outlived its lifetime meanwhile is deleted.", UseCases.Lift},
	} {
		add(s, operation{
			id: string(a.action) + "Request", method: http.MethodPost, path: requestPath + "/" + string(a.action), tag: "Actions",
			summary: a.summary, about: a.about, fails: refusals,
		}, func(ctx context.Context, who airlock.Identity, in *reasonInput) (*requestOutput, error) {
			return s.output(a.do(s.Service, ctx, who, in.Workspace.lower(), in.Request.lower(), string(in.Body.Reason)))
		})
	}
	add(s, operation{
		id: "createReviewDesktop", method: http.MethodPost, path: requestPath + "/review-user-resource", tag: "Actions",
		summary: "Make a review desktop: not here", success: http.StatusNotImplemented, fails: []int{http.StatusNotImplemented},
		about: "Always 501: review desktops are made by the TRE. The notice of in_review carries what an automation needs to make one.",
	}, func(context.Context, airlock.Identity, *OfRequest) (*struct{}, error) {
		return nil, newProblem(http.StatusNotImplemented, "no_review_desktops",
			"Review desktops are made by the TRE, not by the airlock: ask for one in the review workspace, and open the files there with the request's link.")
	})
}

func (s *server) review(ctx context.Context, who airlock.Identity, in *reviewInput) (*requestOutput, error) {
	review := airlock.NewReview{
		Decision: statemachine.Decision(orZero(in.Body.Decision)), Explanation: string(orZero(in.Body.Explanation)),
		Round: orZero(in.Body.Round), Digest: orZero(in.Body.Digest), Slot: orZero(in.Body.Slot),
	}
	switch {
	case in.Body.Approval == nil && in.Body.Decision == nil:
		return nil, invalid(fieldProblem{"approval", "give approval (true or false) or decision"})
	case in.Body.Approval != nil && in.Body.Decision != nil:
		return nil, invalid(fieldProblem{"approval", "give approval or decision, not both"})
	case in.Body.Approval != nil:
		review.Decision = statemachine.DecisionRejected
		if *in.Body.Approval {
			review.Decision = statemachine.DecisionApproved
		}
		if in.Body.Explanation == nil {
			review.Explanation = defaultExplanation
		}
	}
	return s.output(s.Service.Review(ctx, who, in.Workspace.lower(), in.Request.lower(), review))
}
