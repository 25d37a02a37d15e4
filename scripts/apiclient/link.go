package apiclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// StorageError is an answer of storage that is no success, without the address that was asked, which holds a signature.
type StorageError struct {
	Status int    // of HTTP
	Code   string // Azure's name of it
}

// Error is for people.
func (e *StorageError) Error() string { return fmt.Sprintf("storage answers %d %s", e.Status, e.Code) }

// WithoutLink is what every error of an SDK's client that was made of a link must go through: it keeps what storage said, as a
// *StorageError, or why it could not be reached. nil stays nil.
func WithoutLink(err error) error {
	var answer *azcore.ResponseError
	var exchange *url.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return &StorageError{answer.StatusCode, answer.ErrorCode}
	case errors.As(err, &exchange):
		return fmt.Errorf("storage cannot be reached: %w", exchange.Err)
	default:
		return errors.New("storage cannot be reached")
	}
}

// Open makes a client of the container behind a link.
func Open(link string, options *container.ClientOptions) (*container.Client, error) {
	if _, err := url.Parse(link); err != nil {
		return nil, errors.New("the link is no address")
	}
	return container.NewClientWithNoCredential(link, options)
}

// Sums downloads everything behind a link and returns the SHA-256 of each file in hex, by name.
func Sums(ctx context.Context, folder *container.Client) (map[string]string, error) {
	sums := map[string]string{}
	for pager := folder.NewListBlobsFlatPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the files: %w", WithoutLink(err))
		}
		for _, item := range page.Segment.BlobItems {
			got, err := folder.NewBlobClient(*item.Name).DownloadStream(ctx, nil)
			if err != nil {
				return nil, fmt.Errorf("download %q: %w", *item.Name, WithoutLink(err))
			}
			hash := sha256.New()
			_, err = io.Copy(hash, got.Body)
			got.Body.Close()
			if err != nil {
				return nil, fmt.Errorf("download %q: %w", *item.Name, WithoutLink(err))
			}
			sums[*item.Name] = hex.EncodeToString(hash.Sum(nil))
		}
	}
	return sums, nil
}

// Alive reports whether a link still opens something. Its container is deleted when the files move on, which storage answers
// with 404; any other failure is an error.
func Alive(ctx context.Context, folder *container.Client) (bool, error) {
	_, err := folder.NewListBlobsFlatPager(nil).NextPage(ctx)
	err = WithoutLink(err)
	var answer *StorageError
	if errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}
