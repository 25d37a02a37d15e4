package airlock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"airlock/statemachine"
)

// The metadata of a copied blob: which bytes it is a copy of, in which attempt of the request it was made, and how
// often it had been started over. It replaces whatever the uploader had written.
const (
	metaSource  = "airlocksource"  // ETag of the bytes: as submitted or handed back; beyond the holding zone, as sealed
	metaAttempt = "airlockattempt" // Request.Attempt
	metaTry     = "airlocktry"     // from 1
)

// maxCopyTries is how often a copy that failed is started over within one attempt.
const maxCopyTries = 5

// ledger is the files that a task moves: what each must be, and what is known of it at both ends.
type ledger struct {
	from, to Place
	arrived  map[string]Blob
	started  int // copies begun by the last call of bring
	waiting  int // files that had not arrived after it
	attempt  int
}

// list reads a container once in a pass. ok is false when it does not exist.
func (l *look) list(ctx context.Context, p Place) (blobs map[string]Blob, ok bool, err error) {
	if blobs, ok := l.seen[p]; ok {
		return blobs, true, nil
	}
	blobs = map[string]Blob{}
	for b, err := range l.s.Zones.List(ctx, p) {
		if errors.Is(err, ErrNotFound) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		blobs[b.Name] = b
	}
	l.seen[p] = blobs
	return blobs, true, nil
}

// open resolves both ends of a task and lists the target. It is made first: the first look at it finds nothing to list.
func (l *look) open(ctx context.Context, t statemachine.Task) (*ledger, error) {
	from, err := l.s.place(l.before, l.settings, t.From)
	if err != nil {
		return nil, err
	}
	to, err := l.s.place(l.before, l.settings, t.To)
	if err != nil {
		return nil, err
	}
	d := &ledger{from: from, to: to, attempt: l.before.Attempt}
	if made, err := l.s.Zones.Open(ctx, to); err != nil || made {
		return d, err
	}
	return d, l.relist(ctx, d)
}

// relist reads the target, also if it was read before.
func (l *look) relist(ctx context.Context, d *ledger) error {
	delete(l.seen, d.to)
	arrived, ok, err := l.list(ctx, d.to)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("container %s: %w", d.to.Container, ErrNotFound)
	}
	d.arrived = arrived
	return nil
}

// errGivenUp says that a copy failed too often.
var errGivenUp = errors.New("the copy failed too often")

// arrival is what one file has to be at the target.
type arrival struct {
	name   string
	etag   string          // that the source has if it is as it must be; empty: it is not
	origin string          // ETag of the bytes that the copy's metadata will name
	same   func(Blob) bool // whether what is at the target is that file
	stale  func(Blob) bool // whether it has to be copied afresh all the same
}

// there reports whether the file has arrived.
func (d *ledger) there(a arrival) bool {
	b, ok := d.arrived[a.name]
	return ok && b.Copy == CopySuccess && a.same(b) && !a.stale(b)
}

// bring makes sure that every file is, or will be, at the target. Afterwards the ledger knows what is there and how many
// files are still on their way. The first file that cannot be brought is named with the error; what is at its place is
// left alone where the source is known to be unable to replace it.
func (l *look) bring(ctx context.Context, d *ledger, files []arrival) (culprit string, err error) {
	var starts []Copy
	for _, a := range files {
		if d.there(a) || d.arrived[a.name].Copy == CopyPending {
			continue
		}
		c, err := l.next(d, a)
		if err != nil {
			return a.name, err
		}
		starts = append(starts, c)
	}
	d.started = len(starts)
	if culprit, err = l.startAll(ctx, starts); err != nil {
		return culprit, err
	}
	if d.started > 0 { // most small ones are complete at once
		if err := l.relist(ctx, d); err != nil {
			return "", err
		}
	}
	d.waiting = 0
	for _, a := range files {
		if !d.there(a) {
			d.waiting++
		}
	}
	return "", nil
}

