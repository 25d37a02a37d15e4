package airlock

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"airlock/statemachine"
)

// A digest is computed by reading the file once, from storage, in as many invocations as that takes: how far it has come
// is stored with the manifest. Nothing of a file is kept in memory but the state of the hash, of about a hundred bytes.

const (
	// partSize is how much is read with one call: large enough that the round trips do not count, small enough that
	// slow storage brings it in time.
	partSize = 64 << 20

	// readCost is what a file costs at least, in bytes that could be read in the time of a round trip.
	readCost = 256 << 10
)

// digests is what one call of Reconcile reads for digests, and what came of it. It outlives a commit that another writer was
// faster than: what was read is not read again.
type digests struct {
	bytes int64           // read so far
	until time.Time       // when it is enough
	sums  map[Part]string // the digests that were completed, by the blob: a part without bytes
	blob  Part            // the one whose digest was not
	last  Reading         // how far that has come
	base  int64           // where it was taken up
}

// errElsewhere says that somebody else has stored more of a digest than there was when this call took it up: one is enough.
var errElsewhere = errors.New("somebody else reads on")

// enough reports whether what is left has to be read by another invocation. The first part always fits.
func (d *digests) enough(t Timing, now time.Time) bool {
	return d.bytes > 0 && (d.bytes >= t.HashBytes || !now.Before(d.until))
}

// hash computes the SHA-256 of every sealed file.
func (l *look) hash(ctx context.Context, t statemachine.Task) (outcome, error) {
	m, place, err := l.subject(ctx, t)
	if err != nil {
		return outcome{}, err
	}
	var open []source
	for i, f := range m.Files {
		if f.SHA256 == "" {
			open = append(open, source{i, Part{Place: place, Name: f.Name, ETag: f.SealedETag}})
		}
	}
	return l.readAll(ctx, open, func(s source, sum string) outcome {
		m.Files[s.file].SHA256 = sum
		l.s.compare(ctx, l.before, s.file, m.Files[s.file])
		return outcome{done: true}
	})
}

// subject is what a task looks at: the files of the manifest, and the place where they are.
func (l *look) subject(ctx context.Context, t statemachine.Task) (*Manifest, Place, error) {
	m, err := l.loadManifest(ctx)
	if err != nil {
		return nil, Place{}, err
	}
	place, err := l.s.place(l.before, l.settings, t.From)
	return m, place, err
}

// source is the blob from which the digest of the file with this number is computed.
type source struct {
	file int
	blob Part // without bytes
}

// readAll reads every blob, and tells done of each digest. It goes on as long as that says so.
func (l *look) readAll(ctx context.Context, open []source, done func(source, string) outcome) (outcome, error) {
	if l.unsaved() && cost(l.manifest, open) > l.s.Timing.HashAtOnce {
		return outcome{first: true}, nil
	}
	for _, s := range open {
		sum, err := l.read(ctx, s.file, s.blob)
		switch {
		case errors.Is(err, ErrChanged):
			return failed("%q is no longer as it was sealed. An operator has to look at it.", s.blob.Name), nil
		case errors.Is(err, errElsewhere):
			return outcome{}, nil
		case err != nil:
			return outcome{}, err
		case sum == "":
			return outcome{more: true}, nil
		}
		if out := done(s, sum); !out.done {
			return out, nil
		}
	}
	return outcome{done: true}, nil
}

// cost is how much there is to read, in bytes.
func cost(m *Manifest, open []source) int64 {
	total := int64(0)
	for _, s := range open {
		total += max(m.Files[s.file].Size-m.Files[s.file].Reading.Offset, readCost)
	}
	return total
}

// read reads on in a blob of the file with the number i. It returns the SHA-256 once all was read; until then how far it has
// come is in the manifest.
func (l *look) read(ctx context.Context, i int, blob Part) (sum string, err error) {
	d, f := l.digests, &l.manifest.Files[i]
	if sum, ok := d.sums[blob]; ok {
		return l.complete(i, blob, sum), nil
	}
	if d.blob == blob {
		if f.Reading.ETag == blob.ETag && f.Reading.Offset > d.base {
			return "", errElsewhere
		}
		f.Reading = d.last
		l.dirty[i/ManifestPage] = true
	} else if f.Reading.ETag == blob.ETag {
		d.base = f.Reading.Offset
	} else {
		d.base = 0
	}
	h, offset := l.resume(ctx, f.Reading, blob.ETag)
	begun := offset
	for err == nil && offset < f.Size && !d.enough(l.s.Timing, l.s.Now()) {
		if d.until.IsZero() {
			d.until = l.s.Now().Add(l.s.Timing.HashTime)
		}
		part := blob
		part.Offset, part.Length = offset, min(f.Size-offset, partSize, max(l.s.Timing.HashBytes-d.bytes, 1))
		counted := &tally{hash: h}
		err = l.s.Zones.Read(ctx, part, counted)
		offset, d.bytes = offset+counted.bytes, d.bytes+counted.bytes
	}
	switch {
	case err == nil && offset == f.Size:
		return l.complete(i, blob, hex.EncodeToString(h.Sum(nil))), nil
	case offset > begun:
		state, marshalErr := h.(encoding.BinaryMarshaler).MarshalBinary()
		if marshalErr != nil {
			return "", errors.Join(err, fmt.Errorf("state of a hash: %w", marshalErr))
		}
		f.Reading = Reading{ETag: blob.ETag, Offset: offset, State: state}
		d.blob, d.last = blob, f.Reading
		l.dirty[i/ManifestPage] = true
	}
	return "", err
}

// stored notes that what came of it is stored.
func (d *digests) stored() { d.sums, d.blob, d.last = nil, Part{}, Reading{} }

// complete notes a digest.
func (l *look) complete(i int, blob Part, sum string) string {
	if l.digests.sums == nil {
		l.digests.sums = map[Part]string{}
	}
	l.digests.sums[blob] = sum
	l.manifest.Files[i].Reading = Reading{}
	l.dirty[i/ManifestPage] = true
	return sum
}

// resume returns the hash as it was after the bytes that were read of the blob. Where they were of another one, or another
// version of the program has left a state that this one cannot read, it begins anew.
func (l *look) resume(ctx context.Context, r Reading, etag string) (h hash.Hash, offset int64) {
	h = sha256.New()
	if r.ETag != etag || r.Offset == 0 {
		return h, 0
	}
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(r.State); err != nil {
		l.s.report(ctx, fmt.Errorf("hash %s: begun anew: %w", l.before.ID, err))
		return sha256.New(), 0
	}
	return h, r.Offset
}

// tally counts what goes into a hash.
type tally struct {
	hash  hash.Hash
	bytes int64
}

// Write implements io.Writer.
func (t *tally) Write(p []byte) (int, error) {
	t.bytes += int64(len(p))
	return t.hash.Write(p)
}

// compare holds the file's digest against the one that the scanner has computed, where both are known.
func (s *Service) compare(ctx context.Context, r Request, i int, f File) {
	if theirs := f.Verdict.SHA256; theirs != "" && f.SHA256 != "" && !strings.EqualFold(theirs, f.SHA256) {
		s.report(ctx, fmt.Errorf("request %s: file %d of round %d: %w: the scanner has read other bytes: SHA-256 %s, and not %s", r.ID, i+1, r.Round, ErrDigest, theirs, f.SHA256))
	}
}
