// Package funchost is a stand-in for the Azure Functions host, version 4, for apps that are custom handlers.
//
// Given a folder as it is deployed (host.json, the handler, one folder per function with its function.json) it
// starts the handler and speaks the custom handler protocol to it as the real host does: it proxies HTTP
// functions, posts Service Bus messages, Event Grid events and timers as JSON, judges the answers by the same
// rules, and restarts, kills and gives up the handler under the same conditions. Where the real host is strange,
// this one is strange in the same way, because that is what an app must survive.
//
// It serves httpTrigger (proxied, anonymous), serviceBusTrigger (peek-lock, one message at a time, no sessions),
// eventGridTrigger (Event Grid schema, one event at a time) and timerTrigger. What else host.json or a
// function.json asks for is refused at the start with a sentence, or, where it cannot change what a handler
// sees, noted in the log. It listens on loopback addresses only, and never logs a key, a query or a body.
package funchost

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"airlock/scripts/localazure/buffer"
)

const (
	// defaultBodyLimit is the largest request body. Azure: 100 MB, FUNCTIONS_REQUEST_BODY_SIZE_LIMIT changes it.
	defaultBodyLimit = 104_857_600
	bodyLimitSetting = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
	// activityTimeout ends a proxied request over which no byte has passed for so long. Azure: 240 s.
	activityTimeout  = 240 * time.Second
	headerTimeout    = 30 * time.Second
	defaultStopGrace = 2 * time.Second
	keyBytes         = 32
)

// Options configure a Host.
type Options struct {
	// ScriptRoot is the deployed folder.
	ScriptRoot string
	// Env holds the app settings, as NAME=value. The handler gets these and what the host adds, and nothing
	// of this process's own environment.
	Env []string
	// Listen is the public address, loopback only. Empty means a free port on 127.0.0.1.
	Listen string
	// Log receives what the host does: one line per invocation, and what goes wrong.
	Log zerolog.Logger
	// Console receives the handler's output lines as they are. Nil sends them to Log, standard output as
	// information and standard error as errors (or warnings if they say so), as the real host does.
	Console io.Writer

	// RestartLimit is how many failures of the handler make the host give up; failures more than 30 minutes
	// apart do not add up. Zero means 3, the real host's number.
	RestartLimit int
	// Timers replaces the schedule of a timer function by an interval; a negative one never comes by itself.
	Timers map[string]time.Duration
	// TimerState is a file in which the host remembers when the timers ran, so that a run missed while it was
	// stopped is made up for at the start, marked as past due. Empty remembers nothing.
	TimerState string
	// SystemKey opens the webhook of Event Grid, MasterKey opens that and /admin. Empty ones are made at random.
	SystemKey, MasterKey string
	// StopGrace is how long Stop lets running invocations end by themselves. Zero means two seconds.
	StopGrace time.Duration

	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Random makes keys and ids. Nil means crypto/rand.
	Random io.Reader
}

// Host runs one function app.
type Host struct {
	opts      Options
	log       zerolog.Logger
	root      string
	config    hostConfig
	functions []*function
	bodyLimit int64
	stats     stats
	worker    *worker
	transport *http.Transport
	buffers   buffer.Pool // for answers
	client    *http.Client
	activity  time.Duration

	listener net.Listener
	server   *http.Server
	listen   context.Context // ends when no new work is to be taken
	deafen   context.CancelFunc
	live     context.Context // ends when running work is to be dropped
	kill     context.CancelFunc
	wg       sync.WaitGroup // everything that the host has started
	stopOnce sync.Once
	done     chan struct{}

	randomLock sync.Mutex
	timerLock  sync.Mutex
	timers     map[string]timerStatus // by function, guarded by timerLock
}

// Start reads the app, starts its handler and serves it. It returns when the handler is ready, or an error that
// says what does not fit. ctx bounds the start only; the host runs until Stop.
func Start(ctx context.Context, opts Options) (*Host, error) {
	h, err := prepare(opts)
	if err != nil {
		return nil, fmt.Errorf("start functions host: %w", err)
	}
	h.wg.Go(func() { h.worker.run(h.live) })
	if _, err := h.worker.acquire(ctx); err != nil {
		h.Stop()
		return nil, fmt.Errorf("start functions host: %w", err)
	}
	if err := h.serve(); err != nil {
		h.Stop()
		return nil, fmt.Errorf("start functions host: %w", err)
	}
	go h.watch()
	return h, nil
}

