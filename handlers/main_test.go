package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// settings are enough to start: nothing they name has to answer for that.
func settings(port string) map[string]string {
	return map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT": port, "AIRLOCK_TRE_ID": "tre", "AIRLOCK_TENANT_ID": "t", "AIRLOCK_ISSUER": "http://127.0.0.1:1/t/v2.0",
		"AIRLOCK_API_AUDIENCE": "api://airlock", "AIRLOCK_TABLE_ACCOUNT": "stairlocktre", "AIRLOCK_STORAGE_DIAL": "127.0.0.1:1",
		"ServiceBus":        "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=x;UseDevelopmentEmulator=true",
		"IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi/token", "IDENTITY_HEADER": "x",
		"AIRLOCK_SIGNING_KEY_URL": "https://kv.example.org/keys/signing",
	}
}

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

func TestWrongSettingsEndTheProgramWithTheReason(t *testing.T) {
	values := settings("7071")
	delete(values, "AIRLOCK_TENANT_ID")
	if err := run(t.Context(), lookup(values), io.Discard); err == nil || !strings.Contains(err.Error(), "AIRLOCK_TENANT_ID") {
		t.Errorf("got %v", err)
	}
	values = settings("7071")
	values["AIRLOCK_STORAGE_CA_FILE"] = "no-such-file.pem"
	values["FUNCTIONS_CUSTOMHANDLER_PORT"] = freePort(t)
	if err := run(t.Context(), lookup(values), io.Discard); err == nil || !strings.Contains(err.Error(), "AIRLOCK_STORAGE_CA_FILE") {
		t.Errorf("got %v", err)
	}
}

// TestWithoutItsKeyTheProgramEnds checks that a key that cannot sign is found before anything is served.
func TestWithoutItsKeyTheProgramEnds(t *testing.T) {
	noKey := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(noKey, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, setting := range map[string]string{noKey: "AIRLOCK_SIGNING_KEY_FILE", "no-such-file": "AIRLOCK_SIGNING_KEY_FILE", "https://kv.example.org/keys/": "AIRLOCK_SIGNING_KEY_URL"} {
		values := settings(freePort(t))
		delete(values, "AIRLOCK_SIGNING_KEY_URL")
		values[setting] = name
		if err := run(t.Context(), lookup(values), io.Discard); err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestItIsUpBeforeAnythingAnswers starts the program with every dependency down: it answers the host's probe, says that
// it is ill, and ends when it is told to.
func TestItIsUpBeforeAnythingAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	values := settings(freePort(t))
	var out lines
	done := make(chan error, 1)
	go func() { done <- run(ctx, lookup(values), &out) }()
	base := "http://127.0.0.1:" + values["FUNCTIONS_CUSTOMHANDLER_PORT"]
	for path, want := range map[string]int{"/": 200, "/api/health": 503, "/Sweep": 404} {
		if got := get(t, base+path); got != want {
			t.Errorf("GET %s: %d, want %d", path, got, want)
		}
	}
	cancel()
	if err := <-done; err != nil && !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("it ended with %v", err)
	}
	if text := out.String(); strings.Contains(text, "SharedAccessKey") || strings.Contains(text, "sig=") {
		t.Errorf("the log holds a secret: %s", text)
	}
}

// lines takes output from several goroutines, as standard output does.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns what was written so far.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// get polls until somebody answers, and returns the status.
func get(t *testing.T, address string) int {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(deadline, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(r); err == nil {
			response.Body.Close()
			return response.StatusCode
		}
		select {
		case <-deadline.Done():
			t.Fatalf("%s never answered", address)
		case <-tick.C:
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
