// Package jsonschema checks JSON documents against the schemas that this repository publishes.
//
// It promises that what it accepts every validator of JSON Schema 2020-12 accepts: it knows a part of the keywords, with
// the meaning that the standard gives them, and a schema with any other is an error when it is loaded. Beyond the
// standard it can tell which properties of a document no schema describes, because a schema that is forgotten to be
// written allows everything.
//
// It never loads anything from a network: a reference names another file of the same folder.
package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Schema is a compiled schema. It may be used concurrently.
type Schema struct {
	types      []string
	enum       []any // also for const
	required   []string
	properties map[string]*Schema
	items      *Schema
	others     *Schema // additionalProperties
	allOf      []*Schema
	pattern    *regexp.Regexp
	format     string
	limits     limits
	never      bool // false instead of a schema
}

// limits bound numbers, texts in characters, and lists. Nil: none.
type limits struct {
	Minimum   *float64 `json:"minimum"`
	Maximum   *float64 `json:"maximum"`
	MinLength *int     `json:"minLength"`
	MaxLength *int     `json:"maxLength"`
	MinItems  *int     `json:"minItems"`
	MaxItems  *int     `json:"maxItems"`
}

// Folder is a folder of schemas: its files by name, compiled.
type Folder map[string]*Schema

// Load compiles every .json file at the top of a folder.
func Load(files fs.FS) (Folder, error) {
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, fmt.Errorf("schemas: %w", err)
	}
	c := &compiler{documents: map[string]any{}, done: map[string]*Schema{}}
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("schemas: %w", err)
		}
		if c.documents[name], err = decode(content); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	folder := Folder{}
	for _, name := range names {
		if folder[name], err = c.reference(name, ""); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	return folder, nil
}

// decode reads one JSON document and nothing else, with its numbers as they are written.
func decode(content []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one JSON document")
	}
	return v, nil
}

// compiler compiles the schemas of a folder, which may refer to each other.
type compiler struct {
	documents map[string]any
	done      map[string]*Schema // by file and pointer
}

// comments are keywords that refuse nothing.
var comments = []string{"$schema", "$id", "$comment", "$defs", "title", "description", "examples"}

// reference compiles what a reference in a file names: "other.json", "#/$defs/x" or "other.json#/$defs/x".
func (c *compiler) reference(file, ref string) (*Schema, error) {
	name, pointer, _ := strings.Cut(ref, "#")
	if name != "" {
		file = name
	}
	key := file + "#" + pointer
	if s, ok := c.done[key]; ok {
		return s, nil
	}
	v, ok := c.documents[path.Clean(file)]
	if !ok {
		return nil, fmt.Errorf("$ref: there is no file %q", file)
	}
	for _, step := range strings.Split(pointer, "/")[1:] {
		m, _ := v.(map[string]any)
		if v, ok = m[step]; !ok {
			return nil, fmt.Errorf("$ref: there is no %q in %s", pointer, file)
		}
	}
	s := &Schema{}
	c.done[key] = s // before it is compiled: it may contain itself
	return s, c.compile(s, file, v)
}

func (c *compiler) compile(s *Schema, file string, v any) error {
	if allow, ok := v.(bool); ok {
		s.never = !allow
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return errors.New("a schema is an object, true or false")
	}
	for _, keyword := range slices.Sorted(maps.Keys(m)) {
		if err := c.keyword(s, file, keyword, m[keyword]); err != nil {
			return fmt.Errorf("%s: %w", keyword, err)
		}
	}
	return nil
}

func (c *compiler) keyword(s *Schema, file, keyword string, v any) (err error) {
	switch keyword {
	case "$ref":
		ref, _ := v.(string)
		var target *Schema
		target, err = c.reference(file, ref)
		s.allOf = append(s.allOf, target)
	case "type":
		if text, ok := v.(string); ok {
			v = []any{text}
		}
		s.types, err = texts(v, "array", "boolean", "integer", "null", "number", "object", "string")
	case "const":
		s.enum = []any{v}
	case "enum":
		var ok bool
		if s.enum, ok = v.([]any); !ok {
			err = errors.New("it must be a list")
		}
	case "required":
		s.required, err = texts(v)
	case "properties":
		m, _ := v.(map[string]any)
		s.properties = map[string]*Schema{}
		for name := range m {
			if s.properties[name], err = c.child(file, m[name]); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	case "additionalProperties":
		s.others, err = c.child(file, v)
	case "items":
		s.items, err = c.child(file, v)
	case "allOf":
		list, _ := v.([]any)
		for _, e := range list {
			part, err := c.child(file, e)
			if err != nil {
				return err
			}
			s.allOf = append(s.allOf, part)
		}
	case "pattern":
		text, _ := v.(string)
		s.pattern, err = regexp.Compile(text)
	case "format":
		s.format, _ = v.(string)
		if formats[s.format] == nil {
			err = fmt.Errorf("%q is not known", s.format)
		}
	case "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems":
		var one []byte
		if one, err = json.Marshal(map[string]any{keyword: v}); err == nil {
			err = json.Unmarshal(one, &s.limits)
		}
	default:
		if !slices.Contains(comments, keyword) {
			err = errors.New("this keyword is not known")
		}
	}
	return err
}

func (c *compiler) child(file string, v any) (*Schema, error) {
	s := &Schema{}
	return s, c.compile(s, file, v)
}

// texts takes a list of texts, which must be among the allowed where any are given.
func texts(v any, allowed ...string) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("it must be a list")
	}
	var all []string
	for _, e := range list {
		text, ok := e.(string)
		if !ok || len(allowed) > 0 && !slices.Contains(allowed, text) {
			return nil, fmt.Errorf("it cannot hold %v", e)
		}
		all = append(all, text)
	}
	return all, nil
}
