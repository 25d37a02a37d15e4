package storage

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// Open reads a blob as the platform's own services do (with the account's key, past the gateway, raising no event), and gives
// the ETag of what is read. The caller closes the reader.
func (s *Storage) Open(ctx context.Context, account, containerName, blobName string) (io.ReadCloser, azcore.ETag, error) {
	client, err := s.admin(account, containerName, blobName)
	if err != nil {
		return nil, "", err
	}
	r, err := client.DownloadStream(ctx, nil)
	if err != nil {
		return nil, "", fmt.Errorf("open blob in %s/%s: %w", account, containerName, err)
	}
	return r.Body, *r.ETag, nil
}

// SetTags replaces the index tags of a blob. Azure: tags are no part of the content, so the ETag stays as it is.
func (s *Storage) SetTags(ctx context.Context, account, containerName, blobName string, tags map[string]string) error {
	client, err := s.admin(account, containerName, blobName)
	if err != nil {
		return err
	}
	if _, err := client.SetTags(ctx, tags, nil); err != nil {
		return fmt.Errorf("set tags of a blob in %s/%s: %w", account, containerName, err)
	}
	return nil
}

// Tags returns the index tags of a blob.
func (s *Storage) Tags(ctx context.Context, account, containerName, blobName string) (map[string]string, error) {
	client, err := s.admin(account, containerName, blobName)
	if err != nil {
		return nil, err
	}
	r, err := client.GetTags(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("get tags of a blob in %s/%s: %w", account, containerName, err)
	}
	tags := make(map[string]string, len(r.BlobTagSet))
	for _, t := range r.BlobTagSet {
		tags[*t.Key] = *t.Value
	}
	return tags, nil
}

// admin is a client with the account's key that goes to Azurite directly.
func (s *Storage) admin(account, containerName, blobName string) (*blob.Client, error) {
	s.mu.RLock()
	key, addr := s.accounts[account], s.child.at.Load().blob
	s.mu.RUnlock()
	if key == "" {
		return nil, fmt.Errorf("account %q is not in the local storage", account)
	}
	cred, err := blob.NewSharedKeyCredential(account, key)
	if err != nil {
		return nil, fmt.Errorf("key of account %q: %w", account, err)
	}
	client, err := container.NewClientWithSharedKeyCredential(
		"https://"+addr+"/"+account+"/"+containerName, cred,
		&container.ClientOptions{ClientOptions: policy.ClientOptions{Transport: &http.Client{Transport: s.transport}}})
	if err != nil {
		return nil, fmt.Errorf("client of account %q: %w", account, err)
	}
	return client.NewBlobClient(blobName), nil
}

// head gives the properties of a blob that an event tells.
func (s *Storage) head(ctx context.Context, r resource) (properties, error) {
	client, err := s.admin(r.account, r.container, r.blob)
	if err != nil {
		return properties{}, err
	}
	p, err := client.GetProperties(ctx, nil)
	if err != nil {
		return properties{}, err
	}
	return properties{etag: string(*p.ETag), contentType: *p.ContentType, blobType: string(*p.BlobType), contentLength: *p.ContentLength}, nil
}
