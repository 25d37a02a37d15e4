package customhandler_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"airlock/handlers/internal/customhandler"
)

// host is a server with one function, StatusChanged, and everything that reached its inside.
type host struct {
	*customhandler.Server
	mu      sync.Mutex
	reports []customhandler.Report
	runs    []customhandler.Invocation
	proxied []string // raw targets that reached the HTTP handler
}

// newHost serves trigger as StatusChanged; nil is a trigger that succeeds.
func newHost(t *testing.T, trigger customhandler.Trigger) *host {
	t.Helper()
	h := new(host)
	server, err := customhandler.New(customhandler.Options{
		Functions: map[string]customhandler.Trigger{
			"StatusChanged": func(ctx context.Context, inv customhandler.Invocation) error {
				h.mu.Lock()
				h.runs = append(h.runs, inv)
				h.mu.Unlock()
				if trigger == nil {
					return nil
				}
				return trigger(ctx, inv)
			},
		},
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.mu.Lock()
			h.proxied = append(h.proxied, r.Method+" "+r.URL.EscapedPath())
			h.mu.Unlock()
			w.WriteHeader(http.StatusTeapot)
		}),
		Timeout: time.Minute,
		Grace:   10 * time.Second,
		MaxBody: 1 << 16,
		Report: func(r customhandler.Report) {
			h.mu.Lock()
			h.reports = append(h.reports, r)
			h.mu.Unlock()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Server = server
	return h
}

// call sends what the host would send, with the target left as it is.
func (h *host) call(method, target, body string) *http.Response {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.RequestURI = target
	if u, err := url.ParseRequestURI(target); err == nil {
		r.URL = u // decoded, as net/http would have it
	}
	r.Header.Set("User-Agent", "Azure-Functions-Host/4.1052.200")
	r.Header.Set("X-Azure-Functions-InvocationId", "3f0c1f4e-0000-4000-8000-000000000001")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// report is the one report that there must be.
func (h *host) report(t *testing.T) customhandler.Report {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.reports) != 1 {
		t.Fatalf("%d reports, want one: %+v", len(h.reports), h.reports)
	}
	return h.reports[0]
}

// mustBeJSONObject checks what the host needs to take an answer for one.
func mustBeJSONObject(t *testing.T, res *http.Response) map[string]any {
	t.Helper()
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q, want application/json", got)
	}
	var object map[string]any
	err := json.NewDecoder(res.Body).Decode(&object)
	if err != nil || object == nil {
		t.Errorf("body is not a JSON object: %v", err)
	}
	return object
}

const emptyEnvelope = `{"Data":{},"Metadata":{}}`

func TestTriggerOutcomes(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name    string
		trigger customhandler.Trigger
		status  int
		outcome customhandler.Outcome
		err     error
	}{
		{"success", func(context.Context, customhandler.Invocation) error { return nil }, 200, customhandler.Succeeded, nil},
		{"error", func(context.Context, customhandler.Invocation) error { return broken }, 500, customhandler.Failed, broken},
		{"panic", func(context.Context, customhandler.Invocation) error { panic("at the disco") }, 500, customhandler.Panicked, nil},
		{"panic with an error", func(context.Context, customhandler.Invocation) error { panic(broken) }, 500, customhandler.Panicked, nil},
		{"panic that net/http would let through", func(context.Context, customhandler.Invocation) error { panic(http.ErrAbortHandler) }, 500, customhandler.Panicked, nil},
		{"goroutine ended", func(context.Context, customhandler.Invocation) error { runtime.Goexit(); return nil }, 500, customhandler.Panicked, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, tt.trigger)
			res := h.call("POST", "/StatusChanged", emptyEnvelope)
			if res.StatusCode != tt.status {
				t.Errorf("status %d, want %d", res.StatusCode, tt.status)
			}
			mustBeJSONObject(t, res)
			rep := h.report(t)
			if rep.Outcome != tt.outcome || (rep.Err == nil) != (tt.outcome == customhandler.Succeeded) {
				t.Errorf("reported %q with %v, want %q", rep.Outcome, rep.Err, tt.outcome)
			}
			if tt.err != nil && !errors.Is(rep.Err, tt.err) {
				t.Errorf("reported error %v, want %v", rep.Err, tt.err)
			}
			if rep.Function != "StatusChanged" || rep.ID != "3f0c1f4e-0000-4000-8000-000000000001" || rep.Duration < 0 {
				t.Errorf("report %+v does not name its invocation", rep)
			}
			var panicked *customhandler.PanicError
			if tt.outcome == customhandler.Panicked && (!errors.As(rep.Err, &panicked) || len(panicked.Stack) == 0) {
				t.Errorf("reported %v, want a panic with its stack", rep.Err)
			}
		})
	}
}