// prepare checks everything that can be checked before the handler runs.
func prepare(opts Options) (*Host, error) {
	opts.Now = orElse(opts.Now, time.Now)
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	if opts.RestartLimit == 0 {
		opts.RestartLimit = defaultRestartLimit
	}
	if opts.StopGrace == 0 {
		opts.StopGrace = defaultStopGrace
	}
	root, err := filepath.Abs(opts.ScriptRoot)
	if err != nil {
		return nil, fmt.Errorf("resolve script root: %w", err)
	}
	env := settings(opts.Env)
	h := &Host{opts: opts, root: root, log: logger(opts.Log, "Host"), activity: activityTimeout, done: make(chan struct{})}
	h.config, err = readHostJSON(root, env)
	if err != nil {
		return nil, err
	}
	h.functions, err = readFunctions(root, h.config, env)
	if err != nil {
		return nil, err
	}
	if err := h.checkTimers(); err != nil {
		return nil, err
	}
	if err := h.readTimers(); err != nil {
		return nil, err
	}
	h.bodyLimit = defaultBodyLimit
	if text, ok := env.lookup(bodyLimitSetting); ok {
		h.bodyLimit, err = strconv.ParseInt(text, 10, 64)
		if err != nil || h.bodyLimit < 0 {
			return nil, fmt.Errorf("%s is %q, want a number of bytes", bodyLimitSetting, text)
		}
	}
	for _, key := range []*string{&h.opts.SystemKey, &h.opts.MasterKey} {
		if *key == "" {
			*key, err = h.newKey()
			if err != nil {
				return nil, err
			}
		}
	}
	for _, name := range h.config.unused {
		h.log.Info().Str("setting", name).Msg("host.json: has no effect in this host")
	}
	h.stats.init(h.functions)
	h.transport = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true, ExpectContinueTimeout: time.Second}
	h.client = &http.Client{Transport: h.transport} // follows redirects, like the real host's
	h.worker = h.newWorker()
	h.listen, h.deafen = context.WithCancel(context.Background())
	h.live, h.kill = context.WithCancel(context.Background())
	return h, nil
}

func orElse(f, fallback func() time.Time) func() time.Time {
	if f == nil {
		return fallback
	}
	return f
}

// newWorker describes how the handler is started.
func (h *Host) newWorker() *worker {
	output := logger(h.opts.Log, "Host.Function.Console")
	var mu sync.Mutex
	return &worker{
		path: h.config.executable, args: h.config.arguments, dir: h.config.workingDir,
		initTimeout: h.config.initTimeout, now: h.opts.Now, log: logger(h.opts.Log, "Host.Worker"),
		client: &http.Client{Transport: h.transport},
		env: func(port int) []string {
			id := h.newID()
			return append(slices.Clone(h.opts.Env),
				fmt.Sprintf("FUNCTIONS_CUSTOMHANDLER_PORT=%d", port),
				fmt.Sprintf("FUNCTIONS_HTTPWORKER_PORT=%d", port),
				"FUNCTIONS_CUSTOMHANDLER_WORKER_ID="+id,
				"FUNCTIONS_HTTPWORKER_ID="+id,
				"FUNCTIONS_APP_ROOT_PATH="+h.root)
		},
		console: func(line string, isError bool) {
			switch {
			case h.opts.Console != nil:
				mu.Lock()
				defer mu.Unlock()
				// The handler's output is not worth failing for.
				_, _ = io.WriteString(h.opts.Console, line+"\n")
			case !isError:
				output.Info().Msg(line)
			case isWarning(line):
				output.Warn().Msg(line)
			default:
				output.Error().Msg(line)
			}
		},
		restart: make(chan int),
		done:    make(chan struct{}),
		budget:  errorBudget{limit: h.opts.RestartLimit, window: errorWindow},
		changed: make(chan struct{}),
	}
}

