package funchost

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure/eventgrid"
)

// event is one event in the schema of Event Grid.
func event(id string) string {
	return fmt.Sprintf(`{"id":%q,"subject":"s","eventType":"t","eventTime":"2026-11-22T09:00:00.1234567Z","data":{"n":1}}`, id)
}

func notification() map[string]string { return map[string]string{"aeg-event-type": "Notification"} }

func TestEventGridEndpoint(t *testing.T) {
	a := newApp(t, map[string]string{"Blob": eventBinding, "Sweep": timerBinding}, nil)
	a.opts.Timers = map[string]time.Duration{"Sweep": -1}
	a.opts.SystemKey, a.opts.MasterKey = "system", "master"
	h := a.start()
	base := h.URL() + "/runtime/webhooks/eventgrid?functionName="
	handshake := `[{"id":"1","data":{"validationCode":"the code"},"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent"}]`
	tests := []struct {
		name, method, url, body string
		header                  map[string]string
		status                  int
		answer                  string
		invocations             int
	}{
		{"one event", "POST", base + "Blob&code=system", "[" + event("1") + "]", notification(), 202, "", 1},
		{"capitals in the path", "POST", h.URL() + "/runtime/Webhooks/EventGrid?functionName=Blob&code=system", "[" + event("1") + "]", notification(), 202, "", 1},
		{"not an array", "POST", base + "Blob&code=system", event("1"), notification(), 202, "", 1},
		{"three events", "POST", base + "Blob&code=system", "[" + event("1") + "," + event("2") + "," + event("3") + "]", notification(), 202, "", 3},
		{"no events", "POST", base + "Blob&code=system", "[]", notification(), 202, "", 0},
		{"key in the header", "POST", base + "Blob", "[" + event("1") + "]", map[string]string{"aeg-event-type": "notification", "x-functions-key": "system"}, 202, "", 1},
		{"master key", "POST", base + "Blob&code=master", "[" + event("1") + "]", notification(), 202, "", 1},
		{"wrong key", "POST", base + "Blob&code=guess", "[" + event("1") + "]", notification(), 401, "", 0},
		{"no key", "POST", base + "Blob", "[" + event("1") + "]", notification(), 401, "", 0},
		{"other function", "POST", base + "Other&code=system", "[" + event("1") + "]", notification(), 404, "cannot find", 0},
		{"function of another type", "POST", base + "Sweep&code=system", "[" + event("1") + "]", notification(), 404, "", 0},
		{"function in other capitals", "POST", base + "blob&code=system", "[" + event("1") + "]", notification(), 404, "", 0},
		{"no event type", "POST", base + "Blob&code=system", "[" + event("1") + "]", nil, 400, "", 0},
		{"other event type", "POST", base + "Blob&code=system", "[" + event("1") + "]", map[string]string{"aeg-event-type": "x"}, 400, "", 0},
		{"malformed", "POST", base + "Blob&code=system", "[{", notification(), 400, "", 0},
		{"no object", "POST", base + "Blob&code=system", "[7]", notification(), 400, "", 0},
		{"null", "POST", base + "Blob&code=system", "null", notification(), 400, "", 0},
		{"handshake", "POST", base + "Blob&code=system", handshake, map[string]string{"aeg-event-type": "SubscriptionValidation"}, 200, `{"validationResponse":"the code"}`, 0},
		{"handshake without code", "POST", base + "Blob&code=system", "[{}]", map[string]string{"aeg-event-type": "SubscriptionValidation"}, 400, "", 0},
		{"unsubscribe", "POST", base + "Blob&code=system", "", map[string]string{"aeg-event-type": "Unsubscribe"}, 202, "", 0},
		{"CloudEvents handshake", "OPTIONS", base + "Blob&code=system", "", map[string]string{"WebHook-Request-Origin": "eg.test"}, 200, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := h.Stats()["Blob"].Invocations
			status, body := post(t, tt.method, tt.url, tt.body, tt.header)
			if status != tt.status || !strings.Contains(body, tt.answer) {
				t.Errorf("answer is %d %q, want %d %q", status, body, tt.status, tt.answer)
			}
			if n := h.Stats()["Blob"].Invocations - before; n != tt.invocations {
				t.Errorf("%d invocations, want %d", n, tt.invocations)
			}
		})
	}
	c := a.got("/Blob")[0]
	data, meta := envelopeOf(t, c)
	if string(data["event"]) != event("1") || string(meta["data"]) != `{"n":1}` {
		t.Errorf("the handler got %s", c.Body)
	}
	for _, key := range []string{`"system"`, "code=system", "code=guess"} {
		if strings.Contains(a.log.String(), key) {
			t.Errorf("the log tells the key: %s", key)
		}
	}
}

