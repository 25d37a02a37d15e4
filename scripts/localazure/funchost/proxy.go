package funchost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxRequestLine is the longest method and target together. Azure: URLs of up to 8192 characters.
const maxRequestLine = 8192

// gather is how long a piece of an answer waits for more. An answer that is there at once goes out in one piece, and one that
// comes little by little does so here too. What has no length is passed on without a wait.
const gather = time.Millisecond

// errNoActivity ends a proxied request over which nothing passes any more.
var errNoActivity = errors.New("nothing was sent or received for too long")

// public answers a request from outside. Only requests that match the route of an HTTP function reach the
// handler; everything else is the host's own or 404. The path is judged after decoding and after removing dot
// segments, and what was judged is what is sent on: /api/../X and /api/%2e%2e/X are both /X, hence 404.
func (h *Host) public(w http.ResponseWriter, r *http.Request) {
	if len(r.Method)+len(r.RequestURI) > maxRequestLine {
		w.WriteHeader(http.StatusRequestURITooLong)
		return
	}
	raw, ok := rawPath(r)
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	path := decodePath(raw)
	if strings.ContainsRune(path, 0) {
		w.WriteHeader(http.StatusBadRequest) // Kestrel takes no NUL in a path
		return
	}
	if r.ContentLength > h.bodyLimit {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, h.bodyLimit)
	parts := strings.Split(strings.ToLower(path), "/")
	switch {
	case len(parts) > 2 && parts[1] == "admin":
		h.admin(w, r, path)
		return
	case len(parts) > 3 && parts[1] == "runtime" && parts[2] == "webhooks":
		h.webhook(w, r, parts[3:])
		return
	}
	if f := h.match(r.Method, path); f != nil {
		h.proxy(w, r, f, path)
		return
	}
	if path == "/" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		// The page is for people; if they left, so be it.
		_, _ = io.WriteString(w, "Your function app is up and running.\n")
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

// rawPath is the path of the request target as it came, without the query.
func rawPath(r *http.Request) (string, bool) {
	target, _, _ := strings.Cut(r.RequestURI, "?")
	if r.URL.IsAbs() { // a target such as http://name/path, as proxies send it
		_, rest, _ := strings.Cut(target, "://")
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:], true
		}
		return "/", true
	}
	return target, strings.HasPrefix(target, "/")
}

// match finds the HTTP function for a request, the one with the most specific route first.
func (h *Host) match(method, path string) *function {
	var found *function
	for _, f := range h.functions {
		if f.trigger.Type != httpTrigger || !f.route.matches(method, path) {
			continue
		}
		if found == nil || compareRoutes(f.route, found.route) < 0 {
			found = f
		}
	}
	return found
}

// proxy runs an HTTP function as one invocation.
func (h *Host) proxy(w http.ResponseWriter, r *http.Request, f *function, path string) {
	id := h.newID()
	end := h.stats.begin(f.name)
	start := h.opts.Now()
	failure := errors.New("the connection broke while the answer was passed on")
	defer func() { // also when the copying is given up by a panic, which net/http expects to see
		took := h.opts.Now().Sub(start)
		end(took, failure != nil)
		h.outcome(f, id, took, failure)
	}()
	failure = h.forward(w, r, id, path, &failure)
}

