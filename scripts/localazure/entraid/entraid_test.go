package entraid_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"airlock/scripts/localazure/entraid"
)

const api = "api://airlock"

func options() entraid.Options {
	return entraid.Options{
		Audience: api,
		Users: []entraid.User{
			{Login: "ada", DisplayName: "Ada Lovelace", Email: "ada@example.org", Groups: []string{"g-1"},
				Roles: map[string][]string{api: {"TREAdmin"}, "api://ws": {"WorkspaceOwner", "AirlockManager"}}},
			{Login: "robot", App: true, Roles: map[string][]string{api: {"TREAdmin"}}},
		},
	}
}

func start(t *testing.T, o entraid.Options) *entraid.Server {
	t.Helper()
	s, err := entraid.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// verify checks a token as somebody who knows only the issuer's address would, and returns its claims.
func verify(t *testing.T, s *entraid.Server, token, audience string) (map[string]any, error) {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), s.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: audience}).Verify(t.Context(), token)
	if err != nil {
		return nil, err
	}
	claims := make(map[string]any)
	if err := verified.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	return claims, nil
}

// call sends a request and returns the status and the body.
func call(t *testing.T, method, address string, form url.Values, header map[string]string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	if host := header["Host"]; host != "" {
		r.Host = host
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestUserTokens(t *testing.T) {
	s := start(t, options())
	ada, _ := s.User("ada")
	for _, tt := range []struct {
		audience string
		roles    []any
	}{
		{api, []any{"TREAdmin"}}, {"api://ws", []any{"WorkspaceOwner", "AirlockManager"}}, {"api://other", nil},
	} {
		token, err := s.Token("ada", entraid.TokenOptions{Audience: tt.audience})
		if err != nil {
			t.Fatal(err)
		}
		claims, err := verify(t, s, token, tt.audience)
		if err != nil {
			t.Fatalf("%s: %v", tt.audience, err)
		}
		roles, _ := claims["roles"].([]any)
		if !slices.Equal(roles, tt.roles) {
			t.Errorf("%s: roles %v, want %v", tt.audience, roles, tt.roles)
		}
		for name, want := range map[string]any{
			"oid": ada.ID, "tid": s.TenantID(), "name": "Ada Lovelace", "preferred_username": "ada@example.org", "scp": "user_impersonation", "idtyp": nil,
		} {
			if claims[name] != want {
				t.Errorf("%s: claim %s is %v, want %v", tt.audience, name, claims[name], want)
			}
		}
	}
	token, err := s.Token("robot", entraid.TokenOptions{Claims: map[string]any{"extra": 1, "tid": nil}})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := verify(t, s, token, api)
	if err != nil || claims["idtyp"] != "app" || claims["scp"] != nil || claims["extra"] != 1.0 || claims["tid"] != nil {
		t.Errorf("application's token: %v, %v", claims, err)
	}
	if _, err := s.Token("nobody", entraid.TokenOptions{}); err == nil {
		t.Error("a token for nobody")
	}
}

// TestFaults checks that each fault is what it says. Those in the claims alone pass a verifier that does not look at them.
func TestFaults(t *testing.T) {
	s := start(t, options())
	now := float64(time.Now().Unix())
	inClaims := map[entraid.Fault]func(claims map[string]any) bool{
		entraid.OtherTenant: func(c map[string]any) bool { return c["tid"] != s.TenantID() && c["oid"] != nil },
		entraid.WithoutOID:  func(c map[string]any) bool { return c["oid"] == nil && c["tid"] == s.TenantID() },
		entraid.IDToken:     func(c map[string]any) bool { return c["scp"] == nil && c["azp"] == nil && c["nonce"] != nil },
		entraid.NoFault:     func(c map[string]any) bool { return c["exp"].(float64) > now && c["azp"] != nil },
	}
	reasons := map[entraid.Fault]string{
		entraid.Expired: "expired", entraid.NotYetValid: "nbf", entraid.OtherIssuer: "different provider", entraid.Unsigned: "signature algorithm",
		entraid.SharedSecret: "signature algorithm", entraid.WrongKey: "failed to verify", entraid.UnknownKey: "failed to verify",
		entraid.Tampered: "failed to verify", entraid.CutShort: "failed to verify",
	}
	for _, fault := range append(entraid.Faults(), entraid.NoFault) {
		token, err := s.Token("ada", entraid.TokenOptions{Fault: fault})
		if err != nil {
			t.Fatalf("%s: %v", fault, err)
		}
		claims, err := verify(t, s, token, api)
		switch check := inClaims[fault]; {
		case check != nil && (err != nil || !check(claims)):
			t.Errorf("%q: claims %v, error %v", fault, claims, err)
		case check == nil && (err == nil || reasons[fault] == "" || !strings.Contains(err.Error(), reasons[fault])):
			t.Errorf("%q: error %v, want one about %q", fault, err, reasons[fault])
		}
	}
}

func TestTokenEndpoint(t *testing.T) {
	s := start(t, options())
	address := s.URL() + "/" + s.TenantID() + "/oauth2/v2.0/token"
	for _, tt := range []struct {
		form   url.Values
		status int
		want   string // the audience, or the error
	}{
		{url.Values{"grant_type": {"password"}, "username": {"ada"}, "password": {"x"}}, 200, api},
		{url.Values{"grant_type": {"password"}, "username": {"ada"}, "scope": {"openid api://ws/.default"}}, 200, "api://ws"},
		{url.Values{"grant_type": {"client_credentials"}, "client_id": {"robot"}, "scope": {"https://h.example/user_impersonation"}}, 200, "https://h.example"},
		{url.Values{"grant_type": {"client_credentials"}, "client_id": {"ada"}}, 400, "invalid_grant"},
		{url.Values{"grant_type": {"password"}, "username": {"robot"}}, 400, "invalid_grant"},
		{url.Values{"grant_type": {"password"}, "username": {"nobody"}}, 400, "invalid_grant"},
		{url.Values{"grant_type": {"authorization_code"}}, 400, "unsupported_grant_type"},
		{url.Values{}, 400, "unsupported_grant_type"},
		{url.Values{"grant_type": {strings.Repeat("x", 100_000)}}, 400, "invalid_request"},
	} {
		status, body := call(t, "POST", address, tt.form, nil)
		var answer struct {
			Token   string `json:"access_token"`
			Type    string `json:"token_type"`
			Expires int    `json:"expires_in"`
			Error   string `json:"error"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%v: %v", tt.form, err)
		}
		if status != tt.status {
			t.Errorf("status %d, want %d: %s", status, tt.status, body)
			continue
		}
		if status != 200 {
			if answer.Error != tt.want {
				t.Errorf("error %q, want %q", answer.Error, tt.want)
			}
			continue
		}
		if _, err := verify(t, s, answer.Token, tt.want); err != nil || answer.Type != "Bearer" || answer.Expires != 3600 {
			t.Errorf("%v: %s, %v", tt.form, body, err)
		}
	}
	if status, _ := call(t, "POST", s.URL()+"/common/oauth2/v2.0/token", url.Values{"grant_type": {"password"}, "username": {"ada"}}, nil); status != 404 {
		t.Errorf("another tenant's endpoint: status %d, want 404", status)
	}
}

func TestBareToken(t *testing.T) {
	s := start(t, options())
	for _, tt := range []struct {
		query, host string
		status      int
		audience    string
	}{
		{"user=ada", "", 200, api}, {"user=ada&aud=api://ws", "", 200, "api://ws"}, {"user=robot", "localhost:80", 200, api}, {"user=ada", "[::1]:80", 200, api},
		{"user=nobody", "", 404, ""}, {"", "", 404, ""}, {"user=ada", "rebound.example", 421, ""}, {"user=ada", "rebound.example:80", 421, ""},
	} {
		status, body := call(t, "GET", s.URL()+"/token?"+tt.query, nil, map[string]string{"Host": tt.host})
		if status != tt.status {
			t.Errorf("%q at %q: status %d, want %d", tt.query, tt.host, status, tt.status)
		}
		if status == 200 {
			if _, err := verify(t, s, body, tt.audience); err != nil {
				t.Errorf("%q: %v", tt.query, err)
			}
		} else if strings.Contains(body, "eyJ") {
			t.Errorf("%q at %q: a token came with status %d", tt.query, tt.host, status)
		}
	}
	o := options()
	o.Audience = ""
	if status, _ := call(t, "GET", start(t, o).URL()+"/token?user=ada", nil, nil); status != 400 {
		t.Errorf("without any audience: status %d, want 400", status)
	}
}

func TestRotationKeepsOneKeyBack(t *testing.T) {
	s := start(t, options())
	token, err := s.Token("ada", entraid.TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for rotations, good := range []bool{true, true, false} {
		if _, err := verify(t, s, token, api); (err == nil) != good {
			t.Errorf("after %d rotations: %v, want good: %v", rotations, err, good)
		}
		if err := s.RotateKeys(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRestartOnSameAddress(t *testing.T) {
	s := start(t, options())
	before, issuer := s.URL(), s.Issuer()
	token, err := s.Token("ada", entraid.TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := s.Stop(); err != nil {
			t.Errorf("stopping a stopped server: %v", err)
		}
		if _, err := oidc.NewProvider(t.Context(), issuer); err == nil {
			t.Error("a stopped server answers")
		}
		if _, err := s.Token("ada", entraid.TokenOptions{}); err != nil {
			t.Errorf("a stopped server makes no tokens: %v", err)
		}
		for range 2 {
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if s.URL() != before {
			t.Errorf("restarted at %s, was at %s", s.URL(), before)
		}
		if _, err := verify(t, s, token, api); err != nil {
			t.Errorf("a token from before: %v", err)
		}
	}
}

func TestDataDirKeepsKey(t *testing.T) {
	o := options()
	o.DataDir = filepath.Join(t.TempDir(), "new")
	first := start(t, o)
	if err := first.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	token, err := first.Token("ada", entraid.TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	o.Address = strings.TrimPrefix(first.URL(), "http://")
	second := start(t, o)
	if _, err := verify(t, second, token, api); err != nil {
		t.Errorf("a token from before: %v", err)
	}
	a, _ := first.User("ada")
	b, _ := second.User("ada")
	if a.ID != b.ID {
		t.Errorf("ada was %s and is %s", a.ID, b.ID)
	}
	key := filepath.Join(o.DataDir, "entraid-key.pem")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v; want one that only its owner reads", info, err)
	}
	for _, text := range []string{"", "-----BEGIN X-----\nAAAA\n-----END X-----\n"} {
		if err := os.WriteFile(key, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := entraid.Start(t.Context(), entraid.Options{DataDir: o.DataDir}); err == nil {
			_ = s.Stop()
			t.Errorf("started with %q as its key", text)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]entraid.Options{
		"tenant":               {TenantID: "contoso"},
		"identity":             {IdentityID: "x"},
		"client":               {IdentityClientID: "x"},
		"user without a login": {Users: []entraid.User{{}}},
		"user's id":            {Users: []entraid.User{{Login: "a", ID: "a"}}},
		"login twice":          {Users: []entraid.User{{Login: "a"}, {Login: "a", ID: entraid.DefaultTenantID}}},
		"id twice":             {Users: []entraid.User{{Login: "a", ID: entraid.DefaultTenantID}, {Login: "b", ID: entraid.DefaultTenantID}}},
		"every interface":      {Address: "0.0.0.0:0"},
		"any name":             {Address: "example.org:80"},
		"no port":              {Address: "127.0.0.1"},
	} {
		if s, err := entraid.Start(t.Context(), o); err == nil {
			_ = s.Stop()
			t.Errorf("%s: no error", name)
		}
	}
}
