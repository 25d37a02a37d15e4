package funchost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Rules of the real host about its worker process.
const (
	readyPoll           = 25 * time.Millisecond
	exitRestart         = 200 // a handler that ends with this code wants to be started again
	defaultRestartLimit = 3
	errorWindow         = 30 * time.Minute
)

// Errors of a handler that is not there. ErrHandlerExited and ErrTooManyCrashes are also what Host.Err wraps.
var (
	// ErrHandlerExited: the handler ended with code 0, after which the host does not start it again.
	ErrHandlerExited = errors.New("the handler exited with code 0 and is not started again")
	// ErrTooManyCrashes: the handler failed as often as the host allows; the host stops itself.
	ErrTooManyCrashes = errors.New("the handler failed too often, the host gives up")
	// ErrStopped: the host was stopped.
	ErrStopped = errors.New("the host is stopped")
)

// worker keeps one handler process alive.
type worker struct {
	path        string
	args        []string
	dir         string
	env         func(port int) []string
	initTimeout time.Duration
	now         func() time.Time
	log         zerolog.Logger // about the process
	console     func(line string, isError bool)
	client      *http.Client // for the readiness probe

	restart chan int // generation to replace, after a function timed out
	done    chan struct{}
	budget  errorBudget // used by run only

	mu      sync.Mutex
	changed chan struct{} // closed at every change of state
	running bool
	gone    error // why there will be no handler any more
	base    string
	gen     int // number of the handler process, from 1
	proc    *process
	peak    int64
}

// lease is a handler process that was ready when it was asked for.
type lease struct {
	base string // http://127.0.0.1:port
	gen  int
}

// errorBudget counts failures the way the real host does: they add up as long as no two in a row are
// further apart than the window.
type errorBudget struct {
	limit  int
	window time.Duration
	count  int
	last   time.Time
}

// spend counts one failure and tells whether the limit is reached.
func (b *errorBudget) spend(now time.Time) (exhausted bool) {
	if now.Sub(b.last) > b.window {
		b.count = 0
	}
	b.count++
	b.last = now
	return b.count >= b.limit
}

// run keeps the handler alive until ctx ends or the rules say that it stays dead.
func (w *worker) run(ctx context.Context) {
	defer close(w.done)
	for {
		counted, err := w.once(ctx)
		switch {
		case ctx.Err() != nil:
			w.update(func() { w.running, w.gone = false, ErrStopped })
			return
		case errors.Is(err, ErrHandlerExited):
			w.update(func() { w.running, w.gone = false, err })
			w.log.Error().Err(err).Msg("handler is gone")
			return
		case counted && w.budget.spend(w.now()):
			w.update(func() { w.running, w.gone = false, fmt.Errorf("%w: %w", ErrTooManyCrashes, err) })
			w.log.Error().Err(err).Int("failures", w.budget.count).Msg("exceeded handler restart count, shutting down the host")
			return
		}
		w.log.Warn().Err(err).Int("failures", w.budget.count).Msg("restarting handler")
	}
}

// once runs one handler process to its end. The error says why it ended; counted says whether that spends
// from the error budget.
func (w *worker) once(ctx context.Context) (counted bool, err error) {
	port, err := freePort()
	if err != nil {
		return true, err
	}
	stdout := &lineWriter{emit: func(line string) { w.console(line, false) }}
	stderr := &lineWriter{emit: func(line string) { w.console(line, true) }}
	cmd := exec.Command(w.path, w.args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env(port), stdout, stderr
	proc, err := startProcess(cmd)
	if err != nil {
		return true, err
	}
	defer func() {
		proc.kill()
		<-proc.exited
		stdout.flush()
		stderr.flush()
	}()
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	gen := 0
	w.update(func() { w.gen++; w.proc = proc; gen = w.gen })
	// The state changes before the process is waited for, so that new invocations wait for its successor.
	defer w.update(func() { w.running = false })

	ready, stop := context.WithTimeout(ctx, w.initTimeout)
	defer stop()
	probed := make(chan error, 1)
	go func() { probed <- w.awaitReady(ready, base) }()
	select {
	case err := <-probed:
		if err != nil {
			return true, fmt.Errorf("handler did not answer GET / within %v: %w", w.initTimeout, err)
		}
	case <-proc.exited:
		return exitError(proc, stderr)
	}
	w.update(func() { w.running, w.base = true, base })
	w.log.Info().Int("pid", proc.pid()).Int("port", port).Msg("handler is ready")
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-proc.exited:
			return exitError(proc, stderr)
		case old := <-w.restart:
			if old == gen {
				return false, errors.New("a function timed out")
			}
		}
	}
}

// exitError explains the end of a process by its exit code.
func exitError(p *process, stderr *lineWriter) (counted bool, err error) {
	switch code := p.exitCode(); code {
	case 0:
		return false, ErrHandlerExited
	case exitRestart:
		return false, errors.New("the handler asked to be restarted")
	default:
		stderr.flush()
		return true, fmt.Errorf("the handler ended with %s: %s", p.cmd.ProcessState, stderr.tail())
	}
}

// awaitReady probes the handler until it answers anything at all.
func (w *worker) awaitReady(ctx context.Context, base string) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/", nil)
		if err != nil {
			return fmt.Errorf("probe handler: %w", err)
		}
		res, err := w.client.Do(req)
		var socket *net.OpError
		switch {
		case err == nil:
			res.Body.Close()
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &socket):
			return nil // it talks, if not HTTP
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// update changes the state and wakes everybody who waits for a change.
func (w *worker) update(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

// acquire waits until a handler is ready.
func (w *worker) acquire(ctx context.Context) (lease, error) {
	for {
		w.mu.Lock()
		running, gone, changed, l := w.running, w.gone, w.changed, lease{base: w.base, gen: w.gen}
		w.mu.Unlock()
		switch {
		case gone != nil:
			return lease{}, gone
		case running:
			return l, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return lease{}, fmt.Errorf("wait for the handler: %w", ctx.Err())
		}
	}
}

// replace asks for a new handler in place of the one leased, because a function of it timed out.
func (w *worker) replace(l lease) {
	select {
	case w.restart <- l.gen:
	case <-w.done:
	}
}

// sample reads the process's peak memory and returns the largest seen over all processes.
func (w *worker) sample() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.proc != nil {
		w.peak = max(w.peak, peakMemory(w.proc.pid()))
	}
	return w.peak
}

// kill ends the current process, if there is one; run then decides what follows.
func (w *worker) kill() {
	w.sample()
	w.mu.Lock()
	proc := w.proc
	w.mu.Unlock()
	if proc != nil {
		proc.kill()
	}
}

// pid is the current process's number, or 0 when no handler is ready.
func (w *worker) pid() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running {
		return 0
	}
	return w.proc.pid()
}

// freePort finds a port that nobody uses right now.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// isWarning tells how the real host grades a line on standard error.
func isWarning(line string) bool { return strings.Contains(strings.ToLower(line), "warn") }
