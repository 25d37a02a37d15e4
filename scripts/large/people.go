package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"airlock/scripts/apiclient"
	"airlock/scripts/localazure"
)

// people are tara who administers the TRE, and ada who brings a file.
type people struct {
	*apiclient.Client
	azure *localazure.Azure
	out   io.Writer
}

func (p *people) say(format string, args ...any) {
	fmt.Fprintf(p.out, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// allow lets tara raise the largest size of a file.
func (p *people) allow(ctx context.Context, size int64) error {
	return p.Configure(ctx, "tara", func(settings map[string]any) { settings["maxBytes"] = size })
}

// submit brings a file of zeros as ada, and hands the request over.
func (p *people) submit(ctx context.Context, size int64) (id string, err error) {
	r, err := p.Create(ctx, "ada", apiclient.NewRequest{Type: "import", Title: "A large file", Justification: "To see it read"})
	if err != nil {
		return "", err
	}
	link, err := p.Link(ctx, "ada", r.ID)
	if err != nil {
		return "", err
	}
	if err := zeros(ctx, link, size); err != nil {
		return "", err
	}
	p.say("ada uploads zeros.bin: %d GiB in %d blocks, which are one", size/gib, size/blockSize)
	_, err = p.Act(ctx, "ada", r.ID, "submit", nil)
	return r.ID, err
}

// zeros makes a blob out of one block that its list names many times.
func zeros(ctx context.Context, link string, size int64) error {
	folder, err := apiclient.Open(link, nil)
	if err != nil {
		return err
	}
	blob := folder.NewBlockBlobClient("zeros.bin")
	block := base64.StdEncoding.EncodeToString([]byte("zeros"))
	if _, err = blob.StageBlock(ctx, block, streaming.NopCloser(bytes.NewReader(make([]byte, blockSize))), nil); err == nil {
		_, err = blob.CommitBlockList(ctx, slices.Repeat([]string{block}, int(size/blockSize)), nil)
	}
	return apiclient.WithoutLink(err)
}
