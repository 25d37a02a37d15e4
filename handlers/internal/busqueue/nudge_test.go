package busqueue_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/busqueue"
)

const aRequest = "0191c2a4-7b1e-7cc0-8000-000000000001"

func TestDecode(t *testing.T) {
	good := airlock.Nudge{Workspace: "ws-1", Request: aRequest}
	for _, test := range []struct {
		name, body string
		ok         bool
	}{
		{"as sent", `{"workspaceId":"ws-1","requestId":"` + aRequest + `"}`, true},
		{"with white space", " {\n\t\"requestId\" : \"" + aRequest + "\", \"workspaceId\":\"ws-1\" }\n", true},
		{"nothing", ``, false},
		{"no object", `null`, false},
		{"an array", `[{"workspaceId":"ws-1","requestId":"` + aRequest + `"}]`, false},
		{"a string of JSON", `"{\"workspaceId\":\"ws-1\"}"`, false},
		{"cut off", `{"workspaceId":"ws-1","requestId":"` + aRequest, false},
		{"twice", strings.Repeat(`{"workspaceId":"ws-1","requestId":"`+aRequest+`"}`, 2), false},
		{"with a tail", `{"workspaceId":"ws-1","requestId":"` + aRequest + `"} x`, false},
		{"another field", `{"workspaceId":"ws-1","requestId":"` + aRequest + `","status":"approved"}`, false},
		{"a key", `{"workspaceId":"ws-1","requestId":"` + aRequest + `","Key":"x"}`, false},
		{"no workspace", `{"requestId":"` + aRequest + `"}`, false},
		{"no request", `{"workspaceId":"ws-1"}`, false},
		{"a number for an id", `{"workspaceId":1,"requestId":"` + aRequest + `"}`, false},
		{"a path for a workspace", `{"workspaceId":"../x","requestId":"` + aRequest + `"}`, false},
		{"a long workspace", `{"workspaceId":"` + strings.Repeat("a", 65) + `","requestId":"` + aRequest + `"}`, false},
		{"a request in upper case", `{"workspaceId":"ws-1","requestId":"` + strings.ToUpper(aRequest) + `"}`, false},
		{"a request with a tail", `{"workspaceId":"ws-1","requestId":"` + aRequest + `\n"}`, false},
		{"another event", `{"eventType":"Microsoft.Storage.BlobCreated","data":{}}`, false},
		{"too long", `{"workspaceId":"ws-1","requestId":"` + aRequest + `"` + strings.Repeat(" ", 1024) + `}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := busqueue.Decode([]byte(test.body))
			switch {
			case test.ok && (err != nil || got != good):
				t.Errorf("got %+v, %v", got, err)
			case !test.ok && err == nil:
				t.Errorf("no error, got %+v", got)
			case !test.ok && got != (airlock.Nudge{}):
				t.Errorf("an error and %+v beside it", got)
			}
		})
	}
}

// TestDecodeWhatIsSent: every nudge that can be sent comes back.
func TestDecodeWhatIsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := airlock.Nudge{
			Workspace: rapid.StringMatching(`[a-z0-9-]{1,64}`).Draw(t, "workspace"),
			Request:   rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`).Draw(t, "request"),
			Key:       rapid.String().Draw(t, "key"),
		}
		body, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := busqueue.Decode(body)
		n.Key = ""
		if err != nil || got != n {
			t.Fatalf("%+v came back as %+v, %v", n, got, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"workspaceId":"ws-1","requestId":"` + aRequest + `"}`))
	f.Add([]byte(`{"workspaceId":"ws-1","workspaceId":{},"requestId":null}`))
	f.Add([]byte("\xef\xbb\xbf{}"))
	f.Add([]byte(`[[[[[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := busqueue.Decode(body)
		if err != nil {
			if n != (airlock.Nudge{}) {
				t.Fatalf("an error and %+v beside it", n)
			}
			if len(err.Error()) > 200 {
				t.Fatalf("the error repeats the body: %v", err)
			}
			return
		}
		again, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := busqueue.Decode(again); err != nil || back != n {
			t.Fatalf("%+v came back as %+v, %v", n, back, err)
		}
	})
}