// next says how the copy of a file that is not there has to be started. It takes the place of just what was seen there,
// and only once its source is known to be as it must: a worker that comes late destroys nothing.
func (l *look) next(d *ledger, a arrival) (Copy, error) {
	b, ok := d.arrived[a.name]
	try := 1
	if ok && (b.Copy != CopySuccess || !a.same(b)) {
		if n, err := strconv.Atoi(b.Metadata[metaTry]); err == nil && b.Metadata[metaAttempt] == strconv.Itoa(d.attempt) {
			try = n + 1
		}
	}
	switch {
	case try > maxCopyTries && statemachine.Has(l.after.Status, statemachine.EventFail):
		return Copy{}, fmt.Errorf("copy %s to %s: %w", d.from.Container, d.to.Container, errGivenUp)
	case a.etag == "":
		return Copy{}, fmt.Errorf("copy %s to %s: %w", d.from.Container, d.to.Container, ErrChanged)
	}
	return Copy{From: d.from, To: d.to, Name: a.name, IfMatch: a.etag, Replaces: b.ETag, Metadata: map[string]string{
		metaSource: a.origin, metaAttempt: strconv.Itoa(d.attempt), metaTry: strconv.Itoa(try),
	}}, nil
}

// startAll starts copies, some at a time, and returns the first problem in the order of the copies.
func (l *look) startAll(ctx context.Context, starts []Copy) (culprit string, err error) {
	errs := make([]error, len(starts))
	if l.s.Copies <= 1 {
		for i, c := range starts {
			if errs[i] = l.start(ctx, c); errs[i] != nil {
				return c.Name, errs[i]
			}
		}
		return "", nil
	}
	slots := make(chan struct{}, l.s.Copies)
	var group sync.WaitGroup
	for i, c := range starts {
		slots <- struct{}{}
		group.Go(func() {
			errs[i] = l.start(ctx, c)
			<-slots
		})
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			return starts[i].Name, err
		}
	}
	return "", nil
}

func (l *look) start(ctx context.Context, c Copy) error {
	err := l.s.Zones.Copy(ctx, c)
	if errors.Is(err, ErrExists) {
		return nil // somebody else was faster
	}
	return err
}

// seal moves the files of the manifest to where nobody but the system can change them, exactly as they were submitted.
func (l *look) seal(ctx context.Context, t statemachine.Task) (outcome, error) {
	m, err := l.loadManifest(ctx)
	if err != nil {
		return outcome{}, err
	}
	d, err := l.open(ctx, t)
	if err != nil {
		return outcome{}, err
	}
	files := make([]arrival, len(m.Files))
	for i, f := range m.Files {
		files[i] = arrival{f.Name, f.SubmittedETag, f.SubmittedETag, isCopyOf(f, f.SubmittedETag), l.unscanned(f)}
	}
	culprit, err := l.bring(ctx, d, files)
	for i := range m.Files {
		f, etag := &m.Files[i], d.arrived[m.Files[i].Name].ETag
		if d.there(files[i]) && f.SealedETag != etag {
			f.SealedETag, f.SHA256, f.ReleasedETag, f.Reading, f.Verdict = etag, "", "", Reading{}, Verdict{}
			l.dirty[i/ManifestPage] = true
		}
	}
	switch {
	case errors.Is(err, ErrChanged):
		return outcome{event: statemachine.EventUnseal, text: fmt.Sprintf(
			"%q was changed after it was submitted. Check the files and submit again.", shorten(culprit))}, nil
	case errors.Is(err, errGivenUp):
		return failed("%q could not be copied after %d tries. Nothing is lost: an operator can retry.", culprit, maxCopyTries), nil
	case err != nil:
		return outcome{}, err
	case d.waiting > 0:
		return l.patience(l.after.StatusSince)
	}
	if name := stranger(d.arrived, m); name != "" {
		return failed("%q is among the sealed files but was not submitted. An operator has to look at it.", name), nil
	}
	if l.after.SealedAt.IsZero() {
		l.after.SealedAt = l.s.Now()
	}
	return outcome{done: true}, nil
}

// unscanned reports of a sealed copy that it belongs to an earlier attempt which ended without a verdict on it: the
// scanner reads a blob once, when it is made, so only a fresh copy is scanned again.
func (l *look) unscanned(f File) func(Blob) bool {
	return func(b Blob) bool {
		return l.before.Scanning && b.Metadata[metaAttempt] != strconv.Itoa(l.before.Attempt) &&
			!l.s.verdictOf(f, b).final() && b.ScanTag != Clean && b.ScanTag != Malicious
	}
}