func TestLogsReachHostAndReport(t *testing.T) {
	h := newHost(t, func(_ context.Context, inv customhandler.Invocation) error {
		for range 150 {
			inv.Log(strings.Repeat("x", 10_000))
		}
		return nil
	})
	object := mustBeJSONObject(t, h.call("POST", "/StatusChanged", emptyEnvelope))
	if logs, ok := object["Logs"].([]any); !ok || len(logs) != 100 || len(logs[0].(string)) != 4096 {
		t.Errorf("the answer's Logs are not the bounded lines: %d", len(logs))
	}
	if rep := h.report(t); len(rep.Logs) != 100 {
		t.Errorf("report has %d lines, want 100", len(rep.Logs))
	}
}

// tricks are request targets that some cleaning, decoding or case folding would turn into a trigger's.
var tricks = []string{
	"/StatusChanged/", "/StatusChanged?x", "/StatusChanged?", "/StatusChanged#x", "/StatusChanged;x", "//StatusChanged",
	"/./StatusChanged", "/../StatusChanged", "/x/../StatusChanged", "/StatusChanged/.", "/StatusChanged/..",
	"/%53tatusChanged", "/%53%74atusChanged", "/%2553tatusChanged", "/StatusChanged%00", "/StatusChanged%20", "/StatusChanged%2f",
	"%2fStatusChanged", "/%2fStatusChanged", "/%2e/StatusChanged", `\StatusChanged`, `/\StatusChanged`, "/%5cStatusChanged",
	"/statuschanged", "/STATUSCHANGED", "/Statuschanged", "/StatusChanged ", " /StatusChanged", "StatusChanged", "", "*",
	"http://127.0.0.1/StatusChanged", "http:///StatusChanged", "//127.0.0.1/StatusChanged", "/http://127.0.0.1/StatusChanged",
	"/api", "/API/StatusChanged", "/Api/x", "/ap%69/x", "/%61pi/StatusChanged", "//api/x", "/./api/x", "/apix", "/api%2fStatusChanged",
	"/Api", "/Unknown", "/admin/functions/StatusChanged", "/runtime/webhooks/eventgrid?functionName=StatusChanged",
}

func TestOtherTargetsAreNobodys(t *testing.T) {
	for _, target := range tricks {
		for _, method := range []string{"POST", "GET", "HEAD", "OPTIONS", "CONNECT"} {
			h := newHost(t, nil)
			res := h.call(method, target, emptyEnvelope)
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("%s %q: status %d, want 404", method, target, res.StatusCode)
			}
			if len(h.runs)+len(h.proxied)+len(h.reports) != 0 {
				t.Errorf("%s %q reached a handler", method, target)
			}
		}
	}
}

