// Package memzone is airlock.Zones in memory, for tests: strict where Azure is strict, and able to fail, to be slow and
// to lose answers where Azure does.
//
// Time is a function: copies and deletions take as long as they are told to, on the clock that the test owns. Whatever
// is possible in Azure can be made to happen: copies that stay pending, fail or are aborted, names of containers that
// are still taken, work that is done while its answer is lost. It is deterministic: the same calls give the same state,
// ETags and links.
//
// A blob is its size, its hash and, where a test gave it one, its content. The links are real URLs, and Client follows
// them without a network.
package memzone

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"airlock/handlers/internal/airlock"
)

// Op names an operation of airlock.Zones.
type Op string

// The operations.
const (
	OpOpen   Op = "Open"
	OpList   Op = "List"
	OpCopy   Op = "Copy"
	OpRead   Op = "Read"
	OpWrite  Op = "Write"
	OpRemove Op = "Remove"
	OpErase  Op = "Erase"
	OpLink   Op = "Link"
	OpPing   Op = "Ping"
)

// Call is one call of an operation, as a fault sees it. For a copy the place is the target.
type Call struct {
	Op    Op
	Place airlock.Place
	Name  string
}

// Options are what a storage does when it is left alone. The zero value copies at once and frees names at once.
type Options struct {
	// Now is the storage's clock. Required.
	Now func() time.Time

	// CopyTime is how long a copy is pending. Negative: until Conclude.
	CopyTime time.Duration

	// BusyTime is how long the name of an erased container stays taken. Azure: at least 30 s.
	BusyTime time.Duration

	// CopyEnd says how a copy ends. Nil: with success.
	CopyEnd func(c airlock.Copy) airlock.CopyState

	// Damage says whether a copy that succeeds has another content than its source, of the same size, and nothing tells. Nil:
	// none has.
	Damage func(c airlock.Copy) bool

	// Fault is asked at every call. With before, nothing is done and before is the answer; with after, the call does its
	// work and after is the answer all the same. It may call the storage. Nil: no faults.
	Fault func(c Call) (before, after error)
}

// Zones is a storage in memory. Its methods may be called concurrently.
type Zones struct {
	options Options

	mu         sync.Mutex
	containers map[airlock.Place]map[string]*blob
	busy       map[airlock.Place]time.Time // until when the name is taken
	pending    []*transfer
	counts     map[Op]int
	serial     int // of the last ETag
}

// blob is a blob with what List does not tell.
type blob struct {
	airlock.Blob
	content []byte // nil: none was given, and size zero bytes are read
}

// transfer is a copy on its way.
type transfer struct {
	airlock.Copy
	target *blob
	ends   time.Time // zero: not by itself
}

// New makes an empty storage, which has every account.
func New(o Options) *Zones {
	return &Zones{
		options:    o,
		containers: map[airlock.Place]map[string]*blob{},
		busy:       map[airlock.Place]time.Time{},
		counts:     map[Op]int{},
	}
}

// Open implements airlock.Zones.
func (z *Zones) Open(ctx context.Context, p airlock.Place) (made bool, err error) {
	err = z.do(ctx, Call{Op: OpOpen, Place: p}, func() error {
		if z.options.Now().Before(z.busy[p]) {
			return fmt.Errorf("the container is being deleted: %w", airlock.ErrTransient)
		}
		if z.containers[p] == nil {
			z.containers[p] = map[string]*blob{}
			made = true
		}
		return nil
	})
	return made && err == nil, err
}

// List implements airlock.Zones. What it yields is the state at the moment of the call.
func (z *Zones) List(ctx context.Context, p airlock.Place) iter.Seq2[airlock.Blob, error] {
	return func(yield func(airlock.Blob, error) bool) {
		var blobs []airlock.Blob
		err := z.do(ctx, Call{Op: OpList, Place: p}, func() error {
			if z.containers[p] == nil {
				return airlock.ErrNotFound
			}
			blobs = z.listing(p)
			return nil
		})
		if err != nil {
			yield(airlock.Blob{}, err)
			return
		}
		for _, b := range blobs {
			if !yield(b, nil) {
				return
			}
		}
	}
}

// Copy implements airlock.Zones.
func (z *Zones) Copy(ctx context.Context, c airlock.Copy) error {
	return z.do(ctx, Call{Op: OpCopy, Place: c.To, Name: c.Name}, func() error {
		if err := c.Check(); err != nil {
			return err
		}
		target := z.containers[c.To]
		source := z.containers[c.From][c.Name]
		switch {
		case source == nil || source.ETag != c.IfMatch:
			return airlock.ErrChanged
		case source.Shut != airlock.Readable:
			return fmt.Errorf("the source is shut: %s", source.Shut)
		case target == nil:
			return fmt.Errorf("the target container: %w", airlock.ErrNotFound)
		case !target[c.Name].replacedBy(c):
			return airlock.ErrExists
		}
		b := &blob{Blob: airlock.Blob{
			Name: c.Name, Kind: source.Kind, Metadata: cloneMetadata(c.Metadata), Copy: airlock.CopyPending, ETag: z.etag(),
		}}
		target[c.Name] = b
		t := &transfer{Copy: c, target: b}
		if z.options.CopyTime >= 0 {
			t.ends = z.options.Now().Add(z.options.CopyTime)
		}
		z.pending = append(z.pending, t)
		z.settle()
		return nil
	})
}

