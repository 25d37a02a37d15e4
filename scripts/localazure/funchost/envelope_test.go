package funchost

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func message() *azservicebus.ReceivedMessage {
	enqueued := time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.FixedZone("", 3600))
	return &azservicebus.ReceivedMessage{
		Body: []byte(`{"requestId":"r<1>"}`), MessageID: "r-1", DeliveryCount: 1, SequenceNumber: to.Ptr(int64(42)),
		ContentType: to.Ptr("application/json"), Subject: to.Ptr("submitted"), EnqueuedTime: &enqueued,
		LockToken:             [16]byte{0x0e, 0x1f, 15: 0xff},
		ApplicationProperties: map[string]any{"schema": "1", "n": int32(7), "bad": math.NaN()},
	}
}

// wire is an envelope as the handler decodes it.
func wire(t *testing.T, e envelope) (data, meta map[string]any) {
	t.Helper()
	raw, err := encode(e)
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Data, Metadata map[string]any }
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out.Data, out.Metadata
}

func TestMessageMetadata(t *testing.T) {
	f := &function{name: "F", trigger: binding{Name: "message", DataType: dataBinary}}
	_, meta := wire(t, bodyEnvelope(f, message().Body, messageMetadata(message())))
	want := map[string]any{
		"DeliveryCount": "1", "SequenceNumber": "42", "MessageId": `"r-1"`, "ContentType": `"application/json"`,
		"Subject": `"submitted"`, "Label": `"submitted"`, "LockToken": `"0e1f0000-0000-0000-0000-0000000000ff"`,
		"EnqueuedTimeUtc": "2026-11-22T09:00:00", "EnqueuedTime": "2026-11-22T09:00:00+00:00",
	}
	for name, value := range want {
		if meta[name] != value {
			t.Errorf("%s is %v, want %v", name, meta[name], value)
		}
	}
	for _, name := range []string{"ApplicationProperties", "UserProperties"} {
		properties, ok := meta[name].(map[string]any)
		if !ok || properties["schema"] != "1" || properties["n"] != 7.0 || len(properties) != 2 {
			t.Errorf("%s is %v", name, meta[name])
		}
	}
	for _, name := range []string{"CorrelationId", "ReplyTo", "To", "SessionId", "ExpiresAt", "ExpiresAtUtc", "PartitionKey", "requestId"} {
		if value, ok := meta[name]; ok {
			t.Errorf("%s is %v, want it left out", name, value)
		}
	}
}

