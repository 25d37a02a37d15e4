package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// format reads and writes JSON bodies.
func (s *server) format() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error {
			if text, ok := v.(sentence); ok {
				_, err := io.WriteString(w, string(text))
				return err
			}
			return huma.DefaultJSONFormat.Marshal(w, v)
		},
		Unmarshal: func(data []byte, v any) error {
			if err := checkJSON(data, s.Limits.MaxDepth); err != nil {
				return err
			}
			return inWords(json.Unmarshal(data, v))
		},
	}
}

// inWords says what encoding/json has against a value of the right type, which is a number that no field could hold.
func inWords(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s cannot be the %s", cmp.Or(wrong.Field, "a field"), shorten(wrong.Value))
	}
	return err
}

// checkJSON refuses what could be read in two ways, or costs too much to read: invalid UTF-8, a name twice in an
// object (names that differ in case only are the same name to encoding/json), and deep nesting.
func checkJSON(data []byte, maxDepth int) error {
	if !utf8.Valid(data) {
		return errors.New("it is not valid UTF-8")
	}
	type level struct {
		names map[string]bool // nil in an array
		value bool            // in an object: the next token is a value
	}
	var levels []level
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is not valid JSON: %w", err)
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			levels = levels[:len(levels)-1]
			continue
		}
		if n := len(levels); n > 0 && levels[n-1].names != nil {
			if top := &levels[n-1]; top.value {
				top.value = false
			} else {
				name := foldName(token.(string))
				if top.names[name] {
					return fmt.Errorf("the name %q stands there twice", shorten(token.(string)))
				}
				top.names[name], top.value = true, true
				continue
			}
		}
		if delim, ok := token.(json.Delim); ok {
			if len(levels) == maxDepth {
				return fmt.Errorf("it is nested deeper than %d levels", maxDepth)
			}
			next := level{}
			if delim == '{' {
				next.names = map[string]bool{}
			}
			levels = append(levels, next)
		}
	}
}

// foldName maps names that encoding/json takes for the same field to one.
func foldName(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// shorten keeps what a client sent readable in a sentence.
func shorten(s string) string {
	const longest = 60
	if utf8.RuneCountInString(s) <= longest {
		return s
	}
	return string([]rune(s)[:longest]) + "…"
}

// boolWords is every way to write a boolean as a text. Case does not count.
var boolWords = map[string]bool{
	"true": true, "t": true, "yes": true, "y": true, "on": true, "1": true,
	"false": false, "f": false, "no": false, "n": false, "off": false, "0": false,
}

// boolPattern is boolWords for the OpenAPI document, whose patterns have no way to ignore case.
const boolPattern = `^([tT]([rR][uU][eE])?|[fF]([aA][lL][sS][eE])?|[yY]([eE][sS])?|[nN][oO]?|[oO][nN]|[oO][fF][fF]|[01])$`

const boolMeaning = "a boolean: true, false, yes, no, on, off, t, f, y, n, 1 or 0"

// lenient is a boolean in a body that may come as a boolean, a number or a text, as clients of AzureTRE send it.
type lenient bool

// UnmarshalJSON reads any of the forms.
func (l *lenient) UnmarshalJSON(data []byte) error {
	text := string(data)
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	} else if number, err := strconv.ParseFloat(text, 64); err == nil && (number == 0 || number == 1) {
		*l = number == 1
		return nil
	}
	value, ok := boolWords[strings.ToLower(text)]
	if !ok {
		return errors.New("expected " + boolMeaning)
	}
	*l = lenient(value)
	return nil
}

// Schema describes the forms.
func (lenient) Schema(huma.Registry) *huma.Schema {
	zero, one := 0.0, 1.0
	forms := []*huma.Schema{
		{Type: huma.TypeBoolean},
		{Type: huma.TypeInteger, Minimum: &zero, Maximum: &one},
		{Type: huma.TypeString, Pattern: boolPattern},
	}
	for _, f := range forms {
		f.PrecomputeMessages()
	}
	return &huma.Schema{AnyOf: forms}
}

// boolText is a boolean in a query.
type boolText string

// Schema describes the forms.
func (boolText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: boolPattern, PatternDescription: boolMeaning}
}

// or returns the value, or the default where there is none.
func (b boolText) or(unset bool) bool {
	if value, ok := boolWords[strings.ToLower(string(b))]; ok {
		return value
	}
	return unset
}
