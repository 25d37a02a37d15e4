// Package keyvault is dsse.Key on a key of Azure Key Vault: an EC key on P-256 that never leaves the vault.
//
// It promises one request for the public key, at its first use, and one for each signature, always with the version of the
// key that it has seen then. It checks every signature before it gives it out. It never sees a private key, and puts no
// address, token or answer of the vault into an error.
package keyvault

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// apiVersion is that of Key Vault's REST interface.
const apiVersion = "7.4"

// Options say which key it is and how to reach it.
type Options struct {
	// URL is the key's: https://{vault}/keys/{name}, or with /{version} at its end. Without one the newest counts that there
	// is at the first use.
	URL string
	// Credential is an identity that may read the key and sign with it. Required.
	Credential azcore.TokenCredential
	// Transport sends the requests. Nil: the SDK's own.
	Transport policy.Transporter
}

// Key is a key in a vault. Its methods may be called concurrently.
type Key struct {
	url      string
	pipeline runtime.Pipeline

	mu      sync.Mutex
	version string // its URL with the version
	public  *ecdsa.PublicKey
}

var keyPath = regexp.MustCompile(`^/keys/[0-9A-Za-z-]{1,127}(/[0-9A-Za-z]{1,64})?$`)

// New checks the options. It sends nothing.
func New(o Options) (*Key, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || !keyPath.MatchString(u.Path) || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("key vault: the URL is not that of a key")
	}
	if o.Credential == nil {
		return nil, errors.New("key vault: no credential")
	}
	// The audience of tokens is the vaults' common domain, which differs from cloud to cloud. Azure: "Authentication,
	// requests and responses".
	_, domain, _ := strings.Cut(u.Hostname(), ".")
	bearer := runtime.NewBearerTokenPolicy(o.Credential, []string{"https://" + domain + "/.default"}, nil)
	return &Key{url: o.URL, pipeline: runtime.NewPipeline("keyvault", "v1", runtime.PipelineOptions{PerRetry: []policy.Policy{bearer}}, &policy.ClientOptions{
		Transport: o.Transport,
		Retry:     policy.RetryOptions{MaxRetries: 2, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 2 * time.Second, TryTimeout: 10 * time.Second},
	})}, nil
}

// Public implements dsse.Key.
func (k *Key) Public(ctx context.Context) (crypto.PublicKey, error) {
	_, public, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	return public, nil
}

// load returns the key's URL with its version, and its public part.
func (k *Key) load(ctx context.Context) (string, *ecdsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.public != nil {
		return k.version, k.public, nil
	}
	var answer struct {
		Key struct {
			ID    string `json:"kid"`
			Type  string `json:"kty"`
			Curve string `json:"crv"`
			X     string `json:"x"`
			Y     string `json:"y"`
		} `json:"key"`
	}
	if err := k.call(ctx, http.MethodGet, k.url, nil, &answer); err != nil {
		return "", nil, fmt.Errorf("key vault: read the key: %w", err)
	}
	x, errX := base64.RawURLEncoding.DecodeString(answer.Key.X)
	y, errY := base64.RawURLEncoding.DecodeString(answer.Key.Y)
	same := answer.Key.ID == k.url || strings.HasPrefix(answer.Key.ID, k.url+"/")
	if !same || answer.Key.Type != "EC" && answer.Key.Type != "EC-HSM" || answer.Key.Curve != "P-256" || errX != nil || errY != nil ||
		len(x) != 32 || len(y) != 32 {
		return "", nil, errors.New("key vault: it is not an EC key on P-256")
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err != nil {
		return "", nil, errors.New("key vault: the key is not a point on P-256")
	}
	k.version, k.public = answer.Key.ID, public
	return k.version, k.public, nil
}

// Sign implements dsse.Key. Key Vault returns the two numbers of the signature side by side (RFC 7518, 3.4), the envelope has
// them in ASN.1 DER.
func (k *Key) Sign(ctx context.Context, message []byte) ([]byte, error) {
	version, public, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(message)
	question := map[string]string{"alg": "ES256", "value": base64.RawURLEncoding.EncodeToString(sum[:])}
	var answer struct {
		Value string `json:"value"`
	}
	if err := k.call(ctx, http.MethodPost, version+"/sign", question, &answer); err != nil {
		return nil, fmt.Errorf("key vault: sign: %w", err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(answer.Value)
	if err != nil || len(raw) != 64 {
		return nil, errors.New("key vault: sign: the answer holds no signature")
	}
	signature, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
	if err != nil || !ecdsa.VerifyASN1(public, sum[:], signature) {
		return nil, errors.New("key vault: sign: the signature is not good")
	}
	return signature, nil
}

// call sends one request and reads its answer.
func (k *Key) call(ctx context.Context, method, address string, question, answer any) error {
	request, err := runtime.NewRequest(ctx, method, address+"?api-version="+apiVersion)
	if err != nil {
		return errors.New("the request cannot be made")
	}
	request.Raw().Header.Set("Accept", "application/json")
	if question != nil {
		if err := runtime.MarshalAsJSON(request, question); err != nil {
			return errors.New("the request cannot be made")
		}
	}
	response, err := k.pipeline.Do(request)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return errors.New("no answer")
	case !runtime.HasStatusCode(response, http.StatusOK):
		runtime.Drain(response)
		return fmt.Errorf("HTTP %d", response.StatusCode)
	}
	if err := runtime.UnmarshalAsJSON(response, answer); err != nil {
		return errors.New("the answer cannot be read")
	}
	return nil
}
