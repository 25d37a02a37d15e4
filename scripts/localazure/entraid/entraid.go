// Package entraid is an Entra ID on 127.0.0.1 for demos and tests: an issuer with discovery, keys and a token endpoint,
// and the managed identity endpoint that App Service gives to an app.
//
// It promises tokens that look and verify like Entra ID's: RS256, with the claims that the platform puts into access
// tokens, and a published key that can be rotated. It also makes tokens that are wrong in one known way each, for the tests of
// those who verify.
//
// It never asks for a password: whoever can reach the loopback interface can be any of its users, so nothing real may trust
// it. Keys are made at start and, where a directory is given, kept there; nothing secret is built in.
package entraid

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// DefaultTenantID is the tenant of a demo that does not say otherwise.
	DefaultTenantID = "5b1e7c1a-6d0f-4f6e-9c55-2a41a10ca1ad"
	// StorageResource is what storage tokens are asked for.
	StorageResource = "https://storage.azure.com"

	defaultLifetime = time.Hour
	stopGrace       = 5 * time.Second
)

// User is a person, or an application, that can get tokens.
type User struct {
	Login       string // how requests name the user: "ada"
	ID          string // object id, a GUID; "" derives one from the login, the same each time
	DisplayName string // "" means the login
	Email       string
	// Roles are the app roles per audience. A token for an audience that is not listed holds none.
	Roles  map[string][]string
	Groups []string // object ids, in every token
	// App tells that this is an application: it gets its tokens by client credentials, and they hold no scope.
	App bool
}

// Options configure a Server.
type Options struct {
	// Address is where to listen; "" is a free port of 127.0.0.1. Only loopback addresses are taken.
	Address string
	// DataDir keeps the signing key from one start to the next; "" makes a new one each time.
	DataDir string
	// TenantID is a GUID; "" means DefaultTenantID.
	TenantID string
	// Audience is whom a token is for when the request does not say.
	Audience string
	Users    []User
	// IdentityID and IdentityClientID are the object id and the client id of the managed identity; "" derives them.
	IdentityID       string
	IdentityClientID string
	// Lifetime of tokens; 0 means one hour.
	Lifetime time.Duration
	// Now is the clock that tokens are dated by; nil means time.Now.
	Now func() time.Time
}

// Server is a running Entra ID. It is safe for concurrent use.
type Server struct {
	options        Options
	users          map[string]User // by login
	address        string
	identityHeader string

	mu      sync.Mutex
	keys    ring
	serving *http.Server // nil while stopped
	done    chan struct{}
}

// Start makes the keys and listens. The caller must Stop what it returns; ctx only bounds the start itself.
func Start(ctx context.Context, o Options) (*Server, error) {
	o.TenantID = cmp.Or(o.TenantID, DefaultTenantID)
	o.IdentityID = cmp.Or(o.IdentityID, derive("managed identity"))
	o.IdentityClientID = cmp.Or(o.IdentityClientID, derive("managed identity's client"))
	o.Lifetime = cmp.Or(o.Lifetime, defaultLifetime)
	o.Address = cmp.Or(o.Address, "127.0.0.1:0")
	if o.Now == nil {
		o.Now = time.Now
	}
	for name, id := range map[string]string{"tenant": o.TenantID, "managed identity": o.IdentityID, "managed identity's client": o.IdentityClientID} {
		if uuid.Validate(id) != nil {
			return nil, fmt.Errorf("entra id: %s id %q is not a GUID", name, id)
		}
	}
	users, err := index(o.Users)
	if err != nil {
		return nil, fmt.Errorf("entra id: %w", err)
	}
	keys, err := openRing(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("entra id: %w", err)
	}
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // it never fails, says its documentation
	s := &Server{options: o, users: users, address: o.Address, identityHeader: hex.EncodeToString(secret), keys: keys}
	err = s.Restart(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// derive makes a GUID out of a name, the same each time.
func derive(name string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("local entra id: "+name)).String()
}

// index completes the users and refuses two who could be taken for each other.
func index(users []User) (map[string]User, error) {
	byLogin, byID := make(map[string]User, len(users)), make(map[string]string, len(users))
	for _, u := range users {
		u.ID = cmp.Or(u.ID, derive("user "+u.Login))
		u.DisplayName = cmp.Or(u.DisplayName, u.Login)
		_, twice := byLogin[u.Login]
		switch {
		case u.Login == "":
			return nil, errors.New("a user has no login")
		case twice:
			return nil, fmt.Errorf("two users %s", u.Login)
		case uuid.Validate(u.ID) != nil:
			return nil, fmt.Errorf("user %s: id %q is not a GUID", u.Login, u.ID)
		case byID[u.ID] != "":
			return nil, fmt.Errorf("users %s and %s have the same id", byID[u.ID], u.Login)
		}
		byLogin[u.Login], byID[u.ID] = u, u.Login
	}
	return byLogin, nil
}

// Restart listens again where the server has listened before, with the same keys. On a running server it does nothing.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving != nil {
		return nil
	}
	host, _, err := net.SplitHostPort(s.address)
	if err != nil {
		return fmt.Errorf("entra id: address %q: %w", s.address, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("entra id: address %q is not a loopback address", s.address)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("entra id: listen: %w", err)
	}
	s.address = listener.Addr().String()
	serving := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	s.serving, s.done = serving, done
	go func() {
		defer close(done)
		_ = serving.Serve(listener) // it ends when Stop closes it
	}()
	return nil
}

// Stop ends listening, and every request that does not end by itself within 5 s. A stopped server still makes tokens
// through Token, and can be started again by Restart.
func (s *Server) Stop() error {
	s.mu.Lock()
	serving, done := s.serving, s.done
	s.serving = nil
	s.mu.Unlock()
	if serving == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	err := serving.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, serving.Close())
	}
	<-done
	if err != nil {
		return fmt.Errorf("entra id: stop: %w", err)
	}
	return nil
}

// RotateKeys makes a new key and signs with it from now on. The one before stays published until the next rotation, as
// with Entra ID, so that tokens that are out stay good.
func (s *Server) RotateKeys() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, err := s.keys.rotated(s.options.DataDir)
	if err != nil {
		return fmt.Errorf("entra id: rotate keys: %w", err)
	}
	s.keys = keys
	return nil
}

// ring returns the keys of this moment.
func (s *Server) ring() ring {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys
}

// URL is the address of the server, without a slash at its end.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.address
}

// Issuer is the iss claim of users' tokens, and the base of the discovery document.
func (s *Server) Issuer() string { return s.URL() + "/" + s.options.TenantID + "/v2.0" }

// TenantID is the tid claim of every token.
func (s *Server) TenantID() string { return s.options.TenantID }

// User returns a user with what was derived filled in.
func (s *Server) User(login string) (User, bool) {
	u, found := s.users[login]
	return u, found
}

// IdentityEndpoint and IdentityHeader are the values of IDENTITY_ENDPOINT and IDENTITY_HEADER for an app that is to have
// the managed identity. The header is a secret of this start.
func (s *Server) IdentityEndpoint() string { return s.URL() + identityPath }

// IdentityHeader is described at IdentityEndpoint.
func (s *Server) IdentityHeader() string { return s.identityHeader }
