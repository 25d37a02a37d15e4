package localazure

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// checkpoints is the container that a deployment makes for them. Azurite knows no retention: here it is one like any other.
const checkpoints = "checkpoints"

// makeKey makes the key that signs, in place of the one in Key Vault, unless an earlier start has left one. What verifies its
// signatures lies beside it.
func (a *Azure) makeKey(o Options) error {
	file, err := o.kept("signing.pem")
	if err != nil {
		return err
	}
	if file == "" {
		file = filepath.Join(a.temporary, "signing.pem")
	}
	a.signingKey, a.PublicKey = file, file+".pub"
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	open, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	return errors.Join(
		os.WriteFile(a.PublicKey, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open}), 0o600),
		os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

// archive is the container of checkpoints.
func (a *Azure) archive() (*container.Client, error) {
	return container.NewClient("https://"+tableOwner+".blob."+a.Storage.Suffix()+"/"+checkpoints, identity{a.Entra},
		&container.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: a.Storage.Client()}})
}

// makeArchive does what the deployment does before the first checkpoint.
func (a *Azure) makeArchive(ctx context.Context) error {
	client, err := a.archive()
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	if _, err := client.Create(ctx, nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return nil
}

// CopyCheckpoints copies the container of checkpoints into a folder, as an auditor gets it.
func (a *Azure) CopyCheckpoints(ctx context.Context, folder string) error {
	client, err := a.archive()
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	for pages := client.NewListBlobsFlatPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("checkpoints: %w", err)
		}
		for _, item := range page.Segment.BlobItems {
			if err := download(ctx, client, *item.Name, filepath.Join(folder, filepath.FromSlash(*item.Name))); err != nil {
				return fmt.Errorf("checkpoints: %w", err)
			}
		}
	}
	return nil
}

func download(ctx context.Context, client *container.Client, name, file string) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = client.NewBlobClient(name).DownloadFile(ctx, f, nil)
	return err
}
