package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"airlock/handlers/internal/airlock"
)

// exchange is what is known about the request that is being answered.
type exchange struct {
	trace     string
	source    string
	plain     bool // problems are plain text
	operation string
	who       airlock.Identity
	problem   *problem // what is answered, when it is no success
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	return ctx.Value(exchangeKey{}).(*exchange)
}

// refuse takes note of the problem that is answered.
func (x *exchange) refuse(p *problem) {
	p.Instance = "urn:uuid:" + x.trace
	x.problem = p
}

// serve is the outermost layer: headers, limits, cross-origin rules, time, routes, and one line of log.
func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	start := s.Now()
	x := &exchange{
		trace:  correlation(r.Header, s.NewTrace),
		source: sourceAddress(r),
		plain:  prefersText(r.Header.Values("Accept"), s.PlainTextErrors),
	}
	held := &reply{ResponseWriter: w}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), exchangeKey{}, x), s.Limits.Timeout)
	defer cancel()
	r = r.WithContext(ctx)

	var broken error
	defer func() {
		entry := Entry{
			Operation: x.operation, Method: r.Method, Status: held.status, CorrelationID: x.trace, Person: x.who.ID,
			Workspace: idOrNone(r.PathValue("workspace_id")), Request: idOrNone(r.PathValue("airlock_request_id")),
			Took: s.Now().Sub(start), Err: broken,
		}
		if x.problem != nil {
			entry.Code, entry.Err = x.problem.Code, errors.Join(broken, x.problem.cause)
		}
		s.Log(ctx, entry)
	}()
	defer func() {
		if failure := recover(); failure != nil {
			broken = fmt.Errorf("panic: %v\n%s", failure, debug.Stack())
			held.forget()
			s.head(held.Header(), r, x)
			writeProblem(held, x, newProblem(http.StatusInternalServerError, "internal", "Unable to process request"))
		}
		held.send()
		if x.problem != nil && x.problem.Status != http.StatusRequestTimeout {
			s.discard(held, r)
		}
	}()
	if preflight := s.head(held.Header(), r, x); preflight {
		held.WriteHeader(http.StatusNoContent)
		return
	}
	if p := s.guard(held, r); p != nil {
		writeProblem(held, x, p)
		return
	}
	s.routes.ServeHTTP(held, r)
}

// head sets what every answer has, and reports whether a cross-origin preflight is asked for, which needs no more.
func (s *server) head(h http.Header, r *http.Request, x *exchange) (preflight bool) {
	h.Set("x-ms-request-id", x.trace)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	return s.crossOrigin(h, r)
}

// discard reads on what is still being sent of a refused body. If the connection broke instead, people would hear of a
// broken gateway from the host, and not of the problem. Whether the rest comes makes no difference.
func (s *server) discard(w http.ResponseWriter, r *http.Request) {
	if http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.Limits.BodyTimeout)) == nil {
		_, _ = io.CopyN(io.Discard, r.Body, s.Limits.MaxDiscard)
	}
}

// guard refuses what no operation should see.
func (s *server) guard(w http.ResponseWriter, r *http.Request) *problem {
	size := len(r.Method) + len(r.RequestURI)
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	if size > s.Limits.MaxHeader {
		return newProblem(http.StatusRequestHeaderFieldsTooLarge, "header_too_large", "The address and the headers are too large.")
	}
	if !plain(r.URL.EscapedPath()) {
		return noSuchPath()
	}
	// Clients send bodies with any content type, or none; they are JSON or they are refused.
	r.Header.Set("Content-Type", "application/json")
	r.Body = &wholeBody{r.Body, http.NewResponseController(w)}
	return nil
}

func noSuchPath() *problem { return newProblem(http.StatusNotFound, "no_such_path", "Not Found") }

