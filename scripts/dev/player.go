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
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"airlock/scripts/localazure"
)

// player plays one scenario: people who know nothing but the API and the links that it hands out.
type player struct {
	azure     *localazure.Azure
	workspace localazure.Workspace
	out       io.Writer
	began     time.Time
	patience  time.Duration // how long to wait for a status
	made      []string      // ids of its requests
}

// request is what the player reads of a request.
type request struct {
	ID            string `json:"id"`
	Status        string `json:"status"`
	StatusMessage string `json:"statusMessage"`
}

// say prints one step with the time since the scenario began.
func (p *player) say(format string, args ...any) {
	fmt.Fprintf(p.out, "  %6.2f s  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

// call sends a request as somebody and decodes the answer; any status but 2xx is an error with the server's sentence.
func (p *player) call(ctx context.Context, who, method, path string, body, answer any) error {
	token, err := p.azure.Token(who, p.workspace)
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
	r, err := http.NewRequestWithContext(ctx, method, p.azure.Host.URL()+"/api/workspaces/"+p.workspace.ID+"/requests"+path, content)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s as %s: status %d: %s", method, path, who, response.StatusCode, text)
	}
	return json.Unmarshal(text, answer)
}

// act does one thing to a request and returns it.
func (p *player) act(ctx context.Context, who, id, action string, body any) (request, error) {
	var answer struct {
		Request request `json:"airlockRequest"`
	}
	path := "/" + id + "/" + action
	if id == "" {
		path = ""
	}
	err := p.call(ctx, who, http.MethodPost, path, body, &answer)
	return answer.Request, err
}

func (p *player) create(ctx context.Context, who, direction, title string) (string, error) {
	r, err := p.act(ctx, who, "", "", map[string]string{"type": direction, "title": title, "businessJustification": "A demonstration"})
	if err == nil {
		p.made = append(p.made, r.ID)
		p.say("%s makes an %s request: %s", who, direction, r.Status)
	}
	return r.ID, err
}

func (p *player) submit(ctx context.Context, who, id string) error {
	r, err := p.act(ctx, who, id, "submit", nil)
	if err == nil {
		p.say("%s submits: %s", who, r.Status)
	}
	return err
}

func (p *player) review(ctx context.Context, who, id, decision, explanation string) error {
	r, err := p.act(ctx, who, id, "review", map[string]string{"decision": decision, "decisionExplanation": explanation})
	if err == nil {
		p.say("%s reviews (%s): %s", who, decision, r.Status)
	}
	return err
}

// await waits until the request has the status, and says how long that took.
func (p *player) await(ctx context.Context, id, status string) (request, error) {
	started := time.Now()
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	var answer struct {
		Request request `json:"airlockRequest"`
	}
	for {
		err := p.call(ctx, "olga", http.MethodGet, "/"+id, nil, &answer)
		switch {
		case whole.Err() != nil:
			return answer.Request, context.Cause(whole)
		case ctx.Err() != nil:
			return answer.Request, fmt.Errorf("still %s after %s, not %s: %s", answer.Request.Status, p.patience, status, answer.Request.StatusMessage)
		case err != nil:
			return answer.Request, err
		case answer.Request.Status == status:
			p.say("%s after %.2f s%s", status, time.Since(started).Seconds(), quoted(answer.Request.StatusMessage))
			return answer.Request, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(40 * time.Millisecond):
		}
	}
}

func quoted(message string) string {
	if message == "" {
		return ""
	}
	return ": “" + message + "”"
}

// link asks for a link to the request's files.
func (p *player) link(ctx context.Context, who, id string) (string, error) {
	var answer struct {
		URL string `json:"containerUrl"`
	}
	err := p.call(ctx, who, http.MethodGet, "/"+id+"/link", nil, &answer)
	return answer.URL, err
}

// source is a file to be uploaded.
type source struct {
	name string
	open func() (io.ReadSeekCloser, error)
}

// text is a small file.
func text(name, content string) source {
	return source{name, func() (io.ReadSeekCloser, error) { return nopCloser{strings.NewReader(content)}, nil }}
}

type nopCloser struct{ *strings.Reader }

func (nopCloser) Close() error { return nil }

// upload puts files into the request's container through its link, with the SDK that people use.
func (p *player) upload(ctx context.Context, who, id string, files ...source) (map[string]string, error) {
	url, err := p.link(ctx, who, id)
	if err != nil {
		return nil, err
	}
	client, err := container.NewClientWithNoCredential(url, nil)
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for _, f := range files {
		reader, err := f.open()
		if err != nil {
			return nil, err
		}
		hash := sha256.New()
		_, err = client.NewBlockBlobClient(f.name).UploadStream(ctx, io.TeeReader(reader, hash), &blockblob.UploadStreamOptions{
			BlockSize: 8 << 20, Concurrency: 2, HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("application/octet-stream")},
		})
		reader.Close()
		if err != nil {
			return nil, fmt.Errorf("upload %q: %w", f.name, withoutLink(err))
		}
		sums[f.name] = hex.EncodeToString(hash.Sum(nil))
	}
	p.say("%s uploads %s", who, plural(len(files), "file"))
	return sums, nil
}

// download reads everything through a link and returns the SHA-256 of each file.
func (p *player) download(ctx context.Context, url string) (map[string]string, error) {
	client, err := container.NewClientWithNoCredential(url, nil)
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for pager := client.NewListBlobsFlatPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, withoutLink(err)
		}
		for _, item := range page.Segment.BlobItems {
			got, err := client.NewBlobClient(*item.Name).DownloadStream(ctx, nil)
			if err != nil {
				return nil, withoutLink(err)
			}
			hash := sha256.New()
			_, err = io.Copy(hash, got.Body)
			got.Body.Close()
			if err != nil {
				return nil, err
			}
			sums[*item.Name] = hex.EncodeToString(hash.Sum(nil))
		}
	}
	return sums, nil
}

// receive downloads as somebody and compares with what was uploaded.
func (p *player) receive(ctx context.Context, who, id string, want map[string]string) (string, error) {
	url, err := p.link(ctx, who, id)
	if err != nil {
		return "", err
	}
	got, err := p.download(ctx, url)
	if err != nil {
		return "", err
	}
	if len(got) != len(want) {
		return "", fmt.Errorf("%d files arrived, %d were sent", len(got), len(want))
	}
	for name, sum := range want {
		if got[name] != sum {
			return "", fmt.Errorf("%q is not what was sent", name)
		}
	}
	p.say("%s downloads %s: every SHA-256 is that of the original", who, plural(len(got), "file"))
	return url, nil
}

// dead checks that a link, which worked before, answers 404.
func (p *player) dead(ctx context.Context, url string) error {
	base, query, _ := strings.Cut(url, "?")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"?restype=container&comp=list&"+query, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return withoutLink(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("the old link answers %d, not 404", response.StatusCode)
	}
	p.say("the old link answers 404")
	return nil
}

// withoutLink keeps what storage said and drops the request, which holds a signature.
func withoutLink(err error) error {
	var response *azcore.ResponseError
	if errors.As(err, &response) {
		return fmt.Errorf("storage answers %d %s", response.StatusCode, response.ErrorCode)
	}
	return errors.New("storage cannot be reached")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "one " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func sortedNames(sums map[string]string) []string {
	var names []string
	for name := range sums {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
