package customhandler_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"airlock/handlers/internal/customhandler"
)

func TestServeUntilContextEnds(t *testing.T) {
	l, err := customhandler.Listen("0")
	if err != nil {
		t.Fatal(err)
	}
	if host := l.Addr().String(); !strings.HasPrefix(host, "127.0.0.1:") {
		t.Errorf("listens on %s, want 127.0.0.1 only", host)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	entered, finish := make(chan struct{}), make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- customhandler.Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-finish
			_, _ = io.WriteString(w, "whole")
		}), log.New(io.Discard, "", 0))
	}()

	got := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + l.Addr().String() + "/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		got <- string(body)
	}()
	<-entered
	cancel()
	close(finish)
	if body := <-got; body != "whole" {
		t.Errorf("the running request got %q, want its whole answer", body)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v after its context ended, want nil", err)
	}
	if _, err := http.Get("http://" + l.Addr().String() + "/"); err == nil {
		t.Error("still listens after Serve returned")
	}
}

func TestServeReportsClosedListener(t *testing.T) {
	l, err := customhandler.Listen("0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := customhandler.Serve(t.Context(), l, http.NotFoundHandler(), log.New(io.Discard, "", 0)); err == nil {
		t.Error("no error from a listener that is closed")
	}
}

func TestListenRefusesBadPorts(t *testing.T) {
	for _, port := range []string{"", "x", "-1", "65536", "8080 ", "0.0.0.0:80"} {
		if l, err := customhandler.Listen(port); err == nil {
			_ = l.Close()
			t.Errorf("Listen(%q) gave no error", port)
		}
	}
	l, err := customhandler.Listen("0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	if second, err := customhandler.Listen(port); err == nil {
		_ = second.Close()
		t.Error("two listeners on one port")
	}
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gate customhandler.Gate
		code := func(method, target string) int {
			w := httptest.NewRecorder()
			gate.ServeHTTP(w, httptest.NewRequest(method, target, nil))
			return w.Code
		}
		if got := code("GET", "/"); got != 200 {
			t.Errorf("probe at a closed gate: %d, want 200", got)
		}
		start := time.Now()
		if got := code("POST", "/Sweep"); got != 503 || time.Since(start) != 30*time.Second {
			t.Errorf("trigger at a gate that stays closed: %d after %v, want 503 after 30s", got, time.Since(start))
		}
		waiting := make(chan int, 1)
		go func() { waiting <- code("POST", "/Sweep") }()
		synctest.Wait()
		gate.Open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
		gate.Open(http.NotFoundHandler())
		if got := <-waiting; got != http.StatusTeapot {
			t.Errorf("trigger that waited: %d, want %d", got, http.StatusTeapot)
		}
		if got := code("GET", "/"); got != 200 {
			t.Errorf("probe at an open gate: %d, want 200", got)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		closed, start := new(customhandler.Gate), time.Now()
		closed.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/Sweep", nil).WithContext(gone))
		if time.Since(start) != 0 {
			t.Errorf("a caller that has gone was held for %v", time.Since(start))
		}
	})
}