// move moves the sealed files on. What arrives must be what was sealed.
func (l *look) move(ctx context.Context, t statemachine.Task) (outcome, error) {
	m, err := l.loadManifest(ctx)
	if err != nil {
		return outcome{}, err
	}
	d, err := l.open(ctx, t)
	if err != nil {
		return outcome{}, err
	}
	sources, err := l.sources(ctx, t, d, m)
	if err != nil {
		return outcome{}, err
	}
	files := make([]arrival, len(m.Files))
	for i, f := range m.Files {
		files[i] = arrival{f.Name, sources[f.Name], f.SealedETag, isCopyOf(f, f.SealedETag), never}
	}
	culprit, err := l.bring(ctx, d, files)
	switch {
	case errors.Is(err, ErrChanged):
		return l.broken("%q is no longer as it was sealed. The move was stopped, and an operator has to look at it.", culprit)
	case errors.Is(err, errGivenUp):
		return l.broken("%q could not be moved unchanged. Nothing is lost: an operator can retry.", culprit)
	case err != nil:
		return outcome{}, err
	case d.waiting > 0:
		return l.patience(l.after.StatusSince)
	}
	if name := stranger(d.arrived, m); name != "" {
		return l.broken("%q is at the destination but was not sealed. An operator has to look at it.", name)
	}
	return outcome{done: true}, nil
}

// sources returns the ETag that each file must have at the source: the sealed one in the holding zone; elsewhere that
// of the blob which is a copy of the sealed one.
func (l *look) sources(ctx context.Context, t statemachine.Task, d *ledger, m *Manifest) (map[string]string, error) {
	etags := map[string]string{}
	if t.From.Zone == statemachine.Holding {
		for _, f := range m.Files {
			etags[f.Name] = f.SealedETag
		}
		return etags, nil
	}
	blobs, _, err := l.list(ctx, d.from)
	if err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		if b, ok := blobs[f.Name]; ok && isCopyOf(f, f.SealedETag)(b) {
			etags[f.Name] = b.ETag
		}
	}
	return etags, nil
}

// handBack moves whatever is at the source to a fresh intake. Files may still change at the source of an intake; what
// is there when everything has arrived counts.
func (l *look) handBack(ctx context.Context, t statemachine.Task) (outcome, error) {
	d, err := l.open(ctx, t)
	if err != nil {
		return outcome{}, err
	}
	for range 2 { // the second time only to see that nothing has changed meanwhile
		delete(l.seen, d.from)
		sources, _, err := l.list(ctx, d.from)
		if err != nil {
			return outcome{}, err
		}
		var files []arrival
		for _, name := range slices.Sorted(maps.Keys(sources)) {
			source := sources[name]
			same := func(b Blob) bool { return b.Metadata[metaSource] == source.ETag && b.Size == source.Size }
			files = append(files, arrival{name, source.ETag, source.ETag, same, never})
		}
		_, err = l.bring(ctx, d, files)
		switch {
		case errors.Is(err, ErrChanged):
			return outcome{again: l.s.Timing.RetryFirst}, nil
		case err != nil:
			return outcome{}, err
		case d.started == 0 && d.waiting == 0:
			return outcome{done: true}, nil
		}
	}
	return outcome{again: l.s.Timing.RetryFirst}, nil
}

func never(Blob) bool { return false }

// isCopyOf reports whether a blob is a copy of the file's bytes, taken from a source with the given ETag.
func isCopyOf(f File, etag string) func(Blob) bool {
	return func(b Blob) bool {
		return etag != "" && b.Metadata[metaSource] == etag && b.Size == f.Size &&
			(len(f.MD5) == 0 || len(b.MD5) == 0 || bytes.Equal(f.MD5, b.MD5))
	}
}

// stranger names a blob that the manifest does not have; empty when there is none.
func stranger(blobs map[string]Blob, m *Manifest) string {
	if len(blobs) == len(m.Files) {
		return ""
	}
	known := map[string]bool{}
	for _, f := range m.Files {
		known[f.Name] = true
	}
	for name := range blobs {
		if !known[name] {
			return name
		}
	}
	return ""
}

// loadManifest reads the manifest of the round, once in a pass.
func (l *look) loadManifest(ctx context.Context) (*Manifest, error) {
	if l.manifest == nil {
		m, err := l.s.Store.Manifest(ctx, l.before.WorkspaceID, l.before.ID, l.before.Round)
		if err != nil {
			return nil, err
		}
		l.manifest = &m
	}
	return l.manifest, nil
}

func failed(format string, name string, args ...any) outcome {
	return outcome{event: statemachine.EventFail, text: fmt.Sprintf(format, append([]any{shorten(name)}, args...)...)}
}

// broken fails the request where its status can fail; where it cannot, the work stays owed and the error is kept.
func (l *look) broken(format, name string) (outcome, error) {
	if statemachine.Has(l.after.Status, statemachine.EventFail) {
		return failed(format, name), nil
	}
	return outcome{}, fmt.Errorf(format, shorten(name))
}
