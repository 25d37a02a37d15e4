package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"airlock/scripts/apiclient"
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

// say prints one step with the time since the scenario began.
func (p *player) say(format string, args ...any) {
	fmt.Fprintf(p.out, "  %6.2f s  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

// api calls the workspace's API, as anybody.
func (p *player) api() *apiclient.Client { return p.azure.Client(p.workspace) }

func (p *player) create(ctx context.Context, who, direction, title string) (string, error) {
	r, err := p.api().Create(ctx, who, apiclient.NewRequest{Type: direction, Title: title, Justification: "A demonstration"})
	if err == nil {
		p.made = append(p.made, r.ID)
		p.say("%s makes an %s request: %s", who, direction, r.Status)
	}
	return r.ID, err
}

func (p *player) submit(ctx context.Context, who, id string) error {
	r, err := p.api().Act(ctx, who, id, "submit", nil)
	if err == nil {
		p.say("%s submits: %s", who, r.Status)
	}
	return err
}

func (p *player) review(ctx context.Context, who, id, decision, explanation string) error {
	r, err := p.api().Act(ctx, who, id, "review", apiclient.Review{Decision: decision, Explanation: explanation})
	if err == nil {
		p.say("%s reviews (%s): %s", who, decision, r.Status)
	}
	return err
}

// gap is between two looks at something that takes its time.
const gap = 40 * time.Millisecond

// await waits until the request has the status, and says how long that took.
func (p *player) await(ctx context.Context, id, status string) error {
	started := time.Now()
	r, err := p.api().Await(ctx, "olga", id, status, gap, p.patience)
	if err == nil {
		p.say("%s after %.2f s%s", status, time.Since(started).Seconds(), quoted(r.StatusMessage))
	}
	return err
}

// eventually tries again until it works or patience ends.
func (p *player) eventually(ctx context.Context, try func() error) error {
	return apiclient.Eventually(ctx, gap, p.patience, try)
}

func quoted(message string) string {
	if message == "" {
		return ""
	}
	return ": “" + message + "”"
}

// source is a file to be uploaded.
type source struct {
	name string
	open func() (io.ReadCloser, error)
}

// text is a small file.
func text(name, content string) source {
	return source{name, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

// upload puts files into the request's container through its link, with the SDK that people use.
func (p *player) upload(ctx context.Context, who, id string, files ...source) (map[string]string, error) {
	link, err := p.api().Link(ctx, who, id)
	if err != nil {
		return nil, err
	}
	folder, err := apiclient.Open(link, nil)
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
		_, err = folder.NewBlockBlobClient(f.name).UploadStream(ctx, io.TeeReader(reader, hash), &blockblob.UploadStreamOptions{
			BlockSize: 8 << 20, Concurrency: 2, HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("application/octet-stream")},
		})
		reader.Close()
		if err != nil {
			return nil, fmt.Errorf("upload %q: %w", f.name, apiclient.WithoutLink(err))
		}
		sums[f.name] = hex.EncodeToString(hash.Sum(nil))
	}
	p.say("%s uploads %s", who, plural(len(files), "file"))
	return sums, nil
}

// receive downloads as somebody and compares with what was uploaded.
func (p *player) receive(ctx context.Context, who, id string, want map[string]string) (link string, err error) {
	if link, err = p.api().Link(ctx, who, id); err != nil {
		return "", err
	}
	folder, err := apiclient.Open(link, nil)
	if err != nil {
		return "", err
	}
	got, err := apiclient.Sums(ctx, folder)
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
	return link, nil
}

// dead checks that a link, which worked before, answers 404.
func (p *player) dead(ctx context.Context, link string) error {
	folder, err := apiclient.Open(link, nil)
	if err != nil {
		return err
	}
	alive, err := apiclient.Alive(ctx, folder)
	if err != nil {
		return err
	}
	if alive {
		return errors.New("the old link still works")
	}
	p.say("the old link answers 404")
	return nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "one " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
