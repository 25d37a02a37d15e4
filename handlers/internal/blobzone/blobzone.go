// Package blobzone is airlock.Zones on Azure Blob Storage.
//
// It promises one request to storage for each operation (one for each page of a list, none for a link), apart from the
// user delegation key of an account, which is fetched once and used until shortly before it expires. Moving files takes none
// of them through this program: storage copies by itself, from a source that a signature for that one blob opens. Reading
// one takes a buffer of 256 KiB, whatever its size.
//
// It never uses an account key, never puts an address, a signature or a file's name into an error, and never sends
// anything to a host that is not {account}.blob.{suffix}.
package blobzone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"airlock/handlers/internal/airlock"
)

// Options say which storage it is and how to reach it.
type Options struct {
	// Credential is the identity that works on the accounts. It needs to read, write and delete blobs and containers,
	// to read blob index tags, and to generate user delegation keys. Required.
	Credential azcore.TokenCredential

	// Suffix is that of the accounts' hosts, {account}.blob.{Suffix}. Empty: core.windows.net.
	Suffix string

	// LinkBase is what links begin with; {account} stands for the account. Empty: the accounts' own addresses. Links
	// are for HTTPS only, unless LinkBase is an http address on this machine.
	LinkBase string

	// Accounts are those that Ping asks: the ones without which nothing works.
	Accounts []string

	// Transport sends the requests. Nil: the SDK's own.
	Transport policy.Transporter

	// PageSize is how many blobs one request lists, at most 5,000. 0: 1,000.
	PageSize int32

	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

const (
	defaultSuffix   = "core.windows.net"
	defaultPageSize = 1_000

	// sourceLife is how long a copy may read its source. Azure: a copy fails when the signature of its source expires
	// on the way. The source is deleted once all is copied, so nothing is open for so long.
	sourceLife = 6 * time.Hour

	// clockSkew is how far this machine's clock may be ahead of storage's. Microsoft, "Create a user delegation SAS",
	// advises 15 minutes.
	clockSkew = 15 * time.Minute

	// tryTimeout is how long one request may take. Azure answers within 30 s, or says that it timed out.
	tryTimeout = 30 * time.Second
)

// Zones works on Azure Blob Storage. Its methods may be called concurrently.
type Zones struct {
	options Options

	buffers sync.Pool // of *[bufferSize]byte

	mu       sync.Mutex
	accounts map[string]*account
}

// New checks the options. It sends nothing.
func New(o Options) (*Zones, error) {
	if o.Suffix == "" {
		o.Suffix = defaultSuffix
	}
	if o.LinkBase == "" {
		o.LinkBase = "https://{account}.blob." + o.Suffix
	}
	if o.PageSize == 0 {
		o.PageSize = defaultPageSize
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	switch {
	case o.Credential == nil:
		return nil, errors.New("blob storage: no credential")
	case !domainName.MatchString(o.Suffix):
		return nil, fmt.Errorf("blob storage: %q is not the suffix of a host", o.Suffix)
	case o.PageSize < 1 || o.PageSize > 5_000:
		return nil, fmt.Errorf("blob storage: a page of %d blobs; Azure lists 1 to 5,000", o.PageSize)
	}
	if err := checkLinkBase(o.LinkBase); err != nil {
		return nil, fmt.Errorf("blob storage: %w", err)
	}
	for _, name := range o.Accounts {
		if !airlock.IsAccount(name) {
			return nil, fmt.Errorf("blob storage: %q is not the name of an account", name)
		}
	}
	o.LinkBase = strings.TrimSuffix(o.LinkBase, "/")
	return &Zones{options: o, accounts: map[string]*account{}}, nil
}

var domainName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// checkLinkBase refuses bases that would send people's files in the clear.
func checkLinkBase(base string) error {
	u, err := url.Parse(strings.ReplaceAll(base, "{account}", "account"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.Contains(base, "{account}") {
		return errors.New("the base of links is not an address with {account} in it")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && err == nil && ip.IsLoopback() {
		return nil
	}
	return errors.New("the base of links must be https, or http on this machine")
}

// Open implements airlock.Zones.
func (z *Zones) Open(ctx context.Context, p airlock.Place) (made bool, err error) {
	c, err := z.container(p)
	if err == nil {
		_, err = c.Create(ctx, nil)
	}
	if bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return false, nil
	}
	return err == nil, explain(ctx, "open", p, err, meaning{
		bloberror.ContainerBeingDeleted: airlock.ErrTransient,
	})
}

// List implements airlock.Zones.
func (z *Zones) List(ctx context.Context, p airlock.Place) iter.Seq2[airlock.Blob, error] {
	return func(yield func(airlock.Blob, error) bool) {
		fail := func(err error) {
			yield(airlock.Blob{}, explain(ctx, "list", p, err, meaning{
				bloberror.ContainerNotFound:     airlock.ErrNotFound,
				bloberror.ContainerBeingDeleted: airlock.ErrNotFound,
			}))
		}
		c, err := z.container(p)
		if err != nil {
			fail(err)
			return
		}
		pages := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
			Include:    container.ListBlobsInclude{Copy: true, Metadata: true, Tags: true},
			MaxResults: to.Ptr(z.options.PageSize),
		})
		for pages.More() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				fail(err)
				return
			}
			for _, item := range page.Segment.BlobItems {
				b, err := fromItem(item)
				if err != nil {
					fail(err)
					return
				}
				if !yield(b, nil) {
					return
				}
			}
		}
	}
}

