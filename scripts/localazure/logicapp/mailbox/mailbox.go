// Package mailbox is a mail server for one's own machine that delivers nothing: it keeps what it is given and shows it on a page.
//
// It promises to listen on the loopback interface only, to keep at most a given number of mails (the oldest go first), each of
// at most 1 MiB, and to show the body of a mail only inside a sandbox without scripts. It never sends a mail on, and never asks
// who sends: it is no server for a network.
package mailbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Limits of the server.
const (
	MaxSize       = 1 << 20 // bytes of one mail
	MaxRecipients = 100     // of one mail
	maxLine       = 1000    // bytes of one line with its end. RFC 5321 4.5.3.1
	maxSessions   = 32      // at once
	idle          = 30 * time.Second
	defaultKeep   = 1000
)

// Options say where to listen and what to keep.
type Options struct {
	SMTPAddress string           // loopback host:port; empty means a free port
	HTTPAddress string           // the same for the pages
	Keep        int              // mails; zero means 1000
	Now         func() time.Time // nil means time.Now
	// Refuse, if set, makes the server refuse a recipient for good (550).
	Refuse func(address string) bool
}

// A Mail is one mail as it was given to the server.
type Mail struct {
	ID      int // counts from 1
	Time    time.Time
	From    string   // of the envelope
	To      []string // of the envelope
	Subject string
	Text    string // of the first text/plain part
	HTML    string // of the first text/html part
}

// A Mailbox is a running server.
type Mailbox struct {
	options  Options
	smtp     net.Listener
	web      net.Listener
	server   *http.Server
	sessions sync.WaitGroup
	slots    chan struct{}

	mu     sync.Mutex
	mails  []Mail
	last   int
	conns  map[net.Conn]bool
	closed bool
}

// Start starts the server.
func Start(ctx context.Context, o Options) (*Mailbox, error) {
	if o.Keep == 0 {
		o.Keep = defaultKeep
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Mailbox{options: o, slots: make(chan struct{}, maxSessions), conns: map[net.Conn]bool{}}
	var err error
	if b.smtp, err = listen(ctx, o.SMTPAddress); err != nil {
		return nil, fmt.Errorf("start mailbox: %w", err)
	}
	if b.web, err = listen(ctx, o.HTTPAddress); err != nil {
		return nil, errors.Join(fmt.Errorf("start mailbox: %w", err), b.smtp.Close())
	}
	b.server = &http.Server{Handler: b.handler(), ReadHeaderTimeout: idle}
	b.sessions.Go(b.accept)
	b.sessions.Go(func() {
		// Serve returns once Close closes the listener, and no earlier: Accept on loopback has no other permanent error.
		_ = b.server.Serve(b.web)
	})
	return b, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("address %q is not on the loopback interface", address)
	}
	var l net.ListenConfig
	return l.Listen(ctx, "tcp", address)
}

// SMTPAddress is the host:port that takes mails.
func (b *Mailbox) SMTPAddress() string { return b.smtp.Addr().String() }

// HTTPAddress is the host:port of the pages.
func (b *Mailbox) HTTPAddress() string { return b.web.Addr().String() }

// URL is the address of the page with all mails.
func (b *Mailbox) URL() string { return "http://" + b.HTTPAddress() + "/" }

// Mails returns the mails that are kept, oldest first.
func (b *Mailbox) Mails() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mails)
}

// mail returns one mail by its id.
func (b *Mailbox) mail(id int) (Mail, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, found := slices.BinarySearchFunc(b.mails, id, func(m Mail, id int) int { return m.ID - id })
	if !found {
		return Mail{}, false
	}
	return b.mails[i], true
}

func (b *Mailbox) keep(m Mail) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	m.ID = b.last
	m.Time = b.options.Now()
	b.mails = append(b.mails, m)
	if over := len(b.mails) - b.options.Keep; over > 0 {
		b.mails = slices.Delete(b.mails, 0, over)
	}
}

// Close stops the server and breaks what is open. The mails stay readable through Mails. A new server can then start on the
// same addresses.
func (b *Mailbox) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	errs := []error{b.smtp.Close()}
	for c := range b.conns {
		// The session's own Close reports nothing that matters: the connection is broken on purpose.
		_ = c.Close()
	}
	b.mu.Unlock()
	errs = append(errs, b.server.Close())
	b.sessions.Wait()
	return errors.Join(errs...)
}

// accept runs until the listener is closed.
func (b *Mailbox) accept() {
	for {
		c, err := b.smtp.Accept()
		if err != nil {
			return
		}
		select {
		case b.slots <- struct{}{}:
		default:
			// Over the limit the client gets an end of connection and tries again later.
			_ = c.Close()
			continue
		}
		if !b.open(c) {
			continue
		}
		b.sessions.Go(func() {
			defer b.shut(c)
			b.serve(c)
		})
	}
}

func (b *Mailbox) open(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		_ = c.Close()
		return false
	}
	b.conns[c] = true
	return true
}

func (b *Mailbox) shut(c net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
	_ = c.Close()
	<-b.slots
}