func TestBodyEncoding(t *testing.T) {
	tests := []struct {
		name, dataType string
		body           []byte
		want           string
	}{
		{"binary", dataBinary, []byte(`{"a":1}`), "eyJhIjoxfQ=="},
		{"binary, not UTF-8", dataBinary, []byte{0xff, 0}, "/wA="},
		{"binary, empty", dataBinary, nil, ""},
		{"string", dataString, []byte(`{"a":"<b>"}`), `"{\"a\":\"<b>\"}"`},
		{"no type is string", "", []byte(`x`), `"x"`},
		{"string, not UTF-8", dataString, []byte{'a', 0xff, 'b'}, "\"a\uFFFDb\""},
		{"string, empty", dataString, nil, `""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &function{name: "F", trigger: binding{Name: "message", DataType: tt.dataType}}
			data, _ := wire(t, bodyEnvelope(f, tt.body, map[string]any{}))
			if data["message"] != tt.want {
				t.Errorf("data is %q, want %q", data["message"], tt.want)
			}
		})
	}
}

func TestPollution(t *testing.T) {
	body := `{"deliveryCount":0,"MESSAGEID":"spoof","requestId":"r-1","big":1.50,"yes":true,"no":false,` +
		`"null":null,"ContentType":null,"list":[1],"object":{"a":1},"Label":{"x":2}}`
	meta := messageMetadata(message())
	pollute(meta, body)
	_, got := wire(t, envelope{Metadata: meta})
	want := map[string]any{
		"DeliveryCount": `"0"`, "MessageId": `"spoof"`, "requestId": `"r-1"`, "big": `"1.50"`, "yes": `"True"`, "no": `"False"`,
		"ContentType": `"application/json"`, // null replaces nothing
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	for name, field := range map[string]string{"object": "a", "Label": "x"} {
		if o, ok := got[name].(map[string]any); !ok || o[field] == nil {
			t.Errorf("%s is %v, want an object", name, got[name])
		}
	}
	for _, name := range []string{"deliveryCount", "MESSAGEID", "null", "list"} {
		if value, ok := got[name]; ok {
			t.Errorf("%s is %v, want it left out", name, value)
		}
	}
	for _, text := range []string{"", "text", `"text"`, `[{"a":1}]`, `{"a":`, `{bad}`, "null"} {
		meta := map[string]any{"MessageId": "m"}
		pollute(meta, text)
		if len(meta) != 1 || meta["MessageId"] != "m" {
			t.Errorf("%q polluted: %v", text, meta)
		}
	}
}

func TestEventEnvelope(t *testing.T) {
	h, err := prepare(newApp(t, map[string]string{"F": eventBinding}, nil).opts)
	if err != nil {
		t.Fatal(err)
	}
	f := h.functions[0]
	for data, want := range map[string]string{
		`{"url":"https://x"}`: `{"url":"https://x"}`,
		`"text"`:              `"\"text\""`,
		`7`:                   `"\"7\""`,
		`null`:                ``,
	} {
		event := json.RawMessage(`{"id":"1","eventTime":"2026-11-22T09:00:00.1234567Z","data":` + data + `}`)
		raw, err := encode(h.eventEnvelope(f, event))
		if err != nil {
			t.Fatal(err)
		}
		var out struct{ Data, Metadata map[string]json.RawMessage }
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatal(err)
		}
		if got := string(out.Data["event"]); got != string(event) {
			t.Errorf("event is %s, want it as it came: %s", got, event)
		}
		if got := string(out.Metadata["data"]); got != want {
			t.Errorf("metadata of data %s is %s, want %s", data, got, want)
		}
		checkSystem(t, "F", out.Metadata["sys"])
	}
}

func checkSystem(t *testing.T, function string, raw json.RawMessage) {
	t.Helper()
	var sys map[string]string
	if err := json.Unmarshal(raw, &sys); err != nil {
		t.Fatalf("sys is %s: %v", raw, err)
	}
	if names := slices.Sorted(maps.Keys(sys)); strings.Join(names, " ") != "MethodName RandGuid UtcNow" || sys["MethodName"] != function {
		t.Errorf("sys is %v", sys)
	}
	if at, err := time.Parse(time.RFC3339Nano, sys["UtcNow"]); err != nil || at.Location() != time.UTC {
		t.Errorf("sys.UtcNow is %q", sys["UtcNow"])
	}
}

func TestTimerEnvelope(t *testing.T) {
	a := newApp(t, map[string]string{
		"Minute": timerBinding,
		"Second": `{"type":"timerTrigger","direction":"in","name":"timer","schedule":"* * * * * *"}`,
		"Free":   `{"type":"timerTrigger","direction":"in","name":"timer","schedule":"0 * * * * *","useMonitor":false}`,
	}, nil)
	h, err := prepare(a.opts)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 9, 0, 0, 5, time.UTC)
	for _, f := range h.functions {
		raw, err := encode(h.timerEnvelope(f, timerStatus{Last: at, LastUpdated: at, Next: at.Add(time.Minute)}, f.name == "Minute"))
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Data     map[string]json.RawMessage
			Metadata map[string]json.RawMessage
		}
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatal(err)
		}
		want := `{"IsPastDue":false,"Schedule":{"AdjustForDST":true},"ScheduleStatus":null}`
		if f.name == "Minute" {
			want = `{"IsPastDue":true,"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"2026-11-22T09:00:00+00:00",` +
				`"LastUpdated":"2026-11-22T09:00:00+00:00","Next":"2026-11-22T09:01:00+00:00"}}`
		}
		if got := string(out.Data["timer"]); got != want {
			t.Errorf("%s: timer is %s, want %s", f.name, got, want)
		}
		checkSystem(t, f.name, out.Metadata["sys"])
	}
}
