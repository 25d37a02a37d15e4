package jsonschema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Validate checks a document. The error names every place that does not fit, and no value.
func (s *Schema) Validate(document []byte) error {
	v, err := decode(document)
	if err != nil {
		return fmt.Errorf("not a JSON document: %w", err)
	}
	var found problems
	found.check(s, "", v)
	return errors.Join(found...)
}

// Undescribed returns the paths of the properties of a document that the schema says nothing about.
func (s *Schema) Undescribed(document []byte) ([]string, error) {
	v, err := decode(document)
	if err != nil {
		return nil, fmt.Errorf("not a JSON document: %w", err)
	}
	var paths []string
	undescribed([]*Schema{s}, "", v, &paths)
	return paths, nil
}

type problems []error

func (p *problems) note(at, format string, args ...any) {
	if at == "" {
		at = "the document"
	}
	*p = append(*p, fmt.Errorf("%s %s", at, fmt.Sprintf(format, args...)))
}

func (p *problems) check(s *Schema, at string, v any) {
	if s.never {
		p.note(at, "may not be there")
		return
	}
	if len(s.types) > 0 && !slices.ContainsFunc(s.types, func(t string) bool { return isType(t, v) }) {
		p.note(at, "is not of the type %v", s.types)
		return
	}
	if s.enum != nil && !slices.ContainsFunc(s.enum, func(e any) bool { return same(e, v) }) {
		p.note(at, "is none of %v", s.enum)
	}
	for _, part := range s.allOf {
		p.check(part, at, v)
	}
	switch v := v.(type) {
	case map[string]any:
		p.object(s, at, v)
	case []any:
		p.bounds(at, "items", len(v), s.limits.MinItems, s.limits.MaxItems)
		for i, e := range v {
			if s.items != nil {
				p.check(s.items, at+"["+strconv.Itoa(i)+"]", e)
			}
		}
	case string:
		p.bounds(at, "characters", utf8.RuneCountInString(v), s.limits.MinLength, s.limits.MaxLength)
		if s.pattern != nil && !s.pattern.MatchString(v) {
			p.note(at, "does not match %s", s.pattern)
		}
		if s.format != "" && !formats[s.format](v) {
			p.note(at, "is no %s", s.format)
		}
	case json.Number:
		n, err := v.Float64()
		if err != nil || s.limits.Minimum != nil && n < *s.limits.Minimum || s.limits.Maximum != nil && n > *s.limits.Maximum {
			p.note(at, "is out of range")
		}
	}
}

func (p *problems) object(s *Schema, at string, v map[string]any) {
	for _, name := range s.required {
		if _, ok := v[name]; !ok {
			p.note(at, "has no %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if property, ok := s.properties[name]; ok {
			p.check(property, at+"."+name, v[name])
		} else if s.others != nil {
			p.check(s.others, at+"."+name, v[name])
		}
	}
}

func (p *problems) bounds(at, what string, n int, least, most *int) {
	if least != nil && n < *least || most != nil && n > *most {
		p.note(at, "has %d %s", n, what)
	}
}

// undescribed walks a value with all the schemas that apply to it at once.
func undescribed(schemas []*Schema, at string, v any, paths *[]string) {
	for i := 0; i < len(schemas); i++ { // it grows
		schemas = append(schemas, schemas[i].allOf...)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			var next []*Schema
			for _, s := range schemas {
				if property, ok := s.properties[name]; ok {
					next = append(next, property)
				} else if s.others != nil {
					next = append(next, s.others)
				}
			}
			if len(next) == 0 {
				*paths = append(*paths, at+"."+name)
				continue
			}
			undescribed(next, at+"."+name, v[name], paths)
		}
	case []any:
		var next []*Schema
		for _, s := range schemas {
			if s.items != nil {
				next = append(next, s.items)
			}
		}
		for i, e := range v {
			undescribed(next, at+"["+strconv.Itoa(i)+"]", e, paths)
		}
	}
}

func isType(t string, v any) bool {
	switch v := v.(type) {
	case nil:
		return t == "null"
	case bool:
		return t == "boolean"
	case string:
		return t == "string"
	case json.Number:
		n, ok := new(big.Rat).SetString(string(v))
		return t == "number" || t == "integer" && ok && n.IsInt()
	case []any:
		return t == "array"
	default:
		return t == "object"
	}
}

// same compares JSON values; numbers by value, however they are written.
func same(a, b any) bool {
	x, ok := a.(json.Number)
	y, also := b.(json.Number)
	if ok && also {
		m, ok := new(big.Rat).SetString(string(x))
		n, also := new(big.Rat).SetString(string(y))
		return ok && also && m.Cmp(n) == 0
	}
	return reflect.DeepEqual(a, b)
}

// formats are the formats that are known, each as the standard has it.
var formats = map[string]func(string) bool{
	"date-time": func(s string) bool { _, err := time.Parse(time.RFC3339Nano, s); return err == nil },
	"uri":       func(s string) bool { u, err := url.Parse(s); return err == nil && u.IsAbs() },
}
