package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/entraid"
)

// people are tara who administers the TRE, and ada who brings a file.
type people struct {
	azure     *localazure.Azure
	workspace localazure.Workspace
	out       io.Writer
}

func (p *people) say(format string, args ...any) {
	fmt.Fprintf(p.out, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// request is what is read of one.
type request struct {
	ID            string  `json:"id"`
	Status        string  `json:"status"`
	StatusMessage *string `json:"statusMessage"`
}

// call asks the API with a token.
func (p *people) call(ctx context.Context, token, method, path string, header http.Header, body, answer any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, p.azure.Host.URL()+"/api/workspaces/"+p.workspace.ID+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s answers %d: %s", method, path, response.StatusCode, text)
	}
	return response.Header, json.Unmarshal(text, answer)
}

// ada asks for something about requests.
func (p *people) ada(ctx context.Context, method, path string, body, answer any) error {
	token, err := p.azure.Token("ada", p.workspace)
	if err != nil {
		return err
	}
	_, err = p.call(ctx, token, method, "/requests"+path, nil, body, answer)
	return err
}

// allow lets tara raise the largest size of a file.
func (p *people) allow(ctx context.Context, size int64) error {
	token, err := p.azure.Entra.Token("tara", entraid.TokenOptions{Audience: localazure.APIAudience})
	if err != nil {
		return err
	}
	settings := map[string]any{}
	header, err := p.call(ctx, token, http.MethodGet, "/airlock", nil, nil, &settings)
	if err != nil {
		return err
	}
	settings["maxBytes"] = size
	_, err = p.call(ctx, token, http.MethodPut, "/airlock", http.Header{"If-Match": {header.Get("ETag")}}, settings, &settings)
	return err
}

// submit brings a file of zeros as ada, and hands the request over.
func (p *people) submit(ctx context.Context, size int64) (id string, err error) {
	var made struct {
		Request request `json:"airlockRequest"`
	}
	if err := p.ada(ctx, http.MethodPost, "", map[string]string{"type": "import", "title": "A large file", "businessJustification": "To see it read"}, &made); err != nil {
		return "", err
	}
	id = made.Request.ID
	var link struct {
		URL string `json:"containerUrl"`
	}
	if err := p.ada(ctx, http.MethodGet, "/"+id+"/link", nil, &link); err != nil {
		return "", err
	}
	if err := zeros(ctx, link.URL, size); err != nil {
		return "", err
	}
	p.say("ada uploads zeros.bin: %d GiB in %d blocks, which are one", size/gib, size/blockSize)
	return id, p.ada(ctx, http.MethodPost, "/"+id+"/submit", nil, &made)
}

// zeros makes a blob out of one block that its list names many times.
func zeros(ctx context.Context, link string, size int64) error {
	base, query, _ := strings.Cut(link, "?")
	blob, err := blockblob.NewClientWithNoCredential(base+"/zeros.bin?"+query, nil)
	if err != nil {
		return errors.New("the link is no address")
	}
	block := base64.StdEncoding.EncodeToString([]byte("zeros"))
	if _, err = blob.StageBlock(ctx, block, streaming.NopCloser(bytes.NewReader(make([]byte, blockSize))), nil); err == nil {
		_, err = blob.CommitBlockList(ctx, slices.Repeat([]string{block}, int(size/blockSize)), nil)
	}
	var response *azcore.ResponseError
	if errors.As(err, &response) { // its text holds the link
		return fmt.Errorf("upload: storage answers %d %s", response.StatusCode, response.ErrorCode)
	}
	return err
}
