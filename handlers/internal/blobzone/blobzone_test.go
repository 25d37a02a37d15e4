package blobzone_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/blobzone"
	"airlock/handlers/internal/zonetest"
	"airlock/scripts/localazure/storage"
)

var (
	_ airlock.Zones      = (*blobzone.Zones)(nil)
	_ airlock.Containers = (*blobzone.Zones)(nil)
)

var accounts = [2]string{"stalimextre", "stalimiptre"}

// azurite is the one storage that all tests share, since it takes seconds to start.
var azurite *storage.Storage

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var err error
	azurite, err = storage.Start(ctx, storage.Options{Accounts: accounts[:], DeletedFor: time.Second})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	code := m.Run()
	if err := azurite.Stop(); err != nil {
		fmt.Println(err)
		return 1
	}
	return code
}

// token is an identity that Azurite believes: it reads the claims and does not check the signature.
type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/11111111-1111-1111-1111-111111111111/",
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
		"oid": "22222222-2222-2222-2222-222222222222", "tid": "11111111-1111-1111-1111-111111111111",
	})
	encode := base64.RawURLEncoding.EncodeToString
	return azcore.AccessToken{
		Token:     encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims) + "." + encode([]byte("none")),
		ExpiresOn: now.Add(time.Hour),
	}, err
}

// counter counts the requests that reach storage.
type counter struct {
	next *http.Client
	mu   sync.Mutex
	seen []string // method and the query's restype and comp
}

func (c *counter) Do(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	c.mu.Lock()
	c.seen = append(c.seen, fmt.Sprintf("%s %s %s", r.Method, q.Get("restype"), q.Get("comp")))
	c.mu.Unlock()
	return c.next.Do(r)
}

// take returns what was seen since the last time.
func (c *counter) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

// connect returns Zones on the local storage, changed as the test wants them.
func connect(t *testing.T, change func(*blobzone.Options)) *blobzone.Zones {
	t.Helper()
	o := blobzone.Options{
		Credential: token{}, Suffix: azurite.Suffix(), LinkBase: azurite.PlainURL("{account}"), Transport: azurite.Client(),
		Accounts: accounts[:],
	}
	if change != nil {
		change(&o)
	}
	z, err := blobzone.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestContract(t *testing.T) {
	z := connect(t, func(o *blobzone.Options) { o.PageSize = 100 })
	zonetest.Run(t, func(t *testing.T) zonetest.Fixture {
		return zonetest.Fixture{
			Zones: z, Accounts: accounts, Client: http.DefaultClient, Now: time.Now, Busy: true,
			Pass: func() { <-time.After(20 * time.Millisecond) },
			Tag: func(ctx context.Context, p airlock.Place, name string, result airlock.ScanResult) error {
				return azurite.SetTags(ctx, p.Account, p.Container, name, map[string]string{"Malware Scanning scan result": string(result)})
			},
		}
	})
}

func TestContainersInPages(t *testing.T) {
	z := connect(t, func(o *blobzone.Options) { o.PageSize = 2 })
	const many = 5
	made := map[string]int{}
	for i := range many {
		p := airlock.Place{Account: accounts[1], Container: fmt.Sprintf("paged-%d", i)}
		if _, err := z.Open(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := z.Erase(context.Background(), p); err != nil {
				t.Error(err)
			}
		})
		made[p.Container] = 0
	}
	for name, err := range z.Containers(t.Context(), accounts[1]) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ours := made[name]; ours {
			made[name]++
		}
	}
	for name, times := range made {
		if times != 1 {
			t.Errorf("%s is listed %d times", name, times)
		}
	}
}
