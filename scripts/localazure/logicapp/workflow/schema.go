package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// schema is the part of JSON Schema that ParseJson actions use: type, properties, required, items and enum. Other keywords that
// would refuse a value are an error when the workflow is loaded; anything else is a comment, as JSON Schema has it.
type schema struct {
	types      []string
	properties map[string]*schema
	required   []string
	items      *schema
	enum       []string
}

var unsupportedKeywords = []string{
	"$ref", "additionalItems", "additionalProperties", "allOf", "anyOf", "const", "contains", "definitions", "dependencies", "else",
	"exclusiveMaximum", "exclusiveMinimum", "format", "if", "maxItems", "maxLength", "maxProperties", "maximum", "minItems",
	"minLength", "minProperties", "minimum", "multipleOf", "not", "oneOf", "pattern", "patternProperties", "propertyNames", "then",
	"uniqueItems",
}

func compileSchema(v any) (*schema, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("it must be an object")
	}
	for _, k := range unsupportedKeywords {
		if _, found := m[k]; found {
			return nil, fmt.Errorf("unknown keyword %q", k)
		}
	}
	s := &schema{properties: map[string]*schema{}}
	var err error
	if s.types, err = texts(m["type"]); err != nil {
		return nil, fmt.Errorf("type: %w", err)
	}
	known := []string{"array", "boolean", "integer", "null", "number", "object", "string"}
	for _, t := range s.types {
		if !slices.Contains(known, t) {
			return nil, fmt.Errorf("unknown type %q", t)
		}
	}
	if s.required, err = texts(m["required"]); err != nil {
		return nil, fmt.Errorf("required: %w", err)
	}
	if s.enum, err = texts(m["enum"]); err != nil {
		return nil, fmt.Errorf("enum: %w", err)
	}
	if m["items"] != nil {
		if s.items, err = compileSchema(m["items"]); err != nil {
			return nil, fmt.Errorf("items: %w", err)
		}
	}
	if m["properties"] == nil {
		return s, nil
	}
	props, ok := m["properties"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("properties must be an object")
	}
	for name, p := range props {
		if s.properties[name], err = compileSchema(p); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

// texts accepts nothing, one string or a list of strings.
func texts(v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		var list []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("it must hold strings")
			}
			list = append(list, s)
		}
		return list, nil
	}
	return nil, fmt.Errorf("it must be a string or a list of strings")
}

func (s *schema) validate(path string, v any) error {
	at := strings.TrimPrefix(path, ".")
	if at == "" {
		at = "the content"
	}
	if len(s.types) > 0 && !slices.ContainsFunc(s.types, func(t string) bool { return isType(t, v) }) {
		return fmt.Errorf("%s must be %s", at, strings.Join(s.types, " or "))
	}
	if text, ok := v.(string); ok && s.enum != nil && !slices.Contains(s.enum, text) {
		return fmt.Errorf("%s is not one of %s", at, strings.Join(s.enum, ", "))
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range s.required {
			if _, ok := v[name]; !ok {
				return fmt.Errorf("%s has no %s", at, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s.properties)) {
			if e, ok := v[name]; ok {
				if err := s.properties[name].validate(path+"."+name, e); err != nil {
					return err
				}
			}
		}
	case []any:
		for i, e := range v {
			if s.items == nil {
				break
			}
			if err := s.items.validate(fmt.Sprintf("%s[%d]", path, i), e); err != nil {
				return err
			}
		}
	}
	return nil
}

func isType(t string, v any) bool {
	switch v.(type) {
	case nil:
		return t == "null"
	case bool:
		return t == "boolean"
	case string:
		return t == "string"
	case int64:
		return t == "integer" || t == "number"
	case float64:
		return t == "number"
	case []any:
		return t == "array"
	default:
		return t == "object"
	}
}
