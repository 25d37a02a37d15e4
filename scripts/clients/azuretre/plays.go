package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// expect fails unless the value is the wanted one.
func expect[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}

// draft makes a request without a title and uploads a file once.
func (s *session) draft(ctx context.Context, direction string) (id, link string, err error) {
	e, err := s.do(ctx, "ada", http.MethodPost, "", `{"type": "`+direction+`", "businessJustification": "some business justification"}`, http.StatusCreated)
	if err != nil {
		return "", "", err
	}
	if err := errors.Join(expect("the status", e.Request.Status, "draft"), expect("the type", e.Request.Type, direction), expect("the title", e.Request.Title, "Airlock Request"),
		expect("the justification", e.Request.Reason, "some business justification"), expect("the workspace", e.Request.WorkspaceID, s.workspace)); err != nil {
		return "", "", err
	}
	if link, err = s.link(ctx, "ada", e.Request.ID); err != nil {
		return "", "", err
	}
	a, err := s.blob(ctx, http.MethodPut, link, "test.txt", "some content")
	if err := errors.Join(err, a.is(http.StatusCreated)); err != nil {
		return "", "", fmt.Errorf("upload: %w", err)
	}
	a, err = s.blob(ctx, http.MethodPut, link, "test.txt", "other content")
	if err := errors.Join(err, a.is(http.StatusConflict)); err != nil {
		return "", "", fmt.Errorf("upload again: %w", err)
	}
	return e.Request.ID, link, nil
}

// reviewable submits without a body and without a content type, and waits.
func (s *session) reviewable(ctx context.Context, id string) error {
	e, err := s.do(ctx, "ada", http.MethodPost, "/"+id+"/submit", "", http.StatusOK)
	if err := errors.Join(err, expect("the status", e.Request.Status, "submitted")); err != nil {
		return err
	}
	e, err = s.await(ctx, "ada", id, "in_review")
	if err != nil {
		return err
	}
	if len(e.Request.Files) != 1 || e.Request.Files[0] != (file{"test.txt", 12}) {
		return fmt.Errorf("the files are %v", e.Request.Files)
	}
	return nil
}

// approved reviews with a boolean that is a text.
func (s *session) approved(ctx context.Context, id string) error {
	const why = "the reason why this request was approved/rejected"
	e, err := s.do(ctx, "mia", http.MethodPost, "/"+id+"/review", `{"approval": "True", "decisionExplanation": "`+why+`"}`, http.StatusOK)
	if err := errors.Join(err, expect("the status", e.Request.Status, "approval_in_progress")); err != nil {
		return err
	}
	if len(e.Request.Reviews) != 1 || e.Request.Reviews[0] != (review{"approved", why}) {
		return fmt.Errorf("the reviews are %v", e.Request.Reviews)
	}
	_, err = s.await(ctx, "mia", id, "approved")
	return err
}

func (s *session) importApproved(ctx context.Context) error {
	id, old, err := s.draft(ctx, "import")
	if err != nil {
		return err
	}
	if err := s.reviewable(ctx, id); err != nil {
		return err
	}
	if _, err := s.link(ctx, "mia", id); err != nil {
		return err
	}
	if err := s.approved(ctx, id); err != nil {
		return err
	}
	if gone, err := s.blob(ctx, http.MethodGet, old, "", ""); err != nil || gone.status != http.StatusNotFound {
		return fmt.Errorf("the draft's link afterwards: %d, %w", gone.status, err)
	}
	return s.downloaded(ctx, id)
}

// downloaded reads the file through a new link.
func (s *session) downloaded(ctx context.Context, id string) error {
	link, err := s.link(ctx, "ada", id)
	if err != nil {
		return err
	}
	got, err := s.blob(ctx, http.MethodGet, link, "test.txt", "")
	return errors.Join(err, got.is(http.StatusOK), expect("the file", string(got.body), "some content"))
}

func (s *session) exportRevoked(ctx context.Context) error {
	id, _, err := s.draft(ctx, "export")
	if err != nil {
		return err
	}
	if err := s.reviewable(ctx, id); err != nil {
		return err
	}
	if err := s.approved(ctx, id); err != nil {
		return err
	}
	link, err := s.link(ctx, "ada", id)
	if err != nil {
		return err
	}
	e, err := s.do(ctx, "mia", http.MethodPost, "/"+id+"/revoke", `{"reason": "approved by mistake"}`, http.StatusOK)
	if err := errors.Join(err, expect("the status", e.Request.Status, "revoked")); err != nil {
		return err
	}
	if last := len(e.Request.Reviews) - 1; last < 1 || e.Request.Reviews[last] != (review{"revoked", "approved by mistake"}) {
		return fmt.Errorf("the reviews are %v", e.Request.Reviews)
	}
	return s.dies(ctx, link)
}

