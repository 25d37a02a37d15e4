package funchost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// raw sends a request line as it is, which net/http's client would not, and returns the status code.
func raw(t *testing.T, h *Host, method, target string, headers ...string) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n", method, target)
	for _, line := range headers {
		fmt.Fprintf(conn, "%s\r\n", line)
	}
	fmt.Fprint(conn, "\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// No request from outside may arrive at the handler under another path than /api or below it: the host's own
// invocations are told apart by nothing else.
func TestTraversal(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding, "StatusChanged": eventBinding}, nil)
	h := a.start()
	tests := []struct {
		method, target string
		status         int
		arrives        string // target at the handler, empty if it must not arrive
	}{
		{"POST", "/StatusChanged", 404, ""},
		{"POST", "/api/../StatusChanged", 404, ""},
		{"POST", "/api/%2e%2e/StatusChanged", 404, ""},
		{"POST", "/api/%2E./StatusChanged", 404, ""},
		{"POST", "/api/x/../../StatusChanged", 404, ""},
		{"POST", "//StatusChanged", 404, ""},
		{"POST", "//api/../StatusChanged", 404, ""},
		{"POST", "/./StatusChanged", 404, ""},
		{"POST", "/%53tatusChanged", 404, ""},
		{"POST", "/%2fStatusChanged", 404, ""},
		{"POST", "/api%2f../StatusChanged", 404, ""},
		{"POST", "/api%2f..%2fStatusChanged", 404, ""},
		{"POST", "/StatusChanged?/api/", 404, ""},
		{"POST", "/api/..;/StatusChanged", 200, "/api/..;/StatusChanged"},
		{"POST", "/api/%252e%252e/StatusChanged", 200, "/api/%252e%252e/StatusChanged"},
		{"POST", "/api/..%2fStatusChanged", 200, "/api/..%252fStatusChanged"},
		{"POST", "/api/..%5cStatusChanged", 200, "/api/..%5CStatusChanged"},
		{"POST", `/api/..\StatusChanged`, 200, "/api/..%5CStatusChanged"},
		{"POST", "/api//StatusChanged", 200, "/api//StatusChanged"},
		{"POST", "/api/StatusChanged", 200, "/api/StatusChanged"},
		{"POST", "/api", 200, "/api"},
		{"POST", "/API/x", 200, "/API/x"},
		{"POST", "http://other.test/api/../StatusChanged", 404, ""},
		{"POST", "http://other.test/api/x", 200, "/api/x"},
		{"POST", "http://other.test?/api/x", 200, ""}, // the home page
		{"POST", "/api/%00", 400, ""},
		{"POST", "/api/%zz", 400, ""},
		{"OPTIONS", "*", 404, ""},
		{"CONNECT", "/StatusChanged", 404, ""},
		{"BREW", "/api/coffee", 200, "/api/coffee"},
		{"GET", "/", 200, ""},
		{"GET", "/api/" + strings.Repeat("x", maxRequestLine), 414, ""},
		{"POST", "/admin/functions/StatusChanged", 401, ""},
		{"POST", "/api/../admin/functions/StatusChanged", 401, ""},
		{"POST", "/runtime/webhooks/eventgrid?functionName=StatusChanged", 401, ""},
		{"POST", "/runtime/webhooks/other", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target[:min(len(tt.target), 60)], func(t *testing.T) {
			a.mu.Lock()
			a.calls = nil
			a.mu.Unlock()
			status := raw(t, h, tt.method, tt.target, "User-Agent: Azure-Functions-Host/4.0", "X-Azure-Functions-InvocationId: forged", "Content-Length: 0")
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			var got []string
			a.mu.Lock()
			for _, c := range a.calls {
				got = append(got, c.URI)
				if id := c.Header.Get(headerInvocation); id == "forged" {
					t.Error("a forged invocation id reached the handler")
				}
			}
			a.mu.Unlock()
			var want []string
			if tt.arrives != "" {
				want = []string{tt.arrives}
			}
			if !slices.Equal(got, want) {
				t.Errorf("the handler got %q, want %q", got, want)
			}
		})
	}
}

