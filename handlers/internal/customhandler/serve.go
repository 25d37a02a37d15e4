package customhandler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// PortVariable is the environment variable in which the host tells the handler where to listen.
const PortVariable = "FUNCTIONS_CUSTOMHANDLER_PORT"

const (
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	// idleTimeout is longer than .NET keeps a pooled connection: were it shorter, the host could post on a connection
	// that is just being closed, and count a failure.
	idleTimeout   = 5 * time.Minute
	shutdownGrace = 10 * time.Second
	defaultHold   = 30 * time.Second
)

// Listen opens the port that the host named in [PortVariable], on 127.0.0.1 only: that is where the host connects to,
// and nobody else may.
func Listen(port string) (net.Listener, error) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("listen: %s=%q is not a port", PortVariable, port)
	}
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.FormatUint(n, 10)))
	if err != nil {
		return nil, fmt.Errorf("listen for the Functions host: %w", err)
	}
	return l, nil
}

// Serve answers on l until ctx ends, then lets running requests finish for up to 10 s and returns nil. It closes l.
// errorLog takes what net/http has to say about connections.
//
// Nil does not mean that the process should exit with 0: the host starts a handler again only after another code.
func Serve(ctx context.Context, l net.Listener, h http.Handler, errorLog *log.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          errorLog,
		// "OPTIONS *" gets the handler's 404 like every other target that is nobody's.
		DisableGeneralOptionsHandler: true,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the Functions host: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	err := server.Shutdown(stop)
	if err != nil {
		return fmt.Errorf("serve the Functions host: stop: %w", errors.Join(err, server.Close()))
	}
	return nil
}

// Gate is a handler that can be served before there is anything to serve: the host waits only for "GET /" to be answered,
// and gives a handler 30 s for it. Other requests wait until [Gate.Open] says who answers them, or get 503 after Hold.
//
// The zero value is closed and ready for use.
type Gate struct {
	// Hold is how long a request waits at most; 0 means 30 s. Set it before the gate is served.
	Hold time.Duration

	once    sync.Once
	opened  chan struct{}
	mu      sync.Mutex
	handler http.Handler
}

func (g *Gate) signal() chan struct{} {
	g.once.Do(func() { g.opened = make(chan struct{}) })
	return g.opened
}

// Open passes every request that is waiting, and every later one, to h. Only the first call counts.
func (g *Gate) Open(h http.Handler) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.handler == nil {
		g.handler = h
		close(g.signal())
	}
}

// ServeHTTP answers the host's probe itself and everything else through the handler that Open was given.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isProbe(r) {
		return
	}
	hold := time.NewTimer(cmp.Or(g.Hold, defaultHold))
	defer hold.Stop()
	select {
	case <-g.signal():
		g.handler.ServeHTTP(w, r)
	case <-r.Context().Done():
	case <-hold.C:
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}
