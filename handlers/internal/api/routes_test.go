package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestNoOtherPaths sends paths that are none over a real connection, byte for byte: the answer is always 404, and never
// a redirect to the path that they may stand for.
func TestNoOtherPaths(t *testing.T) {
	e := newEdge(t)
	server := httptest.NewServer(http.HandlerFunc(e.server.serve))
	t.Cleanup(server.Close)
	for _, path := range []string{
		"/", "/api", "/api/", "/StatusChanged", "/api/nowhere", "/API/health", "/api/health/", "//api/health", "/api//health", "/api/./health",
		"/api/../api/health", "/api/x/../health", "/x/../api/health", "/api/%2e%2e/api/health", "/api/%2E/health", "/api/..%2f..%2fStatusChanged",
		"/api/%2e%2e%2fStatusChanged", "/api/%252e%252e/health", "/api/..%5cStatusChanged", `/api/..\StatusChanged`, "/%61pi/health", "/api%2fhealth",
		"/api/health%00", "/api/health%0a", "/api/health;x=1", "/api/health/%20", "/api/workspaces//requests", "/api/workspaces/%2e%2e/requests",
		"/api/workspaces/" + workspaceID + "/requests/", "/api/workspaces/" + workspaceID + "/requests/../airlock",
		"/api/workspaces/" + workspaceID + "%2frequests", "/api/workspaces/" + workspaceID + "/requests/%7B" + requestID + "%7D",
		"/api/workspaces/" + strings.Replace(workspaceID, "-", "%2D", 1) + "/requests", "/api/schemas/Problem.json", "/api/openapi.yaml", "/api/docs/",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			status, header := raw(t, server.Listener.Addr().String(), method+" "+path)
			if status != http.StatusNotFound || header.Get("Location") != "" || header.Get("Content-Type") != problemType {
				t.Errorf("%s %s: %d %v", method, path, status, header)
			}
		}
	}
	for line, want := range map[string]int{"CONNECT /api/health": 405, "CONNECT /api/../StatusChanged": 404, "GET http://other/api/../StatusChanged": 404, "GET /api/docs?x=../..": 200} {
		if status, header := raw(t, server.Listener.Addr().String(), line); status != want || header.Get("Location") != "" {
			t.Errorf("%s: %d %v", line, status, header)
		}
	}
}

// raw sends a request line as it is.
func raw(t *testing.T, address, line string) (int, http.Header) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: airlock\r\nConnection: close\r\n\r\n", line)
	method, _, _ := strings.Cut(line, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header
}

// TestMethods checks that a path says which methods it takes.
func TestMethods(t *testing.T) {
	for target, allowed := range map[string]string{
		requests: "GET, HEAD, POST", one: "GET, HEAD", one + "/link": "GET, HEAD, POST", one + "/submit": "POST", one + "/review": "POST",
		one + "/files": "GET, HEAD", settingsAt: "GET, HEAD, PUT", "/api/health": "GET, HEAD", "/api/health/scanner": "GET, HEAD, POST", "/api/requests": "GET, HEAD", "/api/docs": "GET, HEAD",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if strings.Contains(allowed, method) {
				continue
			}
			e := newEdge(t)
			w := e.do(method, target, "{}", asResearcher)
			p := e.problem(w)
			if p.Status != 405 || p.Detail != "Method Not Allowed" || p.Code != "no_such_method" || w.Header().Get("Allow") != allowed {
				t.Errorf("%s %s: %+v, Allow %q", method, target, p, w.Header().Get("Allow"))
			}
		}
	}
}

// TestPlainPaths compares with the expression that says which paths are plain.
func TestPlainPaths(t *testing.T) {
	form := regexp.MustCompile(`^(/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)+$`)
	text := rapid.StringMatching(`[a/.%Z0_é-]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		if path := text.Draw(t, "path"); plain(path) != form.MatchString(path) {
			t.Errorf("%q is plain: %t", path, plain(path))
		}
	})
}
