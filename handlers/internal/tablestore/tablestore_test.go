package tablestore_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/storetest"
	"airlock/handlers/internal/tablestore"
	"airlock/scripts/localazure/storage"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const account = "stalstate"

// azurite is the one storage of all tests, since it takes seconds to start; what needs none, such as a fuzz target, does
// not start it. Every test has a table of its own.
var azurite struct {
	start sync.Once
	*storage.Storage
	err    error
	tables atomic.Int64
}

func TestMain(m *testing.M) {
	code := m.Run()
	if azurite.Storage != nil {
		if err := azurite.Stop(); err != nil {
			fmt.Println(err)
			code = 1
		}
	}
	os.Exit(code)
}

// shared returns the storage of all tests.
func shared(t *testing.T) *storage.Storage {
	t.Helper()
	azurite.start.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		azurite.Storage, azurite.err = storage.Start(ctx, storage.Options{Accounts: []string{account}, Log: func(line string) { fmt.Println(line) }})
	})
	if azurite.err != nil {
		t.Fatal(azurite.err)
	}
	return azurite.Storage
}

// token is an access token that the local storage takes: it reads the claims and does not check the signature.
type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/11111111-1111-1111-1111-111111111111/",
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if err != nil {
		return azcore.AccessToken{}, err
	}
	part := base64.RawURLEncoding.EncodeToString
	text := part([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + part(claims) + "." + part([]byte(secret))
	return azcore.AccessToken{Token: text, ExpiresOn: now.Add(time.Hour)}, nil
}

// noToken is a credential without an identity.
type noToken struct{}

func (noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("no identity here: GET http://169.254.169.254/token?resource=" + secret + "\nRESPONSE 400")
}

// secret stands in every token, and must stand nowhere else.
const secret = "a very secret signature"

// transport counts requests, and can answer itself.
type transport struct {
	next      policy.Transporter
	table     string
	sent      atomic.Int64
	intercept func(n int64, req *http.Request, send func() (*http.Response, error)) (*http.Response, error)
}

func (t *transport) Do(req *http.Request) (*http.Response, error) {
	n := t.sent.Add(1)
	if t.intercept != nil {
		return t.intercept(n, req, func() (*http.Response, error) { return t.next.Do(req) })
	}
	return t.next.Do(req)
}

// open makes a store with a table of its own.
func open(t *testing.T) (*tablestore.Store, *transport) {
	t.Helper()
	client := shared(t).Client()
	t.Cleanup(client.CloseIdleConnections)
	tr := &transport{next: client, table: fmt.Sprintf("table%d", azurite.tables.Add(1))}
	store, err := tablestore.New(tablestore.Options{
		Endpoint: fmt.Sprintf("https://%s.table.%s", account, shared(t).Suffix()), Table: tr.table,
		Credential: token{}, Transport: tr, RetryPause: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.EnsureTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr.sent.Store(0)
	return store, tr
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) airlock.Store {
		store, _ := open(t)
		return store
	})
}
