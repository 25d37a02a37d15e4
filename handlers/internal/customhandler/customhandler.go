// Package customhandler speaks the Azure Functions custom handler protocol: it tells the host that the process is up,
// runs triggers that the host posts, and passes proxied HTTP requests on.
//
// It promises that
//   - a trigger runs only for a POST whose request target is, byte for byte, "/" and the function's name. The target is
//     never decoded, cleaned or redirected, because outsiders' requests arrive on the same port and differ from the
//     host's own only by their path;
//   - every answer to a trigger is 200 with a JSON object, or 500. The host hangs on an empty 200 until its own time
//     limit and then kills the whole process (Azure: DefaultHttpWorkerService reads the body only as JSON);
//   - every invocation ends within [Options.Timeout] plus [Options.Grace], and is reported once;
//   - a trigger that panics fails its own invocation and nothing else.
//
// It never reads meaning out of [Invocation.Metadata], never logs, and knows nothing of what the triggers do. It uses
// the standard library only.
package customhandler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"
)

const (
	// HostUserAgent starts the User-Agent of every invocation that the host makes itself
	// (Azure: DefaultHttpWorkerService.AddHeaders).
	HostUserAgent = "Azure-Functions-Host/"
	// InvocationIDHeader carries the id under which the host logs the invocation.
	InvocationIDHeader = "X-Azure-Functions-InvocationId"

	defaultRoutePrefix = "api"
	defaultGrace       = 5 * time.Second
	// defaultMaxBody holds an Event Grid event (1 MiB at most) or a Service Bus message of the Standard tier (256 KiB),
	// in base64 and with its metadata, several times over.
	defaultMaxBody = 4 << 20
	// maxInvocationID bounds what a header can put into a log line; the host sends a GUID of 36 bytes.
	maxInvocationID = 64
)

// Trigger handles one invocation. Nil acknowledges it for good. An error makes the host count a failure: Service Bus
// redelivers at once, with no pause, and dead-letters after the entity's MaxDeliveryCount; Event Grid delivers again on
// its schedule; a timer just waits for its next tick. So return an error only where redelivery, and in the end the
// dead-letter queue, is what is wanted.
//
// The context ends at [Options.Timeout]. A trigger that goes on after it may run beside its own redelivery.
type Trigger func(ctx context.Context, inv Invocation) error

// Outcome says how an invocation ended.
type Outcome string

const (
	// Succeeded: the trigger returned nil and the host was told 200.
	Succeeded Outcome = "succeeded"
	// Failed: the trigger returned an error.
	Failed Outcome = "failed"
	// Panicked: the trigger panicked; Report.Err is a *[PanicError].
	Panicked Outcome = "panicked"
	// TimedOut: the trigger did not return within Grace after its context had ended. It may still be running.
	TimedOut Outcome = "timed out"
	// Undecodable: the body was too large, was cut off, or is not the host's envelope. No trigger ran.
	Undecodable Outcome = "undecodable"
	// Refused: the request does not come from a Functions host. No trigger ran, and the answer was 404.
	Refused Outcome = "refused"
)

// Report is what is known about one invocation when it has been answered.
type Report struct {
	ID       string // the host's invocation id; empty when it sent none
	Function string
	Outcome  Outcome
	Duration time.Duration
	Err      error    // nil only for Succeeded
	Logs     []string // the lines that the trigger gave to [Invocation.Log]
}

