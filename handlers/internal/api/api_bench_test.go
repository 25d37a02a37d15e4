package api

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// BenchmarkListPage answers with a page of requests: identification, routing, encoding.
func BenchmarkListPage(b *testing.B) {
	for _, n := range []int{1, 50, 1000} {
		b.Run(fmt.Sprintf("%d requests", n), func(b *testing.B) {
			views := make([]airlock.View, n)
			for i := range views {
				views[i] = aView(statemachine.ActionReview, statemachine.ActionCancel)
			}
			e := newEdge(b).expect("Requests", airlock.Views{Views: views}, nil)
			r := httptest.NewRequest("GET", requests, nil)
			r.Header.Set("Authorization", "Bearer manager")
			b.ReportAllocs()
			for b.Loop() {
				e.service.calls, e.log = nil, nil
				w := httptest.NewRecorder()
				e.server.serve(w, r)
				if w.Code != 200 {
					b.Fatal(w.Code)
				}
				b.SetBytes(int64(w.Body.Len()))
			}
		})
	}
}
