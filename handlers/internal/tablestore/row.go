package tablestore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json" // that of Go 1.27, which reads in a third of the time
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// Columns beside the document.
const (
	columnWorkspace = "Workspace" // of the lookups
	columnStatus    = "Status"
	columnType      = "Type"
	columnCreator   = "Creator"
	columnVersion   = "Version"
	columnUpdated   = "UpdatedWhen"
	columnDue       = "Due"
	columnTries     = "Tries"
	columnMark      = "Mark" // unique to each write of the row
)

// chunkUnits is how many UTF-16 code units one string property holds. Azure: at most 64 KiB, of two bytes each.
const chunkUnits = 30 << 10

// maxEntity is how large one row may be. Azure: 1 MiB.
const maxEntity = 1 << 20

// row is one entity on its way to the table.
type row struct {
	partition, key string
	columns        map[string]any // strings and ints
	document       any            // nil: none; encoded: as it is
}

// encoded is a document that has gone through encodeDocument.
type encoded string

// entity encodes the row for the SDK.
func (r row) entity() ([]byte, error) {
	properties := map[string]any{"PartitionKey": r.partition, "RowKey": r.key}
	size := 4 + 2*(len(r.partition)+len(r.key))
	put := func(name string, value any, bytes int) {
		properties[name] = value
		size += 8 + 2*len(name) + bytes
	}
	for name, value := range r.columns {
		switch v := value.(type) {
		case int: // JSON has no integers of 64 bits, so Azure wants text and the type beside it
			put(name, strconv.Itoa(v), 8)
			properties[name+"@odata.type"] = "Edm.Int64"
		case string:
			put(name, v, 4+2*units(v))
		default:
			return nil, fmt.Errorf("row %s: column %s is a %T", r.key, name, value)
		}
	}
	document, err := r.text()
	if err != nil {
		return nil, fmt.Errorf("row %s: %w", r.key, err)
	}
	for i, chunk := range split(document) {
		put("D"+strconv.Itoa(i), chunk, 4+2*units(chunk))
	}
	if size > maxEntity {
		return nil, fmt.Errorf("row %s takes %d bytes, and a table takes %d", r.key, size, maxEntity)
	}
	return json.Marshal(properties)
}

// text is the document, encoded; empty when there is none.
func (r row) text() (string, error) {
	switch document := r.document.(type) {
	case nil:
		return "", nil
	case encoded:
		return string(document), nil
	default:
		return encodeDocument(document)
	}
}

// encodeDocument is JSON without what the table service may refuse in a string: the last two characters of Unicode's
// first plane are no XML, which the service speaks as well.
func encodeDocument(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // every < would take six characters
	if err := e.Encode(v); err != nil {
		return "", err
	}
	document := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	document = bytes.ReplaceAll(document, []byte("\ufffe"), []byte(`\ufffe`))
	document = bytes.ReplaceAll(document, []byte("\uffff"), []byte(`\uffff`))
	return string(document), nil
}

// split cuts a text into pieces that fit a property each, between runes; nothing into none.
func split(text string) []string {
	if text == "" {
		return nil
	}
	var pieces []string
	start, n := 0, 0
	for i, r := range text {
		width := max(1, utf16.RuneLen(r))
		if n+width > chunkUnits {
			pieces = append(pieces, text[start:i])
			start, n = i, 0
		}
		n += width
	}
	return append(pieces, text[start:])
}

// units counts UTF-16 code units, in which Azure measures text.
func units(text string) int {
	n := utf8.RuneCountInString(text)
	for _, r := range text {
		if r > 0xffff {
			n++
		}
	}
	return n
}

// entity is one row as it was read. Its columns are text, or nobody reads them.
type entity map[string]any

// text returns a property; empty when it is absent.
func (e entity) text(name string) string {
	text, _ := e[name].(string)
	return text
}

func (e entity) key() string { return e.text("RowKey") }

// document decodes the row's document. The package that writes it, encoding/json, writes a time.Duration as nanoseconds.
func (e entity) document(into any) error {
	var document []byte
	for i := 0; ; i++ {
		chunk, ok := e["D"+strconv.Itoa(i)].(string)
		if !ok {
			break
		}
		document = append(document, chunk...)
	}
	if err := jsonv2.Unmarshal(document, into, jsonv1.FormatDurationAsNano(true)); err != nil {
		return fmt.Errorf("row %s: %w", e.key(), err)
	}
	return nil
}