// Write implements airlock.Zones.
func (z *Zones) Write(ctx context.Context, u airlock.Upload) error {
	return z.do(ctx, Call{Op: OpWrite, Place: u.Place, Name: u.Name}, func() error {
		if err := u.Check(); err != nil {
			return err
		}
		if z.containers[u.Place][u.Name] != nil {
			return airlock.ErrExists
		}
		_, err := z.put(u.Place, u.Name, File{Content: u.Content, Metadata: u.Metadata})
		return err
	})
}

// Remove implements airlock.Zones.
func (z *Zones) Remove(ctx context.Context, p airlock.Place, name string) error {
	return z.do(ctx, Call{Op: OpRemove, Place: p, Name: name}, func() error {
		if err := airlock.CheckBlobName(name); err != nil {
			return err
		}
		delete(z.containers[p], name)
		z.forgetOrphans()
		return nil
	})
}

// Erase implements airlock.Zones.
func (z *Zones) Erase(ctx context.Context, p airlock.Place) error {
	return z.do(ctx, Call{Op: OpErase, Place: p}, func() error {
		if z.containers[p] != nil {
			delete(z.containers, p)
			z.busy[p] = z.options.Now().Add(z.options.BusyTime)
			z.forgetOrphans()
		}
		return nil
	})
}

// Ping implements airlock.Zones.
func (z *Zones) Ping(ctx context.Context) error {
	return z.do(ctx, Call{Op: OpPing}, func() error { return nil })
}

// do counts a call, asks for faults and does the work, with everything that is due done before.
func (z *Zones) do(ctx context.Context, c Call, work func() error) error {
	z.mu.Lock()
	z.counts[c.Op]++
	z.mu.Unlock()
	err := z.attempt(ctx, c, work)
	if err != nil {
		return fmt.Errorf("%s %s/%s: %w", c.Op, c.Place.Account, c.Place.Container, err)
	}
	return nil
}

func (z *Zones) attempt(ctx context.Context, c Call, work func() error) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%w: %w", airlock.ErrTransient, err)
	}
	if c.Op != OpPing && c.Op != OpContainers {
		if err := c.Place.Check(); err != nil {
			return err
		}
	}
	var before, after error
	if z.options.Fault != nil {
		before, after = z.options.Fault(c)
	}
	if before != nil {
		return before
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.settle()
	err := work()
	if after != nil {
		return after
	}
	return err
}

// settle ends the copies that are due. A copy whose source is no longer what it was when it began fails, as in Azure.
func (z *Zones) settle() {
	now := z.options.Now()
	z.pending = slices.DeleteFunc(z.pending, func(t *transfer) bool {
		if t.ends.IsZero() || now.Before(t.ends) {
			return false
		}
		end := airlock.CopySuccess
		if z.options.CopyEnd != nil {
			end = z.options.CopyEnd(t.Copy)
		}
		z.conclude(t, end)
		return true
	})
}

// conclude ends one copy. Azure: a copy that did not succeed leaves an empty blob with its metadata, and the ETag
// changes when a copy ends.
func (z *Zones) conclude(t *transfer, end airlock.CopyState) {
	source := z.containers[t.From][t.Name]
	if end == airlock.CopySuccess && (source == nil || source.ETag != t.IfMatch) {
		end = airlock.CopyFailed
	}
	t.target.ETag, t.target.Copy = z.etag(), end
	if end == airlock.CopySuccess {
		t.target.Size, t.target.MD5, t.target.content = source.Size, source.MD5, source.content
		if z.options.Damage != nil && z.options.Damage(t.Copy) {
			t.target.content = bytes.Repeat([]byte{'?'}, int(source.Size))
		}
	}
}

// replacedBy reports whether a copy may take the place of the blob, or of none.
func (b *blob) replacedBy(c airlock.Copy) bool {
	if b == nil {
		return c.Replaces == ""
	}
	return b.ETag == c.Replaces && b.Copy != airlock.CopyPending
}

// forgetOrphans drops the copies whose target is gone.
func (z *Zones) forgetOrphans() {
	z.pending = slices.DeleteFunc(z.pending, func(t *transfer) bool { return z.containers[t.To][t.Name] != t.target })
}

// listing returns the blobs of a container in the order of their names.
func (z *Zones) listing(p airlock.Place) []airlock.Blob {
	blobs := make([]airlock.Blob, 0, len(z.containers[p]))
	for _, b := range z.containers[p] {
		told := b.Blob
		told.MD5, told.Metadata = slices.Clone(b.MD5), cloneMetadata(b.Metadata)
		blobs = append(blobs, told)
	}
	slices.SortFunc(blobs, func(a, b airlock.Blob) int { return strings.Compare(a.Name, b.Name) })
	return blobs
}

// etag makes an ETag that no other blob of this storage has or had.
func (z *Zones) etag() string {
	z.serial++
	return fmt.Sprintf("0x8DC%012X", z.serial)
}

func cloneMetadata(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}
