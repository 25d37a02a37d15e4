package eventgrid

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestDeliversOnceInOrderWithHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook()
		g := start(t, w, Options{})
		publish(t, g, "a", "b", "c")
		idle(t, g)
		if got := w.ids(); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("delivered %v, want a b c", got)
		}
		h := w.got()[0].header
		for name, want := range map[string]string{
			"aeg-event-type": "Notification", "aeg-subscription-name": "S", "aeg-delivery-count": "0",
			"aeg-metadata-version": "1", "Content-Type": "application/json; charset=utf-8",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("header %s is %q, want %q", name, got, want)
			}
		}
		if s := g.Stats(); s.Published != 3 || s.Delivered != 3 || s.Retried != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestRetrySchedule(t *testing.T) {
	tests := []struct {
		name   string
		scale  float64
		status int
		want   []time.Duration // waits between attempts
	}{
		{"server error", 1, 500, []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}},
		{"connection refused", 1, 0, []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}},
		{"redirect", 1, 302, []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}},
		{"205 is no success", 1, 205, []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}},
		{"request timeout", 1, 408, []time.Duration{2 * time.Minute, 2 * time.Minute, 2 * time.Minute, 5 * time.Minute}},
		{"unavailable", 1, 503, []time.Duration{30 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}},
		{"scaled", 0.001, 500, []time.Duration{10 * time.Millisecond, 30 * time.Millisecond, 60 * time.Millisecond, 300 * time.Millisecond}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWebhook()
				w.answer = func(attempt int, _ string) int {
					if attempt > len(tt.want) {
						return 204
					}
					return tt.status
				}
				g := start(t, w, Options{RetryScale: tt.scale})
				publish(t, g, "a")
				idle(t, g)
				got := w.got()
				if len(got) != len(tt.want)+1 {
					t.Fatalf("%d attempts, want %d", len(got), len(tt.want)+1)
				}
				for i, want := range tt.want {
					if wait := got[i+1].at - got[i].at; wait != want {
						t.Errorf("wait %d is %v, want %v", i+1, wait, want)
					}
					if count := got[i+1].header.Get("aeg-delivery-count"); count != fmt.Sprint(i+1) {
						t.Errorf("aeg-delivery-count is %s, want %d", count, i+1)
					}
				}
			})
		})
	}
}

func TestEverySuccessCode(t *testing.T) {
	for status := 200; status <= 204; status++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWebhook()
			w.answer = func(int, string) int { return status }
			g := start(t, w, Options{})
			publish(t, g, "a")
			idle(t, g)
			if n := len(w.got()); n != 1 {
				t.Errorf("status %d: %d attempts, want 1", status, n)
			}
		})
	}
}

func TestSlowSubscriberIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook()
		w.delay = time.Minute
		g := start(t, w, Options{MaxDeliveryAttempts: 2})
		publish(t, g, "a")
		idle(t, g)
		got := w.got()
		if len(got) != 2 || got[1].at != 40*time.Second { // 30 s for the answer, 10 s before the retry
			t.Errorf("arrivals are %+v, want a second one after 40s", got)
		}
		if d := g.DeadLetters(); len(d) != 1 || d[0].LastOutcome != "TimedOut" || d[0].LastStatus != 0 {
			t.Errorf("dead letters are %+v, want one TimedOut", d)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	tests := []struct {
		name     string
		opts     Options
		status   int
		reason   string
		attempts int
	}{
		{"too many attempts", Options{}, 500, "MaxDeliveryAttemptsExceeded", 30},
		{"few attempts", Options{MaxDeliveryAttempts: 3}, 404, "MaxDeliveryAttemptsExceeded", 3},
		{"too old", Options{TimeToLive: time.Minute}, 500, "TimeToLiveExceeded", 3},
		{"bad request", Options{}, 400, "UndeliverableDueToHttpBadRequest", 1},
		{"unauthorized", Options{}, 401, "UndeliverableDueToHttpUnauthorized", 1},
		{"forbidden", Options{}, 403, "UndeliverableDueToHttpForbidden", 1},
		{"too large", Options{}, 413, "UndeliverableDueToHttpRequestEntityTooLarge", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWebhook()
				w.answer = func(int, string) int { return tt.status }
				if tt.opts.TimeToLive == 0 {
					tt.opts.TimeToLive = 1000 * time.Hour
				}
				g := start(t, w, tt.opts)
				publish(t, g, "a")
				idle(t, g)
				dead := g.DeadLetters()
				if len(dead) != 1 {
					t.Fatalf("%d dead letters, want 1", len(dead))
				}
				d := dead[0]
				if d.ID != "a" || d.Subscription != "s" || d.Reason != tt.reason || d.Attempts != tt.attempts || d.LastStatus != tt.status {
					t.Errorf("dead letter is %+v, want %s after %d attempts", d, tt.reason, tt.attempts)
				}
				if n := len(w.got()); n != tt.attempts {
					t.Errorf("%d attempts, want %d", n, tt.attempts)
				}
			})
		})
	}
}

func TestConcurrencyLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook()
		w.delay = time.Second
		g, err := New(Options{Transport: w})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Close)
		if err := g.Subscribe(t.Context(), Subscription{Name: "s", Endpoint: "http://host/", Concurrency: 3}); err != nil {
			t.Fatal(err)
		}
		publish(t, g, "1", "2", "3", "4", "5", "6", "7")
		idle(t, g)
		var at []time.Duration
		for _, a := range w.got() {
			at = append(at, a.at)
		}
		want := []time.Duration{0, 0, 0, time.Second, time.Second, time.Second, 2 * time.Second}
		if !slices.Equal(at, want) {
			t.Errorf("arrivals at %v, want %v", at, want)
		}
	})
}

func TestRefusedInput(t *testing.T) {
	g := start(t, newWebhook(), Options{})
	breakEvent := func(f func(*Event)) Event { e := event("a"); f(&e); return e }
	for name, e := range map[string]Event{
		"id":        breakEvent(func(e *Event) { e.ID = "" }),
		"subject":   breakEvent(func(e *Event) { e.Subject = "" }),
		"eventType": breakEvent(func(e *Event) { e.EventType = "" }),
		"eventTime": breakEvent(func(e *Event) { e.EventTime = time.Time{} }),
		"not JSON":  breakEvent(func(e *Event) { e.Data = json.RawMessage("{") }),
	} {
		if err := g.Publish(event("good"), e); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("publish without %s: error is %v", name, err)
		}
	}
	if n := g.Stats().Published; n != 0 {
		t.Errorf("%d events of refused calls were published", n)
	}
	for _, f := range []Faults{{Drop: 2}, {Double: -1}, {Reorder: 1.1}, {DelayMin: 2, DelayMax: 1}, {DelayMin: -1}, {ReorderHold: -1}} {
		if err := g.SetFaults(f); err == nil {
			t.Errorf("SetFaults(%+v) was accepted", f)
		}
		if _, err := New(Options{Faults: f}); err == nil {
			t.Errorf("New with %+v was accepted", f)
		}
	}
	for _, s := range []Subscription{
		{Endpoint: "http://host/"}, {Name: "s", Endpoint: "http://host/"}, {Name: "x", Endpoint: "ftp://host/?" + secret},
		{Name: "x", Endpoint: "nonsense?" + secret}, {Name: "x", Endpoint: "http://host/", Concurrency: -1},
	} {
		err := g.Subscribe(t.Context(), s)
		if err == nil {
			t.Errorf("Subscribe(%+v) was accepted", s)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
}

func TestKeyStaysSecret(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	gone := server.URL + "/?" + secret
	server.Close()
	var log bytes.Buffer
	g, err := New(Options{Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	err = g.Subscribe(t.Context(), Subscription{Name: "s", Endpoint: gone})
	if err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("subscribe to a dead endpoint: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook()
		w.answer = func(int, string) int { return 500 }
		var log bytes.Buffer
		g := start(t, w, Options{MaxDeliveryAttempts: 2, Log: zerolog.New(&log)})
		publish(t, g, "a")
		idle(t, g)
		dead, err := json.Marshal(g.DeadLetters())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "trying again") || !strings.Contains(log.String(), "given up") {
			t.Errorf("the log lacks the failures: %s", log.String())
		}
		if all := log.String() + string(dead); strings.Contains(all, "sesame") {
			t.Errorf("the key is in %s", all)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWebhook()
		w.answer = func(int, string) int { return 500 }
		g := start(t, w, Options{})
		publish(t, g, "a")
		synctest.Wait() // the first attempt has failed, the retry waits
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Idle(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Idle with a retry waiting: %v", err)
		}
		g.Close()
		if err := g.Publish(event("b")); !errors.Is(err, ErrClosed) {
			t.Errorf("Publish after Close: %v", err)
		}
		if err := g.Idle(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Idle after Close: %v", err)
		}
		if n := len(w.got()); n != 1 {
			t.Errorf("%d attempts, want 1: the retry must die with the grid", n)
		}
	})
}

func TestEventJSONNames(t *testing.T) {
	out, err := json.Marshal(event("a"))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(out, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "topic", "subject", "eventType", "eventTime", "data", "dataVersion", "metadataVersion"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("field %s is missing in %s", name, out)
		}
	}
}