// nowhere answers what no operation takes.
func (s *server) nowhere(w http.ResponseWriter, r *http.Request) {
	p := noSuchPath()
	if allowed := s.routes.methods(r); len(allowed) > 0 {
		p = newProblem(http.StatusMethodNotAllowed, "no_such_method", "Method Not Allowed")
		p.headers.Set("Allow", strings.Join(allowed, ", "))
	}
	writeProblem(w, exchangeOf(r.Context()), p)
}

// wholeBody takes back the deadline for a body once all of it is there. Without that the deadline would pass while the
// airlock works, and net/http takes a failed read on an idle connection for a client that has gone away: it would
// cancel the work.
type wholeBody struct {
	io.ReadCloser
	conn *http.ResponseController
}

// Read reads on.
func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		if failed := b.conn.SetReadDeadline(time.Time{}); failed != nil && !errors.Is(failed, http.ErrNotSupported) {
			return n, failed
		}
	}
	return n, err
}

// Close leaves the body open for discard; the server itself closes it in the end.
func (b *wholeBody) Close() error { return nil }

// idOrNone is a UUID in lower case, and empty for what is none: nothing else that clients send as an id gets into the log.
func idOrNone(id string) string {
	if id = strings.ToLower(id); !airlock.IsRequestID(id) {
		return ""
	}
	return id
}

// authenticate identifies who asks before anything else of the request is looked at.
func (s *server) authenticate(ctx huma.Context, next func(huma.Context)) {
	x, op := exchangeOf(ctx.Context()), ctx.Operation()
	x.operation = op.OperationID
	optional := slices.ContainsFunc(op.Security, func(need map[string][]string) bool { return len(need) == 0 })
	if authorization := ctx.Header("Authorization"); authorization != "" || !optional {
		who, err := s.Tokens.Identify(ctx.Context(), authorization)
		if err != nil {
			_, w := humago.Unwrap(ctx)
			writeProblem(w, x, s.unidentified(err))
			return
		}
		who.SourceAddress, who.CorrelationID = x.source, x.trace
		x.who = who
	}
	next(statusContext{ctx, x})
}

// humaContext gives the embedded context a name that is not one of its methods.
type humaContext = huma.Context

// statusContext lets a problem set the status, also where huma has chosen another for the same fault.
type statusContext struct {
	humaContext
	x *exchange
}

// SetStatus sets the status.
func (c statusContext) SetStatus(status int) {
	if c.x.problem != nil {
		status = c.x.problem.Status
	}
	c.humaContext.SetStatus(status)
}

// Unwrap lets humago find its own context.
func (c statusContext) Unwrap() huma.Context { return c.humaContext }

// writeProblem answers outside of an operation.
func writeProblem(w http.ResponseWriter, x *exchange, p *problem) {
	x.refuse(p)
	for name, values := range p.headers {
		w.Header()[name] = values
	}
	if x.plain {
		w.Header().Set("Content-Type", textType)
		w.WriteHeader(p.Status)
		fmt.Fprint(w, p.Detail) // into memory
		return
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.Encode(p) // as above
}

// reply holds everything back until it is sent, so that it goes out whole, with its length, or is replaced by a problem. Every
// answer of this API is made in memory before its first byte is written, so it is only held a moment longer.
type reply struct {
	http.ResponseWriter
	status int // the first that is set, as in net/http; 0 before
	body   bytes.Buffer
}

// WriteHeader sets the status.
func (r *reply) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write adds to the body.
func (r *reply) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// Unwrap lets http.ResponseController, and huma, reach the connection's deadlines.
func (r *reply) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// forget takes everything back.
func (r *reply) forget() {
	r.status = 0
	r.body.Reset()
	clear(r.Header())
}

// send sends what there is. A client that has gone away needs no answer.
func (r *reply) send() {
	r.WriteHeader(http.StatusOK)
	if r.status != http.StatusNoContent {
		r.Header().Set("Content-Length", strconv.Itoa(r.body.Len()))
	}
	r.ResponseWriter.WriteHeader(r.status)
	_, _ = r.ResponseWriter.Write(r.body.Bytes())
}
