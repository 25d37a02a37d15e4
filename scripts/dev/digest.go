package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// decidable checks that reviewers decide about what was uploaded: each file has the SHA-256 that it had before it was sent, and
// the request the digest of the list of them, computed here anew.
func (p *player) decidable(ctx context.Context, id string, sums map[string]string) error {
	var list struct {
		Files []struct {
			Name   string `json:"name"`
			Size   int64  `json:"size"`
			SHA256 string `json:"sha256"`
		} `json:"files"`
	}
	if err := p.call(ctx, "mia", http.MethodGet, "/"+id+"/files", nil, &list); err != nil {
		return err
	}
	var lines []string
	for _, f := range list.Files {
		if f.SHA256 != sums[f.Name] {
			return fmt.Errorf("%q has the SHA-256 %q, and was sent with %q", f.Name, f.SHA256, sums[f.Name])
		}
		lines = append(lines, fmt.Sprintf("%s\x00%s %d %s\n", f.Name, f.SHA256, f.Size, f.Name))
	}
	slices.Sort(lines) // by the names
	digest := sha256.New()
	for _, line := range lines {
		_, text, _ := strings.Cut(line, "\x00")
		digest.Write([]byte(text))
	}
	var answer struct {
		Request struct {
			Digest string `json:"manifestDigest"`
		} `json:"airlockRequest"`
	}
	if err := p.call(ctx, "mia", http.MethodGet, "/"+id, nil, &answer); err != nil {
		return err
	}
	if want := fmt.Sprintf("%x", digest.Sum(nil)); answer.Request.Digest != want || len(list.Files) != len(sums) {
		return fmt.Errorf("the manifest digest is %q for %d files, and %q for the %d that were sent", answer.Request.Digest, len(list.Files), want, len(sums))
	}
	p.say("manifest digest %s: that of %s as sent", answer.Request.Digest, plural(len(sums), "file"))
	return nil
}
