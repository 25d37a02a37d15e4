package tablestore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/tablestore"
)

// isClean expects an error that an operator can use, and that gives nothing away.
func isClean(t *testing.T, err error) {
	t.Helper()
	for _, dirt := range []string{"?", "sig=", secret, "Bearer", "eyJ", "$filter", "https://", "\n", "RESPONSE"} {
		if strings.Contains(err.Error(), dirt) {
			t.Errorf("the error holds %q: %v", dirt, err)
		}
	}
	if !strings.HasPrefix(err.Error(), "tablestore: ") {
		t.Errorf("the error does not say where it comes from: %v", err)
	}
}

// calls are all reads, and each write as far as its first request.
func calls(s *tablestore.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Create":    func(ctx context.Context) error { _, err := s.Create(ctx, made()); return err },
		"Request":   func(ctx context.Context) error { _, err := s.Request(ctx, workspace, request); return err },
		"Workspace": func(ctx context.Context) error { _, err := s.Workspace(ctx, request); return err },
		"Requests": func(ctx context.Context) error {
			_, err := s.Requests(ctx, airlock.Query{Workspace: workspace, Order: airlock.LastChanged, Creator: "x", Limit: 5})
			return err
		},
		"RequestsOf":      func(ctx context.Context) error { _, err := s.RequestsOf(ctx, "alice", 5, ""); return err },
		"Manifest":        func(ctx context.Context) error { _, err := s.Manifest(ctx, workspace, request, 1); return err },
		"Notices":         func(ctx context.Context) error { _, err := s.Notices(ctx, workspace, request); return err },
		"Records":         func(ctx context.Context) error { _, err := s.Records(ctx, workspace, request, 0, 5); return err },
		"Due":             func(ctx context.Context) error { _, err := s.Due(ctx, workspace, time.Now(), 5); return err },
		"Settings":        func(ctx context.Context) error { _, err := s.Settings(ctx, workspace); return err },
		"Comments":        func(ctx context.Context) error { _, err := s.Comments(ctx, workspace, request, 0, 5); return err },
		"SettingsRecords": func(ctx context.Context) error { _, err := s.SettingsRecords(ctx, workspace, 0, 5); return err },
		"Workspaces":      func(ctx context.Context) error { _, _, err := s.Workspaces(ctx, 5, ""); return err },
		"Ping":            func(ctx context.Context) error { return s.Ping(ctx) },
		"EnsureTable":     func(ctx context.Context) error { return s.EnsureTable(ctx) },
	}
}

func TestFailures(t *testing.T) {
	store, tr := open(t)
	for name, test := range map[string]struct {
		fault func(*http.Request) (*http.Response, error)
		tries int64
		err   error // nil: none that callers branch on
		says  string
	}{
		"busy":      {func(r *http.Request) (*http.Response, error) { return answer(r, 503, "ServerBusy"), nil }, 3, airlock.ErrTransient, "503 ServerBusy"},
		"throttled": {func(r *http.Request) (*http.Response, error) { return answer(r, 429, "TooManyRequests"), nil }, 3, airlock.ErrTransient, "429"},
		"timed out": {func(r *http.Request) (*http.Response, error) { return answer(r, 500, "OperationTimedOut"), nil }, 3, airlock.ErrTransient, "500 OperationTimedOut"},
		"reset":     {func(r *http.Request) (*http.Response, error) { return nil, reset(r) }, 3, airlock.ErrTransient, "connection reset"},
		"forbidden": {func(r *http.Request) (*http.Response, error) { return answer(r, 403, "AuthorizationFailure"), nil }, 1, nil, "403 AuthorizationFailure"},
		"no table":  {func(r *http.Request) (*http.Response, error) { return answer(r, 404, "TableNotFound"), nil }, 1, nil, "404 TableNotFound"},
	} {
		for op, call := range calls(store) {
			tr.sent.Store(0)
			tr.intercept = func(_ int64, req *http.Request, _ send) (*http.Response, error) { return test.fault(req) }
			err := call(t.Context())
			tr.intercept = nil
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s, %s: %v", op, name, err)
				continue
			}
			isClean(t, err)
			for _, kind := range []error{airlock.ErrTransient, airlock.ErrNotFound, airlock.ErrLost, airlock.ErrExists, airlock.ErrCursor} {
				if errors.Is(err, kind) != (kind == test.err) {
					t.Errorf("%s, %s: %v, want %v", op, name, err, test.err)
				}
			}
			if tr.sent.Load() != test.tries {
				t.Errorf("%s, %s: %d tries, want %d", op, name, tr.sent.Load(), test.tries)
			}
		}
	}
}