func TestTargetsUnderPrefixNeverReachTriggers(t *testing.T) {
	for _, target := range []string{
		"/api/", "/api/StatusChanged", "/api//StatusChanged", "/api/../StatusChanged", "/api/%2e%2e/StatusChanged",
		"/api/..%2fStatusChanged", "/api/..%2FStatusChanged", "/api/%252e%252e/StatusChanged", "/api/x/../../StatusChanged",
		"/api/..;/StatusChanged", "/api/..%5cStatusChanged", "/api/./../StatusChanged", "/api/%2e%2e%2fStatusChanged", "/api/..//StatusChanged?x=1",
	} {
		h := newHost(t, nil)
		server := httptest.NewServer(h)
		r, err := http.NewRequest("POST", server.URL, strings.NewReader(emptyEnvelope))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = target // sent as it is
		r.Header.Set("User-Agent", "Azure-Functions-Host/4")
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		_ = res.Body.Close()
		server.Close()
		path, _, _ := strings.Cut(target, "?")
		if res.StatusCode != http.StatusTeapot || len(h.runs) != 0 || len(h.proxied) != 1 || h.proxied[0] != "POST "+path {
			t.Errorf("%s: status %d, runs %d, proxied %q; want it untouched at the HTTP handler", target, res.StatusCode, len(h.runs), h.proxied)
		}
	}
}

func TestTriggersTakeOnlyPosts(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "post", "Post", "POSTS", "PRI", "X"} {
		h := newHost(t, nil)
		if res := h.call(method, "/StatusChanged", emptyEnvelope); res.StatusCode != 404 || len(h.runs)+len(h.reports) != 0 {
			t.Errorf("%s: status %d, %d runs; want 404 and none", method, res.StatusCode, len(h.runs))
		}
	}
}

func TestTriggersTakeOnlyHosts(t *testing.T) {
	for agent, want := range map[string]int{
		"Azure-Functions-Host/4.1": 200, "Azure-Functions-Host/": 200,
		"": 404, "curl/8": 404, "azure-functions-host/4": 404, "curl Azure-Functions-Host/4": 404, "Azure-Functions-Host": 404,
	} {
		h := newHost(t, nil)
		r := httptest.NewRequest("POST", "/StatusChanged", strings.NewReader(emptyEnvelope))
		r.Header.Set("User-Agent", agent)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want || len(h.runs) != map[int]int{200: 1, 404: 0}[want] {
			t.Errorf("User-Agent %q: status %d and %d runs, want %d", agent, w.Code, len(h.runs), want)
		}
		if rep := h.report(t); (rep.Outcome == customhandler.Refused) != (want == 404) {
			t.Errorf("User-Agent %q: reported %q", agent, rep.Outcome)
		}
	}
}

func TestProbeIsQuiet(t *testing.T) {
	h := newHost(t, nil)
	for _, method := range []string{"GET", "HEAD"} {
		if res := h.call(method, "/", ""); res.StatusCode != 200 {
			t.Errorf("%s /: status %d, want 200", method, res.StatusCode)
		}
	}
	if res := h.call("POST", "/", emptyEnvelope); res.StatusCode != 404 {
		t.Errorf("POST /: status %d, want 404", res.StatusCode)
	}
	if len(h.reports)+len(h.runs)+len(h.proxied) != 0 {
		t.Error("a probe left a trace")
	}
}

func TestUndecodableBodies(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "null": "null", "array": "[]", "string": `"x"`, "cut off": `{"Data":{"message":`, "trailing": emptyEnvelope + "x",
		"two": emptyEnvelope + emptyEnvelope, "no data": `{"Metadata":{}}`, "null data": `{"Data":null}`, "data is a list": `{"Data":[]}`,
		"metadata is a list": `{"Data":{},"Metadata":[]}`, "too large": `{"Data":{"message":"` + strings.Repeat("secret", 1<<14) + `"}}`,
	} {
		h := newHost(t, nil)
		res := h.call("POST", "/StatusChanged", body)
		mustBeJSONObject(t, res)
		rep := h.report(t)
		if res.StatusCode != 500 || rep.Outcome != customhandler.Undecodable || len(h.runs) != 0 {
			t.Errorf("%s: status %d, %q, %d runs; want 500, undecodable, none", name, res.StatusCode, rep.Outcome, len(h.runs))
		}
		if strings.Contains(rep.Err.Error(), "secret") {
			t.Errorf("%s: the error quotes the body", name)
		}
	}
}