// commandLine plays "tre workspace ID airlock-requests new", "list", and "airlock-request ID show", "get-url", "cancel".
func (s *session) commandLine(ctx context.Context) error {
	e, err := s.do(ctx, "ada", http.MethodPost, "", `{"type": "import", "title": "From the command line", "businessJustification": "Try it"}`, http.StatusCreated)
	if err != nil {
		return err
	}
	id := e.Request.ID
	all, err := s.list(ctx, "")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(e entry) bool { return e.Request.ID == id && slices.Equal(e.Actions, []string{"cancel", "submit"}) }) {
		return errors.New("the list does not hold the new request with what may be done with it")
	}
	if e, err = s.do(ctx, "ada", http.MethodGet, "/"+id, "", http.StatusOK); err != nil {
		return err
	}
	if err := expect("the title", e.Request.Title, "From the command line"); err != nil {
		return err
	}
	if _, err := s.link(ctx, "ada", id); err != nil {
		return err
	}
	e, err = s.do(ctx, "ada", http.MethodPost, "/"+id+"/cancel", "", http.StatusOK)
	return errors.Join(err, expect("the status", e.Request.Status, "cancelled"))
}

// list reads the workspace's list.
func (s *session) list(ctx context.Context, query string) ([]entry, error) {
	a, err := s.send(ctx, call{method: http.MethodGet, url: s.path(query), token: s.tokens["ada"], list: true})
	if err != nil {
		return nil, err
	}
	var page struct {
		Requests []entry `json:"airlockRequests"`
	}
	err = errors.Join(a.is(http.StatusOK), a.read(&page))
	return page.Requests, err
}

// errors asks for what must be refused, in the sentences that the clients show.
func (s *session) errors(ctx context.Context) error {
	made, err := s.do(ctx, "ada", http.MethodPost, "", `{"type": "import"}`, http.StatusCreated)
	if err != nil {
		return err
	}
	draft := "/" + made.Request.ID
	if _, err := s.do(ctx, "ada", http.MethodPost, draft+"/cancel", "", http.StatusOK); err != nil {
		return err
	}
	const unknown = "/6f1c0de5-0000-4000-8000-000000000000"
	for _, test := range []struct {
		method, url, token, body string
		status                   int
		sentence                 string
	}{
		{"GET", s.path(unknown), s.tokens["ada"], "", 404, "Airlock request does not exist"},
		{"GET", s.api + "/api/workspaces" + unknown + "/requests", s.tokens["ada"], "", 404, "Workspace does not exist"},
		{"GET", s.path(""), "", "", 401, "Could not validate credentials"},
		{"GET", s.path(""), "not.a.token", "", 401, "Invalid token"},
		{"GET", s.path("/not-an-id"), s.tokens["ada"], "", 422, "The request is not valid."},
		{"GET", s.path("/.."), s.tokens["ada"], "", 404, "Not Found"},
		{"POST", s.path(""), s.tokens["mia"], `{"type": "import"}`, 403, "The user is missing a required role: ['WorkspaceOwner', 'WorkspaceResearcher']"},
		{"POST", s.path(""), s.tokens["ada"], `{"type": "sideways"}`, 422, "The request is not valid."},
		{"POST", s.path(draft + "/submit"), s.tokens["ada"], "", 400, "Airlock request status change was illegal"},
		{"POST", s.path(draft + "/review"), s.tokens["mia"], `{"approval": true}`, 400, "Airlock request status change was illegal"},
		{"POST", s.path(draft + "/revoke"), s.tokens["mia"], `{}`, 422, "The request is not valid."},
		{"GET", s.path(draft + "/link"), s.tokens["ada"], "", 400, "Airlock request was cancelled."},
		{"POST", s.path(draft + "/review-user-resource"), s.tokens["mia"], `{}`, 501, "Review desktops are made by the TRE"},
	} {
		a, err := s.send(ctx, call{method: test.method, url: test.url, token: test.token, body: test.body})
		if err := errors.Join(err, a.says(test.status, test.sentence)); err != nil {
			return err
		}
	}
	return nil
}
