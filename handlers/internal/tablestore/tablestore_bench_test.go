package tablestore

import (
	"testing"

	jsonv2 "github.com/go-json-experiment/json"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// BenchmarkCursor makes the cursor of a list and reads it again.
func BenchmarkCursor(b *testing.B) {
	l := list{name: "newest_first", filter: within("0b1f5c1e-4c1d-4f0e-9a55-6d1d3c0a0001", "req_"), limit: 50}
	partition, key := "1!48!MGIxZjVjMWUtNGMxZC00ZjBlLTlhNTUtNmQxZDNjMGEwMDAx", "1!56!cmVxXzAxODkwYTVkLWFjOTYtNzc0Yi1iY2NlLWIzMDIwOTlhODA1Nw--"
	b.ReportAllocs()
	for b.Loop() {
		if p, k, err := l.parse(l.cursor(&partition, &key)); err != nil || *p != partition || *k != key {
			b.Fatal(p, k, err)
		}
	}
}

// aRequest is one as most are.
func aRequest() airlock.Request {
	return airlock.Request{
		WorkspaceID: "0b1f5c1e-4c1d-4f0e-9a55-6d1d3c0a0001", ID: "01890a5d-ac96-774b-bcce-b302099a8057", Type: airlock.Import,
		Status: statemachine.InReview, Title: "Spectra", Justification: "For the study", Version: 5, Round: 1,
		Files: []airlock.FileSummary{{Name: "a.csv", Size: 5}},
	}
}

// BenchmarkReadRow decodes a row with its request.
func BenchmarkReadRow(b *testing.B) {
	encoded, err := new(transaction).holding(aRequest())(requestRow(aRequest().ID)).entity()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var e entity
		if err := jsonv2.Unmarshal(encoded, &e); err != nil {
			b.Fatal(err)
		}
		var stored storedRequest
		if err := e.document(&stored); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRequestRows encodes a request as the rows that are sent.
func BenchmarkRequestRows(b *testing.B) {
	r := aRequest()
	b.ReportAllocs()
	for b.Loop() {
		holding := new(transaction).holding(r)
		for _, key := range []string{requestRow(r.ID), statusRow(r.Status, r.ID), changedRow(r.UpdatedWhen, r.ID)} {
			if _, err := holding(key).entity(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
