package funchost

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestHandlerEnvironment(t *testing.T) {
	t.Setenv("FUNCHOST_TEST_NOT_INHERITED", "x")
	a := newApp(t, map[string]string{"F": eventBinding}, nil)
	h, err := prepare(a.opts)
	if err != nil {
		t.Fatal(err)
	}
	env := settings(h.worker.env(4711))
	for name, want := range map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT": "4711", "FUNCTIONS_HTTPWORKER_PORT": "4711", "FUNCTIONS_APP_ROOT_PATH": a.root,
	} {
		if got, _ := env.lookup(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	id, _ := env.lookup("FUNCTIONS_CUSTOMHANDLER_WORKER_ID")
	legacy, _ := env.lookup("FUNCTIONS_HTTPWORKER_ID")
	if id == "" || id != legacy {
		t.Errorf("worker ids are %q and %q", id, legacy)
	}
	if _, ok := env.lookup(envRelay); !ok {
		t.Error("the handler does not get the app settings")
	}
	if _, ok := env.lookup("FUNCHOST_TEST_NOT_INHERITED"); ok {
		t.Error("the handler inherits the environment of the host's process")
	}
}

func TestStartWaitsForTheHandler(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	a.opts.Env = append(a.opts.Env, envStartup+"=lazy")
	h := a.start()
	if h.PID() == 0 || h.Err() != nil {
		t.Errorf("pid %d, error %v", h.PID(), h.Err())
	}
	if status, _ := post(t, "GET", h.URL()+"/api/x", "", nil); status != 200 {
		t.Errorf("status %d, want 200", status)
	}
	eventually(t, "console lines in the log", func() bool {
		log := a.log.String()
		return strings.Contains(log, `{"level":"info","category":"Host.Function.Console","message":"handler: hello on stdout"}`) &&
			strings.Contains(log, `{"level":"error","category":"Host.Function.Console","message":"handler: hello on stderr"}`)
	})
}

func TestConsoleTakesTheLinesAsTheyAre(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	console := &safeBuffer{}
	a.opts.Console = console
	a.start()
	eventually(t, "lines on the console", func() bool {
		lines := console.String()
		return strings.Contains(lines, "handler: hello on stdout\n") && strings.Contains(lines, "handler: hello on stderr\n")
	})
	if strings.Contains(a.log.String(), "hello on") {
		t.Error("the lines are in the log, too")
	}
}

func TestStartFails(t *testing.T) {
	tests := []struct {
		startup string
		init    string
		is      error
		says    string
	}{
		{"crash", "", ErrTooManyCrashes, "no luck today"},
		{"quit", "", ErrHandlerExited, ""},
		{"deaf", "00:00:00.2", ErrTooManyCrashes, "did not answer GET /"},
	}
	for _, tt := range tests {
		t.Run(tt.startup, func(t *testing.T) {
			section := description(t, nil)
			if tt.init != "" {
				section["initializationTimeout"] = tt.init
			}
			a := newApp(t, map[string]string{"F": eventBinding}, map[string]any{"customHandler": section})
			a.opts.Env = append(a.opts.Env, envStartup+"="+tt.startup)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			h, err := Start(ctx, a.opts)
			if err == nil {
				h.Stop()
				t.Fatal("the host started")
			}
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error is %v, want %v, saying %q", err, tt.is, tt.says)
			}
			if n := strings.Count(a.log.String(), "restarting handler"); errors.Is(tt.is, ErrTooManyCrashes) && n != 2 {
				t.Errorf("%d restarts, want 2 before the third failure", n)
			}
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	a := newApp(t, map[string]string{"F": eventBinding}, nil)
	a.opts.Env = append(a.opts.Env, envStartup+"=deaf")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if h, err := Start(ctx, a.opts); !errors.Is(err, context.DeadlineExceeded) {
		if err == nil {
			h.Stop()
		}
		t.Errorf("error is %v", err)
	}
}

func TestKilledHandlerIsRestarted(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	a.opts.RestartLimit = 100
	h := a.start()
	for range 5 { // more than the real host's limit
		old := h.PID()
		h.Kill()
		eventually(t, "another process", func() bool { pid := h.PID(); return pid != 0 && pid != old })
		if status, _ := post(t, "GET", h.URL()+"/api/x", "", nil); status != 200 {
			t.Fatalf("status %d after a restart", status)
		}
	}
	if h.PeakMemory() <= 0 {
		t.Errorf("peak memory is %d", h.PeakMemory())
	}
}

func TestInvocationsWaitForTheRestart(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	a.opts.Env = append(a.opts.Env, envStartup+"=lazy")
	h := a.start()
	h.Kill()
	eventually(t, "the end of the process", func() bool { return h.PID() == 0 })
	if status, _ := post(t, "GET", h.URL()+"/api/x", "", nil); status != 200 {
		t.Errorf("status %d, want the request to wait for the new handler", status)
	}
}

// exitWith makes the handler end with a code when it is asked for /api/exit.
func exitWith(code int) func(call) reply {
	return func(c call) reply {
		if c.URI == "/api/exit" {
			return reply{Exit: &code}
		}
		return done()
	}
}

func TestExitCodes(t *testing.T) {
	t.Run("0 is the end", func(t *testing.T) {
		a := newApp(t, map[string]string{"Api": apiBinding, "F": timerBinding}, nil)
		a.reply(exitWith(0))
		h := a.start()
		if status, _ := post(t, "GET", h.URL()+"/api/exit", "", nil); status != http.StatusBadGateway {
			t.Errorf("status %d of the request that ended the handler", status)
		}
		eventually(t, "ErrHandlerExited", func() bool { return errors.Is(h.Err(), ErrHandlerExited) })
		if status, _ := post(t, "GET", h.URL()+"/api/x", "", nil); status != http.StatusBadGateway {
			t.Errorf("status %d, want 502", status)
		}
		if err := h.RunTimer(t.Context(), "F"); !errors.Is(err, ErrHandlerExited) {
			t.Errorf("timer: %v", err)
		}
		select {
		case <-h.Done():
			t.Error("the host stopped")
		default:
		}
	})
	t.Run("200 restarts as often as wanted", func(t *testing.T) {
		a := newApp(t, map[string]string{"Api": apiBinding}, nil)
		a.reply(exitWith(200))
		h := a.start()
		for range 5 {
			old := h.PID()
			post(t, "GET", h.URL()+"/api/exit", "", nil)
			eventually(t, "another process", func() bool { pid := h.PID(); return pid != 0 && pid != old })
		}
	})
	t.Run("others count", func(t *testing.T) {
		a := newApp(t, map[string]string{"Api": apiBinding}, nil)
		a.reply(exitWith(9))
		h := a.start()
		for range 3 {
			old := h.PID()
			post(t, "GET", h.URL()+"/api/exit", "", nil)
			eventually(t, "a reaction", func() bool { pid := h.PID(); return pid != 0 && pid != old || h.Err() != nil })
		}
		select {
		case <-h.Done():
		case <-time.After(patience):
			t.Fatal("the host goes on after three failures")
		}
		if err := h.Err(); !errors.Is(err, ErrTooManyCrashes) || !strings.Contains(err.Error(), "exit status 9") {
			t.Errorf("error is %v", err)
		}
		if _, err := http.DefaultTransport.RoundTrip(newRequest(t, h.URL())); err == nil {
			t.Error("the public address still answers")
		}
	})
}

func newRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestErrorBudget(t *testing.T) {
	b := errorBudget{limit: 3, window: 30 * time.Minute}
	now := time.Unix(1e9, 0)
	for i, step := range []struct {
		after time.Duration
		want  bool
	}{
		{0, false}, {30 * time.Minute, false}, {31 * time.Minute, false}, {time.Second, false}, {30 * time.Minute, true},
	} {
		now = now.Add(step.after)
		if got := b.spend(now); got != step.want {
			t.Errorf("failure %d: exhausted is %v, want %v", i+1, got, step.want)
		}
	}
}

func TestStopKillsTheHandler(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding, "F": timerBinding}, nil)
	h := a.start()
	pid := h.PID()
	h.Stop()
	h.Stop()
	if alive(pid) {
		t.Errorf("process %d is alive", pid)
	}
	if !errors.Is(h.Err(), ErrStopped) {
		t.Errorf("error is %v", h.Err())
	}
	if err := h.RunTimer(t.Context(), "F"); !errors.Is(err, ErrStopped) {
		t.Errorf("a timer after Stop: %v", err)
	}
}

// Stop lets what runs come to its end, and does not wait longer than that.
func TestStopWaitsForWhatRuns(t *testing.T) {
	a := newApp(t, map[string]string{"F": timerBinding}, nil)
	a.opts.Timers = map[string]time.Duration{"F": -1}
	a.opts.StopGrace = time.Hour
	entered, release := make(chan struct{}), make(chan struct{})
	a.reply(func(call) reply {
		close(entered)
		<-release
		return done()
	})
	h := a.start()
	ran := make(chan error, 1)
	go func() { ran <- h.RunTimer(t.Context(), "F") }()
	<-entered
	stopped := make(chan struct{})
	go func() {
		h.Stop()
		close(stopped)
	}()
	eventually(t, "the closed address", func() bool {
		_, err := http.DefaultTransport.RoundTrip(newRequest(t, h.URL()))
		return err != nil
	})
	if h.PID() == 0 {
		t.Error("the handler was killed at once")
	}
	close(release)
	if err := <-ran; err != nil {
		t.Errorf("the invocation: %v", err)
	}
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Error("Stop waits although nothing runs")
	}
}

