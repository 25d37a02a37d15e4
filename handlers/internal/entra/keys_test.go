package entra_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"airlock/handlers/internal/entra"
)

// expect verifies a token signed with the issuer's present key.
func (i *issuer) expect(t *testing.T, name string, want error) {
	t.Helper()
	raw := i.sign(t, nil)
	_, err := i.Verify(t.Context(), raw)
	mustBe(t, name, err, want, raw)
}

func (i *issuer) expectFetches(t *testing.T, name string, want int64) {
	t.Helper()
	if got := i.fetches.Load(); got != want {
		t.Errorf("%s: keys were fetched %d times, want %d", name, got, want)
	}
}

func TestRotation(t *testing.T) {
	i := newIssuer(t)
	i.expect(t, "first key", nil)
	i.expect(t, "first key, cached", nil)
	i.expectFetches(t, "cached", 1)

	old := i.sign(t, nil)
	i.rotate("second", keyring()[1])
	i.expect(t, "new key, too soon after the last fetch", entra.ErrSignature)
	i.expectFetches(t, "too soon", 1)
	i.advance(3 * time.Minute)
	i.expect(t, "new key", nil)
	i.expectFetches(t, "rotated", 2)
	_, err := i.Verify(t.Context(), old)
	mustBe(t, "key that was withdrawn", err, entra.ErrSignature, old)
}

// TestKnownTokens verifies tokens again: what was good once is good for as long as it would be at first sight.
func TestKnownTokens(t *testing.T) {
	i := newIssuer(t)
	good := i.sign(t, nil)
	verify := func(when string, want error) entra.Token {
		t.Helper()
		token, err := i.Verify(t.Context(), good)
		mustBe(t, when, err, want, good)
		return token
	}
	verify("the one that fetches the keys, with which nothing is known yet", nil)
	first := verify("first", nil)
	first.Roles[0], first.Groups[0] = "TREAdmin", "g-9"
	second := verify("second", nil)
	if second.Roles[0] != "WorkspaceResearcher" || second.Groups[0] != "g-1" {
		t.Errorf("what the first caller did to its token is in the second's: %+v", second)
	}
	second.Roles[0] = "TREAdmin"
	if third := verify("third", nil); third.Roles[0] != "WorkspaceResearcher" {
		t.Errorf("what the second caller did to its token is in the third's: %+v", third)
	}
	cut := good[:len(good)-4] + "AAAA"
	_, err := i.Verify(t.Context(), cut)
	mustBe(t, "another signature", err, entra.ErrSignature, cut)

	i.advance(time.Hour + 59*time.Second)
	verify("expired within the skew", nil)
	i.advance(2 * time.Second)
	if token := verify("expired", entra.ErrExpired); token.Subject != "" {
		t.Errorf("an expired token gave %+v", token)
	}
}

// TestKnownTokensOfAWithdrawnKey forgets what was verified with a key that the issuer no longer has.
func TestKnownTokensOfAWithdrawnKey(t *testing.T) {
	i := newIssuer(t)
	old := i.sign(t, nil)
	for range 2 {
		_, err := i.Verify(t.Context(), old)
		mustBe(t, "before", err, nil, old)
	}
	i.rotate("second", keyring()[1])
	i.advance(3 * time.Minute)
	i.expect(t, "the new key, which makes it known that the old one is gone", nil)
	_, err := i.Verify(t.Context(), old)
	mustBe(t, "after", err, entra.ErrSignature, old)
}

func TestUnknownKeysDoNotHammerIssuer(t *testing.T) {
	i := newIssuer(t)
	i.expect(t, "first", nil)
	for n := range 100 {
		raw := signWith(t, jose.RS256, keyring()[1], fmt.Sprintf("made-up-%d", n), i.claims(nil))
		_, err := i.Verify(t.Context(), raw)
		mustBe(t, "made-up key", err, entra.ErrSignature, raw)
		i.advance(time.Second)
	}
	i.expectFetches(t, "100 made-up keys in 100 s", 1)
	for range 100 { // a bad signature under a known name is no reason to ask
		raw := signWith(t, jose.RS256, keyring()[1], "first", i.claims(nil))
		_, err := i.Verify(t.Context(), raw)
		mustBe(t, "forged", err, entra.ErrSignature, raw)
		i.advance(time.Minute)
	}
	i.expectFetches(t, "100 forged tokens", 1)
}

func TestOutage(t *testing.T) {
	i := newIssuer(t)
	i.expect(t, "before", nil)
	i.answer(outage)
	i.advance(48 * time.Hour)
	i.expect(t, "known key, long after it should have been renewed", nil)
	i.rotate("second", keyring()[1])
	i.expect(t, "unknown key", entra.ErrUnavailable)
	i.answer(nil)
	i.advance(6 * time.Second)
	i.expect(t, "unknown key, afterwards", nil)
}