func TestDeadlines(t *testing.T) {
	release := make(chan struct{})
	tests := []struct {
		name    string
		trigger customhandler.Trigger
		outcome customhandler.Outcome
		status  int
		took    time.Duration
	}{
		{"ends with its context", func(ctx context.Context, _ customhandler.Invocation) error {
			<-ctx.Done()
			return ctx.Err()
		}, customhandler.Failed, 500, time.Minute},
		{"acknowledges within the grace", func(ctx context.Context, _ customhandler.Invocation) error {
			<-ctx.Done()
			return nil
		}, customhandler.Succeeded, 200, time.Minute},
		{"ignores its context", func(_ context.Context, inv customhandler.Invocation) error {
			<-release
			inv.Log("late")
			panic("late")
		}, customhandler.TimedOut, 500, time.Minute + 10*time.Second},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			release = make(chan struct{})
			h := newHost(t, tt.trigger)
			res := h.call("POST", "/StatusChanged", emptyEnvelope)
			rep := h.report(t)
			if res.StatusCode != tt.status || rep.Outcome != tt.outcome || rep.Duration != tt.took {
				t.Errorf("%s: status %d, %q after %v; want %d, %q after %v", tt.name, res.StatusCode, rep.Outcome, rep.Duration, tt.status, tt.outcome, tt.took)
			}
			close(release)
			synctest.Wait()
			h.report(t) // still one
		})
	}
}

func TestHTTPHasDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := customhandler.New(customhandler.Options{
			HTTP: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), RoutePrefix: "v1",
			Timeout: time.Minute, Report: func(customhandler.Report) { t.Error("an HTTP request was reported") },
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v1/slow", nil))
		if took := time.Since(start); took != time.Minute {
			t.Errorf("the request's context ended after %v, want 1m", took)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	good := func() customhandler.Options {
		return customhandler.Options{
			Functions: map[string]customhandler.Trigger{"Sweep": func(context.Context, customhandler.Invocation) error { return nil }},
			HTTP:      http.NotFoundHandler(), Timeout: time.Second, Report: func(customhandler.Report) {},
		}
	}
	if _, err := customhandler.New(good()); err != nil {
		t.Fatalf("good options: %v", err)
	}
	trigger := good().Functions["Sweep"]
	for name, spoil := range map[string]func(*customhandler.Options){
		"no HTTP":          func(o *customhandler.Options) { o.HTTP = nil },
		"no report":        func(o *customhandler.Options) { o.Report = nil },
		"no timeout":       func(o *customhandler.Options) { o.Timeout = 0 },
		"negative grace":   func(o *customhandler.Options) { o.Grace = -1 },
		"negative body":    func(o *customhandler.Options) { o.MaxBody = -1 },
		"deep prefix":      func(o *customhandler.Options) { o.RoutePrefix = "api/v1" },
		"slash as prefix":  func(o *customhandler.Options) { o.RoutePrefix = "/" },
		"nil trigger":      func(o *customhandler.Options) { o.Functions["X"] = nil },
		"empty name":       func(o *customhandler.Options) { o.Functions[""] = trigger },
		"deep name":        func(o *customhandler.Options) { o.Functions["a/b"] = trigger },
		"name like prefix": func(o *customhandler.Options) { o.Functions["API"] = trigger },
	} {
		o := good()
		spoil(&o)
		if _, err := customhandler.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLongInvocationIDIsCut(t *testing.T) {
	h := newHost(t, nil)
	r := httptest.NewRequest("POST", "/StatusChanged", io.NopCloser(strings.NewReader(emptyEnvelope)))
	r.Header.Set("User-Agent", "Azure-Functions-Host/4")
	r.Header.Set("X-Azure-Functions-InvocationId", strings.Repeat("i", 5000))
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got := len(h.report(t).ID); got != 64 {
		t.Errorf("an id of %d bytes was reported, want 64", got)
	}
}
