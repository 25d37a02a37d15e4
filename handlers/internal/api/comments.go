package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

type commentInput struct {
	OfRequest
	Body struct {
		_          struct{}   `additionalProperties:"true"`
		Text       text       `json:"text" minLength:"1" doc:"Markdown; refused where it could run or load something in a browser."`
		Visibility visibility `json:"visibility" doc:"private is for reviewers among themselves; shared is for the requester and the workspace's owners too."`
		File       *string    `json:"file,omitempty" nullable:"false" maxLength:"1024" doc:"The name of the file that it is about, as in .../files; without it, it is about all of the request."`
	} `nameHint:"NewComment"`
}

type commentOutput struct {
	Body comment
}

type commentsInput struct {
	OfRequest
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" doc:"The longest page; default: 1000."`
	Cursor string `query:"cursor" maxLength:"20" doc:"From the Link header of the page before."`
}

type commentsOutput struct {
	Link string `header:"Link" doc:"Where the next page is (RFC 8288, rel=next); absent on the last."`
	Body struct {
		Comments []comment    `json:"comments" nullable:"false" doc:"Those that the caller is shown, the oldest first."`
		Allowed  []visibility `json:"allowedVisibilities" nullable:"false" doc:"Of the comments that the caller can make now."`
	} `nameHint:"CommentList"`
}

type comment struct {
	ID         string     `json:"id"`
	Round      int        `json:"round" doc:"Of the request when it was made; counts submissions, from 1."`
	Status     status     `json:"status" doc:"Of the request when it was made."`
	Author     user       `json:"author"`
	As         side       `json:"as" doc:"As what the author speaks: an owner speaks for the requester."`
	When       time.Time  `json:"createdWhen"`
	Visibility visibility `json:"visibility"`
	Text       string     `json:"text" doc:"Markdown, as it was written."`
	File       *string    `json:"file" doc:"The file of the round that it is about; null where it is about all of the request."`
}

// visibility is for whom a comment is meant.
type visibility statemachine.Visibility

// Schema lists the visibilities.
func (visibility) Schema(huma.Registry) *huma.Schema {
	return oneOf(statemachine.Private, statemachine.Shared)
}

// side is the part that the author of a comment takes.
type side statemachine.Side

// Schema lists the sides that say something.
func (side) Schema(huma.Registry) *huma.Schema {
	return oneOf(statemachine.SideRequester, statemachine.SideReviewer)
}

// addComments adds what people say about a request.
func (s *server) addComments() {
	add(s, operation{
		id: "createComment", method: http.MethodPost, path: requestPath + "/comments", tag: "Comments", summary: "Comment on a request", success: http.StatusCreated,
		about: "For reviewers, the requester and workspace owners, while the request is a draft or in review. Nobody is told of it, and it cannot be changed. " +
			"409 says that the request takes no comments now (comments_open), or that the round has 500 (comments_limit).",
		fails: []int{http.StatusConflict},
	}, func(ctx context.Context, who airlock.Identity, in *commentInput) (*commentOutput, error) {
		c, err := s.Service.Comment(ctx, who, in.Workspace.lower(), in.Request.lower(), airlock.NewComment{
			Text: string(in.Body.Text), Visibility: statemachine.Visibility(in.Body.Visibility), File: orZero(in.Body.File),
		})
		if err != nil {
			return nil, err
		}
		return &commentOutput{s.comment(c)}, nil
	})
	add(s, operation{
		id: "listComments", method: http.MethodGet, path: requestPath + "/comments", tag: "Comments", summary: "List the comments on a request",
		about: "For reviewers, the requester, workspace owners and TRE admins. What reviewers share in a round is shown to the requester and the owners when the round is over. " +
			"Whoever made the request is shown what requesters are shown, whatever else they are.",
	}, func(ctx context.Context, who airlock.Identity, in *commentsInput) (*commentsOutput, error) {
		page, err := s.Service.Comments(ctx, who, in.Workspace.lower(), in.Request.lower(), in.Limit, in.Cursor)
		if err != nil {
			return nil, err
		}
		out := &commentsOutput{Link: next("/api/workspaces/"+in.Workspace.lower()+"/requests/"+in.Request.lower()+"/comments", page.Next,
			url.Values{"limit": {limit(in.Limit)}})}
		out.Body.Comments, out.Body.Allowed = make([]comment, len(page.Comments)), make([]visibility, len(page.Sayable))
		for i, c := range page.Comments {
			out.Body.Comments[i] = s.comment(c)
		}
		for i, v := range page.Sayable {
			out.Body.Allowed[i] = visibility(v)
		}
		return out, nil
	})
}

func (s *server) comment(c airlock.Comment) comment {
	return comment{
		ID: c.ID, Round: c.Round, Status: status(c.Status), Author: s.user(c.By), As: side(c.As), When: c.When.UTC(),
		Visibility: visibility(c.Visibility), Text: c.Text, File: orNull(c.File),
	}
}
