package memzone

import (
	"cmp"
	"crypto/md5"
	"fmt"
	"maps"
	"slices"

	"airlock/handlers/internal/airlock"
)

// File is a file that a test puts into a container.
type File struct {
	Content  []byte // its size and MD5 are taken from it
	Blocks   bool   // it was uploaded in blocks, and has no MD5. Azure: Put Block List sets none
	Size     int64  // where there is no content: so many zero bytes, without an MD5
	Kind     airlock.BlobKind
	Shut     airlock.Shut
	Metadata map[string]string // keys in lower case
}

// Put plays a user who uploads a file, over an older one if there is one, and returns its ETag. It fails with
// airlock.ErrNotFound when there is no container, and with airlock.ErrExists over a copy that is pending, which Azure
// refuses too.
func (z *Zones) Put(p airlock.Place, name string, f File) (etag string, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.settle()
	return z.put(p, name, f)
}

func (z *Zones) put(p airlock.Place, name string, f File) (string, error) {
	container := z.containers[p]
	if container == nil {
		return "", fmt.Errorf("put into %s/%s: %w", p.Account, p.Container, airlock.ErrNotFound)
	}
	if err := airlock.CheckBlobName(name); err != nil {
		return "", fmt.Errorf("put into %s/%s: %w", p.Account, p.Container, err)
	}
	if old := container[name]; old != nil && old.Copy == airlock.CopyPending {
		return "", fmt.Errorf("put over a pending copy in %s/%s: %w", p.Account, p.Container, airlock.ErrExists)
	}
	b := &blob{Blob: airlock.Blob{
		Name: name, Size: f.Size, Kind: cmp.Or(f.Kind, airlock.BlockBlob), Shut: f.Shut, Metadata: cloneMetadata(f.Metadata), ETag: z.etag(),
	}}
	if f.Content != nil {
		sum := md5.Sum(f.Content)
		b.Size, b.MD5, b.content = int64(len(f.Content)), sum[:], slices.Clone(f.Content)
	}
	if f.Blocks {
		b.MD5 = nil
	}
	container[name] = b
	return b.ETag, nil
}

// Tag plays the malware scanner: it sets the scan result in the index tags of a blob. airlock.ErrNotFound when there is
// no such blob.
func (z *Zones) Tag(p airlock.Place, name string, result airlock.ScanResult) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.settle()
	b := z.containers[p][name]
	if b == nil {
		return fmt.Errorf("tag a blob in %s/%s: %w", p.Account, p.Container, airlock.ErrNotFound)
	}
	b.ScanTag = result
	return nil
}

// Conclude ends a pending copy now, as told. airlock.ErrNotFound when no copy to that blob is pending.
func (z *Zones) Conclude(p airlock.Place, name string, end airlock.CopyState) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.settle()
	i := slices.IndexFunc(z.pending, func(t *transfer) bool { return t.To == p && t.Name == name })
	if i < 0 {
		return fmt.Errorf("conclude a copy into %s/%s: %w", p.Account, p.Container, airlock.ErrNotFound)
	}
	z.conclude(z.pending[i], end)
	z.pending = slices.Delete(z.pending, i, i+1)
	return nil
}

// Clone returns a storage of its own that holds the same, with the same options, so that a test can prepare something
// once and try much on it. It counts from zero.
func (z *Zones) Clone() *Zones {
	z.mu.Lock()
	defer z.mu.Unlock()
	c := New(z.options)
	c.busy, c.serial = maps.Clone(z.busy), z.serial
	twins := map[*blob]*blob{}
	for p, blobs := range z.containers {
		c.containers[p] = make(map[string]*blob, len(blobs))
		for name, b := range blobs {
			twin := *b // its content and its metadata are never changed in place
			c.containers[p][name], twins[b] = &twin, &twin
		}
	}
	for _, t := range z.pending {
		c.pending = append(c.pending, &transfer{t.Copy, twins[t.target], t.ends})
	}
	return c
}

// Places returns the containers that exist, in order.
func (z *Zones) Places() []airlock.Place {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.SortedFunc(maps.Keys(z.containers), func(a, b airlock.Place) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Container, b.Container))
	})
}

// Blobs returns what a container holds now, in the order of the names, and whether it exists. It is no call: nothing is
// counted, and no fault is asked for.
func (z *Zones) Blobs(p airlock.Place) ([]airlock.Blob, bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.settle()
	return z.listing(p), z.containers[p] != nil
}

// Content returns the bytes of a blob that was put with content, and of its copies.
func (z *Zones) Content(p airlock.Place, name string) ([]byte, bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.settle()
	b := z.containers[p][name]
	if b == nil || b.content == nil {
		return nil, false
	}
	return slices.Clone(b.content), true
}

// Count returns how often an operation was called since New or ResetCounts, whatever came of it.
func (z *Zones) Count(op Op) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.counts[op]
}

// ResetCounts sets all counts to zero.
func (z *Zones) ResetCounts() {
	z.mu.Lock()
	defer z.mu.Unlock()
	clear(z.counts)
}
