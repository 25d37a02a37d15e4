package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/google/uuid"

	"airlock/scripts/apiclient"
	"airlock/scripts/localazure"
)

// The longest that people wait for one answer: longer than the API gives itself.
const (
	answerTime  = 40 * time.Second
	storageTime = 15 * time.Second
)

// desk is where people of one workspace talk to the airlock. They know nothing but the API and the links that it hands out.
type desk struct {
	azure   *localazure.Azure
	api     *apiclient.Client
	storage *http.Client
	ledger  *ledger
}

// newDesk lets people talk over the connections of transport. What the API answers is counted.
func newDesk(azure *localazure.Azure, w localazure.Workspace, transport http.RoundTripper, l *ledger) *desk {
	api := azure.Client(w)
	api.HTTP = &http.Client{Transport: counted{transport, l}, Timeout: answerTime}
	return &desk{azure: azure, api: api, storage: &http.Client{Transport: transport}, ledger: l}
}

// refused reports whether the airlock said no, as against saying that it does not know, or nothing.
func refused(err error) bool {
	var r *apiclient.Refusal
	return errors.As(err, &r) && r.Status < http.StatusInternalServerError
}

// try begins to note something that somebody tries, and returns the client whose calls carry the id of this one attempt.
func (d *desk) try(who, id, action string) (*attempt, *apiclient.Client) {
	api := *d.api
	api.Trace = uuid.NewString()
	return d.ledger.begin(attempt{trace: api.Trace, who: who, action: action, workspace: api.Workspace, request: id}), &api
}

// create makes a request, and notes what came of it.
func (d *desk) create(ctx context.Context, who string, n apiclient.NewRequest) (apiclient.Request, error) {
	a, api := d.try(who, "", "")
	r, err := api.Create(ctx, who, n)
	d.ledger.end(a, r.ID, err)
	return r, err
}

// act does one thing to a request, and notes what came of it.
func (d *desk) act(ctx context.Context, who, id, action string, body any) (apiclient.Request, error) {
	a, api := d.try(who, id, action)
	r, err := api.Act(ctx, who, id, action, body)
	d.ledger.end(a, r.ID, err)
	return r, err
}

// link asks for a link to the request's files. Handing one out is recorded, like an action, under the correlation id that
// the link itself carries (Azure: scid of a user delegation SAS), which storage writes into its log.
func (d *desk) link(ctx context.Context, who, id string) (string, error) {
	a, api := d.try(who, id, "link")
	link, err := api.Link(ctx, who, id)
	if err == nil {
		d.ledger.rename(a, correlation(link))
	}
	d.ledger.end(a, id, err)
	return link, err
}

func correlation(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Query().Get("scid")
}

// trail reads the audit trail of a request, and whether its chain holds. That it was read stands in it too, and is left out.
func (d *desk) trail(ctx context.Context, id string) (records []apiclient.Record, intact bool, err error) {
	records, intact, err = d.api.Trail(ctx, "olga", id)
	return slices.DeleteFunc(records, func(r apiclient.Record) bool { return r.What == "audit" || r.What == "files" || r.What == "record" }), intact, err
}

// open makes a client of a link that tries everything once: the retries are those of the people.
func (d *desk) open(link string) (*container.Client, error) {
	return apiclient.Open(link, &container.ClientOptions{ClientOptions: policy.ClientOptions{
		Retry: policy.RetryOptions{MaxRetries: -1}, Transport: d.storage,
	}})
}

// upload puts files into the request's container.
func (d *desk) upload(ctx context.Context, who, id string, files []file) error {
	link, err := d.link(ctx, who, id)
	if err != nil {
		return err
	}
	folder, err := d.open(link)
	if err != nil {
		return err
	}
	for _, f := range files {
		sending, cancel := context.WithTimeout(ctx, storageTime)
		_, err := folder.NewBlockBlobClient(f.name).UploadBuffer(sending, f.content, nil)
		cancel()
		if err != nil {
			return fmt.Errorf("upload: %w", apiclient.WithoutLink(err))
		}
	}
	return nil
}

// download reads everything behind a link and returns the SHA-256 of each file.
func (d *desk) download(ctx context.Context, link string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	folder, err := d.open(link)
	if err != nil {
		return nil, err
	}
	return apiclient.Sums(ctx, folder)
}

// alive reports whether a link still opens anything.
func (d *desk) alive(ctx context.Context, link string) (bool, error) {
	folder, err := d.open(link)
	if err != nil {
		return false, err
	}
	return apiclient.Alive(ctx, folder)
}
