package blobzone

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"airlock/handlers/internal/airlock"
)

const (
	// keyLife is how long a user delegation key is asked for, and maxKeyLife the longest that Azure gives (Microsoft,
	// "Get User Delegation Key"). Whoever revokes the keys of an account waits for no longer than the shorter one.
	keyLife    = 24 * time.Hour
	maxKeyLife = 7 * 24 * time.Hour
)

// account is one storage account: its client and its user delegation key.
type account struct {
	service *service.Client
	now     func() time.Time

	fetching chan struct{} // holds one while a key is fetched, so that many who need one ask once

	mu  sync.Mutex
	key *delegation // nil: none yet
}

// delegation is a user delegation key with the time for which it signs.
type delegation struct {
	from, until time.Time
	credential  *service.UserDelegationCredential
}

// signs reports whether signatures for that time can be made with the key.
func (d *delegation) signs(from, until time.Time) bool {
	return d != nil && !from.Before(d.from) && !until.After(d.until)
}

// account returns the one client of an account.
func (z *Zones) account(name string) (*account, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if a := z.accounts[name]; a != nil {
		return a, nil
	}
	// The SDK signs for the account that the first label of the host names, so no other address will do.
	client, err := service.NewClient("https://"+name+".blob."+z.options.Suffix+"/", z.options.Credential, &service.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: z.options.Transport,
			// Little patience: whoever calls tries again later, and an invocation has a deadline.
			Retry: policy.RetryOptions{MaxRetries: 2, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 2 * time.Second, TryTimeout: tryTimeout},
		},
	})
	if err != nil {
		return nil, err
	}
	a := &account{service: client, now: z.options.Now, fetching: make(chan struct{}, 1)}
	z.accounts[name] = a
	return a, nil
}

// container returns a client of a container.
func (z *Zones) container(p airlock.Place) (*container.Client, error) {
	if err := unsent(p.Check()); err != nil {
		return nil, err
	}
	a, err := z.account(p.Account)
	if err != nil {
		return nil, err
	}
	return a.service.NewContainerClient(p.Container), nil
}

// errKeyLife is a mistake of the caller.
var errKeyLife = mistake{errors.New("a signature can be good for at most seven days")}

// delegate returns a key that signs for the time from and until, the cached one where it does.
func (a *account) delegate(ctx context.Context, from, until time.Time) (*delegation, error) {
	if d := a.cached(); d.signs(from, until) {
		return d, nil
	}
	select {
	case a.fetching <- struct{}{}:
		defer func() { <-a.fetching }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if d := a.cached(); d.signs(from, until) { // somebody else has fetched it meanwhile
		return d, nil
	}
	now := a.now()
	d := &delegation{from: earlier(from, now.Add(-clockSkew)).UTC(), until: later(until, now.Add(keyLife)).UTC()}
	if d.until.After(now.Add(maxKeyLife)) {
		return nil, errKeyLife
	}
	var err error
	d.credential, err = a.service.GetUserDelegationCredential(ctx, service.KeyInfo{
		Start: to.Ptr(d.from.Format(sas.TimeFormat)), Expiry: to.Ptr(d.until.Format(sas.TimeFormat)),
	}, nil)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.key = d
	return d, nil
}

func (a *account) cached() *delegation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.key
}

// forget drops a key that storage does not take, unless another has replaced it.
func (a *account) forget(d *delegation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.key == d {
		a.key = nil
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
