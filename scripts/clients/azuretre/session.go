package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// session is one run of the clients.
type session struct {
	options
	wire
	tokens map[string]string // for the workspace, by login
	cores  map[string]string // for the API
}

func (s *session) login(ctx context.Context, login string) (err error) {
	if s.tokens == nil {
		s.tokens, s.cores = map[string]string{}, map[string]string{}
	}
	if s.tokens[login], err = s.token(ctx, s.issuer, login, s.audience); err != nil {
		return err
	}
	s.cores[login], err = s.token(ctx, s.issuer, login, s.core)
	return err
}

// request is what the clients read of a request.
type request struct {
	ID          string   `json:"id"`
	WorkspaceID string   `json:"workspaceId"`
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	Reason      string   `json:"businessJustification"`
	Status      string   `json:"status"`
	Created     float64  `json:"createdWhen"`
	Files       []file   `json:"files"`
	Reviews     []review `json:"reviews"`
	CreatedBy   struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"createdBy"`
}

type file struct {
	Name string  `json:"name"`
	Size float64 `json:"size"`
}

type review struct {
	Decision    string `json:"reviewDecision"`
	Explanation string `json:"decisionExplanation"`
}

// entry is a request with what may be done with it.
type entry struct {
	Request request  `json:"airlockRequest"`
	Actions []string `json:"allowedUserActions"`
}

// fields are those of a request in AzureTRE's order, which its clients' snapshots hold. Others may stand between them.
var fields = []string{
	"id", "resourceVersion", "createdBy", "createdWhen", "updatedBy", "updatedWhen", "history", "workspaceId", "type", "files",
	"title", "businessJustification", "status", "statusMessage", "reviews", "_etag", "reviewUserResources",
}

// path is an address below the workspace's requests.
func (s *session) path(rest string) string {
	return s.api + "/api/workspaces/" + s.workspace + "/requests" + rest
}

// do sends a request for an entry, which must come with the status.
func (s *session) do(ctx context.Context, login, method, rest, body string, status int) (entry, error) {
	c := call{method: method, url: s.path(rest), token: s.tokens[login], body: body}
	if body != "" {
		c.headers = http.Header{"Content-Type": {"application/json"}}
	}
	a, err := s.send(ctx, c)
	if err != nil {
		return entry{}, err
	}
	var e entry
	names, err := a.keys("airlockRequest")
	if err := errors.Join(a.is(status), err, a.read(&e)); err != nil {
		return entry{}, fmt.Errorf("%s %s: %w", method, rest, err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(fields, name) }) // what these clients never look at
	if !slices.Equal(names, fields) {
		return entry{}, fmt.Errorf("%s %s: the fields are %v, want %v", method, rest, names, fields)
	}
	return e, nil
}

// await asks every now and then, as the end-to-end tests do, until the request has the status.
func (s *session) await(ctx context.Context, login, id, status string) (entry, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	s.say("… GET %s until it is %s", s.path("/"+id), status)
	s.quiet = true
	defer func() { s.quiet = false }()
	for {
		e, err := s.do(ctx, login, http.MethodGet, "/"+id, "", http.StatusOK)
		if err != nil || e.Request.Status == status {
			s.quiet = false
			s.say("")
			return e, err
		}
		select {
		case <-ctx.Done():
			return e, fmt.Errorf("it is %s, not %s", e.Request.Status, status)
		case <-tick.C:
		}
	}
}

// link asks for the link, with GET as all clients do.
func (s *session) link(ctx context.Context, login, id string) (string, error) {
	a, err := s.send(ctx, call{method: http.MethodGet, url: s.path("/" + id + "/link"), token: s.tokens[login]})
	if err != nil {
		return "", err
	}
	var link struct {
		URL string `json:"containerUrl"`
	}
	if err := errors.Join(a.is(http.StatusOK), a.read(&link)); err != nil {
		return "", fmt.Errorf("link: %w", err)
	}
	if !strings.Contains(link.URL, id) || !strings.Contains(link.URL, "sig=") {
		return "", errors.New("the link is not one to the request's files")
	}
	return link.URL, nil
}

// blob sends a request for a file, or with an empty name for the list of them, as the storage SDK does.
func (s *session) blob(ctx context.Context, method, link, name, content string) (answer, error) {
	container, sas, _ := strings.Cut(link, "?")
	address := container + "/" + name + "?" + sas
	if name == "" {
		address = container + "?" + sas + "&restype=container&comp=list"
	}
	c := call{method: method, url: address, body: content}
	if method == http.MethodPut {
		c.headers = http.Header{"If-None-Match": {"*"}, "X-Ms-Blob-Type": {"BlockBlob"}}
	}
	return s.send(ctx, c)
}
