package funchost

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// webhook answers below /runtime/webhooks. Only the Event Grid extension is there.
func (h *Host) webhook(w http.ResponseWriter, r *http.Request, rest []string) {
	switch {
	case rest[0] != "eventgrid":
		w.WriteHeader(http.StatusNotFound)
	case !h.authorized(r, h.opts.SystemKey, h.opts.MasterKey):
		w.WriteHeader(http.StatusUnauthorized)
	default:
		h.eventGrid(w, r)
	}
}

// authorized tells whether the request carries one of the keys, in the query or in the header.
func (h *Host) authorized(r *http.Request, keys ...string) bool {
	given := r.Header.Get("x-functions-key")
	if given == "" {
		given = r.URL.Query().Get("code")
	}
	ok := 0
	for _, key := range keys {
		ok |= subtle.ConstantTimeCompare([]byte(given), []byte(key))
	}
	return ok == 1
}

// eventGrid is what the Event Grid extension does with a delivery: it answers the validation handshake itself,
// and 202 to a notification once every event in it was handled, 500 if any failed, so that all are sent again.
func (h *Host) eventGrid(w http.ResponseWriter, r *http.Request) {
	f := h.find(r.URL.Query().Get("functionName"), eventGridTrigger)
	if f == nil {
		http.Error(w, "cannot find function", http.StatusNotFound)
		return
	}
	if origin := r.Header.Get("WebHook-Request-Origin"); r.Method == http.MethodOptions && origin != "" {
		w.Header().Set("WebHook-Allowed-Origin", origin) // how CloudEvents asks for permission
		return
	}
	kind := strings.ToLower(r.Header.Get("aeg-event-type"))
	if kind == "unsubscribe" {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	events, err := readEvents(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	case kind == "subscriptionvalidation":
		validate(w, events)
	case kind == "notification":
		w.WriteHeader(h.deliver(f, events))
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

// readEvents reads an array of events, or one event, which is as good as an array of one.
func readEvents(body io.Reader) ([]json.RawMessage, error) {
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	events := []json.RawMessage{raw}
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		if err := json.Unmarshal(raw, &events); err != nil {
			return nil, fmt.Errorf("decode events: %w", err)
		}
	}
	for _, e := range events {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(e, &object); err != nil {
			return nil, fmt.Errorf("decode event: %w", err)
		}
		if object == nil {
			return nil, errors.New("decode event: null is no event")
		}
	}
	return events, nil
}

// validate sends the code of a validation event back.
func validate(w http.ResponseWriter, events []json.RawMessage) {
	var event struct {
		Data struct {
			ValidationCode string `json:"validationCode"`
		} `json:"data"`
	}
	if len(events) == 0 || json.Unmarshal(events[0], &event) != nil || event.Data.ValidationCode == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer, err := encode(map[string]string{"validationResponse": event.Data.ValidationCode})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// If Event Grid has gone it will ask again.
	_, _ = w.Write(answer)
}

// deliver runs one invocation per event, all at once, and returns the status for the delivery as a whole.
func (h *Host) deliver(f *function, events []json.RawMessage) int {
	var wg sync.WaitGroup
	failed := make([]bool, len(events))
	for i, e := range events {
		wg.Go(func() { failed[i] = h.invoke(h.live, f, h.eventEnvelope(f, e)) != nil })
	}
	wg.Wait()
	for _, bad := range failed {
		if bad {
			return http.StatusInternalServerError
		}
	}
	return http.StatusAccepted
}

// admin answers below /admin: POST /admin/functions/<name> with {"input":"…"} starts a function that is not
// HTTP, as its trigger would have with that input, and answers 202 without waiting for it.
func (h *Host) admin(w http.ResponseWriter, r *http.Request, path string) {
	if !h.authorized(r, h.opts.MasterKey) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) != 3 || !strings.EqualFold(parts[1], "functions") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	var body struct{ Input string }
	raw, err := io.ReadAll(r.Body)
	if err != nil || len(raw) > 0 && json.Unmarshal(raw, &body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, f := range h.functions {
		if !strings.EqualFold(f.name, parts[2]) {
			continue
		}
		run, ok := h.byHand(f, body.Input)
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		// The outcome of the invocation is in the log and the counters, as for every other trigger.
		h.wg.Go(func() { _ = run() })
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

// byHand makes the invocation that a trigger would make of an input; false if it cannot.
func (h *Host) byHand(f *function, input string) (run func() error, ok bool) {
	switch f.trigger.Type {
	case serviceBusTrigger:
		m := &azservicebus.ReceivedMessage{Body: []byte(input)}
		return func() error { return h.invoke(h.live, f, h.messageEnvelope(f, m)) }, true
	case eventGridTrigger:
		events, err := readEvents(strings.NewReader(input))
		if err != nil || len(events) != 1 {
			return nil, false
		}
		return func() error { return h.invoke(h.live, f, h.eventEnvelope(f, events[0])) }, true
	case timerTrigger:
		return func() error { return h.fire(f, false) }, true
	}
	return nil, false
}
