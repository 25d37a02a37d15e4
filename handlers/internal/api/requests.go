package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
)

const (
	requestsPath = "/api/workspaces/{workspace_id}/requests"
	requestPath  = requestsPath + "/{airlock_request_id}"
)

type requestOutput struct {
	Body requestWithActions
}

func (s *server) output(v airlock.View, err error) (*requestOutput, error) {
	if err != nil {
		return nil, err
	}
	return &requestOutput{requestWithActions{s.request(v.Request), actions(v.Actions), s.round(v)}}, nil
}

type createInput struct {
	OfWorkspace
	Body struct {
		_             struct{}  `additionalProperties:"true"`
		Type          direction `json:"type" doc:"import brings files into the workspace, export takes files out."`
		Title         *text     `json:"title,omitempty" default:"Airlock Request"`
		Justification *text     `json:"businessJustification,omitempty" default:"Business Justifications"`
	} `nameHint:"NewRequest"`
}

type createOutput struct {
	Location string `header:"Location" doc:"Path of the request."`
	Body     requestWithActions
}

type linkOutput struct {
	Body struct {
		URL       string    `json:"containerUrl" doc:"Address of the container, with what gives access to it. Give it to nobody."`
		ExpiresAt time.Time `json:"expiresAt" doc:"When the link stops working."`
	} `nameHint:"Link"`
}

// addRequests adds what makes, reads and opens one request.
func (s *server) addRequests() {
	add(s, operation{
		id: "createRequest", method: http.MethodPost, path: requestsPath, tag: "Requests", summary: "Make a request", success: http.StatusCreated,
		about: "For researchers and workspace owners. The request is a draft: fetch its link, upload the files, submit it. " +
			"The container for the files exists when this returns. 405 says that the workspace does not allow the direction.",
		fails: []int{http.StatusMethodNotAllowed, http.StatusConflict},
	}, s.create)
	add(s, operation{
		id: "getRequest", method: http.MethodGet, path: requestPath, tag: "Requests", summary: "Read a request",
		about: "For everybody with a role in the workspace.",
	}, func(ctx context.Context, who airlock.Identity, in *OfRequest) (*requestOutput, error) {
		return s.output(s.Service.Request(ctx, who, in.Workspace.lower(), in.Request.lower()))
	})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		add(s, operation{
			id: strings.ToLower(method) + "Link", method: method, path: requestPath + "/link", tag: "Requests", summary: "Get a link to the files",
			about: "The rights depend on the status and on who asks: a draft's requester may write, reviewers may read. " +
				"A link works for one container and a short time, and dies when the request moves on. Every link is recorded. " +
				"GET and POST are the same. 400 says that the status gives out no link.",
			fails: []int{http.StatusBadRequest},
		}, s.link)
	}
}

func (s *server) create(ctx context.Context, who airlock.Identity, in *createInput) (*createOutput, error) {
	v, err := s.Service.Create(ctx, who, in.Workspace.lower(), airlock.NewRequest{
		Type: airlock.Direction(in.Body.Type), Title: string(orZero(in.Body.Title)), Justification: string(orZero(in.Body.Justification)),
	})
	out, err := s.output(v, err)
	if err != nil {
		return nil, err
	}
	return &createOutput{"/api/workspaces/" + v.Request.WorkspaceID + "/requests/" + v.Request.ID, out.Body}, nil
}

func (s *server) link(ctx context.Context, who airlock.Identity, in *OfRequest) (*linkOutput, error) {
	link, err := s.Service.Link(ctx, who, in.Workspace.lower(), in.Request.lower())
	if err != nil {
		return nil, err
	}
	out := &linkOutput{}
	out.Body.URL, out.Body.ExpiresAt = link.URL, link.ExpiresAt.UTC()
	return out, nil
}
