package customhandler

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// Invocation is one call of a function by the host.
type Invocation struct {
	ID   string // the host's invocation id, for logs
	Name string // the function's name
	// Data holds the value of each binding as the host encoded it. Use [Invocation.Binary] and its siblings: the host
	// encodes strings twice, and each kind of value differently.
	Data map[string]json.RawMessage
	// Metadata is not to be trusted. For a message that was bound as text, the host overwrites it with the top-level
	// properties of the message's own body (Azure: Utility.ApplyBindingData), so that the sender of the message chooses
	// what stands here, the delivery count and the message id included. This package only carries it.
	Metadata map[string]json.RawMessage

	lines *lines
}

// maxLines and maxLine bound what a trigger in a loop can make of a report.
const (
	maxLines = 100
	maxLine  = 4096
)

// lines has a lock because a trigger that was given up may still be writing.
type lines struct {
	mu    sync.Mutex
	lines []string
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// Log adds a line to the report of this invocation and, where it succeeds, to the host's log of it. At most 100 lines
// of 4 KiB are kept. It may be called from several goroutines.
func (i Invocation) Log(line string) {
	i.lines.mu.Lock()
	defer i.lines.mu.Unlock()
	if len(i.lines.lines) < maxLines {
		i.lines.lines = append(i.lines.lines, line[:min(len(line), maxLine)])
	}
}

// decodeEnvelope reads the host's {"Data":{…},"Metadata":{…}}. It does not ask for a Content-Length or a Content-Type:
// the host sends chunks. Its errors never quote the body.
func decodeEnvelope(body io.Reader) (Invocation, error) {
	var envelope struct {
		Data     map[string]json.RawMessage
		Metadata map[string]json.RawMessage
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return Invocation{}, fmt.Errorf("read body: %w", err)
	}
	err = json.Unmarshal(raw, &envelope)
	if err != nil {
		return Invocation{}, fmt.Errorf("decode envelope: %w", position(err))
	}
	if envelope.Data == nil {
		return Invocation{}, errors.New("decode envelope: it has no Data")
	}
	return Invocation{Data: envelope.Data, Metadata: envelope.Metadata, lines: new(lines)}, nil
}

// position keeps where JSON went wrong and drops what stood there.
func position(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("malformed JSON at byte %d", syntax.Offset)
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("unexpected JSON value at byte %d", mismatch.Offset)
	}
	return errors.New("malformed JSON")
}

// Binary returns the bytes of a binding whose function.json says dataType binary: a Service Bus message's body. The host
// sends them in base64. Anything else is an error, which most likely means that function.json lost its dataType.
func (i Invocation) Binary(binding string) ([]byte, error) {
	text, err := i.Text(binding)
	if err != nil {
		return nil, err
	}
	body, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, i.fault(binding, errors.New("is not base64"))
	}
	return body, nil
}

// Object returns the JSON text of a binding that is a JSON object, such as an Event Grid event. The host sends it nested,
// and some hosts as a string that holds the object; both are taken.
func (i Invocation) Object(binding string) (json.RawMessage, error) {
	raw, err := i.value(binding)
	if err != nil {
		return nil, err
	}
	if raw[0] == '"' {
		text, err := i.Text(binding)
		if err != nil {
			return nil, err
		}
		raw = bytes.TrimSpace([]byte(text))
	}
	if len(raw) == 0 || raw[0] != '{' || !json.Valid(raw) {
		return nil, i.fault(binding, errors.New("is not a JSON object"))
	}
	return raw, nil
}

// Text returns the string of a text binding. The host puts a string as JSON into a JSON string (Azure:
// ScriptInvocationContextExtensions), and old ones put it there as it is; both are taken. A plain text that itself
// looks like a JSON string cannot be told from the former, so send JSON objects.
func (i Invocation) Text(binding string) (string, error) {
	raw, err := i.value(binding)
	if err != nil {
		return "", err
	}
	var outer string
	err = json.Unmarshal(raw, &outer)
	if err != nil {
		return "", i.fault(binding, errors.New("is not a string"))
	}
	if len(outer) < 2 || outer[0] != '"' || outer[len(outer)-1] != '"' {
		return outer, nil
	}
	var inner string
	err = json.Unmarshal([]byte(outer), &inner)
	if err != nil {
		return outer, nil // a plain text between quotation marks
	}
	return inner, nil
}

// Timer is a tick of a timer trigger.
type Timer struct {
	// PastDue tells that the tick is late, because no host was running when it was due.
	PastDue bool
}

// Timer returns the value of a timerTrigger binding.
func (i Invocation) Timer(binding string) (Timer, error) {
	raw, err := i.Object(binding)
	if err != nil {
		return Timer{}, err
	}
	var info struct {
		IsPastDue bool
	}
	err = json.Unmarshal(raw, &info)
	if err != nil {
		return Timer{}, i.fault(binding, errors.New("is not a timer's"))
	}
	return Timer{PastDue: info.IsPastDue}, nil
}

func (i Invocation) value(binding string) (json.RawMessage, error) {
	raw := bytes.TrimSpace(i.Data[binding])
	if len(raw) == 0 || string(raw) == "null" {
		return nil, i.fault(binding, errors.New("is missing"))
	}
	return raw, nil
}

func (i Invocation) fault(binding string, err error) error {
	return fmt.Errorf("invocation of %s: binding %s %w", i.Name, binding, err)
}
