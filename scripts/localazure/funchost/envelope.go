package funchost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// envelope is the body of an invocation that is not proxied.
type envelope struct {
	Data     map[string]any
	Metadata map[string]any
}

// The host keeps no fractions of a second in these, and gives a DateTime no zone, though it is UTC.
const (
	dateTime       = "2006-01-02T15:04:05"
	dateTimeOffset = "2006-01-02T15:04:05-07:00"
)

// encode writes a value as JSON without escaping what only HTML needs escaped.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// quoted is how the host puts text into an envelope: as a string that holds the JSON of the string.
func quoted(s string) string {
	out, err := encode(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return string(out)
}

// system is the part of the metadata that every invocation has.
func (h *Host) system(f *function) map[string]any {
	return map[string]any{"sys": map[string]any{
		"MethodName": f.name,
		"UtcNow":     h.opts.Now().UTC().Format(time.RFC3339Nano),
		"RandGuid":   h.newID(),
	}}
}

// messageEnvelope is the invocation for a Service Bus message.
func (h *Host) messageEnvelope(f *function, m *azservicebus.ReceivedMessage) envelope {
	meta := h.system(f)
	maps.Copy(meta, messageMetadata(m))
	return bodyEnvelope(f, m.Body, meta)
}

// bodyEnvelope puts a message's body into an envelope. Text is double encoded, and what it holds at its top
// level replaces the metadata; bytes are base64 and replace nothing.
func bodyEnvelope(f *function, body []byte, meta map[string]any) envelope {
	if f.trigger.DataType == dataBinary {
		if body == nil {
			body = []byte{}
		}
		return envelope{Data: map[string]any{f.trigger.Name: body}, Metadata: meta}
	}
	text := strings.ToValidUTF8(string(body), "\uFFFD")
	pollute(meta, text)
	return envelope{Data: map[string]any{f.trigger.Name: quoted(text)}, Metadata: meta}
}

// messageMetadata is what the Service Bus extension tells about a message. Numbers and text are strings that
// hold JSON, dictionaries and the .NET objects are objects, and what is null is left out.
func messageMetadata(m *azservicebus.ReceivedMessage) map[string]any {
	meta := map[string]any{
		"DeliveryCount": strconv.FormatUint(uint64(m.DeliveryCount), 10),
		"MessageId":     quoted(m.MessageID),
		"LockToken":     quoted(lockToken(m.LockToken)),
	}
	for _, name := range []string{"MessageReceiver", "MessageActions", "ReceiveActions", "Client"} {
		meta[name] = map[string]any{} // objects of the extension, of no use to a handler
	}
	if m.SequenceNumber != nil {
		meta["SequenceNumber"] = strconv.FormatInt(*m.SequenceNumber, 10)
	}
	for name, value := range map[string]*string{
		"ContentType": m.ContentType, "CorrelationId": m.CorrelationID, "Subject": m.Subject, "Label": m.Subject,
		"ReplyTo": m.ReplyTo, "ReplyToSessionId": m.ReplyToSessionID, "To": m.To, "SessionId": m.SessionID,
		"PartitionKey": m.PartitionKey, "DeadLetterSource": m.DeadLetterSource,
	} {
		if value != nil {
			meta[name] = quoted(*value)
		}
	}
	for name, value := range map[string]*time.Time{"EnqueuedTime": m.EnqueuedTime, "ExpiresAt": m.ExpiresAt} {
		if value != nil {
			meta[name] = value.UTC().Format(dateTimeOffset)
			meta[name+"Utc"] = value.UTC().Format(dateTime)
		}
	}
	properties := map[string]any{}
	for name, value := range m.ApplicationProperties {
		if _, err := json.Marshal(value); err == nil { // AMQP knows numbers that JSON does not
			properties[name] = value
		}
	}
	meta["ApplicationProperties"], meta["UserProperties"] = properties, properties
	return meta
}

// lockToken writes a token in the usual form of a GUID.
func lockToken(t [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", t[0:4], t[4:6], t[6:8], t[8:10], t[10:16])
}

// pollute does what the host does with a text that is a JSON object: every property of it that is neither an
// array nor null becomes metadata, and replaces what stands there under the same name in any capitals.
// That is why a handler must not trust metadata. (The real host also rewrites text that looks like a date.)
func pollute(meta map[string]any, text string) {
	trimmed := strings.TrimSpace(text)
	if !strings.HasPrefix(trimmed, "{") || !strings.HasSuffix(trimmed, "}") {
		return
	}
	var body map[string]json.RawMessage
	if json.Unmarshal([]byte(trimmed), &body) != nil {
		return
	}
	names := slices.Sorted(maps.Keys(meta))
	for _, key := range slices.Sorted(maps.Keys(body)) {
		value, ok := metadataValue(body[key])
		if !ok {
			continue
		}
		name := key
		if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, key) }); i >= 0 {
			name = names[i]
		}
		meta[name] = value
	}
}

// metadataValue is a JSON value as metadata: an object as it is, everything else as text, in .NET's spelling.
func metadataValue(raw json.RawMessage) (any, bool) {
	switch raw[0] {
	case '{':
		return raw, true
	case '[', 'n':
		return nil, false
	case 't':
		return quoted("True"), true
	case 'f':
		return quoted("False"), true
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return nil, false
		}
		return quoted(s), true
	}
	return quoted(string(raw)), true
}

// eventEnvelope is the invocation for one event. The event is an object, not text, and its data is metadata too.
func (h *Host) eventEnvelope(f *function, event json.RawMessage) envelope {
	meta := h.system(f)
	var fields struct{ Data json.RawMessage }
	if json.Unmarshal(event, &fields) == nil && len(fields.Data) > 0 {
		if value, ok := metadataValue(fields.Data); ok {
			meta["data"] = value
		}
	}
	return envelope{Data: map[string]any{f.trigger.Name: event}, Metadata: meta}
}

// timerStatus is what the host remembers about a timer between runs.
type timerStatus struct {
	Last        time.Time
	LastUpdated time.Time
	Next        time.Time
}

// timerEnvelope is the invocation for a timer.
func (h *Host) timerEnvelope(f *function, status timerStatus, pastDue bool) envelope {
	var remembered any
	if f.monitored() {
		remembered = map[string]string{
			"Last":        status.Last.UTC().Format(dateTimeOffset),
			"LastUpdated": status.LastUpdated.UTC().Format(dateTimeOffset),
			"Next":        status.Next.UTC().Format(dateTimeOffset),
		}
	}
	info := map[string]any{
		"Schedule":       map[string]any{"AdjustForDST": true},
		"ScheduleStatus": remembered,
		"IsPastDue":      pastDue,
	}
	return envelope{Data: map[string]any{f.trigger.Name: info}, Metadata: h.system(f)}
}
