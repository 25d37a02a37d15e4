// Package storage is the local Azure Storage: Azurite as a child process, and in front of it a gateway that makes it look like a
// set of storage accounts to clients that are set up for Azure.
//
// The gateway has two doors, both on loopback. The TLS door answers for https://{account}.blob.{suffix} and
// https://{account}.table.{suffix}: a client dials Dial instead of the address of that host, and trusts CAFile. The plain door
// answers for http://127.0.0.1:PORT/{account}/...: links with a SAS work there as they are from curl, a browser or an SDK.
//
// It promises that names and bodies go through as they came, that a body is never held, that every successful write of a blob is
// told to Options.Events before the client learns of it, and that nothing is left running or listening after Stop. It never
// listens on anything but loopback, never logs a key, token or signature, and is no store for data that matters: Azurite
// does not check signatures of tokens.
//
// Where it behaves unlike Azure, and clients can tell:
//   - a copy completes at once: its status is never pending, and there is never one to abort;
//   - tokens carry no rights: whoever has one may do everything in every account;
//   - a link that is forged or expired is refused with AuthorizationFailure, where Azure says AuthenticationFailed (both 403);
//   - names of metadata come back in lower case;
//   - Put Blob From URL and Put Block From URL do not work;
//   - a link that allows HTTPS only works at the plain door as well, since the gateway itself goes on by HTTPS;
//   - a killed Azurite loses the last seconds; a stopped one loses nothing.
package storage

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"airlock/scripts/localazure/nodejs"
)

// DefaultSuffix is under a top-level domain that exists nowhere, so that a client that misses the local storage reaches nothing.
const DefaultSuffix = "core.airlock.test"

const (
	shutdownTimeout = 3 * time.Second
	hangUpEvery     = 50 * time.Millisecond
)

// accountName is Azure's rule: 3 to 24 lower-case letters and digits.
var accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

// Options say what to start. The zero value is useful.
type Options struct {
	Accounts []string // names of the accounts that exist; AddAccount adds more
	Suffix   string   // of virtual hosts, {account}.blob.{Suffix}; empty means DefaultSuffix
	// DataDir keeps everything for the next start. Empty means a temporary folder, which Stop removes.
	DataDir   string
	TLSAddr   string // where the TLS door listens; empty means a free port on 127.0.0.1
	PlainAddr string // where the plain door listens; empty means a free port on 127.0.0.1
	// Events is called for every blob that has been created, before the client gets the answer, and from several goroutines.
	// It must not wait for storage. Nil means that nobody listens.
	Events func(Event)
	// DeletedFor is how long the name of a deleted container is refused. Azure: 30 seconds and more. Zero means not at all.
	DeletedFor time.Duration
	Log        func(line string) // what Azurite and the gateway have to say; nil means nowhere
	Now        func() time.Time  // nil means time.Now
	Modules    string            // the folder scripts/localazure with its npm packages; empty means nodejs.Modules
}

// Storage is a running local storage.
type Storage struct {
	suffix    string
	dir       string
	temporary bool
	certs     *certificates
	transport *http.Transport // to Azurite
	plainAddr string
	tlsAddr   string
	servers   []*http.Server
	requests  *counters

	life  sync.Mutex // held while the child is started or stopped
	child *azurite

	mu       sync.RWMutex
	accounts map[string]string // name to base64 key
}

