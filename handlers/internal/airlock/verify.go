package airlock

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"airlock/statemachine"
)

// ErrDigest is in an error that is reported because content has another digest than it must have. It wakes people up.
var ErrDigest = errors.New("the content is not what was sealed")

// verify reads what has arrived where people will get it, and holds its SHA-256 against that of what was sealed. Nothing is
// changed or deleted when they differ: what is at either end is evidence, and a retry reads it again. Of files beyond the
// size that is verified, storage's word has to do: the chain of the ETags, the size and the MD5.
func (l *look) verify(ctx context.Context, t statemachine.Task) (outcome, error) {
	m, place, err := l.subject(ctx, t)
	if err != nil {
		return outcome{}, err
	}
	blobs, _, err := l.list(ctx, place)
	if err != nil {
		return outcome{}, err
	}
	if decided := l.before.ManifestDigest; decided != "" && decided != m.Digest() {
		l.s.report(ctx, fmt.Errorf("request %s: manifest of round %d: %w: digest %s, and not %s", l.before.ID, m.Round, ErrDigest, m.Digest(), decided))
		return outcome{event: statemachine.EventFail, text: "The list of the files is no longer the one that was decided about. The move was stopped, " +
			"and an operator has to look at it."}, nil
	}
	limit := cmp.Or(l.settings.VerifyUpTo, l.s.VerifyUpTo)
	var open []source
	for i, f := range m.Files {
		b := blobs[f.Name]
		switch {
		case b.Copy != CopySuccess || !isCopyOf(f, f.SealedETag)(b):
			return failed("%q is not at its destination as it was sealed. The move was stopped, and an operator has to look at it.", f.Name), nil
		case f.ReleasedETag != b.ETag && (limit <= 0 || f.Size <= limit):
			open = append(open, source{i, Part{Place: place, Name: f.Name, ETag: b.ETag}})
		}
	}
	return l.readAll(ctx, open, func(s source, sum string) outcome {
		f := &m.Files[s.file]
		if sum != f.SHA256 {
			l.s.report(ctx, fmt.Errorf("request %s: file %d of round %d in %s: %w: SHA-256 %s, and not %s",
				l.before.ID, s.file+1, l.before.Round, place.Account, ErrDigest, sum, f.SHA256))
			return failed("The content of %q at its destination is not what was sealed: its SHA-256 differs. The move was stopped, both copies "+
				"are kept, and an operator has to look at them.", f.Name)
		}
		f.ReleasedETag = s.blob.ETag
		return outcome{done: true}
	})
}
