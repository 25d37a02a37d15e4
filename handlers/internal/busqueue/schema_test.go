package busqueue_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"airlock/handlers/internal/busqueue"
	"airlock/scripts/jsonschema"
	"airlock/statemachine"
)

// schemaFolder is what subscribers are given. A folder of another version stands beside it, and never replaces it.
const schemaFolder = "schema/v1"

func schemas(t *testing.T) jsonschema.Folder {
	t.Helper()
	folder, err := jsonschema.Load(os.DirFS(schemaFolder))
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// conforms holds a message against the schema of its event type, which has to describe all of it.
func conforms(t *testing.T, body []byte) {
	t.Helper()
	var m struct {
		ID   string `json:"id"`
		Data struct {
			EventType string `json:"event_type"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	folder := schemas(t)
	for name, s := range folder {
		fits := s.Validate(body)
		if mine := name == m.Data.EventType+".json" || name == "envelope.json"; mine != (fits == nil) {
			t.Errorf("message %s and %s: %v", m.ID, name, fits)
		}
	}
	s, ok := folder[m.Data.EventType+".json"]
	if !ok {
		t.Fatalf("message %s: there is no schema of %q", m.ID, m.Data.EventType)
	}
	if paths, err := s.Undescribed(body); err != nil || len(paths) > 0 {
		t.Errorf("message %s: the schema does not describe %v (%v)", m.ID, paths, err)
	}
}

// TestSchemasAreWhole: one for each occasion, and their lists are those of the state machine.
func TestSchemasAreWhole(t *testing.T) {
	folder := schemas(t)
	for _, telling := range statemachine.Tellings() {
		if folder[string(telling.Occasion)+".json"] == nil {
			t.Errorf("there is no schema of %s", telling.Occasion)
		}
	}
	text, err := os.ReadFile(schemaFolder + "/envelope.json")
	if err != nil {
		t.Fatal(err)
	}
	var envelope any
	if err := json.Unmarshal(text, &envelope); err != nil {
		t.Fatal(err)
	}
	enum := func(path string) (words []string) {
		v := envelope
		for step := range strings.SplitSeq(path, "/") {
			v = v.(map[string]any)[step]
		}
		for _, e := range v.([]any) {
			if word, ok := e.(string); ok {
				words = append(words, word)
			}
		}
		return words
	}
	var statuses, turns, audiences []string
	for _, s := range statemachine.Statuses() {
		statuses = append(statuses, string(s.Status))
		turns = append(turns, string(s.Turn))
	}
	for _, telling := range statemachine.Tellings() {
		for _, a := range telling.To {
			audiences = append(audiences, string(a))
		}
	}
	for path, want := range map[string][]string{
		"$defs/status/enum": statuses, "$defs/request/properties/previous_status/enum": statuses,
		"properties/data/properties/must_act/properties/turn/enum": turns, "properties/data/properties/audience/enum": audiences,
	} {
		got := enum(path)
		slices.Sort(got)
		slices.Sort(want)
		if want = slices.Compact(want); !slices.Equal(got, want) {
			t.Errorf("%s is %v, the state machine has %v", path, got, want)
		}
	}
}

// TestSchemasRefuse what no message may be.
func TestSchemasRefuse(t *testing.T) {
	body, err := busqueue.EncodeNotice(aNotice())
	if err != nil {
		t.Fatal(err)
	}
	s := schemas(t)["status_changed.json"]
	for _, change := range [][2]string{
		{`"dataVersion":"4.0"`, `"dataVersion":"5.0"`}, {`"status":"approved"`, `"status":"done"`}, {`"round":2`, `"round":0`},
		{`"audience":"requester"`, `"audience":"everybody"`}, {`"turn":"nobody"`, `"turn":null`}, {`"size":5`, `"size":"5"`},
		{`"link":"https`, `"links":"https`}, {`"event_type":"status_changed"`, `"event_type":"review_reminder"`},
		{`"decision":"approved"`, `"decision":"maybe"`}, {`"recipients":["rosa@example.org"]`, `"recipients":"rosa@example.org"`},
		{`"container_url":"https`, `"container_url":"/x`},
	} {
		changed := strings.Replace(string(body), change[0], change[1], 1)
		if changed == string(body) || s.Validate([]byte(changed)) == nil {
			t.Errorf("with %s it is accepted", change[1])
		}
	}
}
