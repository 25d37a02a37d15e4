package blobzone

import (
	"context"
	"errors"
	"iter"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"airlock/handlers/internal/airlock"
)

// Containers implements airlock.Containers: one request for each page.
func (z *Zones) Containers(ctx context.Context, account string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		fail := func(err error) {
			yield("", explain(ctx, "list the containers of", airlock.Place{Account: account}, err, nil))
		}
		if !airlock.IsAccount(account) {
			fail(mistake{errors.New("not the name of an account")})
			return
		}
		a, err := z.account(account)
		if err != nil {
			fail(err)
			return
		}
		pages := a.service.NewListContainersPager(&service.ListContainersOptions{MaxResults: to.Ptr(z.options.PageSize)})
		for pages.More() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				fail(err)
				return
			}
			for _, item := range page.ContainerItems {
				switch {
				case item.Name == nil:
					fail(errors.New("storage lists a container without a name"))
					return
				case !yield(*item.Name, nil):
					return
				}
			}
		}
	}
}
