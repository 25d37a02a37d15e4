package funchost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// done is the answer that makes an invocation succeed.
func done() reply { return reply{Status: 200, ContentType: "application/json", Body: "{}"} }

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// app is a function app whose handler asks the test what to do.
type app struct {
	t    *testing.T
	root string
	opts Options
	log  *safeBuffer

	mu    sync.Mutex
	on    func(call) reply
	calls []call
}

// safeBuffer is a log that may be read while it is written.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newApp deploys an app with the given functions: folder name to the JSON of its bindings.
// hostJSON replaces parts of a plain host.json, name to value; a nil value removes the name.
func newApp(t *testing.T, functions map[string]string, hostJSON map[string]any) *app {
	t.Helper()
	a := &app{t: t, root: t.TempDir(), log: &safeBuffer{}}
	relay := httptest.NewServer(http.HandlerFunc(a.answer))
	t.Cleanup(relay.Close)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]any{
		"version":         "2.0",
		"extensionBundle": map[string]string{"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"},
		"customHandler": map[string]any{
			"description":               map[string]any{"defaultExecutablePath": self},
			"enableProxyingHttpRequest": true,
		},
	}
	for name, value := range hostJSON {
		content[name] = value
		if value == nil {
			delete(content, name)
		}
	}
	raw, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	a.write("host.json", string(raw))
	for name, bindings := range functions {
		a.write(filepath.Join(name, "function.json"), `{"bindings":[`+bindings+`]}`)
	}
	a.opts = Options{
		ScriptRoot: a.root,
		Env:        []string{envRelay + "=" + relay.URL},
		Log:        zerolog.New(a.log),
		StopGrace:  50 * time.Millisecond,
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the host:\n%s", a.log)
		}
	})
	return a
}

func (a *app) write(name, content string) {
	a.t.Helper()
	path := filepath.Join(a.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// answer is where the handler asks.
func (a *app) answer(w http.ResponseWriter, r *http.Request) {
	var c call
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		a.t.Errorf("decode call: %v", err)
		return
	}
	a.mu.Lock()
	a.calls = append(a.calls, c)
	on := a.on
	a.mu.Unlock()
	rep := done()
	if on != nil {
		rep = on(c)
	}
	if err := json.NewEncoder(w).Encode(rep); err != nil {
		a.t.Errorf("encode reply: %v", err)
	}
}

// reply sets what the handler does from now on.
func (a *app) reply(f func(call) reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.on = f
}

// got returns the calls with this target.
func (a *app) got(uri string) []call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(a.calls), func(c call) bool { return c.URI != uri })
}

// start starts the host and stops it at the end of the test.
func (a *app) start() *Host {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	h, err := Start(ctx, a.opts)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(h.Stop)
	return h
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

// envelopeOf decodes the body of an invocation.
func envelopeOf(t *testing.T, c call) (data, meta map[string]json.RawMessage) {
	t.Helper()
	var e struct{ Data, Metadata map[string]json.RawMessage }
	if err := json.Unmarshal(c.Body, &e); err != nil {
		t.Fatalf("envelope %s: %v", c.Body, err)
	}
	return e.Data, e.Metadata
}

// Bindings used by several tests.
const (
	apiBinding   = `{"type":"httpTrigger","direction":"in","name":"req","authLevel":"anonymous","route":"{*path}"},{"type":"http","direction":"out","name":"res"}`
	eventBinding = `{"type":"eventGridTrigger","direction":"in","name":"event"}`
	timerBinding = `{"type":"timerTrigger","direction":"in","name":"timer","schedule":"0 * * * * *"}`
)

func busBinding(dataType string) string {
	return fmt.Sprintf(`{"type":"serviceBusTrigger","direction":"in","name":"message","queueName":"%%QUEUE%%",`+
		`"connection":"ServiceBus","cardinality":"one","dataType":%q}`, dataType)
}

// post sends a request to the public address and returns status and body.
func post(t *testing.T, method, url, body string, header map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, text.String()
}
