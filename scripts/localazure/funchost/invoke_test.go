package funchost

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	const js = "application/json"
	tests := []struct {
		name    string
		status  int
		media   string
		body    string
		ok      bool
		hangs   bool
		logs    int
		contain string
	}{
		{"empty object", 200, js, `{}`, true, false, 0, ""},
		{"charset", 200, js + "; charset=utf-8", `{}`, true, false, 0, ""},
		{"text/json", 200, "text/json", `{}`, true, false, 0, ""},
		{"201", 201, js, `{}`, true, false, 0, ""},
		{"logs", 200, js, `{"Outputs":{},"Logs":["a","b"],"ReturnValue":null}`, true, false, 2, ""},
		{"case does not matter", 200, js, `{"logs":["a"]}`, true, false, 1, ""},
		{"unknown names", 200, js, `{"key1":"value1"}`, true, false, 0, ""},
		{"empty body", 200, js, ``, false, true, 0, ""},
		{"empty text", 200, "text/plain", ``, false, true, 0, ""},
		{"204", 204, "", ``, false, true, 0, ""},
		{"null", 200, js, `null`, false, true, 0, ""},
		{"sniffed text", 200, "text/plain; charset=utf-8", `{}`, false, false, 0, "text/plain"},
		{"problem json", 200, "application/problem+json", `{}`, false, false, 0, "problem"},
		{"no media type", 200, "", `{}`, false, false, 0, "media type"},
		{"no JSON", 200, js, `{`, false, false, 0, "decode"},
		{"array", 200, js, `[]`, false, false, 0, "decode"},
		{"logs are no list", 200, js, `{"Logs":"a"}`, false, false, 0, "decode"},
		{"400", 400, js, `{}`, false, false, 0, "400"},
		{"500", 500, js, `{"Logs":["a"]}`, false, false, 0, "500"},
		{"304", 304, js, ``, false, false, 0, "304"},
		{"too long", 200, js, `{}` + strings.Repeat(" ", maxResponse), false, false, 0, "longer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			logs, err := judge(tt.status, tt.media, []byte(tt.body))
			if (err == nil) != tt.ok || errors.Is(err, errNoResult) != tt.hangs || len(logs) != tt.logs {
				t.Fatalf("got %v, %v; want success %v, hanging %v, %d logs", logs, err, tt.ok, tt.hangs, tt.logs)
			}
			if err != nil && !strings.Contains(err.Error(), tt.contain) {
				t.Errorf("error is %v, want it to say %q", err, tt.contain)
			}
		})
	}
}

func TestInvocationRequest(t *testing.T) {
	a := newApp(t, map[string]string{"Sweep": timerBinding}, nil)
	a.opts.Timers = map[string]time.Duration{"Sweep": -1}
	a.reply(func(call) reply {
		return reply{Status: 200, ContentType: "application/json", Body: `{"Logs":["swept the floor"]}`}
	})
	h := a.start()
	if err := h.RunTimer(t.Context(), "Sweep"); err != nil {
		t.Fatal(err)
	}
	calls := a.got("/Sweep")
	if len(calls) != 1 {
		t.Fatalf("%d calls of /Sweep, want 1", len(calls))
	}
	c := calls[0]
	if c.Method != http.MethodPost || !c.Chunked {
		t.Errorf("%s, chunked %v; want POST in chunks", c.Method, c.Chunked)
	}
	if got := c.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
	if got := c.Header.Get("User-Agent"); !strings.HasPrefix(got, "Azure-Functions-Host/4.") {
		t.Errorf("User-Agent is %q", got)
	}
	if id := c.Header.Get("X-Azure-Functions-InvocationId"); len(id) != 36 || !strings.Contains(a.log.String(), id) {
		t.Errorf("invocation id %q is no GUID or not in the log", id)
	}
	if got := c.Header.Get("X-Azure-Functions-HostVersion"); !strings.HasPrefix(got, "4.") {
		t.Errorf("host version is %q", got)
	}
	if !strings.Contains(a.log.String(), "swept the floor") {
		t.Error("the handler's Logs are not in the log")
	}
	if s := h.Stats()["Sweep"]; s.Invocations != 1 || s.Failures != 0 || s.Running != 0 || s.Total <= 0 || s.Longest != s.Total {
		t.Errorf("stats are %+v", s)
	}
}

func TestFailuresAreCounted(t *testing.T) {
	a := newApp(t, map[string]string{"Sweep": timerBinding}, nil)
	a.opts.Timers = map[string]time.Duration{"Sweep": -1}
	a.reply(func(call) reply { return reply{Status: 500, ContentType: "application/json", Body: "{}"} })
	h := a.start()
	err := h.RunTimer(t.Context(), "Sweep")
	if err == nil || !strings.Contains(err.Error(), "Sweep") || !strings.Contains(err.Error(), "500") {
		t.Errorf("error is %v", err)
	}
	if s := h.Stats()["Sweep"]; s.Invocations != 1 || s.Failures != 1 {
		t.Errorf("stats are %+v", s)
	}
	if err := h.RunTimer(t.Context(), "None"); err == nil {
		t.Error("a timer that is not there ran")
	}
}