func TestOutageAtStart(t *testing.T) {
	i := newIssuer(t)
	requests := 0
	i.answer(func(w http.ResponseWriter, r *http.Request) bool { requests++; return outage(w, r) })
	for range 20 {
		i.expect(t, "down", entra.ErrUnavailable)
	}
	if requests != 1 {
		t.Errorf("%d requests within the pause, want 1", requests)
	}
	if err := i.Check(t.Context()); err == nil {
		t.Error("Check finds nothing wrong with an issuer that is down")
	}
	i.answer(nil)
	i.advance(6 * time.Second)
	if err := i.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	i.expect(t, "up", nil)
	i.expectFetches(t, "up", 1)
	i.answer(outage)
	if err := i.Check(t.Context()); err != nil {
		t.Errorf("Check with known keys: %v", err)
	}
}

func TestOldKeysAreRenewed(t *testing.T) {
	i := newIssuer(t)
	i.expect(t, "first", nil)
	old := i.sign(t, map[string]any{"exp": i.clock().Add(100 * time.Hour).Unix()})
	i.rotate("second", keyring()[1])
	i.advance(25 * time.Hour)
	deadline := time.Now().Add(10 * time.Second)
	for { // the renewal is in the background; until it is done the old key stands
		_, err := i.Verify(t.Context(), old)
		if err != nil {
			mustBe(t, "withdrawn key", err, entra.ErrSignature, old)
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a withdrawn key is still good a day later")
		}
	}
	i.expectFetches(t, "renewed", 2)
}

func TestOneFetchForMany(t *testing.T) {
	i := newIssuer(t)
	raw := i.sign(t, nil)
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			_, err := i.Verify(t.Context(), raw)
			mustBe(t, "together", err, nil, raw)
		})
	}
	all.Wait()
	i.expectFetches(t, "30 at once", 1)
}

func TestWaitingEndsWithContext(t *testing.T) {
	i := newIssuer(t)
	release := make(chan struct{})
	entered := make(chan struct{}, 1)
	i.answer(func(http.ResponseWriter, *http.Request) bool { entered <- struct{}{}; <-release; return false })
	raw := signWith(t, jose.RS256, keyring()[0], "first", map[string]any{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := i.Verify(ctx, raw); done <- err }()
	<-entered
	cancel()
	mustBe(t, "given up", <-done, entra.ErrUnavailable, raw)
	close(release)
}

func TestBadAnswersOfIssuer(t *testing.T) {
	discovery := "/" + tenant + "/v2.0/.well-known/openid-configuration"
	text := func(path, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	set := func(keys ...jose.JSONWebKey) string {
		body, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	public := &keyring()[0].PublicKey
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"discovery is not JSON":     text(discovery, "<html>"),
		"discovery without keys":    text(discovery, `{}`),
		"huge key set":              text("/keys", `{"keys":[`+strings.Repeat(" ", 2<<20)+set(jose.JSONWebKey{Key: public, KeyID: "first"})[9:]),
		"no keys":                   text("/keys", `{"keys":[]}`),
		"null":                      text("/keys", `null`),
		"not JSON":                  text("/keys", `keys`),
		"key without a name":        text("/keys", set(jose.JSONWebKey{Key: public})),
		"key for encryption":        text("/keys", set(jose.JSONWebKey{Key: public, KeyID: "first", Use: "enc"})),
		"key of another algorithm":  text("/keys", set(jose.JSONWebKey{Key: public, KeyID: "first", Algorithm: "PS256"})),
		"short key":                 text("/keys", set(jose.JSONWebKey{Key: &short.PublicKey, KeyID: "first"})),
		"symmetric key":             text("/keys", set(jose.JSONWebKey{Key: []byte("0123456789abcdef0123456789abcdef"), KeyID: "first"})),
		"redirect to where they be": func(w http.ResponseWriter, r *http.Request) bool { return redirected(w, r) },
	} {
		i := newIssuer(t)
		i.answer(answer)
		i.expect(t, name, entra.ErrUnavailable)
	}

}

// The documents below lead to the right keys, in ways that must not be gone.
func TestDiscoveryIsChecked(t *testing.T) {
	i := newIssuer(t)
	address := i.Listener.Addr().String()
	verifier, err := entra.New(entra.Config{
		Issuer: i.url, TenantID: tenant, Now: i.clock,
		Client: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address) // every host is the issuer's
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := i.sign(t, nil)
	for _, tt := range []struct {
		name, issuer, keys string
		want               error
	}{
		{"another issuer", "https://other.example", i.URL + "/keys", entra.ErrUnavailable},
		{"keys over plain http", i.url, "http://keys.example/keys", entra.ErrUnavailable},
		{"as it should be", i.url, i.URL + "/keys", nil},
	} {
		i.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/keys" {
				return false
			}
			return json.NewEncoder(w).Encode(map[string]string{"issuer": tt.issuer, "jwks_uri": tt.keys}) == nil
		})
		i.advance(time.Minute)
		_, err := verifier.Verify(t.Context(), raw)
		mustBe(t, tt.name, err, tt.want, raw)
	}
}

// redirected sends the keys to another path that has them.
func redirected(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case "/keys":
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
		return true
	case "/elsewhere":
		r.URL.Path = "/keys"
	}
	return false
}