// All events of a delivery are tried, and one failure fails the delivery.
func TestDeliveryIsAllOrNone(t *testing.T) {
	a := newApp(t, map[string]string{"Blob": eventBinding}, nil)
	a.reply(func(c call) reply {
		if strings.Contains(string(c.Body), `"id":"bad"`) {
			return reply{Status: 500, ContentType: "application/json", Body: "{}"}
		}
		return done()
	})
	h := a.start()
	body := "[" + event("good") + "," + event("bad") + "," + event("good") + "]"
	status, answer := post(t, "POST", h.EventGridURL("Blob"), body, notification())
	if status != http.StatusInternalServerError || answer != "" {
		t.Errorf("answer is %d %q, want 500 and nothing else", status, answer)
	}
	if s := h.Stats()["Blob"]; s.Invocations != 3 || s.Failures != 1 {
		t.Errorf("stats are %+v", s)
	}
}

// The local Event Grid and this host fit: handshake, delivery, and the retry of what failed.
func TestWithEventGrid(t *testing.T) {
	a := newApp(t, map[string]string{"Blob": eventBinding}, nil)
	first := true
	a.reply(func(call) reply {
		if first {
			first = false
			return reply{Status: 503}
		}
		return done()
	})
	h := a.start()
	grid, err := eventgrid.New(eventgrid.Options{RetryScale: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(grid.Close)
	if err := grid.Subscribe(t.Context(), eventgrid.Subscription{Name: "s", Endpoint: h.EventGridURL("Blob")}); err != nil {
		t.Fatal(err)
	}
	e := eventgrid.Event{ID: "1", Subject: "s", EventType: "t", EventTime: time.Now(), Data: json.RawMessage(`{"n":1}`)}
	if err := grid.Publish(e); err != nil {
		t.Fatal(err)
	}
	if err := grid.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := grid.Stats(); s.Delivered != 1 || s.Retried != 1 {
		t.Errorf("grid: %+v", s)
	}
	if calls := a.got("/Blob"); len(calls) != 2 {
		t.Errorf("%d calls, want 2", len(calls))
	}
}

func TestAdmin(t *testing.T) {
	a := newApp(t, map[string]string{"Api": apiBinding, "Blob": eventBinding, "Sweep": timerBinding, "Text": busBinding("string")}, nil)
	a.opts.Env = append(a.opts.Env, "QUEUE=q", "ServiceBus=Endpoint=sb://127.0.0.1:1/;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true")
	a.opts.Timers = map[string]time.Duration{"Sweep": -1}
	h := a.start()
	key := map[string]string{"x-functions-key": h.MasterKey()}
	input := func(s string) string {
		out, err := json.Marshal(map[string]string{"input": s})
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	tests := []struct {
		name, method, path, body string
		header                   map[string]string
		status                   int
		data                     string // what the function gets under its binding's name
	}{
		{"timer", "POST", "/admin/functions/Sweep", "{}", key, 202, "IsPastDue"},
		{"no body", "POST", "/admin/functions/sweep", "", key, 202, "IsPastDue"},
		{"event", "POST", "/Admin/Functions/Blob", input(event("7")), key, 202, `"id":"7"`},
		{"message", "POST", "/admin/functions/Text", input("hello"), key, 202, `"\"hello\""`},
		{"event that is none", "POST", "/admin/functions/Blob", input("x"), key, 400, ""},
		{"two events", "POST", "/admin/functions/Blob", input("[" + event("1") + "," + event("2") + "]"), key, 400, ""},
		{"malformed", "POST", "/admin/functions/Blob", "{", key, 400, ""},
		{"http function", "POST", "/admin/functions/Api", "{}", key, 400, ""},
		{"no such function", "POST", "/admin/functions/None", "{}", key, 404, ""},
		{"elsewhere", "POST", "/admin/host/status", "{}", key, 404, ""},
		{"GET", "GET", "/admin/functions/Sweep", "", key, 405, ""},
		{"no key", "POST", "/admin/functions/Sweep", "{}", nil, 401, ""},
		{"system key", "POST", "/admin/functions/Sweep", "{}", map[string]string{"x-functions-key": h.opts.SystemKey}, 401, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a.mu.Lock()
			a.calls = nil
			a.mu.Unlock()
			if status, _ := post(t, tt.method, h.URL()+tt.path, tt.body, tt.header); status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if tt.data == "" {
				return
			}
			var calls []call
			eventually(t, "the invocation", func() bool {
				a.mu.Lock()
				defer a.mu.Unlock()
				calls = append(calls[:0], a.calls...)
				return len(calls) == 1
			})
			data, _ := envelopeOf(t, calls[0])
			for name, value := range data {
				if !strings.Contains(string(value), tt.data) {
					t.Errorf("%s is %s, want %s", name, value, tt.data)
				}
			}
		})
	}
}

func TestKeysAreRandom(t *testing.T) {
	a := newApp(t, map[string]string{"Blob": eventBinding}, nil)
	seen := map[string]bool{}
	for range 2 {
		h, err := prepare(a.opts)
		if err != nil {
			t.Fatal(err)
		}
		seen[h.opts.SystemKey], seen[h.opts.MasterKey] = true, true
	}
	if len(seen) != 4 {
		t.Errorf("%d different keys, want 4", len(seen))
	}
	for key := range seen {
		if len(key) != 2*keyBytes {
			t.Errorf("a key has %d characters", len(key))
		}
	}
}
