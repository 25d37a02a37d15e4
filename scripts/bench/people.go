package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"airlock/scripts/apiclient"
	"airlock/scripts/localazure"
)

// The people of the local TRE that the bench plays.
const (
	requester = "ada"
	reviewer  = "mia"
	owner     = "olga"
	admin     = "tara"
)

// people call the API of one workspace as its clients do: over kept connections, with tokens that are made once.
type people struct {
	azure     *localazure.Azure
	workspace localazure.Workspace
	api       *apiclient.Client
	files     *http.Client // for what links lead to
}

// newPeople gets everybody a token.
func newPeople(azure *localazure.Azure, w localazure.Workspace) (*people, error) {
	tokens := map[string]string{}
	for _, who := range []string{requester, reviewer, owner, admin} {
		token, err := azure.Token(who, w)
		if err != nil {
			return nil, err
		}
		tokens[who] = token
	}
	api := azure.Client(w)
	api.HTTP.Transport = &http.Transport{MaxIdleConnsPerHost: 256}
	api.Token = func(who string) (string, error) { return tokens[who], nil }
	return &people{azure: azure, workspace: w, api: api, files: api.HTTP}, nil
}

// alone is the same people when they do one thing at a time.
func (p *people) alone() *people {
	q := p.in(p.workspace)
	q.api.HTTP = &http.Client{Transport: &wire{}}
	return q
}

// in is the same people in another workspace that takes tokens of the same audience.
func (p *people) in(w localazure.Workspace) *people {
	api := *p.api
	api.Workspace = w.ID
	return &people{azure: p.azure, workspace: w, api: &api, files: p.files}
}

// well asks whether the airlock works. Most of the time it answers from memory.
func (p *people) well(ctx context.Context) error { return p.api.Health(ctx) }

func (p *people) create(ctx context.Context, direction string) (apiclient.Request, error) {
	return p.api.Create(ctx, requester, apiclient.NewRequest{Type: direction, Title: "A title", Justification: "A reason"})
}

func (p *people) submit(ctx context.Context, id string) (apiclient.Request, error) {
	return p.api.Act(ctx, requester, id, "submit", nil)
}

func (p *people) cancel(ctx context.Context, id string) error {
	_, err := p.api.Act(ctx, requester, id, "cancel", nil)
	return err
}

func (p *people) approve(ctx context.Context, id string) (apiclient.Request, error) {
	return p.api.Act(ctx, reviewer, id, "review", apiclient.Review{Decision: "approved", Explanation: "Nothing against it"})
}

func (p *people) get(ctx context.Context, id string) (apiclient.Request, error) {
	return p.api.Get(ctx, owner, id)
}

// ask is get without a look at the answer: what a program makes of it is its own time.
func (p *people) ask(ctx context.Context, id string) error {
	return p.api.Call(ctx, owner, http.MethodGet, "/requests/"+id, nil, nil)
}

func (p *people) list(ctx context.Context, limit int) (int, error) {
	var answer struct {
		Requests []struct{} `json:"airlockRequests"`
	}
	err := p.api.Call(ctx, owner, http.MethodGet, fmt.Sprintf("/requests?limit=%d", limit), nil, &answer)
	return len(answer.Requests), err
}

func (p *people) link(ctx context.Context, id string) (string, error) {
	return p.api.Link(ctx, requester, id)
}

// upload puts files of one small content into the request's container.
func (p *people) upload(ctx context.Context, id string, files int) error {
	link, err := p.link(ctx, id)
	if err != nil {
		return err
	}
	return p.put(ctx, link, files)
}

// put puts them where a link leads to.
func (p *people) put(ctx context.Context, link string, files int) error {
	folder, err := apiclient.Open(link, &container.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: p.files}})
	if err != nil {
		return err
	}
	return each(ctx, files, 4, func(ctx context.Context, i int) error {
		_, err := folder.NewBlockBlobClient(fmt.Sprintf("file-%04d.csv", i)).UploadBuffer(ctx, []byte("group,n\na,12\n"), nil)
		return apiclient.WithoutLink(err)
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
func (p *people) await(ctx context.Context, id, status string) (apiclient.Request, error) {
	return p.api.Await(ctx, owner, id, status, pollGap, patience)
}
