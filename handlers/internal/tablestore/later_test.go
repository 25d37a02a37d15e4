package tablestore

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"airlock/handlers/internal/airlock"
)

// TestUnknownMembersSurvive reads a request as a newer program wrote it and writes it again, as this program would when it
// changes its status.
func TestUnknownMembersSurvive(t *testing.T) {
	value := rapid.SampledFrom([]string{`1`, `null`, `"a<&>\ufffe😀"`, `[1,{"id":"x"}]`, `{"a":{"b":[]}}`, `12345678901234567890`, `1.50`})
	name := rapid.SampledFrom([]string{"approvalsFrom", "größe", "x", "later", "a b"})
	rapid.Check(t, func(t *rapid.T) {
		unknown := rapid.MapOf(name, value).Draw(t, "unknown")
		known, err := encodeDocument(airlock.Request{ID: "1", Title: "a title", Files: []airlock.FileSummary{{Name: "f"}}})
		if err != nil {
			t.Fatal(err)
		}
		newer := strings.TrimSuffix(known, "}")
		for name, value := range unknown {
			newer += `,"` + name + `":` + value
		}
		newer += "}"

		var read storedRequest
		if err := (entity{"RowKey": "r", "D0": newer}).document(&read); err != nil {
			t.Fatal(err)
		}
		next := read.request()
		if (next.Later == "") != (len(unknown) == 0) || next.Title != "a title" {
			t.Fatalf("read %+v", next)
		}
		next.Title = "another"
		written, err := encodeDocument(document(next))
		if err != nil {
			t.Fatal(err)
		}
		want := asMap(t, strings.Replace(newer, "a title", "another", 1))
		got := asMap(t, written)
		if len(got) != len(want) {
			t.Fatalf("wrote %s\nwant  %s", written, newer)
		}
		for name, value := range want {
			if got[name] != value {
				t.Fatalf("%s is %s, want %s", name, got[name], value)
			}
		}
	})
}

// asMap is the members of an object with their values, in one spelling.
func asMap(t *rapid.T, document string) map[string]string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(document), &members); err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	texts := map[string]string{}
	for name, value := range members {
		text, err := encodeDocument(value)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = text
	}
	return texts
}

// TestBrokenDocumentsStayBroken: that unknown members are taken does not make anything else a request.
func TestBrokenDocumentsStayBroken(t *testing.T) {
	for _, broken := range []string{
		``, `[]`, `{"id":1}`, `{"id":"1"`, `{"id":"1"} {}`, `{"id":"1"}}`, `{"x":1,"round":"two"}`, `{"id":"1","id":"2"}`, `{"x":1,"x":2}`,
		`{"x":"\ud800"}`, `{"x":{"a":1,"a":2}}`, // nothing that encoding/json writes: a program that keeps what others wrote has to write it so
	} {
		var r storedRequest
		if err := (entity{"RowKey": "r", "D0": broken}).document(&r); err == nil {
			t.Errorf("%s was read as %+v", broken, r)
		}
	}
}