// forward passes a request to the handler and streams the answer back, whatever its status. When it panics
// because the answer breaks off, the reason is in failure if it is known.
func (h *Host) forward(w http.ResponseWriter, r *http.Request, id, path string, failure *error) (err error) {
	l, err := h.worker.acquire(r.Context())
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return err
	}
	limited, cancel := h.withFunctionTimeout(r.Context())
	defer cancel()
	ctx, watch, stop := watchActivity(limited, h.activity)
	defer stop()
	defer func() {
		if errors.Is(context.Cause(ctx), ErrFunctionTimeout) {
			*failure, err = ErrFunctionTimeout, ErrFunctionTimeout
			h.worker.replace(l)
		}
	}()
	r.Body = watch.wrap(r.Body)
	// Kestrel lets an answer begin while the request still comes; net/http must be told to.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return fmt.Errorf("prepare to stream: %w", err)
	}
	proxy := &httputil.ReverseProxy{
		Transport:     h.transport,
		FlushInterval: gather,
		BufferPool:    &h.buffers,
		ErrorLog:      h.server.ErrorLog,
		Rewrite:       func(p *httputil.ProxyRequest) { rewrite(p, l, id, path) },
		ModifyResponse: func(res *http.Response) error {
			if res.StatusCode != http.StatusSwitchingProtocols { // its body must stay writable
				res.Body = watch.wrap(res.Body)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, cause error) {
			err = fmt.Errorf("forward the request: %w", cause)
			w.WriteHeader(proxyStatus(ctx, cause))
		},
	}
	proxy.ServeHTTP(w, r.WithContext(ctx))
	return err
}

// proxyStatus is what the client sees when the handler could not be asked.
func proxyStatus(ctx context.Context, err error) int {
	var tooLarge *http.MaxBytesError
	switch cause := context.Cause(ctx); {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(cause, ErrFunctionTimeout):
		return http.StatusInternalServerError
	case errors.Is(cause, errNoActivity):
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// rewrite addresses the request to the handler: the path as routed, the query as it came, all headers but those
// of the connection itself, and what the host adds.
func rewrite(p *httputil.ProxyRequest, l lease, id, path string) {
	host, _ := strings.CutPrefix(l.base, "http://")
	p.Out.URL = &url.URL{
		Scheme: "http", Host: host, Path: path, RawPath: encodePath(path),
		RawQuery: p.In.URL.RawQuery, ForceQuery: p.In.URL.ForceQuery,
	}
	for name, values := range p.In.Header {
		if strings.HasPrefix(name, "X-Forwarded-") || name == "Forwarded" {
			p.Out.Header[name] = slices.Clone(values)
		}
	}
	appendForwarded(p)
	if _, ok := p.In.Header["User-Agent"]; !ok {
		p.Out.Header["User-Agent"] = []string{""} // keeps net/http from adding its own
	}
	p.Out.Header.Set(headerInvocation, id)
	p.Out.Header.Set(headerVersion, hostVersion)
	p.Out.Header.Set("x-ms-invocation-id", id)
}

// appendForwarded adds this hop to X-Forwarded-For, -Host and -Proto, as the host's proxy does.
func appendForwarded(p *httputil.ProxyRequest) {
	client := p.In.RemoteAddr
	if i := strings.LastIndexByte(client, ':'); i >= 0 {
		client = strings.Trim(client[:i], "[]")
	}
	for name, value := range map[string]string{"For": client, "Host": p.In.Host, "Proto": "http"} {
		name = "X-Forwarded-" + name
		p.Out.Header[name] = append(p.Out.Header[name], value)
	}
}

// activity cancels a context when nothing has passed for too long.
type activity struct {
	timer *time.Timer
	limit time.Duration
}

// watchActivity derives a context that ends with errNoActivity unless bytes keep passing through wrapped bodies.
func watchActivity(parent context.Context, limit time.Duration) (context.Context, *activity, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	timer := time.AfterFunc(limit, func() { cancel(errNoActivity) })
	return ctx, &activity{timer: timer, limit: limit}, func() {
		timer.Stop()
		cancel(nil)
	}
}

// wrap makes every read of a body count as activity.
func (a *activity) wrap(body io.ReadCloser) io.ReadCloser {
	return &activeBody{ReadCloser: body, activity: a}
}

type activeBody struct {
	io.ReadCloser
	activity *activity
}

func (b *activeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	// Reset on a timer that has fired would cancel nothing any more and is harmless.
	b.activity.timer.Reset(b.activity.limit)
	return n, err
}
