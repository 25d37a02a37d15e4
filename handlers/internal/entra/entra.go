// Package entra turns an Entra ID access token into what it proves: who calls, for which audience, with which roles.
//
// It promises that a [Token] comes only from a text that is signed with RS256 by a key that the configured issuer
// publishes, names exactly that issuer and tenant, is in its time of validity, and is an access token. The issuer may be
// down when the process starts and afterwards: keys are fetched when they are first needed and kept until newer ones have
// arrived.
//
// It does not check the audience, because which one is right depends on what is asked for: the API's own, or the app
// registration of a workspace. The caller must, with [Token.For]; a token for somebody else's API is a valid token.
// It never calls Microsoft Graph, and no error holds a token or a part of one.
package entra

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

// What can be wrong with a token. Each error of this package is one of these, with the reason.
var (
	// ErrNoToken: the Authorization header holds no bearer token.
	ErrNoToken = errors.New("no bearer token")
	// ErrExpired: the token was good and no longer is.
	ErrExpired = errors.New("token has expired")
	// ErrSignature: no key of the issuer made the signature.
	ErrSignature = errors.New("token has a bad signature")
	// ErrInvalid: the token is malformed, from another issuer or tenant, not valid yet, or not an access token.
	ErrInvalid = errors.New("token is invalid")
	// ErrUnavailable: nothing is known against the token, but the issuer's keys cannot be had. Callers answer 503.
	ErrUnavailable = errors.New("the issuer's keys are not available")
)

var errNotRS256 = fmt.Errorf("%w: it is not a JWT signed with RS256", ErrInvalid)

const (
	// skew is how far the issuer's clock may be from ours.
	skew = time.Minute
	// maxToken bounds the work for a token that nobody has vouched for yet. Entra puts at most 200 groups into a token,
	// which makes some 12 KiB.
	maxToken = 32 << 10

	defaultRefetch = 2 * time.Minute
	defaultRetry   = 5 * time.Second
	defaultMaxAge  = 24 * time.Hour
	fetchTimeout   = 10 * time.Second
)

// algorithms are the only ones that Entra ID signs access tokens with. HS256 in particular is none of them: with it the
// public key would be the secret.
var algorithms = []jose.SignatureAlgorithm{jose.RS256}

// Config says whose tokens are good.
type Config struct {
	// Issuer is the exact iss claim, and its discovery document stands at {Issuer}/.well-known/openid-configuration.
	// Which of the two forms a tenant uses depends on the API's app registration:
	// https://login.microsoftonline.com/{tenant}/v2.0 or https://sts.windows.net/{tenant}/ .
	// Plain http is taken for loopback hosts only.
	Issuer string
	// TenantID is the exact tid claim.
	TenantID string
	// Client fetches the discovery document and the keys; nil means one with a time limit of 10 s. Redirects are not
	// followed whatever it says.
	Client *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Refetch is the least time from one successful fetch of keys to the next, however many tokens with unknown keys
	// arrive; 0 means 2 minutes.
	Refetch time.Duration
	// Retry is the least time from a failed fetch to the next; 0 means 5 s.
	Retry time.Duration
	// MaxAge is when keys are fetched again although they are known, so that a withdrawn key is forgotten; 0 means 24 h.
	MaxAge time.Duration
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	config Config
	keys   *keySet
	known  known
}

// New checks c. It does not talk to the issuer.
func New(c Config) (*Verifier, error) {
	if c.TenantID == "" {
		return nil, errors.New("entra: no tenant id")
	}
	err := checkURL(c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("entra: issuer %q: %w", c.Issuer, err)
	}
	if c.Refetch < 0 || c.Retry < 0 || c.MaxAge < 0 {
		return nil, errors.New("entra: a negative duration")
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: fetchTimeout}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Refetch = cmp.Or(c.Refetch, defaultRefetch)
	c.Retry = cmp.Or(c.Retry, defaultRetry)
	c.MaxAge = cmp.Or(c.MaxAge, defaultMaxAge)
	return &Verifier{config: c, keys: newKeySet(c)}, nil
}

