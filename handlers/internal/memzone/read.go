package memzone

import (
	"bytes"
	"context"
	"errors"
	"io"

	"airlock/handlers/internal/airlock"
)

// Read implements airlock.Zones. The whole part is the state at the moment of the call.
func (z *Zones) Read(ctx context.Context, part airlock.Part, w io.Writer) error {
	return z.do(ctx, Call{Op: OpRead, Place: part.Place, Name: part.Name}, func() error {
		if err := part.Check(); err != nil {
			return err
		}
		b := z.containers[part.Place][part.Name]
		switch {
		case b == nil || b.ETag != part.ETag:
			return airlock.ErrChanged
		case part.Length > b.Size-part.Offset:
			return errors.New("the part is not all in the blob")
		}
		_, err := io.CopyN(w, b.from(part.Offset), part.Length)
		return err
	})
}

// from reads the content from an offset on.
func (b *blob) from(offset int64) io.Reader {
	if b.content == nil {
		return zeros{}
	}
	return bytes.NewReader(b.content[offset:])
}
