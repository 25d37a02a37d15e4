package tablestore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/tablestore"
	"airlock/statemachine"
)

const (
	workspace = "0d6e9c1a-0000-4000-8000-000000000001"
	request   = "01990000-0000-7000-8000-000000000001"
)

// made returns the commit that makes the request.
func made() airlock.Commit {
	when := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	r := airlock.Record{What: "create", When: when}.Seal(0, "")
	return airlock.Commit{Record: &r, After: airlock.Request{
		WorkspaceID: workspace, ID: request, Status: statemachine.Draft, Version: 1, Round: 1,
		CreatedBy: airlock.Person{ID: "alice"}, UpdatedWhen: when, RecordSeq: r.Seq, RecordHash: r.Hash,
	}}
}

// next returns a commit of the version after the request.
func next(before airlock.Request) airlock.Commit {
	after := before
	after.Version++
	return airlock.Commit{Before: before, After: after}
}

// create makes the request.
func create(t *testing.T, s *tablestore.Store) airlock.Request {
	t.Helper()
	r, err := s.Create(t.Context(), made())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// writes are the three ways to write, each on a store that was prepared for it. again writes over what was written.
var writes = []struct {
	name  string
	write func(context.Context, *tablestore.Store, airlock.Request) (etag string, err error)
	read  func(context.Context, *tablestore.Store) (etag string, err error)
	lost  error
}{
	{"Create",
		func(ctx context.Context, s *tablestore.Store, _ airlock.Request) (string, error) {
			c := made()
			c.After.ID = strings.Replace(request, "1", "2", 1)
			r, err := s.Create(ctx, c)
			return r.ETag, err
		},
		func(ctx context.Context, s *tablestore.Store) (string, error) {
			r, err := s.Request(ctx, workspace, strings.Replace(request, "1", "2", 1))
			return r.ETag, err
		}, airlock.ErrExists},
	{"Commit",
		func(ctx context.Context, s *tablestore.Store, before airlock.Request) (string, error) {
			r, err := s.Commit(ctx, next(before))
			return r.ETag, err
		},
		func(ctx context.Context, s *tablestore.Store) (string, error) {
			r, err := s.Request(ctx, workspace, request)
			if r.Version == 1 {
				return "", airlock.ErrNotFound
			}
			return r.ETag, err
		}, airlock.ErrLost},
	{"PutSettings",
		func(ctx context.Context, s *tablestore.Store, _ airlock.Request) (string, error) {
			r := airlock.Record{What: "settings"}.Seal(0, "")
			set, err := s.PutSettings(ctx, airlock.Settings{WorkspaceID: workspace, RecordSeq: r.Seq, RecordHash: r.Hash}, r)
			return set.ETag, err
		},
		func(ctx context.Context, s *tablestore.Store) (string, error) {
			set, err := s.Settings(ctx, workspace)
			return set.ETag, err
		}, airlock.ErrLost},
}

type send = func() (*http.Response, error)

// reset is how a broken connection looks to the SDK.
func reset(req *http.Request) error {
	return &url.Error{Op: "Post", URL: req.URL.String() + "?sig=" + secret, Err: errors.New("connection reset by peer")}
}

// discard ends an answer that nobody will see.
func discard(resp *http.Response, err error) {
	if err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// answer makes up an answer of the service.
func answer(req *http.Request, status int, code string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"X-Ms-Error-Code": {code}, "Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader("{}")),
	}
}

// TestLostAnswer breaks the answers of transactions in every way, and expects that each write says exactly what came of it.
func TestLostAnswer(t *testing.T) {
	type fault = func(try int, req *http.Request, send send, other func()) (*http.Response, error)
	lose := func(req *http.Request, send send) (*http.Response, error) {
		discard(send())
		return nil, reset(req)
	}
	for name, test := range map[string]struct {
		fault  fault
		stored bool  // the write says that it was stored, and it was
		err    error // otherwise
		lost   bool  // or: the error that somebody else was faster
	}{
		"first answer lost": {func(try int, req *http.Request, send send, _ func()) (*http.Response, error) {
			if try == 1 {
				return lose(req, send)
			}
			return send()
		}, true, nil, false},
		"all answers lost": {func(_ int, req *http.Request, send send, _ func()) (*http.Response, error) { return lose(req, send) }, true, nil, false},
		"only the last arrives": {func(try int, req *http.Request, send send, _ func()) (*http.Response, error) {
			if try < 3 {
				return nil, reset(req)
			}
			return lose(req, send)
		}, true, nil, false},
		"none arrives": {func(_ int, req *http.Request, _ send, _ func()) (*http.Response, error) { return nil, reset(req) }, false, airlock.ErrTransient, false},
		"second arrives": {func(try int, req *http.Request, send send, _ func()) (*http.Response, error) {
			if try == 1 {
				return nil, reset(req)
			}
			return send()
		}, true, nil, false},
		"server timeout, but stored": {func(_ int, req *http.Request, send send, _ func()) (*http.Response, error) {
			discard(send())
			return answer(req, 500, "OperationTimedOut"), nil
		}, true, nil, false},
		"busy throughout": {func(_ int, req *http.Request, _ send, _ func()) (*http.Response, error) {
			return answer(req, 503, "ServerBusy"), nil
		}, false, airlock.ErrTransient, false},
		"busy once": {func(try int, req *http.Request, send send, _ func()) (*http.Response, error) {
			if try == 1 {
				return answer(req, 503, "ServerBusy"), nil
			}
			return send()
		}, true, nil, false},
		"answer cut off": {func(_ int, _ *http.Request, send send, _ func()) (*http.Response, error) {
			resp, err := send()
			if err != nil {
				return nil, err
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			resp.Body = io.NopCloser(bytes.NewReader(body[:len(body)/2]))
			return resp, err
		}, true, nil, false},
		"answer without parts": {func(_ int, _ *http.Request, send send, _ func()) (*http.Response, error) {
			resp, err := send()
			if err == nil {
				resp.Body.Close()
				resp.Body = io.NopCloser(strings.NewReader("--a\r\n\r\n--b\r\n--b--\r\n--a--\r\n"))
			}
			return resp, err
		}, true, nil, false},
		"somebody was faster between the tries": {func(try int, req *http.Request, send send, other func()) (*http.Response, error) {
			if try == 1 {
				other()
				return nil, reset(req)
			}
			return send()
		}, false, nil, true},
		"somebody was faster, and all answers are lost": {func(try int, req *http.Request, send send, other func()) (*http.Response, error) {
			if try == 1 {
				other()
			}
			return lose(req, send)
		}, false, nil, true},
		"forbidden": {func(_ int, req *http.Request, _ send, _ func()) (*http.Response, error) {
			return answer(req, 403, "AuthorizationPermissionMismatch"), nil
		}, false, nil, false},
	} {
		for _, w := range writes {
			t.Run(w.name+"/"+name, func(t *testing.T) {
				store, tr := open(t)
				before := create(t, store)
				try := 0
				tr.intercept = func(_ int64, req *http.Request, send send) (*http.Response, error) {
					if !strings.HasSuffix(req.URL.Path, "$batch") {
						return send()
					}
					try++
					return test.fault(try, req, send, func() {
						intercept := tr.intercept
						tr.intercept = nil
						if _, err := w.write(t.Context(), store, before); err != nil {
							t.Fatal(err)
						}
						tr.intercept = intercept
					})
				}
				etag, err := w.write(t.Context(), store, before)
				tr.intercept = nil
				read, readErr := w.read(t.Context(), store)
				want := test.err
				if test.lost {
					want = w.lost
				}
				switch {
				case test.stored:
					if err != nil || readErr != nil || etag != read {
						t.Errorf("wrote %q, %v; read %q, %v", etag, err, read, readErr)
					}
				case err == nil || etag != "":
					t.Errorf("ETag %q, no error", etag)
				default:
					kinds := []error{airlock.ErrTransient, airlock.ErrLost, airlock.ErrExists, airlock.ErrNotFound}
					for _, kind := range kinds {
						if errors.Is(err, kind) != (kind == want) {
							t.Errorf("error %v, want %v", err, want)
						}
					}
					if test.lost != (readErr == nil) {
						t.Errorf("reading: %v", readErr)
					}
					isClean(t, err)
				}
			})
		}
	}
}

// TestStoredThenReplaced is the one case that a store cannot tell: the answer is lost, and before the write is tried again
// somebody has built on it.
func TestStoredThenReplaced(t *testing.T) {
	store, tr := open(t)
	before := create(t, store)
	try := 0
	tr.intercept = func(_ int64, req *http.Request, send send) (*http.Response, error) {
		if try++; try > 1 {
			return send()
		}
		discard(send())
		tr.intercept = nil
		read, err := store.Request(t.Context(), workspace, request)
		if err != nil {
			return nil, err
		}
		if _, err := store.Commit(t.Context(), next(read)); err != nil {
			return nil, err
		}
		return nil, reset(req)
	}
	if _, err := store.Commit(t.Context(), next(before)); !errors.Is(err, airlock.ErrTransient) || errors.Is(err, airlock.ErrLost) {
		t.Errorf("%v, want ErrTransient and not ErrLost", err)
	}
}

// TestSecondReviewAfterALostTry is a refusal for a row beside the request, at the second try.
func TestSecondReviewAfterALostTry(t *testing.T) {
	store, tr := open(t)
	review := func(before airlock.Request) airlock.Commit {
		c := next(before)
		c.Review = &airlock.Review{Round: 1, Reviewer: airlock.Person{ID: "bob"}}
		return c
	}
	read, err := store.Commit(t.Context(), review(create(t, store)))
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	tr.intercept = func(_ int64, req *http.Request, send send) (*http.Response, error) {
		if tries++; tries == 1 {
			return nil, reset(req)
		}
		return send()
	}
	if _, err := store.Commit(t.Context(), review(read)); !errors.Is(err, airlock.ErrLost) || errors.Is(err, airlock.ErrTransient) {
		t.Errorf("%v, want ErrLost", err)
	}
}