// checkURL refuses addresses from which keys could be forged on the way.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("must be a host and a path")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must be https (http for loopback hosts only)")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Token is what a verified access token says.
type Token struct {
	// Subject is the oid claim, a GUID in lower case: the one stable key of a user, or of an app, in its tenant.
	Subject  string
	TenantID string
	Issuer   string
	// Audience is whom the token is meant for. Check it with For.
	Audience string
	// Name and Email are for display only. Their owner can change them.
	Name  string
	Email string
	// Roles are the app roles in the Audience's app registration, and mean nothing outside of it.
	Roles []string
	// Groups are the object ids of the groups that the issuer put in. GroupsOverflow tells that there were too many, so
	// that a group's absence proves nothing.
	Groups         []string
	GroupsOverflow bool
	// AppID is the client that asked for the token. App tells that it acts for itself and not for a person.
	AppID     string
	App       bool
	ExpiresAt time.Time
}

// For tells whether the token is meant for one of these audiences. Callers must ask before they use anything else in it.
func (t Token) For(audiences ...string) bool {
	return t.Audience != "" && slices.Contains(audiences, t.Audience)
}

// Bearer takes the token out of an Authorization header. Its only error is ErrNoToken.
func Bearer(header string) (string, error) {
	scheme, token, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", ErrNoToken
	}
	token = strings.Trim(token, " ")
	if token == "" || strings.ContainsAny(token, " ,\t") {
		return "", ErrNoToken
	}
	return token, nil
}

// Verify checks everything about a token but its audience, which the caller must check with [Token.For].
//
// Errors: ErrExpired, ErrSignature, ErrInvalid, ErrUnavailable. It waits for the issuer only while the key that the token
// names is unknown, and as long as ctx lets it.
func (v *Verifier) Verify(ctx context.Context, raw string) (Token, error) {
	if len(raw) > maxToken {
		return Token{}, fmt.Errorf("%w: it is longer than %d bytes", ErrInvalid, maxToken)
	}
	// What is known goes by the keys that there were before: what newer ones verify meanwhile is verified once more.
	fetch, d := v.keys.present(ctx), digest(sha256.Sum256([]byte(raw)))
	if t, ok := v.known.find(fetch, d); ok {
		if err := v.unexpired(t); err != nil {
			return Token{}, err
		}
		return t, nil
	}
	t, err := v.verify(ctx, raw)
	if err == nil {
		v.known.add(fetch, d, t)
	}
	return t, err
}

// verify is Verify of a token that nothing is known of.
func (v *Verifier) verify(ctx context.Context, raw string) (Token, error) {
	keys := &witness{keySet: v.keys}
	// A verifier is two words. Each token gets its own, because go-oidc keeps a key set's error only as text, and the
	// witness keeps the error itself. Expiry is checked below: go-oidc allows no skew on exp and five minutes on nbf.
	verifier := oidc.NewVerifier(v.config.Issuer, keys, &oidc.Config{
		SupportedSigningAlgs: []string{string(jose.RS256)},
		SkipClientIDCheck:    true,
		SkipExpiryCheck:      true,
	})
	signed, err := verifier.Verify(ctx, raw)
	switch {
	case keys.err != nil:
		return Token{}, keys.err
	case err != nil && !keys.asked:
		return Token{}, errNotRS256
	case err != nil:
		return Token{}, fmt.Errorf("%w: its issuer is not %s, or its claims are malformed", ErrInvalid, v.config.Issuer)
	}
	var claims claims
	err = signed.Claims(&claims)
	if err != nil {
		return Token{}, fmt.Errorf("%w: its claims are malformed", ErrInvalid)
	}
	return v.token(claims)
}

// witness passes on to a key set and remembers whether it was asked, and its error.
type witness struct {
	*keySet
	asked bool
	err   error
}

func (w *witness) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	payload, err := w.keySet.VerifySignature(ctx, raw)
	w.asked, w.err = true, err
	return payload, err
}

// claims are read by their exact names: encoding/json alone would let "OID" pass for "oid".
type claims map[string]json.RawMessage