func TestProxiedRequest(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	a.reply(func(call) reply {
		return reply{Status: 409, ContentType: "application/problem+json", Header: http.Header{"X-Answer": {"1", "2"}}, Body: "no"}
	})
	h := a.start()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, h.URL()+"/api/a%20b?q=1&q=2;x&bad=%zz", strings.NewReader("payload"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "public.test"
	req.Header = http.Header{
		"Authorization": {"Bearer t"}, "User-Agent": {"curl/8"}, "Content-Encoding": {"identity"}, "Content-Md5": {"abc"},
		"X-Twice": {"a", "b"}, "X-Azure-Functions-Invocationid": {"forged"}, "X-Ms-Invocation-Id": {"forged"}, "X-Forwarded-For": {"10.0.0.1"},
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 409 || string(body) != "no" || !slices.Equal(res.Header["X-Answer"], []string{"1", "2"}) {
		t.Errorf("answer is %d %q %v", res.StatusCode, body, res.Header)
	}
	calls := a.got("/api/a%20b?q=1&q=2;x&bad=%zz")
	if len(calls) != 1 {
		t.Fatalf("calls are %+v", a.calls)
	}
	c := calls[0]
	if c.Method != http.MethodPatch || string(c.Body) != "payload" || c.Chunked || c.Host != "public.test" {
		t.Errorf("call is %s %q, chunked %v, host %s", c.Method, c.Body, c.Chunked, c.Host)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer t", "User-Agent": "curl/8", "Content-Encoding": "identity", "Content-Md5": "abc",
		"X-Twice": "a,b", "X-Forwarded-For": "10.0.0.1,127.0.0.1", "X-Forwarded-Host": "public.test", "X-Forwarded-Proto": "http",
	} {
		if got := strings.Join(c.Header[name], ","); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	id := c.Header.Get(headerInvocation)
	if len(id) != 36 || c.Header.Get("x-ms-invocation-id") != id || c.Header.Get(headerVersion) != hostVersion {
		t.Errorf("the host's headers are %v", c.Header)
	}
	if s := h.Stats()["Api"]; s.Invocations != 1 || s.Failures != 0 {
		t.Errorf("stats are %+v, a status of the app is no failure", s)
	}
	for _, secret := range []string{"Bearer t", "q=1", "payload"} {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
}

// Both directions stream: an answer to one line comes before the next is sent, with and without a known length.
func TestProxyStreams(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	h := a.start()
	words := []string{"one", "two", "three"}
	for _, query := range []string{"", "?length=17"} {
		t.Run("query "+query, func(t *testing.T) {
			upload, send := io.Pipe()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL()+"/api/stream"+query, upload)
			if err != nil {
				t.Fatal(err)
			}
			next := make(chan string, 1)
			go func() {
				for word := range next {
					if _, err := fmt.Fprintln(send, word); err != nil {
						return
					}
				}
				send.Close()
			}()
			next <- words[0]
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			lines := bufio.NewScanner(res.Body)
			for i, word := range words {
				if !lines.Scan() || lines.Text() != word+"!" {
					t.Fatalf("got %q, %v; want %s!", lines.Text(), lines.Err(), word)
				}
				if i+1 < len(words) {
					next <- words[i+1]
				}
			}
			close(next)
			if lines.Scan() || lines.Err() != nil {
				t.Errorf("after the last line: %q, %v", lines.Text(), lines.Err())
			}
		})
	}
}

func TestBodyLimit(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	a.opts.Env = append(a.opts.Env, "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=1000")
	h := a.start()
	body := func(n int) string { return strings.Repeat("x", n) }
	chunked := func(n int) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL()+"/api/x", struct{ io.Reader }{strings.NewReader(body(n))})
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	for n, want := range map[int]int{1000: 200, 1001: 413} {
		if status, _ := post(t, "POST", h.URL()+"/api/x", body(n), nil); status != want {
			t.Errorf("%d bytes: status %d, want %d", n, status, want)
		}
		if status := chunked(n); status != want {
			t.Errorf("%d bytes in chunks: status %d, want %d", n, status, want)
		}
	}
}

func TestMethodsOfTheRoute(t *testing.T) {
	a := newApp(t, map[string]string{"Api": strings.Replace(apiBinding, `"route"`, `"methods":["get"],"route"`, 1)}, nil)
	h := a.start()
	for method, want := range map[string]int{"GET": 200, "POST": 404, "HEAD": 404} {
		if status, _ := post(t, method, h.URL()+"/api/x", "", nil); status != want {
			t.Errorf("%s: status %d, want %d", method, status, want)
		}
	}
}

// Whatever passes keeps a request alive; only silence ends it.
func TestActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = time.Minute
		ctx, watch, stop := watchActivity(t.Context(), limit)
		defer stop()
		body := watch.wrap(io.NopCloser(strings.NewReader("0123456789")))
		for range 10 {
			<-time.After(limit - time.Second)
			if _, err := body.Read(make([]byte, 1)); err != nil || ctx.Err() != nil {
				t.Fatalf("after %v: %v, %v", limit-time.Second, err, ctx.Err())
			}
		}
		<-time.After(limit)
		synctest.Wait()
		if err := context.Cause(ctx); !errors.Is(err, errNoActivity) {
			t.Errorf("after %v of silence: %v", limit, err)
		}
	})
}

func TestIdleProxyTimesOut(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	a.reply(func(call) reply { <-release; return done() })
	h := a.start()
	h.activity = 100 * time.Millisecond
	pid := h.PID()
	if status, _ := post(t, "GET", h.URL()+"/api/x", "", nil); status != http.StatusGatewayTimeout {
		t.Errorf("status %d, want 504", status)
	}
	if h.PID() != pid {
		t.Error("an idle request cost the handler its life")
	}
}

func TestCrashDuringARequest(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	entered := make(chan struct{}, 1)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	a.reply(func(c call) reply {
		entered <- struct{}{}
		<-release
		return done()
	})
	h := a.start()
	go func() {
		<-entered
		h.Kill()
	}()
	if status, _ := post(t, "GET", h.URL()+"/api/x", "", nil); status != http.StatusBadGateway {
		t.Errorf("status %d, want 502", status)
	}
	if s := h.Stats()["Api"]; s.Failures != 1 || s.Running != 0 {
		t.Errorf("stats are %+v", s)
	}
}

func TestMostSpecificRouteWins(t *testing.T) {
	route := func(template string) string { return strings.Replace(apiBinding, "{*path}", template, 1) }
	a := newApp(t, map[string]string{"All": apiBinding, "Item": route("items/{id}"), "List": route("items")}, nil)
	h := a.start()
	for path, name := range map[string]string{"/api/items": "List", "/api/items/7": "Item", "/api/items/7/8": "All", "/api": "All"} {
		before := h.Stats()[name].Invocations
		if status, _ := post(t, "GET", h.URL()+path, "", nil); status != 200 {
			t.Errorf("%s: status %d", path, status)
		}
		if h.Stats()[name].Invocations != before+1 {
			t.Errorf("%s did not go to %s: %+v", path, name, h.Stats())
		}
	}
}
