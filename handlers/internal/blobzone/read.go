package blobzone

import (
	"context"
	"errors"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"airlock/handlers/internal/airlock"
)

// bufferSize is how much of a file is in memory while it is read.
const bufferSize = 256 << 10

// Read implements airlock.Zones. A part has to come within tryTimeout: whoever wants more asks for several.
func (z *Zones) Read(ctx context.Context, part airlock.Part, w io.Writer) error {
	err := unsent(part.Check())
	if err == nil {
		err = z.read(ctx, part, w)
	}
	return explain(ctx, "read from", part.Place, err, meaning{
		bloberror.ConditionNotMet:       airlock.ErrChanged,
		bloberror.BlobNotFound:          airlock.ErrChanged,
		bloberror.ContainerNotFound:     airlock.ErrChanged,
		bloberror.ContainerBeingDeleted: airlock.ErrChanged,
	})
}

func (z *Zones) read(ctx context.Context, part airlock.Part, w io.Writer) (err error) {
	c, err := z.container(part.Place)
	if err != nil {
		return err
	}
	answer, err := c.NewBlobClient(part.Name).DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range: blob.HTTPRange{Offset: part.Offset, Count: part.Length},
		AccessConditions: &blob.AccessConditions{
			ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(`"` + part.ETag + `"`))},
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.ContentLength == nil || *answer.ContentLength != part.Length {
		return mistake{errors.New("the part is not all in the blob")} // Azure answers with what there is of it
	}
	buffer, ok := z.buffers.Get().(*[bufferSize]byte)
	if !ok {
		buffer = new([bufferSize]byte)
	}
	defer z.buffers.Put(buffer)
	to := &sink{w: w}
	_, err = io.CopyBuffer(to, answer.Body, buffer[:])
	if to.err != nil {
		return mistake{to.err}
	}
	return err
}

// sink tells an error of the writer from one of storage.
type sink struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (s *sink) Write(p []byte) (n int, err error) {
	n, s.err = s.w.Write(p)
	return n, s.err
}
