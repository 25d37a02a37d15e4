package keyvault_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"airlock/handlers/internal/dsse"
	"airlock/handlers/internal/keyvault"
)

const (
	vaultHost = "kv-airlock-tre.vault.azure.net"
	keyURL    = "https://" + vaultHost + "/keys/signing"
	version   = "0123456789abcdef0123456789abcdef"
)

// vault is a Key Vault with one key. It takes nothing that Key Vault would not, and counts what it was asked.
type vault struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	status int                  // with which it answers; 0: as it should
	change func(map[string]any) // of its answers
	asked  []string
}

// ServeHTTP implements http.Handler.
func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.asked = append(v.asked, r.Method+" "+r.URL.Path)
	if r.Host != vaultHost || r.URL.RawQuery != "api-version=7.4" || r.Header.Get("Authorization") != "Bearer good" {
		v.t.Errorf("asked %s %s?%s with %q", r.Method, r.Host, r.URL.RawQuery, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if v.status != 0 {
		w.WriteHeader(v.status)
		fmt.Fprint(w, `{"error":{"code":"Forbidden","message":"secret details"}}`)
		return
	}
	var answer map[string]any
	switch r.Method + " " + r.URL.Path {
	case "GET /keys/signing", "GET /keys/signing/" + version:
		answer = v.describe()
	case "POST /keys/signing/" + version + "/sign":
		answer = v.sign(r)
	}
	if answer == nil {
		v.t.Errorf("asked %s %s", r.Method, r.URL.Path)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if v.change != nil {
		v.change(answer)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		v.t.Error(err)
	}
}

func (v *vault) describe() map[string]any {
	point, err := v.key.PublicKey.Bytes()
	if err != nil {
		v.t.Error(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]any{"key": map[string]any{
		"kid": keyURL + "/" + version, "kty": "EC", "crv": "P-256", "key_ops": []string{"sign", "verify"}, "x": encode(point[1:33]), "y": encode(point[33:]),
	}, "attributes": map[string]any{"enabled": true}}
}

func (v *vault) sign(r *http.Request) map[string]any {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Error(err)
	}
	var question map[string]string
	if err := json.Unmarshal(body, &question); err != nil || len(question) != 2 || question["alg"] != "ES256" || r.Header.Get("Content-Type") != "application/json" {
		return nil
	}
	digest, err := base64.RawURLEncoding.DecodeString(question["value"])
	if err != nil || len(digest) != 32 {
		return nil
	}
	one, two, err := ecdsa.Sign(rand.Reader, v.key, digest)
	if err != nil {
		v.t.Error(err)
	}
	return map[string]any{
		"kid": keyURL + "/" + version, "value": base64.RawURLEncoding.EncodeToString(append(one.FillBytes(make([]byte, 32)), two.FillBytes(make([]byte, 32))...)),
	}
}

// token is an identity that is asked for tokens of the vault only.
type token struct{ t *testing.T }

func (c token) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 || o.Scopes[0] != "https://vault.azure.net/.default" {
		c.t.Errorf("asked for a token for %v", o.Scopes)
	}
	return azcore.AccessToken{Token: "good", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// redirected sends what is meant for the vault to the stand-in.
type redirected struct{ server *httptest.Server }

func (r redirected) Do(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Host = request.URL.Host
	request.URL.Host = strings.TrimPrefix(r.server.URL, "https://")
	return r.server.Client().Do(request)
}

func newVault(t *testing.T) *vault {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &vault{t: t, key: key}
}

// connect returns the key as the program sees it.
func (v *vault) connect(url string) *keyvault.Key {
	v.t.Helper()
	server := httptest.NewTLSServer(v)
	v.t.Cleanup(server.Close)
	key, err := keyvault.New(keyvault.Options{URL: url, Credential: token{v.t}, Transport: redirected{server}})
	if err != nil {
		v.t.Fatal(err)
	}
	return key
}

func TestItSigns(t *testing.T) {
	for _, url := range []string{keyURL, keyURL + "/" + version} {
		v := newVault(t)
		signer := dsse.Signer{Key: v.connect(url)}
		for range 2 {
			envelope, err := signer.Sign(t.Context(), "application/json", []byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if document, err := dsse.Verify("application/json", envelope, &v.key.PublicKey); err != nil || string(document) != "{}" {
				t.Errorf("%s, %v", document, err)
			}
		}
		if len(v.asked) != 3 {
			t.Errorf("asked %v", v.asked)
		}
	}
}

func TestWhatIsNotAKey(t *testing.T) {
	for _, url := range []string{"", "http://" + vaultHost + "/keys/signing", "https://" + vaultHost + "/secrets/x", "https:///keys/x", keyURL + "?x=y", "https://" + vaultHost + "/keys/a/b/c"} {
		if _, err := keyvault.New(keyvault.Options{URL: url, Credential: token{t}}); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
	if _, err := keyvault.New(keyvault.Options{URL: keyURL}); err == nil {
		t.Error("it needs no credential")
	}
}

func TestAnswersThatAreNotBelieved(t *testing.T) {
	inside := func(name string, value any) func(map[string]any) {
		return func(a map[string]any) {
			if key, ok := a["key"].(map[string]any); ok {
				key[name] = value
			}
		}
	}
	for name, spoil := range map[string]func(*vault){
		"another type":   func(v *vault) { v.change = inside("kty", "RSA") },
		"another curve":  func(v *vault) { v.change = inside("crv", "P-384") },
		"another key":    func(v *vault) { v.change = inside("kid", "https://evil.example.org/keys/signing/"+version) },
		"no point":       func(v *vault) { v.change = inside("x", strings.Repeat("A", 43)) },
		"no coordinates": func(v *vault) { v.change = inside("y", "") },
		"a signature of other things": func(v *vault) {
			v.change = func(a map[string]any) {
				if _, ok := a["value"]; ok {
					a["value"] = strings.Repeat("A", 86)
				}
			}
		},
		"a short signature": func(v *vault) {
			v.change = func(a map[string]any) {
				if _, ok := a["value"]; ok {
					a["value"] = "AAAA"
				}
			}
		},
		"no":       func(v *vault) { v.status = http.StatusForbidden },
		"no vault": func(v *vault) { v.status = http.StatusNotFound },
	} {
		v := newVault(t)
		spoil(v)
		_, err := dsse.Signer{Key: v.connect(keyURL)}.Sign(t.Context(), "application/json", []byte("{}"))
		if err == nil {
			t.Fatalf("%s: it signs", name)
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "good") && name != "a signature of other things" || strings.Contains(err.Error(), "://") {
			t.Errorf("%s: the error tells too much: %v", name, err)
		}
	}
	v := newVault(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.connect(keyURL).Public(ctx); err == nil {
		t.Error("it answers after the end")
	}
}