// Start starts Azurite and the gateway. The context bounds only the start.
func Start(ctx context.Context, o Options) (_ *Storage, err error) {
	o.setDefaults()
	s := &Storage{suffix: o.Suffix, dir: o.DataDir, accounts: map[string]string{}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("start local storage: %w", errors.Join(err, s.Stop()))
		}
	}()
	modules := o.Modules
	if modules == "" {
		if modules, err = nodejs.Modules(ctx); err != nil {
			return nil, err
		}
	}
	if s.dir == "" {
		s.temporary = true
		if s.dir, err = os.MkdirTemp("", "airlock-storage-"); err != nil {
			return nil, err
		}
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return nil, err
	}
	for _, sub := range []string{"azurite", "tls"} {
		if err := os.MkdirAll(filepath.Join(s.dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if s.certs, err = newCertificates(filepath.Join(s.dir, "tls"), s.suffix, o.Now()); err != nil {
		return nil, err
	}
	if err := s.loadAccounts(); err != nil {
		return nil, err
	}
	if err := s.addAccounts(o.Accounts); err != nil {
		return nil, err
	}
	s.transport = newUpstream(s.certs.roots)
	s.child = &azurite{
		modules: modules, dataDir: filepath.Join(s.dir, "azurite"), suffix: s.suffix, certs: s.certs, log: o.Log,
	}
	if err := s.child.start(ctx, s.accounts); err != nil {
		return nil, err
	}
	return s, s.listen(o)
}

func (o *Options) setDefaults() {
	if o.Suffix == "" {
		o.Suffix = DefaultSuffix
	}
	if o.TLSAddr == "" {
		o.TLSAddr = "127.0.0.1:0"
	}
	if o.PlainAddr == "" {
		o.PlainAddr = "127.0.0.1:0"
	}
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// listen opens both doors.
func (s *Storage) listen(o Options) error {
	secure, err := net.Listen("tcp", o.TLSAddr)
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", o.PlainAddr)
	if err != nil {
		secure.Close()
		return err
	}
	s.tlsAddr, s.plainAddr = secure.Addr().String(), plain.Addr().String()
	_, tlsPort, _ := net.SplitHostPort(s.tlsAddr)
	_, plainPort, _ := net.SplitHostPort(s.plainAddr)
	g := newGateway(addressing{suffix: s.suffix, tlsPort: tlsPort, plainPort: plainPort}, s.child, s.transport,
		newRaiser(s.suffix, o.Now, s.head, o.Events), newTombstones(o.DeletedFor, o.Now), o.Log)
	s.requests = g.requests

	// Azure Storage speaks HTTP/1.1 only, and so does Azurite.
	var http1 http.Protocols
	http1.SetHTTP1(true)
	serve := func(l net.Listener) {
		server := &http.Server{
			Handler:           g,
			Protocols:         &http1,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          log.New(lineSink(o.Log), "gateway: ", 0),
		}
		s.servers = append(s.servers, server)
		go server.Serve(l)
	}
	serve(plain)
	serve(tls.NewListener(secure, &tls.Config{
		Certificates: []tls.Certificate{s.certs.leaf}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}))
	return nil
}

// Stop ends the gateway and Azurite, and removes the data unless Options.DataDir was given.
func (s *Storage) Stop() error {
	var errs []error
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	for _, server := range s.servers {
		if server.Shutdown(ctx) != nil {
			server.Close() // whoever is still sending has had the time to end
		}
	}
	errs = append(errs, s.StopAzurite())
	if s.temporary && s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// StopAzurite ends Azurite and leaves the gateway, which then answers 503 ServerBusy. Nothing that was written is lost.
func (s *Storage) StopAzurite() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.child == nil || s.child.process == nil {
		return nil
	}
	ended := make(chan struct{})
	var hangers sync.WaitGroup
	hangers.Go(func() { s.hangUp(ended) })
	err := s.child.process.Stop()
	close(ended)
	hangers.Wait()
	return err
}

// hangUp closes idle connections to Azurite until it has ended. Azurite closes those that are idle when it is told to
// stop, and then waits for every other one: one that becomes ready a moment later and is never used would keep it until it
// is killed.
func (s *Storage) hangUp(ended <-chan struct{}) {
	tick := time.NewTicker(hangUpEvery)
	defer tick.Stop()
	for {
		s.transport.CloseIdleConnections()
		select {
		case <-ended:
			return
		case <-tick.C:
		}
	}
}

// StartAzurite starts Azurite again, with its data. It does nothing when Azurite runs.
func (s *Storage) StartAzurite(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	select {
	case <-s.child.process.Done():
	default:
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.child.start(ctx, s.accounts)
}

// AddAccount makes one more account exist, now and after a restart. One that exists already is left as it is.
func (s *Storage) AddAccount(ctx context.Context, name string) error {
	s.life.Lock()
	defer s.life.Unlock()
	if err := s.addAccounts([]string{name}); err != nil {
		return err
	}
	select {
	case <-s.child.process.Done():
		return nil // the next start takes it along
	default:
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.child.setAccounts(ctx, s.accounts)
}

// Dial is the host:port of the TLS door, to connect to instead of every storage host.
func (s *Storage) Dial() string { return s.tlsAddr }

// CAFile is the path of the PEM file with the authority to trust at the TLS door. It is a new one after each Start.
func (s *Storage) CAFile() string { return s.certs.caFile }

// Suffix is that of virtual hosts: {account}.blob.{suffix}.
func (s *Storage) Suffix() string { return s.suffix }

// PlainURL is the address of an account's blob service at the plain door. Given "{account}" it is a template of it.
func (s *Storage) PlainURL(account string) string { return "http://" + s.plainAddr + "/" + account }

// Client is an HTTP client that goes to the TLS door for every host.
func (s *Storage) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: s.certs.roots},
		MaxIdleConnsPerHost: 16,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, s.tlsAddr)
		},
	}}
}

// addAccounts gives each new account a key and writes all of them down, so that they are the same at the next start.
func (s *Storage) addAccounts(names []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if !accountName.MatchString(name) {
			return fmt.Errorf("account name %q: it must have 3 to 24 lower-case letters and digits", name)
		}
		if s.accounts[name] != "" {
			continue
		}
		var key [64]byte
		rand.Read(key[:])
		s.accounts[name] = base64.StdEncoding.EncodeToString(key[:])
	}
	b, err := json.Marshal(s.accounts)
	if err != nil {
		return fmt.Errorf("write accounts: %w", err)
	}
	if err := os.WriteFile(s.accountsFile(), b, 0o600); err != nil {
		return fmt.Errorf("write accounts: %w", err)
	}
	return nil
}

func (s *Storage) loadAccounts() error {
	b, err := os.ReadFile(s.accountsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read accounts: %w", err)
	}
	if err := json.Unmarshal(b, &s.accounts); err != nil {
		return fmt.Errorf("read accounts: %s: %w", s.accountsFile(), err)
	}
	return nil
}

func (s *Storage) accountsFile() string { return filepath.Join(s.dir, "accounts.json") }