func TestHostStartsAgainOnTheSameAddress(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding}, nil)
	first := a.start()
	a.opts.Listen = strings.TrimPrefix(first.URL(), "http://")
	first.Stop()
	second := a.start()
	if second.URL() != first.URL() {
		t.Errorf("address is %s, was %s", second.URL(), first.URL())
	}
	if status, _ := post(t, "GET", second.URL()+"/api/x", "", nil); status != 200 {
		t.Errorf("status %d", status)
	}
}

func TestLineWriter(t *testing.T) {
	var lines []string
	w := &lineWriter{emit: func(l string) { lines = append(lines, l) }}
	for _, part := range []string{"a", "b\r\nc\n\nd", "", strings.Repeat("x", maxLine), "y\nlast"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	w.flush()
	w.flush()
	want := []string{"ab", "c", "", "d" + strings.Repeat("x", maxLine-1), "last"}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d", len(lines), len(want))
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("line %d has %d characters, want %s…", i, len(lines[i]), want[i][:min(9, len(want[i]))])
		}
	}
	if tail := w.tail(); strings.Count(tail, "\n") != keptLines-1 || !strings.HasSuffix(tail, "last") {
		t.Errorf("tail has %s", strconv.Quote(tail[max(0, len(tail)-20):]))
	}
}
