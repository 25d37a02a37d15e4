package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
)

// busy is the use cases where making a request takes longer than a body may.
type busy struct {
	*fake
	takes time.Duration
}

func (b busy) Create(ctx context.Context, _ airlock.Identity, _ string, _ airlock.NewRequest) (airlock.View, error) {
	select {
	case <-ctx.Done():
		return airlock.View{}, ctx.Err()
	case <-time.After(b.takes):
		return aNewRequest(), nil
	}
}

// TestBodyDeadline checks on a real connection that a body has to arrive in time, and that the time which it had does
// not end the work that follows.
func TestBodyDeadline(t *testing.T) {
	e := newEdge(t, func(o *Options) {
		o.Limits = DefaultLimits()
		o.Limits.BodyTimeout = 50 * time.Millisecond
		o.Service = busy{takes: 4 * o.Limits.BodyTimeout}
	})
	server := httptest.NewServer(http.HandlerFunc(e.server.serve))
	t.Cleanup(server.Close)
	const body = `{"type":"import"}`
	send := func(length int) (int, string) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: airlock\r\n%s\r\nContent-Length: %d\r\n\r\n%s", requests, asResearcher, length, body)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		return response.StatusCode, fmt.Sprint(string(content), errors.Join(err))
	}
	if status, content := send(len(body)); status != http.StatusCreated {
		t.Errorf("a whole body: %d %s", status, content)
	}
	if status, content := send(len(body) + 1); status != http.StatusRequestTimeout || !strings.Contains(content, "body_timeout") {
		t.Errorf("a body that does not end: %d %s", status, content)
	}
}

// TestRefusedBodiesAreHeardOf sends more than is taken through a proxy, as the host is one: who refuses must not hang up
// on it.
func TestRefusedBodiesAreHeardOf(t *testing.T) {
	e := newEdge(t)
	server := httptest.NewServer(http.HandlerFunc(e.server.serve))
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(proxy.Close)
	for token, want := range map[string]int{"researcher": http.StatusRequestEntityTooLarge, "nobody's": http.StatusUnauthorized} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", proxy.URL+requests, strings.NewReader(`{"title":"`+strings.Repeat("x", 8<<20)+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := proxy.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("as %s: %s, want %d", token, response.Status, want)
		}
	}
}