// Copy implements airlock.Zones.
func (z *Zones) Copy(ctx context.Context, c airlock.Copy) error {
	source, err := z.source(ctx, c)
	if err != nil {
		return explain(ctx, "copy from", c.From, err, nil)
	}
	target, err := z.container(c.To)
	if err != nil {
		return explain(ctx, "copy to", c.To, err, nil)
	}
	_, err = target.NewBlobClient(c.Name).StartCopyFromURL(ctx, source.url, &blob.StartCopyFromURLOptions{
		Metadata: headers(c.Metadata),
		SourceModifiedAccessConditions: &blob.SourceModifiedAccessConditions{
			SourceIfMatch: to.Ptr(azcore.ETag(`"` + c.IfMatch + `"`)),
		},
		AccessConditions: &blob.AccessConditions{
			ModifiedAccessConditions: replaces(c),
		},
	})
	if refused(err) {
		// A key that was revoked opens nothing. The next try gets a new one.
		source.account.forget(source.key)
	}
	unmet := airlock.ErrChanged
	if c.Replaces != "" && bloberror.HasCode(err, bloberror.ConditionNotMet) && !is(ctx, target.NewBlobClient(c.Name), c.Replaces) {
		unmet = airlock.ErrExists
	}
	return explain(ctx, "copy to", c.To, err, meaning{
		bloberror.SourceConditionNotMet:  airlock.ErrChanged,
		bloberror.ConditionNotMet:        unmet,
		bloberror.BlobNotFound:           airlock.ErrChanged,
		bloberror.CannotVerifyCopySource: sourceMeaning(err),
		bloberror.BlobAlreadyExists:      airlock.ErrExists,
		bloberror.PendingCopyOperation:   airlock.ErrExists,
		bloberror.TargetConditionNotMet:  airlock.ErrExists,
		bloberror.ContainerNotFound:      airlock.ErrNotFound,
		bloberror.ContainerBeingDeleted:  airlock.ErrNotFound,
	})
}

// replaces is the condition on the target of a copy: that it is absent, or the very blob that the copy replaces.
func replaces(c airlock.Copy) *blob.ModifiedAccessConditions {
	if c.Replaces == "" {
		return &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}
	}
	return &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(`"` + c.Replaces + `"`))}
}

// is reports whether a blob is there with the ETag. Where storage says only that a condition was not met, it tells which
// one. A target that cannot be read counts as another one: whoever copies looks again.
func is(ctx context.Context, b *blob.Client, etag string) bool {
	_, err := b.GetProperties(ctx, &blob.GetPropertiesOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(`"` + etag + `"`))},
	}})
	return err == nil
}

