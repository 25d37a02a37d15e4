// Package apiclient calls the airlock's API as the programs of its users do: it knows the API and the links that the API
// hands out, and nothing of what is behind either. The commands of this repository that play people share it.
//
// Every method sends one request and tries nothing again; only Await and Eventually look repeatedly, and both end. An error is a
// *Refusal where the API has answered that it did not do it; after any other error nobody knows whether it did.
//
// It never has a token or a link in an error, and never prints anything.
package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	"airlock/statemachine"
)

// maxAnswer is how much of an answer is read, in bytes: more than a page of requests can have.
const maxAnswer = 16 << 20

// Client calls the API of one workspace as anybody who has a token for it. It is safe for concurrent use as long as nobody
// changes its fields; a copy with other fields is another client over the same connections.
type Client struct {
	HTTP      *http.Client // its Timeout bounds each call
	App       string       // address of the app, https://HOST
	Workspace string       // id of the workspace
	// Token returns an access token of somebody. It is asked before each call.
	Token func(who string) (string, error)
	// Trace is the client's id of its calls, which the audit records of what they do will hold. Empty: the airlock makes
	// one for each.
	Trace string
}

// Refusal is an answer of the API that is no success.
type Refusal struct {
	Call   string // what was asked, and by whom
	Status int    // of HTTP; from 500 on it says that the airlock does not know either
	Text   string // the problem details (RFC 9457), or whatever a host in between has to say
}

// Error is for people.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: status %d: %s", r.Call, r.Status, r.Text) }

// Call sends a request below the workspace, with body as JSON, and decodes what is answered into answer. Either may be nil.
func (c *Client) Call(ctx context.Context, who, method, path string, body, answer any) error {
	_, err := c.Exchange(ctx, who, method, path, nil, body, answer)
	return err
}

// Exchange is Call for those who also send headers or read those of the answer.
func (c *Client) Exchange(ctx context.Context, who, method, path string, header http.Header, body, answer any) (http.Header, error) {
	token, err := c.Token(who)
	if err != nil {
		return nil, err
	}
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.App+"/api/workspaces/"+url.PathEscape(c.Workspace)+path, content)
	if err != nil {
		return nil, err
	}
	maps.Copy(r.Header, header)
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.Trace != "" {
		r.Header.Set("x-ms-client-request-id", c.Trace)
	}
	return c.send(r, who, answer)
}

// Health asks, as nobody in particular, whether the airlock is well.
func (c *Client) Health(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.App+"/api/health", nil)
	if err != nil {
		return err
	}
	_, err = c.send(r, "anybody", nil)
	return err
}

func (c *Client) send(r *http.Request, who string, answer any) (http.Header, error) {
	response, err := c.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
	case response.StatusCode >= 300:
		return nil, &Refusal{r.Method + " " + r.URL.Path + " as " + who, response.StatusCode, string(bytes.TrimSpace(text))}
	case answer != nil:
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s as %s: the answer: %w", r.Method, r.URL.Path, who, err)
	}
	return response.Header, nil
}

// Configure changes the settings of the workspace, as they are in JSON. It is a *Refusal if somebody else does so meanwhile.
func (c *Client) Configure(ctx context.Context, who string, change func(settings map[string]any)) error {
	settings := map[string]any{}
	header, err := c.Exchange(ctx, who, http.MethodGet, "/airlock", nil, nil, &settings)
	if err != nil {
		return err
	}
	change(settings)
	_, err = c.Exchange(ctx, who, http.MethodPut, "/airlock", http.Header{"If-Match": {header.Get("ETag")}}, settings, nil)
	return err
}

// Request is what the commands read of a request.
type Request struct {
	ID            string `json:"id"`
	Status        string `json:"status"`
	StatusMessage string `json:"statusMessage"` // for people; mostly empty
	Version       int    `json:"resourceVersion"`
	Digest        string `json:"manifestDigest"`
	Reviews       []struct {
		ID string `json:"id"`
	} `json:"reviews"`
}

