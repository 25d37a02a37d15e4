package entra_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"airlock/handlers/internal/entra"
)

const (
	tenant   = "9b1f3f6e-52f7-4a0d-8f57-0d1c38bd9f01"
	subject  = "1d0c9a3e-8f5e-4f35-9d2c-7b8a1f6f0a11"
	audience = "api://airlock"
)

// keyring makes RSA keys once for all tests: they take long to find.
var keyring = sync.OnceValue(func() [3]*rsa.PrivateKey {
	var keys [3]*rsa.PrivateKey
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// issuer is an Entra ID of the test's own, and a verifier that trusts it.
type issuer struct {
	*httptest.Server
	*entra.Verifier
	url     string // the iss claim
	fetches atomic.Int64

	mu      sync.Mutex
	now     time.Time
	kid     string
	key     *rsa.PrivateKey
	answers func(w http.ResponseWriter, r *http.Request) bool // answers in place of the issuer when it returns true
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), kid: "first", key: keyring()[0]}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	i.url = i.URL + "/" + tenant + "/v2.0"
	verifier, err := entra.New(entra.Config{Issuer: i.url, TenantID: tenant, Client: i.Client(), Now: i.clock})
	if err != nil {
		t.Fatal(err)
	}
	i.Verifier = verifier
	return i
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.answers != nil && i.answers(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/" + tenant + "/v2.0/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.url, "jwks_uri": i.URL + "/keys"})
	case "/keys":
		i.fetches.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{
			map[string]string{"kty": "XYZ", "kid": "of a kind to come"},
			jose.JSONWebKey{Key: &i.key.PublicKey, KeyID: i.kid, Use: "sig"},
		}})
	default:
		http.NotFound(w, r)
	}
}

func (i *issuer) clock() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

func (i *issuer) advance(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = i.now.Add(d)
}

// rotate replaces the key by another.
func (i *issuer) rotate(kid string, key *rsa.PrivateKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kid, i.key = kid, key
}

// answer sets what the issuer answers with; nil is the truth.
func (i *issuer) answer(with func(w http.ResponseWriter, r *http.Request) bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answers = with
}

// outage answers every request with 503.
func outage(w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(http.StatusServiceUnavailable)
	return true
}

// claims are a good token's with changes laid over; a nil value takes the claim away.
func (i *issuer) claims(changes map[string]any) map[string]any {
	now := i.clock()
	claims := map[string]any{
		"iss": i.url, "tid": tenant, "aud": audience, "oid": subject, "sub": "pairwise", "azp": "a-client", "scp": "user_impersonation",
		"name": "Ada Lovelace", "preferred_username": "ada@example.org", "roles": []string{"WorkspaceResearcher"}, "groups": []string{"g-1", "g-2"},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// sign makes a token with the issuer's present key.
func (i *issuer) sign(t *testing.T, changes map[string]any) string {
	t.Helper()
	i.mu.Lock()
	key, kid := i.key, i.kid
	i.mu.Unlock()
	return signWith(t, jose.RS256, key, kid, i.claims(changes))
}

func signWith(t *testing.T, algorithm jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(fmt.Errorf("sign: %w", err))
	}
	return token
}