// An empty answer hangs until functionTimeout; then the handler is replaced, which breaks everything else that
// runs in it, and costs nothing of the error budget.
func TestEmptyAnswerHangsUntilTheTimeout(t *testing.T) {
	a := newApp(t, map[string]string{"Hang": timerBinding, "Other": timerBinding}, map[string]any{"functionTimeout": "00:00:00.5"})
	a.opts.Timers = map[string]time.Duration{"Hang": -1, "Other": -1}
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	a.reply(func(c call) reply {
		if c.URI == "/Other" {
			<-release
		}
		return reply{Status: 200, ContentType: "application/json"}
	})
	h := a.start()
	for range 4 { // more often than crashes are allowed
		old := h.PID()
		start := time.Now()
		before := len(a.got("/Other"))
		hang, other := make(chan error, 1), make(chan error, 1)
		go func() { hang <- h.RunTimer(t.Context(), "Hang") }()
		eventually(t, "the first invocation", func() bool { return len(a.got("/Hang")) > before })
		go func() { other <- h.RunTimer(t.Context(), "Other") }()
		if err := <-hang; !errors.Is(err, ErrFunctionTimeout) {
			t.Fatalf("the empty answer gave %v", err)
		}
		if took := time.Since(start); took < 500*time.Millisecond {
			t.Errorf("the timeout came after %v", took)
		}
		if err := <-other; err == nil {
			t.Error("an invocation survived its handler")
		}
		eventually(t, "another handler", func() bool { pid := h.PID(); return pid != 0 && pid != old })
	}
	if h.Err() != nil {
		t.Errorf("the host gave up: %v", h.Err())
	}
}

// Two invocations that time out together replace the handler once; the second must not cost its successor.
func TestTwoTimeoutsReplaceTheHandlerOnce(t *testing.T) {
	a := newApp(t, map[string]string{"A": timerBinding, "B": timerBinding}, map[string]any{"functionTimeout": "00:00:00.5"})
	a.opts.Timers = map[string]time.Duration{"A": -1, "B": -1}
	a.reply(func(call) reply { return reply{Status: 200, ContentType: "application/json"} })
	h := a.start()
	ended := make(chan error)
	for _, name := range []string{"A", "B"} {
		go func() { ended <- h.RunTimer(t.Context(), name) }()
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, ErrFunctionTimeout) {
			t.Errorf("error is %v", err)
		}
	}
	a.reply(nil)
	if err := h.RunTimer(t.Context(), "A"); err != nil {
		t.Errorf("the new handler: %v", err)
	}
	if n := strings.Count(a.log.String(), "restarting handler"); n != 1 {
		t.Errorf("%d restarts, want 1", n)
	}
}

func TestSlowHandlerTimesOut(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, map[string]any{"functionTimeout": "00:00:00.3"})
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	a.reply(func(c call) reply {
		if c.URI == "/api/slow" {
			<-release
		}
		return done()
	})
	h := a.start()
	old := h.PID()
	if status, _ := post(t, "GET", h.URL()+"/api/slow", "", nil); status != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", status)
	}
	eventually(t, "another handler", func() bool { pid := h.PID(); return pid != 0 && pid != old })
	if status, _ := post(t, "GET", h.URL()+"/api/x", "", nil); status != 200 {
		t.Errorf("status %d of the new handler", status)
	}
	if s := h.Stats()["Api"]; s.Invocations != 2 || s.Failures != 1 {
		t.Errorf("stats are %+v", s)
	}
}

// Without a proxying host in between, answering a trigger with a redirect makes the host follow it.
func TestTriggerRedirectIsFollowed(t *testing.T) {
	a := newApp(t, map[string]string{"Sweep": timerBinding}, nil)
	a.opts.Timers = map[string]time.Duration{"Sweep": -1}
	a.reply(func(c call) reply {
		if c.URI == "/Sweep" {
			return reply{Status: http.StatusFound, Header: http.Header{"Location": {"/elsewhere"}}}
		}
		return done()
	})
	h := a.start()
	if err := h.RunTimer(t.Context(), "Sweep"); err != nil {
		t.Fatal(err)
	}
	if calls := a.got("/elsewhere"); len(calls) != 1 || calls[0].Method != http.MethodGet {
		t.Errorf("calls after the redirect: %s", fmt.Sprint(calls))
	}
}
