package blobzone_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// TestKeyIsKept: one key signs until what is to be signed ends after it.
func TestKeyIsKept(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	c := &cloud{answer: always(http.StatusAccepted, ""), hold: make(chan struct{})}
	z := onCloud(t, c, clock)
	link := func(from, until time.Duration) error {
		_, err := z.Link(context.Background(), into, airlock.LinkTerms{Rights: statemachine.Read, From: now.Add(from), Until: now.Add(until),
			CorrelationID: "0191c2a4-7b1e-7cc0-8000-000000000001"})
		return err
	}
	var links, begun sync.WaitGroup
	const many = 20
	begun.Add(many)
	for range many {
		links.Go(func() {
			begun.Done()
			if err := link(-5*time.Minute, time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	begun.Wait()
	close(c.hold)
	links.Wait()
	if len(c.keys) != 1 || c.keys[0] != (keyInfo{"2026-02-03T03:50:06Z", "2026-02-04T04:05:06Z"}) {
		t.Fatalf("after many links at once the keys are %v", c.keys)
	}
	for _, step := range []struct {
		pass, from, until time.Duration
		keys              int
		fails             bool
	}{
		{22 * time.Hour, -5 * time.Minute, time.Hour, 1, false},            // in time
		{2 * time.Minute, -5 * time.Minute, 2 * time.Hour, 2, false},       // ends after the key
		{0, -time.Hour, time.Hour, 3, false},                               // begins before the key
		{0, 0, 6 * 24 * time.Hour, 4, false},                               // longer than a key usually lives
		{0, 0, 8 * 24 * time.Hour, 4, true},                                // longer than Azure allows
		{10 * 24 * time.Hour, -5 * time.Minute, 5 * time.Minute, 5, false}, // long after
	} {
		mu.Lock()
		now = now.Add(step.pass)
		mu.Unlock()
		if err := link(step.from, step.until); (err != nil) != step.fails || errors.Is(err, airlock.ErrTransient) {
			t.Errorf("%+v: error %v", step, err)
		}
		if len(c.keys) != step.keys {
			t.Errorf("%+v: %d keys", step, len(c.keys))
		}
	}
}

// TestRevokedKeyIsReplaced: after an operator has revoked the keys of an account, the next try works.
func TestRevokedKeyIsReplaced(t *testing.T) {
	c := &cloud{}
	c.answer = func(r *http.Request) (*http.Response, error) {
		if len(c.keys) == 1 {
			return reply(r, http.StatusForbidden, "CannotVerifyCopySource", ""), nil
		}
		return reply(r, http.StatusAccepted, "", ""), nil
	}
	z := onCloud(t, c, time.Now)
	wantError(t, operations["Copy"](t.Context(), z), airlock.ErrTransient)
	wantError(t, operations["Copy"](t.Context(), z), nil)
	wantError(t, operations["Copy"](t.Context(), z), nil)
	if len(c.keys) != 2 {
		t.Errorf("%d keys, want 2", len(c.keys))
	}
}

// TestCopySource reads what a copy tells storage: one blob, to be read, for a few hours, on the account's own host.
func TestCopySource(t *testing.T) {
	var got *http.Request
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	z := onCloud(t, &cloud{answer: func(r *http.Request) (*http.Response, error) {
		got = r
		return reply(r, http.StatusAccepted, "", ""), nil
	}}, func() time.Time { return now })
	err := z.Copy(t.Context(), airlock.Copy{From: from, To: into, Name: "a/b c#1?%+.txt", IfMatch: "0x8D", Metadata: map[string]string{"sealed": "0x8D"}})
	if err != nil {
		t.Fatal(err)
	}
	source, err := url.Parse(header(got, "x-ms-copy-source"))
	if err != nil {
		t.Fatal(err)
	}
	if source.Scheme != "https" || source.Host != "stalimextre.blob.core.windows.net" || source.Path != "/"+from.Container+"/a/b c#1?%+.txt" {
		t.Errorf("source %s %s %s", source.Scheme, source.Host, source.Path)
	}
	for key, want := range map[string]string{"sp": "r", "sr": "b", "spr": "https", "st": "2026-02-03T03:50:06Z", "se": "2026-02-03T10:05:06Z"} {
		if value := source.Query().Get(key); value != want {
			t.Errorf("%s is %q, want %q", key, value, want)
		}
	}
	for key, want := range map[string]string{"x-ms-source-if-match": `"0x8D"`, "If-None-Match": "*", "x-ms-meta-sealed": "0x8D", "x-ms-requires-sync": ""} {
		if value := header(got, key); value != want {
			t.Errorf("%s is %q, want %q", key, value, want)
		}
	}
}
