package api

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
)

// TestHealth shows who sees what: anybody one word, TRE admins with a token for the API everything.
func TestHealth(t *testing.T) {
	ill := []airlock.Check{{Name: "store", Took: time.Millisecond}, {Name: "queue", Took: time.Second, Problem: "it does not answer"}}
	for _, test := range []struct {
		token  string
		checks []airlock.Check
		status int
		body   string
	}{
		{"", wellChecks(), 200, `{"health":"well"}`},
		{"", ill, 503, `{"health":"ill"}`},
		{"researcher", ill, 503, `{"health":"ill"}`},
		{"manager", wellChecks(), 200, `{"health":"well"}`},
		{"admin", ill, 503, `{"health":"ill","version":"test","dependencies":[{"name":"store","health":"well","seconds":0.001,"problem":null},` +
			`{"name":"queue","health":"ill","seconds":1.0,"problem":"it does not answer"}]}`},
	} {
		e := newEdge(t).expect("Health", test.checks, nil)
		var headers []string
		if test.token != "" {
			headers = []string{"Authorization: Bearer " + test.token}
		}
		w := e.do("GET", "/api/health", "", headers...)
		if w.Code != test.status || strings.TrimSpace(w.Body.String()) != test.body || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%q: %d %s", test.token, w.Code, w.Body)
		}
	}
	if p := newEdge(t); p.problem(p.do("GET", "/api/health", "", "Authorization: Bearer expired")).Status != 401 {
		t.Error("a bad token is not told so")
	}
	// An administrator's role counts only in a token for the API.
	e := newEdge(t, func(o *Options) { o.Tokens = elsewhere{} }).expect("Health", wellChecks(), nil)
	if w := e.do("GET", "/api/health", "", asAdmin); strings.Contains(w.Body.String(), "dependencies") {
		t.Errorf("%s", w.Body)
	}
}

// elsewhere is an issuer whose tokens are for a workspace.
type elsewhere struct{}

func (elsewhere) Identify(ctx context.Context, authorization string) (airlock.Identity, error) {
	who, err := tokens{}.Identify(ctx, authorization)
	who.ForAPI = false
	return who, err
}

// TestHealthIsCheap checks that many who ask at once, or soon after each other, cause one look.
func TestHealthIsCheap(t *testing.T) {
	e := newEdge(t).expect("Health", wellChecks(), nil)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { e.server.checks(t.Context()) })
	}
	group.Wait()
	e.now = e.now.Add(DefaultLimits().HealthFor - 1)
	e.server.checks(t.Context())
	if got := e.calls(); got != "Health " {
		t.Errorf("called %q", got)
	}
	e.now = e.now.Add(1)
	e.server.checks(t.Context())
	if got := e.calls(); got != "Health " {
		t.Errorf("after a while: called %q", got)
	}
}