// PanicError is the error of an invocation whose trigger panicked.
type PanicError struct {
	Value any    // what was passed to panic; nil when the goroutine was ended without a panic
	Stack []byte // where
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Options configure a [Server].
type Options struct {
	// Functions maps the name of each non-HTTP function, as its folder is spelled, to its trigger.
	Functions map[string]Trigger
	// HTTP serves every request under "/"+RoutePrefix+"/", its path untouched.
	HTTP http.Handler
	// RoutePrefix is host.json's extensions.http.routePrefix; "" means "api". There is no way to have no prefix:
	// without one an outsider's POST /Name would be a trigger's.
	RoutePrefix string
	// Timeout ends the context of each invocation and of each HTTP request. With Grace it must be shorter than the
	// host's functionTimeout: a function that reaches that one takes every other invocation of the process with it.
	Timeout time.Duration
	// Grace is how long after Timeout a trigger may still give its own answer before it is given up; 0 means 5 s.
	Grace time.Duration
	// MaxBody limits a trigger's request body in bytes; 0 means 4 MiB. HTTP requests are not limited here.
	MaxBody int64
	// Report is called once for each invocation of a trigger, from several goroutines at once. It must not block.
	// HTTP requests and readiness probes are not reported.
	Report func(Report)
	// Now is the clock that durations are taken from; nil means time.Now.
	Now func() time.Time
}

// Server is the http.Handler that serves the protocol. It is safe for concurrent use.
type Server struct {
	functions map[string]Trigger // by request target
	http      http.Handler
	prefix    string // "/api/"
	timeout   time.Duration
	grace     time.Duration
	maxBody   int64
	report    func(Report)
	now       func() time.Time
}

// functionName is what Azure accepts as a function's name. All of it survives in a URL path as it is.
var functionName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,126}$`)

// New checks o and returns its server.
func New(o Options) (*Server, error) {
	if o.RoutePrefix == "" {
		o.RoutePrefix = defaultRoutePrefix
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.MaxBody == 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	switch {
	case !functionName.MatchString(o.RoutePrefix):
		return nil, fmt.Errorf("custom handler: route prefix %q is not one plain path segment", o.RoutePrefix)
	case o.HTTP == nil:
		return nil, errors.New("custom handler: no HTTP handler")
	case o.Report == nil:
		return nil, errors.New("custom handler: no Report")
	case o.Timeout <= 0 || o.Grace < 0 || o.MaxBody < 0:
		return nil, fmt.Errorf("custom handler: timeout %v, grace %v and body limit %d must be positive", o.Timeout, o.Grace, o.MaxBody)
	}
	s := &Server{
		functions: make(map[string]Trigger, len(o.Functions)), http: o.HTTP, prefix: "/" + o.RoutePrefix + "/",
		timeout: o.Timeout, grace: o.Grace, maxBody: o.MaxBody, report: o.Report, now: o.Now,
	}
	for name, trigger := range o.Functions {
		switch {
		case !functionName.MatchString(name):
			return nil, fmt.Errorf("custom handler: %q is not a function name", name)
		case strings.EqualFold(name, o.RoutePrefix):
			return nil, fmt.Errorf("custom handler: function %s has the name of the route prefix", name)
		case trigger == nil:
			return nil, fmt.Errorf("custom handler: function %s has no trigger", name)
		}
		s.functions["/"+name] = trigger
	}
	return s, nil
}

// ServeHTTP dispatches on the raw request target. http.ServeMux cannot do this: it decodes and cleans paths, and answers
// some with a redirect, which the host would follow with the trigger's body in hand.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isProbe(r) {
		return
	}
	if strings.HasPrefix(r.RequestURI, s.prefix) {
		ctx, cancel := context.WithTimeout(r.Context(), s.timeout)
		defer cancel()
		s.http.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	trigger, found := s.functions[r.RequestURI]
	if !found || r.Method != http.MethodPost {
		notFound(w)
		return
	}
	s.serveTrigger(w, r, trigger)
}

// isProbe tells the host's readiness and health request, which wants any answer and no noise.
func isProbe(r *http.Request) bool {
	return r.RequestURI == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

func (s *Server) serveTrigger(w http.ResponseWriter, r *http.Request, trigger Trigger) {
	start := s.now()
	rep := Report{ID: invocationID(r), Function: r.RequestURI[1:]}
	defer func() {
		rep.Duration = s.now().Sub(start)
		s.report(rep)
	}()

	// A weak check, since a client chooses its own User-Agent. It keeps out a stray local process; the exact target
	// is what keeps out the public.
	if !strings.HasPrefix(r.UserAgent(), HostUserAgent) {
		rep.Outcome, rep.Err = Refused, errors.New("the User-Agent is not a Functions host's")
		notFound(w)
		return
	}
	inv, err := decodeEnvelope(http.MaxBytesReader(w, r.Body, s.maxBody))
	if err != nil {
		rep.Outcome, rep.Err = Undecodable, fmt.Errorf("invocation of %s: %w", rep.Function, err)
		answer(w, http.StatusInternalServerError, nil)
		return
	}
	inv.ID, inv.Name = rep.ID, rep.Function
	ctx, cancel := context.WithTimeout(r.Context(), s.timeout)
	defer cancel()
	rep.Outcome, rep.Err = s.run(ctx, trigger, inv)
	rep.Logs = inv.lines.all()
	if rep.Err != nil {
		answer(w, http.StatusInternalServerError, nil)
		return
	}
	answer(w, http.StatusOK, rep.Logs)
}

// run calls the trigger in a goroutine of its own, so that one that ignores its context can be given up.
func (s *Server) run(ctx context.Context, trigger Trigger, inv Invocation) (Outcome, error) {
	type result struct {
		outcome Outcome
		err     error
	}
	ended := make(chan result, 1) // buffered: nobody listens to a trigger that was given up
	go func() {
		res := result{outcome: Panicked}
		defer func() {
			if res.outcome == Panicked { // also when runtime.Goexit ended the goroutine
				res.err = &PanicError{Value: recover(), Stack: debug.Stack()}
			}
			ended <- res
		}()
		err := trigger(ctx, inv)
		if err != nil {
			res = result{outcome: Failed, err: err}
			return
		}
		res = result{outcome: Succeeded}
	}()

	select {
	case res := <-ended:
		return res.outcome, res.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(s.grace)
	defer grace.Stop()
	select {
	case res := <-ended:
		return res.outcome, res.err
	case <-grace.C:
		return TimedOut, fmt.Errorf("the trigger went on %v after its context: %w", s.grace, context.Cause(ctx))
	}
}

// answer writes what the host reads. The Content-Type is needed: the host takes a body that Go sniffs as text for a failure.
func answer(w http.ResponseWriter, status int, logs []string) {
	body := struct {
		Logs []string `json:"Logs,omitempty"`
	}{logs}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A host that has gone away has already counted a failure; the invocation's own outcome is what is reported.
	_ = json.NewEncoder(w).Encode(body)
}

func notFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "{}\n") // as in answer: nobody is left to tell
}

func invocationID(r *http.Request) string {
	id := r.Header.Get(InvocationIDHeader)
	if len(id) > maxInvocationID {
		return id[:maxInvocationID]
	}
	return id
}
