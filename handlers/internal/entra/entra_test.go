package entra_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"airlock/handlers/internal/entra"
)

// verdicts are the errors of Verify; each error must be exactly one of them.
var verdicts = []error{entra.ErrExpired, entra.ErrSignature, entra.ErrInvalid, entra.ErrUnavailable, entra.ErrNoToken}

// mustBe checks that err is want and no other verdict, and that it does not hold the token.
func mustBe(t *testing.T, name string, err, want error, raw string) {
	t.Helper()
	for _, verdict := range verdicts {
		if errors.Is(err, verdict) != errors.Is(want, verdict) {
			t.Errorf("%s: error %v, want %v", name, err, want)
			return
		}
	}
	if (err == nil) != (want == nil) {
		t.Errorf("%s: error %v, want %v", name, err, want)
	}
	for part := range strings.SplitSeq(raw, ".") {
		if err != nil && len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("%s: the error quotes the token: %v", name, err)
		}
	}
}

func TestGoodToken(t *testing.T) {
	i := newIssuer(t)
	got, err := i.Verify(t.Context(), i.sign(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	want := entra.Token{
		Subject: subject, TenantID: tenant, Issuer: i.url, Audience: audience, Name: "Ada Lovelace", Email: "ada@example.org",
		Roles: []string{"WorkspaceResearcher"}, Groups: []string{"g-1", "g-2"}, AppID: "a-client", ExpiresAt: i.clock().Add(time.Hour),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestClaims(t *testing.T) {
	type change = map[string]any
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC).Unix()
	tests := []struct {
		name    string
		changes change
		want    error
	}{
		{"other issuer", change{"iss": "https://login.microsoftonline.com/" + tenant + "/v2.0"}, entra.ErrInvalid},
		{"no issuer", change{"iss": nil}, entra.ErrInvalid},
		{"other tenant", change{"tid": "9b1f3f6e-52f7-4a0d-8f57-0d1c38bd9f02"}, entra.ErrInvalid},
		{"no tenant", change{"tid": nil}, entra.ErrInvalid},
		{"tenant in other case is another claim", change{"tid": nil, "TID": tenant}, entra.ErrInvalid},
		{"expired within the skew", change{"exp": now - 59}, nil},
		{"expired", change{"exp": now - 61}, entra.ErrExpired},
		{"expired long ago", change{"exp": 1}, entra.ErrExpired},
		{"never expires", change{"exp": nil}, entra.ErrInvalid},
		{"expires at zero", change{"exp": 0}, entra.ErrInvalid},
		{"expires before time", change{"exp": -5}, entra.ErrInvalid},
		{"expires after time", change{"exp": 1e300}, entra.ErrInvalid},
		{"expiry is text", change{"exp": "tomorrow"}, entra.ErrInvalid},
		{"expiry with fractions", change{"exp": float64(now) + 100.5}, nil},
		{"not before, within the skew", change{"nbf": now + 59}, nil},
		{"not before", change{"nbf": now + 61}, entra.ErrInvalid},
		{"no not-before", change{"nbf": nil}, nil},
		{"no oid", change{"oid": nil}, entra.ErrInvalid},
		{"empty oid", change{"oid": ""}, entra.ErrInvalid},
		{"oid is a name", change{"oid": "ada"}, entra.ErrInvalid},
		{"oid in braces", change{"oid": "{" + subject + "}"}, entra.ErrInvalid},
		{"oid without hyphens", change{"oid": strings.ReplaceAll(subject, "-", "")}, entra.ErrInvalid},
		{"oid is a number", change{"oid": 5}, entra.ErrInvalid},
		{"oid in capitals", change{"oid": strings.ToUpper(subject)}, nil},
		{"no audience", change{"aud": nil}, entra.ErrInvalid},
		{"empty audience", change{"aud": ""}, entra.ErrInvalid},
		{"list of one audience", change{"aud": []string{audience}}, nil},
		{"two audiences", change{"aud": []string{audience, "other"}}, entra.ErrInvalid},
		{"no audience in a list", change{"aud": []string{}}, entra.ErrInvalid},
		{"audience is a number", change{"aud": 5}, entra.ErrInvalid},
		{"roles are a text", change{"roles": "TREAdmin"}, entra.ErrInvalid},
		{"no roles", change{"roles": nil}, nil},
		{"groups are an object", change{"groups": change{}}, entra.ErrInvalid},
		{"ID token", change{"azp": nil, "scp": nil, "nonce": "n"}, entra.ErrInvalid},
		{"v1 token", change{"azp": nil, "appid": "a-client"}, nil},
	}
	i := newIssuer(t)
	for _, tt := range tests {
		raw := i.sign(t, tt.changes)
		got, err := i.Verify(t.Context(), raw)
		mustBe(t, tt.name, err, tt.want, raw)
		if err == nil && (got.Subject != subject || got.Audience != audience) {
			t.Errorf("%s: subject %s, audience %s", tt.name, got.Subject, got.Audience)
		}
		if err != nil && !reflect.DeepEqual(got, entra.Token{}) {
			t.Errorf("%s: a refused token gave %+v", tt.name, got)
		}
	}
}

func TestDerivedFields(t *testing.T) {
	type change = map[string]any
	i := newIssuer(t)
	get := func(changes change) entra.Token {
		t.Helper()
		token, err := i.Verify(t.Context(), i.sign(t, changes))
		if err != nil {
			t.Fatalf("%v: %v", changes, err)
		}
		return token
	}
	for _, tt := range []struct {
		changes change
		want    string
	}{
		{change{"email": "e@x"}, "e@x"}, {nil, "ada@example.org"}, {change{"preferred_username": nil, "upn": "u@x"}, "u@x"}, {change{"preferred_username": nil}, ""},
	} {
		if got := get(tt.changes).Email; got != tt.want {
			t.Errorf("%v: email %q, want %q", tt.changes, got, tt.want)
		}
	}
	for _, tt := range []struct {
		changes       change
		app, overflow bool
	}{
		{nil, false, false},
		{change{"scp": nil}, true, false},
		{change{"scp": nil, "azp": nil, "idtyp": "app"}, true, false},
		{change{"idtyp": "app"}, true, false},
		{change{"idtyp": "user"}, false, false},
		{change{"groups": nil, "hasgroups": true}, false, true},
		{change{"groups": nil, "_claim_names": change{"groups": "src1"}, "_claim_sources": change{"src1": change{"endpoint": "https://graph.example"}}}, false, true},
		{change{"_claim_names": change{"other": "src1"}, "_claim_sources": change{"src1": change{}}}, false, false},
	} {
		if got := get(tt.changes); got.App != tt.app || got.GroupsOverflow != tt.overflow {
			t.Errorf("%v: app %v, overflow %v; want %v, %v", tt.changes, got.App, got.GroupsOverflow, tt.app, tt.overflow)
		}
	}
}

func TestSignatures(t *testing.T) {
	i := newIssuer(t)
	good := i.sign(t, nil)
	public := &keyring()[0].PublicKey
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	pieces := strings.Split(good, ".")
	for _, tt := range []struct {
		name, raw string
		want      error
	}{
		{"good", good, nil},
		{"alg none", part(map[string]string{"alg": "none", "kid": "first"}) + "." + pieces[1] + ".", entra.ErrInvalid},
		{"alg None with the good signature", part(map[string]string{"alg": "None", "kid": "first"}) + "." + pieces[1] + "." + pieces[2], entra.ErrInvalid},
		{"HS256 with the public key as secret", signWith(t, jose.HS256, asPEM, "first", i.claims(nil)), entra.ErrInvalid},
		{"HS256 with the key's DER as secret", signWith(t, jose.HS256, der, "first", i.claims(nil)), entra.ErrInvalid},
		{"RS512", signWith(t, jose.RS512, keyring()[0], "first", i.claims(nil)), entra.ErrInvalid},
		{"PS256", signWith(t, jose.PS256, keyring()[0], "first", i.claims(nil)), entra.ErrInvalid},
		{"another's key under our name", signWith(t, jose.RS256, keyring()[1], "first", i.claims(nil)), entra.ErrSignature},
		{"another's key", signWith(t, jose.RS256, keyring()[1], "theirs", i.claims(nil)), entra.ErrSignature},
		{"our key without its name", signWith(t, jose.RS256, keyring()[0], "", i.claims(nil)), entra.ErrSignature},
		{"expired, and signed by another", signWith(t, jose.RS256, keyring()[1], "first", i.claims(map[string]any{"exp": 1})), entra.ErrSignature},
		{"other claims under a good signature", pieces[0] + "." + part(i.claims(map[string]any{"roles": []string{"TREAdmin"}})) + "." + pieces[2], entra.ErrSignature},
		{"signature cut", strings.TrimSuffix(good, good[len(good)-10:]), entra.ErrSignature},
		{"no signature", pieces[0] + "." + pieces[1] + ".", entra.ErrSignature},
		{"two parts", pieces[0] + "." + pieces[1], entra.ErrInvalid},
		{"four parts", good + ".x", entra.ErrInvalid},
		{"JSON form", `{"payload":"` + pieces[1] + `","protected":"` + pieces[0] + `","signature":"` + pieces[2] + `"}`, entra.ErrInvalid},
		{"empty", "", entra.ErrInvalid},
		{"dots", "..", entra.ErrInvalid},
		{"words", "this is not a token", entra.ErrInvalid},
		{"padded", good + "=", entra.ErrInvalid},
		{"huge", good + strings.Repeat("A", 1<<20), entra.ErrInvalid},
		{"claims are a list", mustSignText(t, "[]"), entra.ErrInvalid},
		{"claims are not JSON", mustSignText(t, "{"), entra.ErrInvalid},
		{"claims are null", mustSignText(t, "null"), entra.ErrInvalid},
	} {
		_, err := i.Verify(t.Context(), tt.raw)
		mustBe(t, tt.name, err, tt.want, tt.raw)
	}
}

// mustSignText signs a payload that need not be JSON, with the first key.
func mustSignText(t *testing.T, payload string) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithHeader("kid", "first")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: keyring()[0]}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestFor(t *testing.T) {
	token := entra.Token{Audience: "a"}
	for _, tt := range []struct {
		token     entra.Token
		audiences []string
		want      bool
	}{
		{token, []string{"a"}, true}, {token, []string{"b", "a"}, true}, {token, []string{"A"}, false}, {token, []string{""}, false},
		{token, nil, false}, {entra.Token{}, []string{""}, false},
	} {
		if got := tt.token.For(tt.audiences...); got != tt.want {
			t.Errorf("audience %q for %q: %v, want %v", tt.token.Audience, tt.audiences, got, tt.want)
		}
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer abc": "abc", "BEARER  abc ": "abc",
		"": "", "Bearer": "", "Bearer ": "", "Basic abc": "", "abc": "", "Bearer a b": "", "Bearer a,b": "", "Bearer\tabc": "", "Bearerabc": "", " Bearer abc": "",
	} {
		got, err := entra.Bearer(header)
		if got != want || errors.Is(err, entra.ErrNoToken) != (want == "") {
			t.Errorf("Bearer(%q) = %q, %v; want %q", header, got, err, want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for address, good := range map[string]bool{
		"https://login.microsoftonline.com/" + tenant + "/v2.0": true, "https://sts.windows.net/" + tenant + "/": true,
		"http://127.0.0.1:8080/x": true, "http://localhost/x": true, "http://[::1]:80/x": true, "http://127.8.0.1/": true,
		"http://login.microsoftonline.com/x": false, "http://127.0.0.1.example.org/": false, "http://localhost.example.org/": false,
		"": false, "x": false, "https://": false, "ftp://127.0.0.1/": false, "https://a@b/": false, "https://b/?q": false, "https://b/?": false, "https://b/#f": false, "https://b/%zz": false,
	} {
		if _, err := entra.New(entra.Config{Issuer: address, TenantID: tenant}); (err == nil) != good {
			t.Errorf("issuer %q: %v, want good: %v", address, err, good)
		}
	}
	if _, err := entra.New(entra.Config{Issuer: "https://x/"}); err == nil {
		t.Error("no error without a tenant")
	}
	if _, err := entra.New(entra.Config{Issuer: "https://x/", TenantID: tenant, Retry: -1}); err == nil {
		t.Error("no error with a negative duration")
	}
}

// FuzzVerify gives any text to a verifier: nothing but what the issuer signed may pass, and no error may panic or wait.
func FuzzVerify(f *testing.F) {
	for _, seed := range []string{
		"", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJSUzI1NiIsImtpZCI6ImZpcnN0In0.e30.AAAA",
		`{"payload":"","signatures":[{}]}`, strings.Repeat("a.", 50),
	} {
		f.Add(seed)
	}
	i := newIssuer(f)
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := i.Verify(t.Context(), raw)
		if !errors.Is(err, entra.ErrInvalid) && !errors.Is(err, entra.ErrSignature) {
			t.Errorf("Verify(%q) = %v", raw, err)
		}
	})
}

// FuzzClaims signs any claims: they may be refused, but what passes has everything that a token promises.
func FuzzClaims(f *testing.F) {
	f.Add(`{}`)
	f.Add(`{"iss":null,"aud":["a"],"oid":"1d0c9a3e-8f5e-4f35-9d2c-7b8a1f6f0a11","exp":1e400}`)
	f.Add(`{"_claim_names":{"groups":"x"},"exp":"1"}`)
	i := newIssuer(f)
	f.Fuzz(func(t *testing.T, payload string) {
		token, err := i.Verify(t.Context(), mustSignText(t, payload))
		if err == nil && (token.Issuer != i.url || token.TenantID != tenant || len(token.Subject) != 36 || token.Audience == "") {
			t.Errorf("%q passed as %+v", payload, token)
		}
	})
}
