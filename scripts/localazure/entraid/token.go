package entraid

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

// Fault is one way in which a token can be wrong.
type Fault string

// The faults. Everything about a token is good but the one thing that its fault names.
const (
	NoFault      Fault = ""
	Expired      Fault = "expired"       // an hour ago
	NotYetValid  Fault = "not yet valid" // for another hour
	OtherTenant  Fault = "other tenant"  // tid is not ours
	OtherIssuer  Fault = "other issuer"  // iss is not ours
	WithoutOID   Fault = "without oid"   // there is no oid claim
	IDToken      Fault = "ID token"      // made for a client to read, not for an API
	Unsigned     Fault = "unsigned"      // alg none
	SharedSecret Fault = "shared secret" // HS256, with the public key's PEM as the secret
	WrongKey     Fault = "wrong key"     // signed by another key, under the name of ours
	UnknownKey   Fault = "unknown key"   // signed by a key that is not published
	Tampered     Fault = "tampered with" // claims were changed after signing
	CutShort     Fault = "cut short"     // the signature's end is missing
)

// Faults returns every fault, for tests that try them all.
func Faults() []Fault {
	return []Fault{Expired, NotYetValid, OtherTenant, OtherIssuer, WithoutOID, IDToken, Unsigned, SharedSecret, WrongKey, UnknownKey, Tampered, CutShort}
}

// TokenOptions say what a token is to look like.
type TokenOptions struct {
	Audience string        // "" means Options.Audience
	Fault    Fault         // what is wrong with it
	Lifetime time.Duration // 0 means Options.Lifetime
	// Claims are laid over the user's; a nil value takes a claim away.
	Claims map[string]any
}

// Token makes an access token for a user, as the token endpoint would.
func (s *Server) Token(login string, o TokenOptions) (string, error) {
	user, found := s.users[login]
	if !found {
		return "", fmt.Errorf("entra id: token: there is no user %q", login)
	}
	if o.Audience == "" {
		o.Audience = s.options.Audience
	}
	if o.Audience == "" {
		return "", fmt.Errorf("entra id: token for %s: no audience", login)
	}
	claims := s.claims(user, o)
	maps.Copy(claims, o.Claims)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	token, err := s.sign(claims, o.Fault)
	if err != nil {
		return "", fmt.Errorf("entra id: token for %s: %w", login, err)
	}
	return token, nil
}

// claims are those of Entra ID's version 2 access tokens.
func (s *Server) claims(user User, o TokenOptions) map[string]any {
	now := s.options.Now()
	if o.Lifetime == 0 {
		o.Lifetime = s.options.Lifetime
	}
	claims := map[string]any{
		"iss": s.Issuer(), "tid": s.options.TenantID, "aud": o.Audience, "ver": "2.0",
		"oid": user.ID, "sub": derive(user.ID + " at " + o.Audience), "azp": derive("client of " + o.Audience), "azpacr": "0",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(o.Lifetime).Unix(), "uti": rand.Text(),
	}
	if user.App {
		claims["idtyp"], claims["azp"], claims["azpacr"], claims["sub"] = "app", derive("client "+user.Login), "1", user.ID
	} else {
		claims["name"], claims["preferred_username"], claims["scp"] = user.DisplayName, user.Email, "user_impersonation"
	}
	if roles := user.Roles[o.Audience]; len(roles) > 0 {
		claims["roles"] = roles
	}
	if len(user.Groups) > 0 {
		claims["groups"] = user.Groups
	}
	switch o.Fault {
	case Expired:
		claims["iat"], claims["nbf"], claims["exp"] = now.Add(-2*time.Hour).Unix(), now.Add(-2*time.Hour).Unix(), now.Add(-time.Hour).Unix()
	case NotYetValid:
		claims["nbf"], claims["exp"] = now.Add(time.Hour).Unix(), now.Add(2*time.Hour).Unix()
	case OtherTenant:
		claims["tid"] = derive("another tenant")
	case OtherIssuer:
		claims["iss"] = s.URL() + "/" + derive("another tenant") + "/v2.0"
	case WithoutOID:
		delete(claims, "oid")
	case IDToken:
		for _, name := range []string{"scp", "azp", "azpacr", "idtyp"} {
			delete(claims, name)
		}
		claims["nonce"] = rand.Text()
	}
	return claims
}

// IdentityToken makes a token of the managed identity, as its endpoint would, and tells when it expires. It is one of the
// version 1 tokens that managed identities get for Azure's own services.
func (s *Server) IdentityToken(resource string) (token string, expires time.Time, err error) {
	now := s.options.Now()
	expires = now.Add(s.options.Lifetime)
	token, err = s.sign(map[string]any{
		"iss": "https://sts.windows.net/" + s.options.TenantID + "/", "tid": s.options.TenantID, "aud": resource, "ver": "1.0",
		"oid": s.options.IdentityID, "sub": s.options.IdentityID, "appid": s.options.IdentityClientID, "appidacr": "2", "idtyp": "app",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": expires.Unix(), "uti": rand.Text(),
	}, NoFault)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("entra id: token of the managed identity: %w", err)
	}
	return token, expires, nil
}

// sign makes the token's text, with those faults that are not in the claims.
func (s *Server) sign(claims map[string]any, fault Fault) (string, error) {
	key := s.ring().current
	id, err := keyID(key)
	if err != nil {
		return "", err
	}
	with := jose.SigningKey{Algorithm: jose.RS256, Key: key}
	switch fault {
	case Unsigned:
		return unsigned(id, claims)
	case SharedSecret:
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return "", fmt.Errorf("encode key: %w", err)
		}
		with = jose.SigningKey{Algorithm: jose.HS256, Key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}
	case WrongKey, UnknownKey:
		with.Key, err = rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			return "", fmt.Errorf("make key: %w", err)
		}
		if fault == UnknownKey {
			id = uuid.NewString()
		}
	}
	token, err := serialize(with, id, claims)
	if err != nil {
		return "", err
	}
	switch fault {
	case Tampered:
		return tampered(token, claims)
	case CutShort:
		return token[:len(token)-8], nil
	}
	return token, nil
}

func serialize(with jose.SigningKey, id string, claims map[string]any) (string, error) {
	signer, err := jose.NewSigner(with, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", id))
	if err != nil {
		return "", fmt.Errorf("make signer: %w", err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return token, nil
}

func unsigned(id string, claims map[string]any) (string, error) {
	header, err := part(map[string]any{"alg": "none", "typ": "JWT", "kid": id})
	if err != nil {
		return "", err
	}
	body, err := part(claims)
	if err != nil {
		return "", err
	}
	return header + "." + body + ".", nil
}

// part encodes one part of a token.
func part(v map[string]any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// tampered makes the token's holder somebody else, under the signature for the claims as they were.
func tampered(token string, claims map[string]any) (string, error) {
	claims = maps.Clone(claims)
	claims["oid"] = derive("somebody else")
	body, err := part(claims)
	if err != nil {
		return "", err
	}
	pieces := strings.Split(token, ".")
	return pieces[0] + "." + body + "." + pieces[2], nil
}
