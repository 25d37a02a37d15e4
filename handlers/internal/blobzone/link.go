package blobzone

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// Link implements airlock.Zones.
func (z *Zones) Link(ctx context.Context, p airlock.Place, l airlock.LinkTerms) (string, error) {
	link, err := z.link(ctx, p, l)
	return link, explain(ctx, "link to", p, err, nil)
}

func (z *Zones) link(ctx context.Context, p airlock.Place, l airlock.LinkTerms) (string, error) {
	if err := unsent(p.Check()); err != nil {
		return "", err
	}
	if err := unsent(l.Check()); err != nil {
		return "", err
	}
	a, err := z.account(p.Account)
	if err != nil {
		return "", err
	}
	key, err := a.delegate(ctx, l.From, l.Until)
	if err != nil {
		return "", err
	}
	protocol := sas.ProtocolHTTPS
	if strings.HasPrefix(z.options.LinkBase, "http://") {
		protocol = sas.ProtocolHTTPSandHTTP
	}
	signed, err := sas.BlobSignatureValues{
		Protocol: protocol, StartTime: l.From.UTC(), ExpiryTime: l.Until.UTC(), ContainerName: p.Container,
		Permissions: permissions(l.Rights), CorrelationID: l.CorrelationID,
	}.SignWithUserDelegation(key.credential)
	if err != nil {
		return "", err
	}
	return strings.ReplaceAll(z.options.LinkBase, "{account}", p.Account) + "/" + p.Container + "?" + signed.Encode(), nil
}

// permissions are the rights as Azure writes them. To write is to create as well: neither overwrites what is new, or
// makes what is old, without the other.
func permissions(r statemachine.Rights) string {
	p := sas.ContainerPermissions{
		Read: r&statemachine.Read != 0, List: r&statemachine.List != 0, Delete: r&statemachine.Delete != 0,
		Create: r&statemachine.Write != 0, Write: r&statemachine.Write != 0,
	}
	return p.String()
}

// opened is a source that a copy may read.
type opened struct {
	url     string // with a signature for this one blob
	account *account
	key     *delegation
}

// source opens one blob for a copy.
func (z *Zones) source(ctx context.Context, c airlock.Copy) (opened, error) {
	if err := unsent(c.Check()); err != nil {
		return opened{}, err
	}
	a, err := z.account(c.From.Account)
	if err != nil {
		return opened{}, err
	}
	now := z.options.Now()
	from, until := now.Add(-clockSkew), now.Add(sourceLife)
	key, err := a.delegate(ctx, from, until)
	if err != nil {
		return opened{}, err
	}
	signed, err := sas.BlobSignatureValues{
		Protocol: sas.ProtocolHTTPS, StartTime: from.UTC(), ExpiryTime: until.UTC(), ContainerName: c.From.Container, BlobName: c.Name,
		Permissions: (&sas.BlobPermissions{Read: true}).String(),
	}.SignWithUserDelegation(key.credential)
	if err != nil {
		return opened{}, err
	}
	return opened{url: a.service.NewContainerClient(c.From.Container).NewBlobClient(c.Name).URL() + "?" + signed.Encode(), account: a, key: key}, nil
}
