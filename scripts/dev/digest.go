package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"airlock/scripts/apiclient"
)

// decidable checks that reviewers decide about what was uploaded: each file has the SHA-256 that it had before it was sent, and
// the request the digest of the list of them, computed here anew.
func (p *player) decidable(ctx context.Context, id string, sums map[string]string) error {
	files, err := p.api().Files(ctx, "mia", id)
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b apiclient.File) int { return strings.Compare(a.Name, b.Name) })
	digest := sha256.New()
	for _, f := range files {
		if f.SHA256 != sums[f.Name] {
			return fmt.Errorf("%q has the SHA-256 %q, and was sent with %q", f.Name, f.SHA256, sums[f.Name])
		}
		fmt.Fprintf(digest, "%s %d %s\n", f.SHA256, f.Size, f.Name)
	}
	r, err := p.api().Get(ctx, "mia", id)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%x", digest.Sum(nil)); r.Digest != want || len(files) != len(sums) {
		return fmt.Errorf("the manifest digest is %q for %d files, and %q for the %d that were sent", r.Digest, len(files), want, len(sums))
	}
	p.say("manifest digest %s: that of %s as sent", r.Digest, plural(len(sums), "file"))
	return nil
}