// TestDeadline is a service that does not answer.
func TestDeadline(t *testing.T) {
	store, tr := open(t)
	tr.intercept = func(_ int64, req *http.Request, _ send) (*http.Response, error) {
		<-req.Context().Done()
		return nil, &url.Error{Op: req.Method, URL: req.URL.String(), Err: req.Context().Err()}
	}
	for op, call := range calls(store) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		start := time.Now()
		err := call(ctx)
		cancel()
		if !errors.Is(err, airlock.ErrTransient) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", op, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", op, took)
		}
		isClean(t, err)
	}
}

// TestTokenFailure is a credential that gives no token.
func TestTokenFailure(t *testing.T) {
	store, err := tablestore.New(tablestore.Options{
		Endpoint: "https://" + account + ".table." + shared(t).Suffix(), Table: "nowhere", Credential: noToken{}, RetryPause: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = store.Ping(t.Context())
	if !errors.Is(err, airlock.ErrTransient) || !strings.Contains(err.Error(), "no identity here") {
		t.Error(err)
	}
	isClean(t, err)
	if _, err := tablestore.New(tablestore.Options{Endpoint: "https://x.table.y", Table: "t"}); err == nil {
		t.Error("a store without a credential")
	}
}

// TestEnsureTable makes a table that is there, and one that is still being deleted.
func TestEnsureTable(t *testing.T) {
	store, tr := open(t)
	if err := store.EnsureTable(t.Context()); err != nil {
		t.Error(err)
	}
	tr.intercept = func(_ int64, req *http.Request, _ send) (*http.Response, error) {
		return answer(req, 409, "TableBeingDeleted"), nil
	}
	if err := store.EnsureTable(t.Context()); !errors.Is(err, airlock.ErrTransient) {
		t.Errorf("%v, want ErrTransient", err)
	}
}

func TestErrorNamesTheRequest(t *testing.T) {
	store, tr := open(t)
	tr.intercept = func(_ int64, req *http.Request, _ send) (*http.Response, error) { return nil, reset(req) }
	for name, err := range map[string]error{
		"read": func() error { _, err := store.Request(t.Context(), workspace, request); return err }(),
		"commit": func() error {
			before := made().After
			before.ETag = `W/"datetime'2025'"`
			_, err := store.Commit(t.Context(), next(before))
			return err
		}(),
	} {
		if want := fmt.Sprintf("tablestore: %s %s: ", name, request); !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q does not begin with %q", err, want)
		}
	}
}

// TestTooLargeIsNotSent is a commit that no transaction takes: it is refused here, with its size, and costs nothing.
func TestTooLargeIsNotSent(t *testing.T) {
	store, tr := open(t)
	c := next(create(t, store))
	c.Manifest = &airlock.Manifest{Round: 1, Files: make([]airlock.File, airlock.MaxManifestFiles)}
	for i := range c.Manifest.Files {
		c.Manifest.Files[i].Name = strings.Repeat("x", 2500)
	}
	for page := range c.Manifest.Pages() {
		c.Dirty = append(c.Dirty, page)
	}
	tr.sent.Store(0)
	_, err := store.Commit(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "43 rows of 5") || tr.sent.Load() != 0 {
		t.Errorf("%d requests, %v", tr.sent.Load(), err)
	}
}