// serve opens the public address and starts every trigger.
func (h *Host) serve() error {
	address := h.opts.Listen
	if address == "" {
		address = "127.0.0.1:0"
	}
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen on %q: %w", address, err)
	}
	if ip := net.ParseIP(name); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("listen on %q: only loopback addresses are allowed", address)
	}
	pumps, err := h.newPumps()
	if err != nil {
		return err
	}
	h.listener, err = net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	h.server = &http.Server{
		Handler:                      http.HandlerFunc(h.public),
		ReadHeaderTimeout:            headerTimeout,
		DisableGeneralOptionsHandler: true, // the real host does not answer OPTIONS * either
		ErrorLog:                     log.New(logger(h.opts.Log, "Host.Server"), "", 0),
	}
	h.wg.Go(func() {
		if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
			h.log.Error().Err(err).Msg("the public address is lost")
		}
	})
	for _, p := range pumps {
		h.wg.Go(func() {
			p.run(h.listen)
			p.close()
		})
	}
	for _, f := range h.functions {
		if f.trigger.Type == timerTrigger {
			h.wg.Go(func() { h.runTimer(f) })
		}
	}
	return nil
}

// watch stops the host when the handler has used up its failures. A handler that exited with code 0 leaves the
// host running, with every invocation failing.
func (h *Host) watch() {
	<-h.worker.done
	if errors.Is(h.Err(), ErrTooManyCrashes) {
		h.Stop()
	}
}

// Stop takes no new work, lets running invocations end for StopGrace, kills the handler and waits until
// everything has ended. Messages that were being handled go back to the broker. It may be called again.
func (h *Host) Stop() {
	h.stopOnce.Do(func() {
		h.deafen()
		grace, cancel := context.WithTimeout(context.Background(), h.opts.StopGrace)
		defer cancel()
		if h.server != nil && h.server.Shutdown(grace) != nil {
			h.server.Close()
		}
		h.stats.awaitIdle(grace)
		h.worker.sample()
		h.kill()
		h.wg.Wait()
		h.transport.CloseIdleConnections()
		close(h.done)
	})
	<-h.done
}

// Done is closed when the host has ended, by Stop or because the handler failed too often.
func (h *Host) Done() <-chan struct{} { return h.done }

// Err is nil while there is or will be a handler, else why not: ErrHandlerExited, ErrTooManyCrashes or ErrStopped.
func (h *Host) Err() error {
	h.worker.mu.Lock()
	defer h.worker.mu.Unlock()
	return h.worker.gone
}

// URL is the public address, without a slash at the end.
func (h *Host) URL() string { return "http://" + h.listener.Addr().String() }

// EventGridURL is the webhook of an Event Grid function. It holds the system key: do not log it.
func (h *Host) EventGridURL(function string) string {
	return h.URL() + "/runtime/webhooks/eventgrid?functionName=" + function + "&code=" + h.opts.SystemKey
}

// MasterKey opens /admin, in the header x-functions-key. Do not log it.
func (h *Host) MasterKey() string { return h.opts.MasterKey }

// Functions are the names of the app's functions, sorted.
func (h *Host) Functions() []string {
	var names []string
	for _, f := range h.functions {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return names
}

// Kill ends the handler as a crash would. The host restarts it, and counts it as a failure.
func (h *Host) Kill() { h.worker.kill() }

// PID is the handler's process id, or 0 while there is none that is ready.
func (h *Host) PID() int { return h.worker.pid() }

// PeakMemory is the largest resident set, in bytes, of any handler process so far: Linux's VmHWM, read at this call and
// before the host ends a process. One that ended by itself counts as far as it was seen. It is 0 on other systems.
func (h *Host) PeakMemory() int64 { return h.worker.sample() }

// find returns the function of a name and a trigger type, or nil.
func (h *Host) find(name, trigger string) *function {
	i := slices.IndexFunc(h.functions, func(f *function) bool { return f.name == name && f.trigger.Type == trigger })
	if i < 0 {
		return nil
	}
	return h.functions[i]
}

// newID makes a GUID.
func (h *Host) newID() string {
	h.randomLock.Lock()
	defer h.randomLock.Unlock()
	id, err := uuid.NewRandomFromReader(h.opts.Random)
	if err != nil {
		panic(fmt.Sprintf("make an invocation id: the random source failed: %v", err))
	}
	return id.String()
}

func (h *Host) newKey() (string, error) {
	key := make([]byte, keyBytes)
	if _, err := io.ReadFull(h.opts.Random, key); err != nil {
		return "", fmt.Errorf("make a host key: %w", err)
	}
	return hex.EncodeToString(key), nil
}
