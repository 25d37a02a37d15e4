package storage_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"airlock/scripts/localazure/storage"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

const (
	accountA   = "stalimex1234"
	accountB   = "stalimip1234"
	deletedFor = 30 * time.Second
)

// fixture is the one storage that all tests share, since Azurite takes seconds to start.
type fixture struct {
	*storage.Storage
	names atomic.Int64
	clock atomic.Int64 // nanoseconds ahead of the real time

	mu     sync.Mutex
	events []storage.Event
}

var shared fixture

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := storage.Start(ctx, storage.Options{
		Accounts:   []string{accountA, accountB},
		DeletedFor: deletedFor,
		Now:        func() time.Time { return time.Now().Add(time.Duration(shared.clock.Load())) },
		Log:        func(line string) { fmt.Println(line) },
		Events: func(e storage.Event) {
			shared.mu.Lock()
			defer shared.mu.Unlock()
			shared.events = append(shared.events, e)
		},
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	shared.Storage = s
	code := m.Run()
	if err := s.Stop(); err != nil {
		fmt.Println(err)
		return 1
	}
	return code
}

// eventsOf gives the events raised so far for one container.
func (f *fixture) eventsOf(containerName string) []storage.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []storage.Event
	for _, e := range f.events {
		if strings.HasPrefix(e.Subject, "/blobServices/default/containers/"+containerName+"/") {
			out = append(out, e)
		}
	}
	return out
}

// token is what Azurite takes for an Entra ID access token: it reads the claims and does not check the signature.
type token struct{ claims map[string]any }

func appToken() token {
	now := time.Now()
	return token{map[string]any{
		"aud": "https://storage.azure.com",
		"iss": "https://sts.windows.net/11111111-1111-1111-1111-111111111111/",
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
		"oid": "22222222-2222-2222-2222-222222222222",
		"tid": "11111111-1111-1111-1111-111111111111",
	}}
}

func (c token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT"})
	if err != nil {
		return azcore.AccessToken{}, err
	}
	body, err := json.Marshal(c.claims)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	enc := base64.RawURLEncoding
	return azcore.AccessToken{
		Token:     enc.EncodeToString(header) + "." + enc.EncodeToString(body) + "." + enc.EncodeToString([]byte("signature")),
		ExpiresOn: time.Now().Add(time.Hour),
	}, nil
}

// clientOptions are those of the app: virtual host names, dialled at the TLS door. There is nothing to wait for in a retry.
func clientOptions(s *storage.Storage) policy.ClientOptions {
	return policy.ClientOptions{Transport: s.Client(), Retry: policy.RetryOptions{MaxRetries: -1}}
}

func blobService(t *testing.T, s *storage.Storage, account string) *service.Client {
	t.Helper()
	client, err := service.NewClient("https://"+account+".blob."+s.Suffix(), appToken(),
		&service.ClientOptions{ClientOptions: clientOptions(s)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func tables(t *testing.T, s *storage.Storage, account string) *aztables.ServiceClient {
	t.Helper()
	client, err := aztables.NewServiceClient("https://"+account+".table."+s.Suffix(), appToken(),
		&aztables.ClientOptions{ClientOptions: clientOptions(s)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// newContainer makes a container of its own for a test.
func newContainer(t *testing.T, account string) (*container.Client, string) {
	t.Helper()
	name := fmt.Sprintf("test-%d", shared.names.Add(1))
	client := blobService(t, shared.Storage, account).NewContainerClient(name)
	if _, err := client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return client, name
}

func upload(t *testing.T, c *container.Client, name, body string) azcore.ETag {
	t.Helper()
	r, err := c.NewBlockBlobClient(name).UploadBuffer(t.Context(), []byte(body), nil)
	if err != nil {
		t.Fatal(err)
	}
	return *r.ETag
}

// signedQuery is a user delegation SAS for a container, as the app signs it.
func signedQuery(t *testing.T, account, containerName, rights string, with func(*sas.BlobSignatureValues)) string {
	t.Helper()
	now := time.Now().UTC()
	start, expiry := now.Add(-15*time.Minute).Format(sas.TimeFormat), now.Add(time.Hour).Format(sas.TimeFormat)
	cred, err := blobService(t, shared.Storage, account).GetUserDelegationCredential(t.Context(),
		service.KeyInfo{Start: &start, Expiry: &expiry}, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := sas.BlobSignatureValues{
		Protocol: sas.ProtocolHTTPS, StartTime: now.Add(-15 * time.Minute), ExpiryTime: now.Add(30 * time.Minute),
		ContainerName: containerName, Permissions: rights,
	}
	if with != nil {
		with(&v)
	}
	q, err := v.SignWithUserDelegation(cred)
	if err != nil {
		t.Fatal(err)
	}
	return q.Encode()
}

// door is a way to an account with nothing but a link.
type door struct {
	name string
	base func(account string) string
	http *http.Client
}

func doors() []door {
	return []door{
		{"tls", func(account string) string { return "https://" + account + ".blob." + shared.Suffix() }, shared.Client()},
		{"plain", shared.PlainURL, &http.Client{Transport: &http.Transport{}}},
	}
}

func (d door) container(t *testing.T, account, containerName, query string) *container.Client {
	t.Helper()
	client, err := container.NewClientWithNoCredential(d.base(account)+"/"+containerName+"?"+query, &container.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: d.http, Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// wantError checks status and code of a refusal; an empty code stands for any.
func wantError(t *testing.T, err error, status int, code string) {
	t.Helper()
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		t.Fatalf("want %d %s, got %v", status, code, err)
	}
	if re.StatusCode != status || code != "" && re.ErrorCode != code {
		t.Fatalf("want %d %s, got %d %s", status, code, re.StatusCode, re.ErrorCode)
	}
}

func ptr[T any](v T) *T { return &v }

func listNames(t *testing.T, c *container.Client) ([]string, error) {
	t.Helper()
	var names []string
	for p := c.NewListBlobsFlatPager(nil); p.More(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			return nil, err
		}
		for _, b := range page.Segment.BlobItems {
			names = append(names, *b.Name)
		}
	}
	return names, nil
}

func readAll(t *testing.T, b *blob.Client) (string, error) {
	t.Helper()
	buf := make([]byte, 1<<20)
	n, err := b.DownloadBuffer(t.Context(), buf, nil)
	return string(buf[:n]), err
}
