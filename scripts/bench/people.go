package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/entraid"
)

// The people of the local TRE that the bench plays.
const (
	requester = "ada"
	reviewer  = "mia"
	owner     = "olga"
	admin     = "tara"
)

// people call the API of one workspace as its clients do: over one kept connection each, with a token that is made once.
type people struct {
	azure     *localazure.Azure
	workspace localazure.Workspace
	tokens    map[string]string
	client    *http.Client
}

// newPeople gets everybody a token.
func newPeople(azure *localazure.Azure, w localazure.Workspace) (*people, error) {
	p := &people{azure: azure, workspace: w, tokens: map[string]string{}, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: time.Minute,
	}}
	for _, who := range []string{requester, reviewer, owner} {
		token, err := azure.Token(who, w)
		if err != nil {
			return nil, err
		}
		p.tokens[who] = token
	}
	token, err := azure.Entra.Token(admin, entraid.TokenOptions{Audience: localazure.APIAudience})
	p.tokens[admin] = token
	return p, err
}

// in is the same people in another workspace that takes tokens of the same audience.
func (p *people) in(w localazure.Workspace) *people {
	other := *p
	other.workspace = w
	return &other
}

// request is what the bench reads of a request.
type request struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Message string `json:"statusMessage"`
	Version int    `json:"resourceVersion"`
}

// call sends a request below the workspace and decodes the answer, if a place is given. A status other than 2xx is a
// *refusal.
func (p *people) call(ctx context.Context, who, method, path string, body, answer any) error {
	encoded := []byte(nil)
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, p.azure.Host.URL()+"/api/workspaces/"+p.workspace.ID+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+p.tokens[who])
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode >= 300:
		return &refusal{response.StatusCode, fmt.Sprintf("%s %s as %s: status %d: %s", method, path, who, response.StatusCode, text)}
	case answer == nil:
		return nil
	default:
		return json.Unmarshal(text, answer)
	}
}

// refusal is an answer of the API that is no success.
type refusal struct {
	status int
	text   string
}

// Error is for people.
func (r *refusal) Error() string { return r.text }

// well asks whether the airlock works. Most of the time it answers from memory.
func (p *people) well(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.azure.Host.URL()+"/api/health", nil)
	if err != nil {
		return err
	}
	response, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// act does one thing to a request and returns it.
func (p *people) act(ctx context.Context, who, method, path string, body any) (request, error) {
	var answer struct {
		Request request `json:"airlockRequest"`
	}
	err := p.call(ctx, who, method, "/requests"+path, body, &answer)
	return answer.Request, err
}

func (p *people) create(ctx context.Context, direction string) (request, error) {
	return p.act(ctx, requester, http.MethodPost, "", map[string]string{"type": direction, "title": "A title", "businessJustification": "A reason"})
}

func (p *people) submit(ctx context.Context, id string) (request, error) {
	return p.act(ctx, requester, http.MethodPost, "/"+id+"/submit", nil)
}

func (p *people) approve(ctx context.Context, id string) (request, error) {
	return p.act(ctx, reviewer, http.MethodPost, "/"+id+"/review", map[string]string{"decision": "approved", "decisionExplanation": "Nothing against it"})
}

func (p *people) get(ctx context.Context, id string) (request, error) {
	return p.act(ctx, owner, http.MethodGet, "/"+id, nil)
}

func (p *people) list(ctx context.Context, limit int) (int, error) {
	var answer struct {
		Requests []struct{} `json:"airlockRequests"`
	}
	err := p.call(ctx, owner, http.MethodGet, fmt.Sprintf("/requests?limit=%d", limit), nil, &answer)
	return len(answer.Requests), err
}

func (p *people) link(ctx context.Context, id string) (string, error) {
	var answer struct {
		URL string `json:"containerUrl"`
	}
	err := p.call(ctx, requester, http.MethodGet, "/requests/"+id+"/link", nil, &answer)
	return answer.URL, err
}

// upload puts files of one small content into the request's container, through its link.
func (p *people) upload(ctx context.Context, id string, files int) error {
	url, err := p.link(ctx, id)
	if err != nil {
		return err
	}
	folder, err := container.NewClientWithNoCredential(url, &container.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: p.client}})
	if err != nil {
		return errors.New("the link is no address")
	}
	return each(ctx, files, 4, func(ctx context.Context, i int) error {
		_, err := folder.NewBlockBlobClient(fmt.Sprintf("file-%04d.csv", i)).UploadBuffer(ctx, []byte("group,n\na,12\n"), nil)
		var response *azcore.ResponseError
		if errors.As(err, &response) { // its text holds the link
			return fmt.Errorf("upload: storage answers %d %s", response.StatusCode, response.ErrorCode)
		}
		return err
	})
}

// draft makes a request with files in it.
func (p *people) draft(ctx context.Context, direction string, files int) (string, error) {
	r, err := p.create(ctx, direction)
	if err == nil {
		err = p.upload(ctx, r.ID, files)
	}
	return r.ID, err
}

const (
	patience = 5 * time.Minute
	pollGap  = 5 * time.Millisecond // between two looks at a status
)

// await polls until the request has the status.
func (p *people) await(ctx context.Context, id, status string) (request, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		r, err := p.get(ctx, id)
		switch {
		case err != nil:
			return r, err
		case r.Status == status:
			return r, nil
		case r.Status == "failed":
			return r, fmt.Errorf("request %s failed: %s", id, r.Message)
		}
		select {
		case <-ctx.Done():
			return r, fmt.Errorf("request %s is %s, not %s: %w", id, r.Status, status, ctx.Err())
		case <-time.After(pollGap):
		}
	}
}
