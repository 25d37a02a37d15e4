package entra

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxDocument bounds a discovery document or a key set. Entra ID's are below 30 KiB.
	maxDocument = 1 << 20
	// minKeyBits is what is still considered safe for RSA.
	minKeyBits = 2048
)

// keySet is the issuer's keys: fetched on demand, cached, and kept while newer ones cannot be had. It stands in for
// oidc.RemoteKeySet, which fetches again on every bad signature (so that anybody could make us hammer the issuer), never
// forgets a withdrawn key, and reads answers of any size.
type keySet struct {
	config Config

	mu      sync.Mutex
	keys    map[string]jose.JSONWebKey // by key id; nil before the first fetch that succeeded
	fetched time.Time                  // when keys arrived
	fetches int                        // how often keys arrived
	tried   time.Time                  // when the last fetch ended
	err     error                      // how the last fetch ended
	running chan struct{}              // closed when the fetch that is under way ends; nil when there is none
}

func newKeySet(c Config) *keySet {
	client := *c.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Client = &client
	return &keySet{config: c}
}

// VerifySignature returns the payload of a token that a key of the issuer signed. Its errors are ErrSignature,
// ErrUnavailable and ErrInvalid.
func (s *keySet) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	// The compact form only: the JSON form, which go-oidc would take, may hold several signatures.
	signed, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return nil, errNotRS256
	}
	key, err := s.key(ctx, signed.Signatures[0].Header.KeyID)
	if err != nil {
		return nil, err
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return nil, ErrSignature
	}
	return payload, nil
}

// present tells the keys of now from all earlier ones. Where they are old, newer ones are fetched; nobody waits for it, because
// an old key is better than no answer.
func (s *keySet) present(ctx context.Context) (fetch int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys != nil && s.config.Now().Sub(s.fetched) > s.config.MaxAge {
		s.fetch(ctx)
	}
	return s.fetches
}

// key returns the key with that id, and asks the issuer where it is unknown.
func (s *keySet) key(ctx context.Context, id string) (jose.JSONWebKey, error) {
	s.mu.Lock()
	key, known := s.keys[id]
	if known {
		s.mu.Unlock()
		return key, nil
	}
	running := s.fetch(ctx)
	s.mu.Unlock()

	if running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return jose.JSONWebKey{}, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key, known = s.keys[id]
	switch {
	case known:
		return key, nil
	case s.err != nil: // the key may be a new one
		return jose.JSONWebKey{}, fmt.Errorf("%w: %w", ErrUnavailable, s.err)
	}
	return jose.JSONWebKey{}, fmt.Errorf("%w: the issuer does not know its key", ErrSignature)
}

// fetch starts a fetch, unless one is under way or the last one ended too recently. It returns what is closed when the
// fetch ends, or nil. s.mu is held.
func (s *keySet) fetch(ctx context.Context) <-chan struct{} {
	if s.running != nil {
		return s.running
	}
	pause := s.config.Refetch
	if s.err != nil {
		pause = s.config.Retry
	}
	if !s.tried.IsZero() && s.config.Now().Sub(s.tried) < pause {
		return nil
	}
	running := make(chan struct{})
	s.running = running
	// The request that happens to come first may be given up; the others that wait for the same keys are not.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	go func() {
		defer cancel()
		keys, err := s.download(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running, s.err, s.tried = nil, err, s.config.Now()
		if err == nil {
			s.keys, s.fetched = keys, s.tried
			s.fetches++
		}
		close(running)
	}()
	return running
}

// Check tells whether tokens can be verified now: nil when the issuer's keys are known, or could just be fetched.
func (v *Verifier) Check(ctx context.Context) error {
	s := v.keys
	s.mu.Lock()
	known := len(s.keys) > 0
	s.mu.Unlock()
	if known {
		return nil
	}
	_, err := s.key(ctx, "")
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return nil
}

// download reads the discovery document and then the keys that it points to.
func (s *keySet) download(ctx context.Context) (map[string]jose.JSONWebKey, error) {
	var discovery struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	err := s.get(ctx, strings.TrimSuffix(s.config.Issuer, "/")+"/.well-known/openid-configuration", &discovery)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if discovery.Issuer != s.config.Issuer {
		return nil, fmt.Errorf("discovery: it is another issuer's, not %s", s.config.Issuer)
	}
	err = checkURL(discovery.Keys)
	if err != nil {
		return nil, fmt.Errorf("discovery: jwks_uri: %w", err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	err = s.get(ctx, discovery.Keys, &set)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	keys := make(map[string]jose.JSONWebKey, len(set.Keys))
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		// A key of a kind that is unknown here must not take the others with it.
		if json.Unmarshal(raw, &key) == nil && usable(key) {
			keys[key.KeyID] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("keys: none that can verify RS256")
	}
	return keys, nil
}

// usable tells a named public key for RS256 signatures.
func usable(key jose.JSONWebKey) bool {
	public, ok := key.Key.(*rsa.PublicKey)
	return ok && key.KeyID != "" && public.N.BitLen() >= minKeyBits &&
		(key.Use == "" || key.Use == "sig") && (key.Algorithm == "" || key.Algorithm == string(jose.RS256))
}

func (s *keySet) get(ctx context.Context, url string, to any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	res, err := s.config.Client.Do(r)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: status %d", url, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err != nil {
		return fmt.Errorf("get %s: read: %w", url, err)
	}
	if len(body) > maxDocument {
		return fmt.Errorf("get %s: answer is larger than %d bytes", url, maxDocument)
	}
	err = json.Unmarshal(body, to)
	if err != nil {
		return fmt.Errorf("get %s: answer is not the expected JSON", url)
	}
	return nil
}