// read decodes a claim into to, and leaves to alone when there is no such claim.
func (c claims) read(name string, to any) error {
	raw, found := c[name]
	if !found {
		return nil
	}
	err := json.Unmarshal(raw, to)
	if err != nil {
		return fmt.Errorf("%w: claim %s has the wrong type", ErrInvalid, name)
	}
	return nil
}

func (c claims) has(name string) bool {
	_, found := c[name]
	return found
}

// token checks the claims of a token whose signature and issuer are good.
func (v *Verifier) token(c claims) (Token, error) {
	var (
		t                                             = Token{}
		expires, notBefore                            float64
		email, preferred, upn, azp, appid, scp, idtyp string
		overflow                                      bool
		sources                                       map[string]json.RawMessage
	)
	for name, to := range map[string]any{
		"iss": &t.Issuer, "tid": &t.TenantID, "oid": &t.Subject, "name": &t.Name, "roles": &t.Roles, "groups": &t.Groups,
		"exp": &expires, "nbf": &notBefore, "email": &email, "preferred_username": &preferred, "upn": &upn,
		"azp": &azp, "appid": &appid, "scp": &scp, "idtyp": &idtyp, "hasgroups": &overflow, "_claim_names": &sources,
	} {
		err := c.read(name, to)
		if err != nil {
			return Token{}, err
		}
	}
	audience, err := c.audience()
	if err != nil {
		return Token{}, err
	}
	subject, err := uuid.Parse(t.Subject)
	now := v.config.Now()
	t.ExpiresAt = time.Unix(int64(expires), 0).UTC()
	expired := v.unexpired(t)
	switch {
	case t.Issuer != v.config.Issuer:
		return Token{}, fmt.Errorf("%w: its issuer is not %s", ErrInvalid, v.config.Issuer)
	case t.TenantID != v.config.TenantID:
		return Token{}, fmt.Errorf("%w: its tenant is not %s", ErrInvalid, v.config.TenantID)
	case expires < 1 || expires > math.MaxInt32*16:
		return Token{}, fmt.Errorf("%w: it does not say when it expires", ErrInvalid)
	case expired != nil:
		return Token{}, expired
	case notBefore > float64(now.Add(skew).Unix()):
		return Token{}, fmt.Errorf("%w: it is not valid yet", ErrInvalid)
	case err != nil || len(t.Subject) != len(uuid.Nil.String()):
		return Token{}, fmt.Errorf("%w: its oid is not a GUID", ErrInvalid)
	case !c.has("azp") && !c.has("appid") && !c.has("scp") && !c.has("idtyp"):
		// An ID token has the app's own client id as its audience and may hold its roles, but it is meant for that
		// app's eyes, travels differently, and is no permission to call anything. It has none of these claims.
		return Token{}, fmt.Errorf("%w: it is not an access token", ErrInvalid)
	}
	t.Subject, t.Audience = subject.String(), audience
	t.Email, t.AppID = cmp.Or(email, preferred, upn), cmp.Or(azp, appid)
	t.App = idtyp == "app" || scp == ""
	_, indirect := sources["groups"]
	t.GroupsOverflow = overflow || indirect
	return t, nil
}

// unexpired refuses a token that was good and no longer is.
func (v *Verifier) unexpired(t Token) error {
	if v.config.Now().After(t.ExpiresAt.Add(skew)) {
		return fmt.Errorf("%w: at %s", ErrExpired, t.ExpiresAt.Format(time.RFC3339))
	}
	return nil
}

// audience reads aud. Entra ID writes a string; a list of one says the same, and a list of more would leave open
// whose roles the token holds.
func (c claims) audience() (string, error) {
	var audiences []string
	if raw := c["aud"]; len(raw) > 0 && raw[0] == '"' {
		audiences = []string{""}
		_ = c.read("aud", &audiences[0]) // a string, as its first byte says
	} else if err := c.read("aud", &audiences); err != nil {
		return "", err
	}
	if len(audiences) != 1 || audiences[0] == "" {
		return "", fmt.Errorf("%w: it must have one audience", ErrInvalid)
	}
	return audiences[0], nil
}
