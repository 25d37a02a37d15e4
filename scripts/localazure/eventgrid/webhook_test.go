package eventgrid

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const secret = "code=sesame"

// arrival is one delivery as a subscriber saw it.
type arrival struct {
	id     string
	at     time.Duration // since the webhook was made
	header http.Header
}

// webhook is a subscriber in memory: it does the handshake and records what it gets.
type webhook struct {
	start  time.Time
	answer func(attempt int, id string) int // nil answers 202
	delay  time.Duration

	mu       sync.Mutex
	seen     map[string]int
	arrivals []arrival
}

func newWebhook() *webhook { return &webhook{start: time.Now(), seen: map[string]int{}} }

func (w *webhook) RoundTrip(req *http.Request) (*http.Response, error) {
	var events []Event
	if err := json.NewDecoder(req.Body).Decode(&events); err != nil || len(events) != 1 {
		return nil, fmt.Errorf("want an array of one event: %v, %d events", err, len(events))
	}
	if req.Header.Get("aeg-event-type") == "SubscriptionValidation" {
		var data struct{ ValidationCode string }
		if err := json.Unmarshal(events[0].Data, &data); err != nil {
			return nil, err
		}
		return response(200, fmt.Sprintf(`{"validationResponse":%q}`, data.ValidationCode)), nil
	}
	id := events[0].ID
	w.mu.Lock()
	w.seen[id]++
	attempt := w.seen[id]
	w.arrivals = append(w.arrivals, arrival{id: id, at: time.Since(w.start), header: req.Header})
	w.mu.Unlock()
	select {
	case <-time.After(w.delay):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	status := http.StatusAccepted
	if w.answer != nil {
		status = w.answer(attempt, id)
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return response(status, ""), nil
}

func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func (w *webhook) got() []arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.arrivals)
}

func (w *webhook) ids() []string {
	var ids []string
	for _, a := range w.got() {
		ids = append(ids, a.id)
	}
	return ids
}

func event(id string) Event {
	return Event{
		ID: id, Topic: "/accounts/a", Subject: "/blobServices/default/containers/c/blobs/f.csv",
		EventType: "Microsoft.Storage.BlobCreated", EventTime: time.Unix(1, 0), Data: json.RawMessage(`{"n":1}`),
	}
}

// start makes a grid with one subscription, "s", served by w one at a time.
func start(t *testing.T, w *webhook, opts Options) *Grid {
	t.Helper()
	opts.Transport = w
	g, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	err = g.Subscribe(t.Context(), Subscription{Name: "s", Endpoint: "http://host/hook?" + secret, Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func publish(t *testing.T, g *Grid, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := g.Publish(event(id)); err != nil {
			t.Fatal(err)
		}
	}
}

func idle(t *testing.T, g *Grid) {
	t.Helper()
	if err := g.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