// NewRequest is what a request is made of.
type NewRequest struct {
	Type          string `json:"type"` // import or export
	Title         string `json:"title"`
	Justification string `json:"businessJustification"`
}

// Review is what a reviewer says of a request.
type Review struct {
	Decision    string `json:"decision"`
	Explanation string `json:"decisionExplanation"`
}

// File is a file of a request, as its manifest has it.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // empty as long as nobody has computed it
}

// Record is an entry of a request's audit trail.
type Record struct {
	What  string `json:"what"`
	From  string `json:"from"`
	To    string `json:"to"`
	Who   string `json:"who"`
	Trace string `json:"trace"`
}

// Create makes a request.
func (c *Client) Create(ctx context.Context, who string, r NewRequest) (Request, error) {
	return c.request(ctx, who, http.MethodPost, "", r)
}

// Act does something to a request, as the last part of its path names it, and returns it as it is then.
func (c *Client) Act(ctx context.Context, who, id, action string, body any) (Request, error) {
	return c.request(ctx, who, http.MethodPost, "/"+id+"/"+action, body)
}

// Get reads a request.
func (c *Client) Get(ctx context.Context, who, id string) (Request, error) {
	return c.request(ctx, who, http.MethodGet, "/"+id, nil)
}

func (c *Client) request(ctx context.Context, who, method, path string, body any) (Request, error) {
	var answer struct {
		Request Request `json:"airlockRequest"`
	}
	err := c.Call(ctx, who, method, "/requests"+path, body, &answer)
	return answer.Request, err
}

// Link asks for a link to the request's files.
func (c *Client) Link(ctx context.Context, who, id string) (string, error) {
	var answer struct {
		URL string `json:"containerUrl"`
	}
	err := c.Call(ctx, who, http.MethodGet, "/requests/"+id+"/link", nil, &answer)
	return answer.URL, err
}

// Files reads the manifest of a request.
func (c *Client) Files(ctx context.Context, who, id string) ([]File, error) {
	var answer struct {
		Files []File `json:"files"`
	}
	err := c.Call(ctx, who, http.MethodGet, "/requests/"+id+"/files", nil, &answer)
	return answer.Files, err
}

// Trail reads the audit trail of a request, and whether its chain holds.
func (c *Client) Trail(ctx context.Context, who, id string) (records []Record, intact bool, err error) {
	var answer struct {
		Records []Record `json:"records"`
		Intact  bool     `json:"intact"`
	}
	err = c.Call(ctx, who, http.MethodGet, "/requests/"+id+"/audit", nil, &answer)
	return answer.Records, answer.Intact, err
}

// Await looks at a request now and then until it has the status. It gives up at the first error, when longest is over, and
// as soon as it is no longer the system's turn, because then the status does not come by itself.
func (c *Client) Await(ctx context.Context, who, id, status string, every, longest time.Duration) (Request, error) {
	end := time.Now().Add(longest)
	for {
		r, err := c.Get(ctx, who, id)
		if err != nil || r.Status == status {
			return r, err
		}
		if facts, _ := statemachine.Of(statemachine.Status(r.Status)); facts.Turn != statemachine.TurnSystem {
			return r, fmt.Errorf("request %s became %s, not %s: %s", id, r.Status, status, r.StatusMessage)
		}
		if time.Now().After(end) {
			return r, fmt.Errorf("request %s is still %s after %s, not %s: %s", id, r.Status, longest, status, r.StatusMessage)
		}
		if err := pause(ctx, every); err != nil {
			return r, err
		}
	}
}

// Eventually tries again until it works, and returns the last error when longest is over.
func Eventually(ctx context.Context, every, longest time.Duration, try func() error) error {
	end := time.Now().Add(longest)
	for {
		err := try()
		if err == nil || time.Now().After(end) || pause(ctx, every) != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
