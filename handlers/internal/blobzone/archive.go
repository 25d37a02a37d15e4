package blobzone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"airlock/handlers/internal/airlock"
)

// Archive is airlock.Archive in one container, which the deployment makes and where storage keeps everything as it is for as
// long as its retention says.
type Archive struct {
	zones *Zones
	place airlock.Place
}

// Archive returns the archive in a container.
func (z *Zones) Archive(p airlock.Place) *Archive { return &Archive{z, p} }

// errDocumentName is a mistake of the caller.
var errDocumentName = mistake{errors.New("not the name of a document")}

// Add implements airlock.Archive. Storage makes the blob only if there is none, whoever else tries at the same time; one that
// is kept by the retention is there too.
func (a *Archive) Add(ctx context.Context, name string, document []byte) error {
	return explain(ctx, "add to", a.place, a.add(ctx, name, document), meaning{
		bloberror.BlobAlreadyExists: airlock.ErrExists, bloberror.ConditionNotMet: airlock.ErrExists,
		bloberror.BlobImmutableDueToPolicy: airlock.ErrExists,
	})
}

func (a *Archive) add(ctx context.Context, name string, document []byte) error {
	client, err := a.blob(name)
	if err != nil {
		return err
	}
	_, err = client.Upload(ctx, streaming.NopCloser(bytes.NewReader(document)), &blockblob.UploadOptions{
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}},
	})
	return err
}

// Read implements airlock.Archive.
func (a *Archive) Read(ctx context.Context, name string) ([]byte, error) {
	document, err := a.read(ctx, name)
	if err != nil {
		return nil, explain(ctx, "read from", a.place, err, meaning{bloberror.BlobNotFound: airlock.ErrNotFound})
	}
	return document, nil
}

func (a *Archive) read(ctx context.Context, name string) ([]byte, error) {
	client, err := a.blob(name)
	if err != nil {
		return nil, err
	}
	answer, err := client.DownloadStream(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	document, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("the answer ends early: %w", err)
	}
	return document, nil
}

func (a *Archive) blob(name string) (*blockblob.Client, error) {
	if !airlock.IsDocumentName(name) {
		return nil, errDocumentName
	}
	container, err := a.zones.container(a.place)
	if err != nil {
		return nil, err
	}
	return container.NewBlockBlobClient(name), nil
}
