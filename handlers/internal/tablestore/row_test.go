package tablestore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSplitAndJoin(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "ä", "請", "🧬", "\uffff", strings.Repeat("x", chunkUnits-1), strings.Repeat("🧬", chunkUnits/2-1)})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
		pieces := split(text)
		if strings.Join(pieces, "") != text {
			t.Fatal("the pieces are not the text")
		}
		for i, p := range pieces {
			if n := len(utf16.Encode([]rune(p))); n > chunkUnits || n != units(p) || !utf8.ValidString(p) {
				t.Fatalf("piece %d has %d units, counted %d", i, n, units(p))
			}
		}
	})
}

func TestDocumentRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text") + "\ufffe\uffff<>&\u2028\x00\x7f" + strings.Repeat("🧬\\\"", rapid.IntRange(0, 20_000).Draw(t, "n"))
		encoded, err := row{partition: "p", key: "k", document: []string{text}}.entity()
		if err != nil {
			t.Fatal(err)
		}
		var e entity
		if err := json.Unmarshal(encoded, &e); err != nil {
			t.Fatal(err)
		}
		for name, value := range e {
			if s, ok := value.(string); ok && (strings.ContainsAny(s, "\ufffe\uffff\x00") || units(s) > 32<<10) {
				t.Fatalf("property %s of %d units cannot be stored", name, units(s))
			}
		}
		var got []string
		if err := e.document(&got); err != nil || got[0] != text {
			t.Fatalf("%v", err)
		}
	})
}

func TestEntityLimits(t *testing.T) {
	fits := row{partition: "p", key: "k", document: strings.Repeat("x", maxEntity/2-1000)}
	if _, err := fits.entity(); err != nil {
		t.Error(err)
	}
	large := row{partition: "p", key: "k", document: strings.Repeat("x", maxEntity/2)}
	if _, err := large.entity(); err == nil {
		t.Error("a row of more than 1 MiB was accepted")
	}
	if _, err := (row{key: "k", columns: map[string]any{"C": 1.5}}).entity(); err == nil {
		t.Error("a column of an unknown type was accepted")
	}
	encoded, err := row{key: "k", columns: map[string]any{"N": 1 << 60}}.entity()
	if err != nil {
		t.Fatal(err)
	}
	var properties map[string]any
	if err := json.Unmarshal(encoded, &properties); err != nil {
		t.Fatal(err)
	}
	if properties["N"] != "1152921504606846976" || properties["N@odata.type"] != "Edm.Int64" {
		t.Errorf("%v", properties)
	}
}

func FuzzCursor(f *testing.F) {
	l := list{name: "the list"}
	partition, key := "1!4!YQ--", "1!8!cmVx"
	f.Add(l.cursor(&partition, &key))
	f.Add(l.cursor(&partition, nil))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		p, k, err := l.parse(text)
		if err != nil {
			return
		}
		if again := l.cursor(p, k); *p != "" && again != strings.NewReplacer("\n", "", "\r", "").Replace(text) {
			t.Errorf("%q is read, and written as %q", text, again)
		}
		if _, _, err := (list{name: "another"}).parse(text); err == nil {
			t.Errorf("%q is a cursor of two lists", text)
		}
	})
}

// TestAnswer reads the answers to transactions that no server here gives.
func TestAnswer(t *testing.T) {
	parts := func(answers ...string) []byte {
		body := "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
		for _, a := range answers {
			body += "--c\r\nContent-Type: application/http\r\n\r\n" + a + "\r\n"
		}
		return []byte(body + "--c--\r\n--b--\r\n")
	}
	const stored = "HTTP/1.1 204 No Content\r\nETag: W/\"x\"\r\n\r\n"
	answer := func(status int, code string) string {
		return fmt.Sprintf("HTTP/1.1 %d x\r\n\r\n{\"odata.error\":{\"code\":%q}}", status, code)
	}
	for name, test := range map[string]struct {
		body []byte
		err  error // nil and says empty: the ETag is read
		says string
	}{
		"stored":             {parts(stored, stored), nil, ""},
		"too few parts":      {parts(stored), nil, "1 of 2 parts"},
		"too many parts":     {parts(stored, stored, stored), nil, "parts"},
		"no parts":           {parts(), nil, "0 of 2 parts"},
		"no ETag":            {parts("HTTP/1.1 204 No Content\r\n\r\n", stored), nil, "no ETag"},
		"no HTTP":            {parts("hello", stored), nil, "part 0"},
		"no multipart":       {[]byte("{}"), nil, "not in parts"},
		"empty":              {nil, nil, "not in parts"},
		"stale":              {parts(answer(412, "UpdateConditionNotSatisfied")), errStale, ""},
		"stale, other words": {parts(answer(412, "ConditionNotMet")), errStale, ""},
		"exists":             {parts(answer(409, "EntityAlreadyExists")), errTaken, ""},
		"missing":            {parts(answer(404, "ResourceNotFound")), errMissing, ""},
		"no table":           {parts(answer(404, "TableNotFound")), nil, "TableNotFound"},
		"other conflict":     {parts(answer(409, "TableBeingDeleted")), nil, "TableBeingDeleted"},
		"busy":               {parts(answer(503, "ServerBusy")), nil, "ServerBusy"},
		"no code":            {parts("HTTP/1.1 400 x\r\n\r\nwhat"), nil, "without a code"},
	} {
		etag, err := parseParts(test.body, 2)
		switch {
		case test.err == nil && test.says == "":
			if err != nil || etag != `W/"x"` {
				t.Errorf("%s: %q, %v", name, etag, err)
			}
		case err == nil || etag != "" || (test.err != nil && !errors.Is(err, test.err)):
			t.Errorf("%s: %q, %v", name, etag, err)
		case test.err == nil && (refused(err) || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\nETag: W/\"x\"\r\n\r\n\r\n--c--\r\n--b--\r\n"), uint8(1))
	f.Add([]byte("--b\r\n\r\n--c\r\n\r\nHTTP/1.1 412 Precondition Failed\r\n\r\n{\"odata.error\":{\"code\":\"UpdateConditionNotSatisfied\"}}\r\n--c--\r\n--b--\r\n"), uint8(3))
	f.Add([]byte("{"), uint8(1))
	f.Fuzz(func(t *testing.T, body []byte, operations uint8) {
		etag, err := parseParts(body, 1+int(operations))
		if (err == nil) == (etag == "") {
			t.Errorf("ETag %q and error %v", etag, err)
		}
	})
}
