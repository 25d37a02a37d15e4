package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
)

// TestAnswersThatBreakOff checks that a fault halfway is answered as the fault that it is, and with nothing of what was to be answered.
func TestAnswersThatBreakOff(t *testing.T) {
	e := newEdge(t, func(o *Options) { o.AllowedOrigins = []string{"https://a.test"} })
	e.server.routes.HandleFunc("GET /api/breaks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", "secret")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("secret"))
		panic("off")
	})
	w := e.do("GET", "/api/breaks", "", "Origin: https://a.test")
	if p := e.problem(w); w.Code != http.StatusInternalServerError || p.Code != "internal" {
		t.Errorf("%d %+v", w.Code, p)
	}
	if strings.Contains(w.Body.String(), "secret") || w.Header().Get("ETag") != "" {
		t.Errorf("what was to be answered: %v %s", w.Header(), w.Body)
	}
	if w.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Error("a page of another origin cannot read the problem")
	}
	if err := e.log[0].Err; err == nil || !strings.Contains(err.Error(), "panic: off") {
		t.Errorf("log: %v", err)
	}
}

// TestAnswersHaveALength checks that an answer that is larger than net/http's own buffers goes out with its length.
func TestAnswersHaveALength(t *testing.T) {
	e := newEdge(t).expect("Request", airlock.View{Request: airlock.Request{ID: requestID, Title: strings.Repeat("long ", 4000)}}, nil)
	server := httptest.NewServer(http.HandlerFunc(e.server.serve))
	defer server.Close()
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+one, nil)
		if err != nil {
			t.Fatal(err)
		}
		name, value, _ := strings.Cut(asResearcher, ": ")
		r.Header.Set(name, value)
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		if answer.StatusCode != http.StatusOK || answer.ContentLength < 20000 || len(answer.TransferEncoding) > 0 {
			t.Errorf("%s: %d with %d bytes, %v", method, answer.StatusCode, answer.ContentLength, answer.TransferEncoding)
		}
	}
}