// Write implements airlock.Zones.
func (z *Zones) Write(ctx context.Context, u airlock.Upload) error {
	err := unsent(u.Check())
	if err == nil {
		err = z.write(ctx, u)
	}
	return explain(ctx, "write to", u.Place, err, meaning{
		bloberror.BlobAlreadyExists:     airlock.ErrExists,
		bloberror.ConditionNotMet:       airlock.ErrExists,
		bloberror.ContainerNotFound:     airlock.ErrNotFound,
		bloberror.ContainerBeingDeleted: airlock.ErrNotFound,
	})
}

func (z *Zones) write(ctx context.Context, u airlock.Upload) error {
	c, err := z.container(u.Place)
	if err != nil {
		return err
	}
	_, err = c.NewBlockBlobClient(u.Name).Upload(ctx, streaming.NopCloser(bytes.NewReader(u.Content)), &blockblob.UploadOptions{
		Metadata:         headers(u.Metadata),
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}},
	})
	return err
}

// headers is metadata as the SDK takes it.
func headers(metadata map[string]string) map[string]*string {
	all := make(map[string]*string, len(metadata))
	for k, v := range metadata {
		all[k] = to.Ptr(v)
	}
	return all
}

// Remove implements airlock.Zones.
func (z *Zones) Remove(ctx context.Context, p airlock.Place, name string) error {
	c, err := z.container(p)
	if err == nil {
		err = unsent(airlock.CheckBlobName(name))
	}
	if err == nil {
		err = remove(ctx, c.NewBlobClient(name))
	}
	if bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ContainerNotFound, bloberror.ContainerBeingDeleted) {
		return nil
	}
	return explain(ctx, "remove from", p, err, meaning{
		bloberror.PendingCopyOperation:   airlock.ErrTransient,
		bloberror.NoPendingCopyOperation: airlock.ErrTransient,
		bloberror.CopyIDMismatch:         airlock.ErrTransient,
	})
}

// remove deletes a blob, and first ends the copy that keeps it.
func remove(ctx context.Context, b *blob.Client) error {
	everything := &blob.DeleteOptions{DeleteSnapshots: to.Ptr(blob.DeleteSnapshotsOptionTypeInclude)}
	_, err := b.Delete(ctx, everything)
	if !bloberror.HasCode(err, bloberror.PendingCopyOperation) {
		return err
	}
	properties, err := b.GetProperties(ctx, nil)
	if err != nil {
		return err
	}
	if properties.CopyID != nil {
		if _, err := b.AbortCopyFromURL(ctx, *properties.CopyID, nil); err != nil {
			return err
		}
	}
	_, err = b.Delete(ctx, everything)
	return err
}

// Erase implements airlock.Zones.
func (z *Zones) Erase(ctx context.Context, p airlock.Place) error {
	c, err := z.container(p)
	if err == nil {
		_, err = c.Delete(ctx, nil)
	}
	if bloberror.HasCode(err, bloberror.ContainerNotFound, bloberror.ContainerBeingDeleted) {
		return nil
	}
	return explain(ctx, "erase", p, err, nil)
}

// pingContainer is asked for to see whether an account answers; it need not exist.
const pingContainer = "airlock-ping"

// Ping implements airlock.Zones. It asks all accounts at once, each with one request that needs the rights of the
// credential and changes nothing.
func (z *Zones) Ping(ctx context.Context) error {
	errs := make([]error, len(z.options.Accounts))
	var asked sync.WaitGroup
	for i, name := range z.options.Accounts {
		asked.Go(func() {
			p := airlock.Place{Account: name, Container: pingContainer}
			c, err := z.container(p)
			if err == nil {
				_, err = c.GetProperties(ctx, nil)
			}
			if !bloberror.HasCode(err, bloberror.ContainerNotFound) {
				errs[i] = explain(ctx, "ping", p, err, nil)
			}
		})
	}
	asked.Wait()
	return errors.Join(errs...)
}
