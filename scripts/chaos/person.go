package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/google/uuid"

	"airlock/scripts/localazure"
)

// The longest that people wait for one answer: longer than the API gives itself.
const (
	answerTime  = 40 * time.Second
	storageTime = 15 * time.Second
)

// desk is where people of one workspace talk to the airlock. They know nothing but the API and the links that it hands out.
type desk struct {
	azure     *localazure.Azure
	workspace localazure.Workspace
	http      *http.Client
	ledger    *ledger
}

// refusal is an answer of the API that is no success.
type refusal struct {
	Status int    `json:"-"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail) }

// refused reports whether the airlock said no, as against saying that it does not know, or nothing.
func refused(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.Status < 500
}

// request is what people read of a request.
type request struct {
	ID            string `json:"id"`
	Status        string `json:"status"`
	StatusMessage string `json:"statusMessage"`
	Reviews       []struct {
		ID string `json:"id"`
	} `json:"reviews"`
}

// call asks the API as somebody. trace is the client's id of this one call, which the audit record will hold.
func (d *desk) call(ctx context.Context, who, trace, method, path string, body, answer any) error {
	return d.exchange(ctx, who, trace, method, path, body, answer, http.Header{})
}

// exchange is call for those who read headers too.
func (d *desk) exchange(ctx context.Context, who, trace, method, path string, body, answer any, headers http.Header) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	token, err := d.azure.Token(who, d.workspace)
	if err != nil {
		return err
	}
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, d.azure.Host.URL()+"/api/workspaces/"+d.workspace.ID+"/requests"+path, content)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("x-ms-client-request-id", trace)
	response, err := d.http.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	maps.Copy(headers, response.Header)
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	d.ledger.count(response.StatusCode)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		no := &refusal{Status: response.StatusCode}
		if json.Unmarshal(text, no) != nil {
			no.Code = "unexplained" // the host's own answers have no body
		}
		return no
	}
	return json.Unmarshal(text, answer)
}

// act does one thing to a request, or makes one where there is no id, and notes what came of it.
func (d *desk) act(ctx context.Context, who, id, action string, body any) (request, error) {
	a := d.ledger.begin(attempt{trace: uuid.NewString(), who: who, action: action, workspace: d.workspace.ID, request: id})
	path := "/" + id + "/" + action
	if id == "" {
		path = ""
	}
	var answer struct {
		Request request `json:"airlockRequest"`
	}
	err := d.call(ctx, who, a.trace, http.MethodPost, path, body, &answer)
	d.ledger.end(a, answer.Request.ID, err)
	return answer.Request, err
}

// read looks at a request.
func (d *desk) read(ctx context.Context, who, id string) (request, error) {
	var answer struct {
		Request request `json:"airlockRequest"`
	}
	err := d.call(ctx, who, uuid.NewString(), http.MethodGet, "/"+id, nil, &answer)
	return answer.Request, err
}

// link asks for a link to the request's files. Handing one out is recorded, like an action, under the correlation id that
// the link itself carries (Azure: scid of a user delegation SAS), which storage writes into its log.
func (d *desk) link(ctx context.Context, who, id string) (string, error) {
	a := d.ledger.begin(attempt{trace: uuid.NewString(), who: who, action: "link", workspace: d.workspace.ID, request: id})
	var answer struct {
		URL string `json:"containerUrl"`
	}
	err := d.call(ctx, who, a.trace, http.MethodGet, "/"+id+"/link", nil, &answer)
	if err == nil {
		d.ledger.rename(a, correlation(answer.URL))
	}
	d.ledger.end(a, id, err)
	return answer.URL, err
}

func correlation(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Query().Get("scid")
}

// record is one entry of a request's audit trail.
type record struct {
	What  string `json:"what"`
	From  string `json:"from"`
	To    string `json:"to"`
	Who   string `json:"who"`
	Trace string `json:"trace"`
}

// trail reads the audit trail of a request, and whether its chain holds. That it was read stands in it too, and is left out.
func (d *desk) trail(ctx context.Context, id string) (records []record, intact bool, err error) {
	var answer struct {
		Records []record `json:"records"`
		Intact  bool     `json:"intact"`
	}
	err = d.call(ctx, "olga", uuid.NewString(), http.MethodGet, "/"+id+"/audit", nil, &answer)
	return slices.DeleteFunc(answer.Records, func(r record) bool { return r.What == "audit" || r.What == "files" || r.What == "record" }), answer.Intact, err
}

// open makes a client of a link that tries everything once: the retries are those of the people.
func (d *desk) open(link string) (*container.Client, error) {
	return container.NewClientWithNoCredential(link, &container.ClientOptions{ClientOptions: policy.ClientOptions{
		Retry: policy.RetryOptions{MaxRetries: -1}, Transport: d.http,
	}})
}

// upload puts files into the request's container.
func (d *desk) upload(ctx context.Context, who, id string, files []file) error {
	link, err := d.link(ctx, who, id)
	if err != nil {
		return err
	}
	client, err := d.open(link)
	if err != nil {
		return err
	}
	for _, f := range files {
		sending, cancel := context.WithTimeout(ctx, storageTime)
		_, err := client.NewBlockBlobClient(f.name).UploadBuffer(sending, f.content, nil)
		cancel()
		if err != nil {
			return fmt.Errorf("upload: %w", withoutLink(err))
		}
	}
	return nil
}

// download reads everything behind a link and returns the SHA-256 of each file.
func (d *desk) download(ctx context.Context, link string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	client, err := d.open(link)
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for pager := client.NewListBlobsFlatPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list: %w", withoutLink(err))
		}
		for _, item := range page.Segment.BlobItems {
			got, err := client.NewBlobClient(*item.Name).DownloadStream(ctx, nil)
			if err != nil {
				return nil, fmt.Errorf("download: %w", withoutLink(err))
			}
			hash := sha256.New()
			_, err = io.Copy(hash, got.Body)
			got.Body.Close()
			if err != nil {
				return nil, errors.New("download: it breaks off")
			}
			sums[*item.Name] = hex.EncodeToString(hash.Sum(nil))
		}
	}
	return sums, nil
}

// alive reports whether a link still opens anything.
func (d *desk) alive(ctx context.Context, link string) (bool, error) {
	base, query, _ := strings.Cut(link, "?")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"?restype=container&comp=list&"+query, nil)
	if err != nil {
		return false, err
	}
	response, err := d.http.Do(r)
	if err != nil {
		return false, withoutLink(err)
	}
	response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	default:
		return false, fmt.Errorf("storage answers %d", response.StatusCode)
	}
}

// withoutLink keeps what storage said and drops the request, which holds a signature.
func withoutLink(err error) error {
	var response *azcore.ResponseError
	if errors.As(err, &response) {
		return fmt.Errorf("storage answers %d %s", response.StatusCode, response.ErrorCode)
	}
	return errors.New("storage cannot be reached")
}
