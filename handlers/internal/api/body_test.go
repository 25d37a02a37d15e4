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

// TestRefusedBodiesAreHeardOf sends all of a body that is refused before it reads, as the host does: whoever refuses must not
// hang up on it.
func TestRefusedBodiesAreHeardOf(t *testing.T) {
	e := newEdge(t)
	e.server.routes.HandleFunc("POST /api/breaks", func(http.ResponseWriter, *http.Request) { panic("off") })
	server := httptest.NewServer(http.HandlerFunc(e.server.serve))
	t.Cleanup(server.Close)
	body := `{"title":"` + strings.Repeat("x", 8<<20) + `"}`
	send := func(path, header string) (int, error) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: airlock\r\n%s\r\nContent-Length: %d\r\n\r\n%s", path, header, len(body), body); err != nil {
			return 0, err
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	for _, test := range []struct {
		path, header string
		status       int
	}{
		{requests, asResearcher, http.StatusRequestEntityTooLarge},
		{requests, "Authorization: Bearer nobody's", http.StatusUnauthorized},
		{requests, "X-Large: " + strings.Repeat("x", 40<<10), http.StatusRequestHeaderFieldsTooLarge},
		{"/api/%41", asResearcher, http.StatusNotFound},
		{"/api/breaks", asResearcher, http.StatusInternalServerError},
	} {
		if status, err := send(test.path, test.header); status != test.status || err != nil {
			t.Errorf("%s with %.40s: %d, %v; want %d", test.path, test.header, status, err, test.status)
		}
	}
}
