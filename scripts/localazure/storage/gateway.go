package storage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"airlock/scripts/localazure/buffer"
)

const idleUpstream = 30 * time.Second

// gateway stands in front of Azurite, the same behind both doors: it finds the account of a request, lets Azurite answer it,
// and adds what Azurite lacks. Bodies stream through; none is held.
type gateway struct {
	addressing
	at       func() *addresses // Azurite's
	events   *raiser
	deleted  *tombstones
	requests *counters
	log      func(string)
	proxy    *httputil.ReverseProxy
}

// exchange is what is known of a request while it is with Azurite.
type exchange struct {
	svc  service
	path string // Azurite's, escaped
	res  resource
	api  string // of the event that its success raises, or ""
}

type exchangeKey struct{}

func newGateway(a addressing, child *azurite, transport http.RoundTripper, events *raiser, deleted *tombstones, logLine func(string)) *gateway {
	g := &gateway{
		addressing: a, at: child.at.Load, events: events, deleted: deleted, requests: newCounters(), log: logLine,
	}
	g.proxy = &httputil.ReverseProxy{
		Transport:      transport,
		Rewrite:        g.rewrite,
		ModifyResponse: g.modifyResponse,
		ErrorHandler:   g.upstreamError,
		ErrorLog:       log.New(lineSink(logLine), "gateway: ", 0),
		BufferPool:     &buffer.Pool{},
	}
	return g
}

// newUpstream is the way to Azurite. It goes through no proxy, and leaves bodies and their encoding alone.
func newUpstream(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     idleUpstream,
	}
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if answerCORS(w, r) {
		return
	}
	x := &exchange{}
	x.svc, x.path = g.azuritePath(r.Host, r.URL.EscapedPath())
	if x.svc == blobService {
		x.res, _ = parseResource(x.path)
		x.api = writeAPI(r, x.res)
	}
	g.requests.add(r, operation(r, x))
	if r.Method == http.MethodPut && isContainerRequest(r, x.res) && g.deleted.has(x.res.account, x.res.container) {
		writeError(w, r, http.StatusConflict, "ContainerBeingDeleted", "The specified container is being deleted. Try operation later.")
		return
	}
	g.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
}

func (g *gateway) rewrite(pr *httputil.ProxyRequest) {
	x := pr.In.Context().Value(exchangeKey{}).(*exchange)
	at := g.at()
	addr := at.blob
	if x.svc == tableService {
		addr = at.table
	}
	// An escaped path always decodes: the server has done it once already.
	path, _ := url.PathUnescape(x.path)
	pr.Out.URL = &url.URL{Scheme: "https", Host: addr, Path: path, RawPath: x.path, RawQuery: pr.In.URL.RawQuery}
	pr.Out.Host = ""
	for name, values := range pr.Out.Header {
		switch {
		case name == "X-Ms-Copy-Source":
			values[0] = g.azuriteCopySource(values[0], at.blob)
		case strings.HasPrefix(name, "X-Ms-Meta-"):
			// Azurite keeps the case in which a metadata name arrives, and reading the request has changed it. Lower case is
			// the one form that all clients can rely on.
			delete(pr.Out.Header, name)
			pr.Out.Header[strings.ToLower(name)] = values
		}
	}
}

func (g *gateway) modifyResponse(resp *http.Response) error {
	x := resp.Request.Context().Value(exchangeKey{}).(*exchange)
	if resp.StatusCode/100 != 2 {
		return nil
	}
	if resp.Request.Method == http.MethodDelete && isContainerRequest(resp.Request, x.res) {
		g.deleted.add(x.res.account, x.res.container)
	}
	if x.api != "" {
		if err := g.events.raise(resp.Request.Context(), x.api, x.res, resp); err != nil {
			g.log("gateway: " + err.Error())
		}
	}
	return nil
}

// upstreamError answers when Azurite did not. A request that never reached it is refused as Azure does when it is busy, which
// clients retry. Of one that did, nobody knows what became of it, and the connection breaks, as it does in the real world.
func (g *gateway) upstreamError(w http.ResponseWriter, r *http.Request, err error) {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		writeError(w, r, http.StatusServiceUnavailable, "ServerBusy", "The server is busy.")
		return
	}
	panic(http.ErrAbortHandler)
}

// isContainerRequest tells whether a request is for a container itself: to create it or to delete it.
func isContainerRequest(r *http.Request, res resource) bool {
	query := r.URL.Query()
	return res.container != "" && res.blob == "" && query.Get("restype") == "container" && query.Get("comp") == ""
}

// answerCORS lets scripts of any origin use the storage, as a CORS rule of the account would, and answers their preflight
// requests. Links carry their own authority; no cookie or other ambient credential exists.
func answerCORS(w http.ResponseWriter, r *http.Request) (done bool) {
	if r.Header.Get("Origin") == "" {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "*")
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", method)
	if headers := r.Header.Get("Access-Control-Request-Headers"); headers != "" {
		h.Set("Access-Control-Allow-Headers", headers)
	}
	h.Set("Access-Control-Max-Age", "3600")
	return true
}

// writeError answers as the Blob service does.
func writeError(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	h := w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("X-Ms-Error-Code", code)
	if id := r.Header.Get("X-Ms-Client-Request-Id"); id != "" {
		h.Set("X-Ms-Client-Request-Id", id)
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: message})
	if err != nil {
		panic(err) // two strings can always be encoded
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(append([]byte(xml.Header), body...))
	}
}

// lineSink gives what a log.Logger writes, one line at a time, to a function.
type lineSink func(string)

func (s lineSink) Write(b []byte) (int, error) {
	s(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}
