package eventgrid

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestFilters(t *testing.T) {
	e := event("a")
	tests := []struct {
		name string
		sub  Subscription
		want bool
	}{
		{"no filter", Subscription{}, true},
		{"type", Subscription{EventTypes: []string{"x", e.EventType}}, true},
		{"other type", Subscription{EventTypes: []string{"x"}}, false},
		{"topic, case ignored", Subscription{Topics: []string{"/ACCOUNTS/a"}}, true},
		{"other topic", Subscription{Topics: []string{"/accounts/b"}}, false},
		{"subject prefix", Subscription{SubjectBeginsWith: "/blobservices/default/containers/c/"}, true},
		{"other subject prefix", Subscription{SubjectBeginsWith: "/blobServices/default/containers/d/"}, false},
		{"subject suffix", Subscription{SubjectEndsWith: ".CSV"}, true},
		{"other subject suffix", Subscription{SubjectEndsWith: ".zip"}, false},
		{"func", Subscription{Filter: func(e Event) bool { return e.ID == "a" }}, true},
		{"func refuses", Subscription{Filter: func(Event) bool { return false }}, false},
		{"all but one match", Subscription{EventTypes: []string{e.EventType}, SubjectEndsWith: ".zip"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (&subscription{Subscription: tt.sub}).matches(e); got != tt.want {
				t.Errorf("matches is %v, want %v", got, tt.want)
			}
		})
	}
}

func TestHandshake(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
		ok     bool
	}{
		{"echoes the code", func(w http.ResponseWriter, r *http.Request) {
			var events []struct {
				Data struct{ ValidationCode string }
			}
			body, _ := io.ReadAll(r.Body)
			if err := json.Unmarshal(body, &events); err != nil {
				t.Errorf("handshake body %s: %v", body, err)
			}
			fmt.Fprintf(w, `{"validationResponse":%q}`, events[0].Data.ValidationCode)
		}, true},
		{"another code", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"validationResponse":"x"}`) }, false},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `hello`) }, false},
		{"404", http.NotFound, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.answer)
			t.Cleanup(server.Close)
			g, err := New(Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(g.Close)
			err = g.Subscribe(t.Context(), Subscription{Name: "s", Endpoint: server.URL + "/?" + secret})
			if (err == nil) != tt.ok {
				t.Errorf("error is %v, want success %v", err, tt.ok)
			}
		})
	}
}
