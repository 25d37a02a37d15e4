package workflow

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"airlock/scripts/localazure/logicapp/expression"
)

// The actions that only compute.

func compileCompose(l *loader, _ string, o *object) (doer, error) {
	t, err := l.template(plain(o.values["inputs"]))
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, f *frame) (any, error) { return t.eval(f) }, nil
}

func compileParseJSON(l *loader, _ string, o *object) (doer, error) {
	inputs, err := inputsOf(o, "content", "schema")
	if err != nil {
		return nil, err
	}
	s, err := compileSchema(plain(inputs.values["schema"]))
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	t, err := l.compileEach(inputs, "content")
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, f *frame) (any, error) {
		v, err := t[0].eval(f)
		if err != nil {
			return nil, err
		}
		if v, err = content(v); err != nil {
			return nil, err
		}
		if err := s.validate("", v); err != nil {
			return nil, err
		}
		return bodied(v), nil
	}, nil
}

// content turns a message's content into JSON: a text is parsed, and binary content, which the platform wraps into an object with
// $content, is decoded first.
func content(v any) (any, error) {
	if m, ok := v.(map[string]any); ok {
		encoded, ok := m["$content"].(string)
		if !ok {
			return v, nil
		}
		b, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("the content is not base64")
		}
		return expression.ParseJSON(b)
	}
	if s, ok := v.(string); ok {
		return expression.ParseJSON([]byte(s))
	}
	return v, nil
}

func compileSelect(l *loader, _ string, o *object) (doer, error) {
	inputs, err := inputsOf(o, "from", "select")
	if err != nil {
		return nil, err
	}
	t, err := l.compileEach(inputs, "from", "select")
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, f *frame) (any, error) {
		from, err := t[0].evalArray(f)
		if err != nil {
			return nil, err
		}
		out := make([]any, len(from))
		for i, item := range from {
			if out[i], err = t[1].eval(f.iterate("", item)); err != nil {
				return nil, err
			}
		}
		return bodied(out), nil
	}, nil
}

func compileQuery(l *loader, _ string, o *object) (doer, error) {
	inputs, err := inputsOf(o, "from", "where")
	if err != nil {
		return nil, err
	}
	t, err := l.compileEach(inputs, "from", "where")
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, f *frame) (any, error) {
		from, err := t[0].evalArray(f)
		if err != nil {
			return nil, err
		}
		out := []any{}
		for _, item := range from {
			keep, err := t[1].evalBool(f.iterate("", item))
			if err != nil {
				return nil, err
			}
			if keep {
				out = append(out, item)
			}
		}
		return bodied(out), nil
	}, nil
}

type variable struct {
	name, typ string
	value     any
}

// variables are those that an InitializeVariable action declares.
func variables(o *object) []variable {
	inputs, _ := plain(o.values["inputs"]).(map[string]any)
	list, _ := inputs["variables"].([]any)
	var found []variable
	for _, e := range list {
		m, _ := e.(map[string]any)
		name, _ := m["name"].(string)
		typ, _ := m["type"].(string)
		found = append(found, variable{name, typ, m["value"]})
	}
	return found
}

// zeroes are the values of variables that are declared without one.
func zeroes() map[string]any {
	return map[string]any{"array": []any{}, "boolean": false, "float": 0.0, "integer": int64(0), "object": map[string]any{}, "string": ""}
}

func compileInitialize(l *loader, _ string, o *object) (doer, error) {
	declared := variables(o)
	if len(declared) != 1 {
		return nil, fmt.Errorf("%d variables; one is supported", len(declared))
	}
	v := declared[0]
	zero, ok := zeroes()[v.typ]
	if !ok || v.name == "" {
		return nil, fmt.Errorf("variable %q has the unknown type %q", v.name, v.typ)
	}
	if v.value == nil {
		v.value = zero
	}
	t, err := l.template(v.value)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, f *frame) (any, error) {
		value, err := t.eval(f)
		if err == nil {
			f.run.variables[v.name] = value
		}
		return nil, err
	}, nil
}

// compileChange compiles an action that changes a variable.
func (l *loader) compileChange(o *object) (string, *template, error) {
	inputs, err := inputsOf(o, "name", "value")
	if err != nil {
		return "", nil, err
	}
	name, err := inputs.text("name")
	if err != nil {
		return "", nil, err
	}
	if !l.variables[name] {
		return "", nil, fmt.Errorf("there is no variable %q", name)
	}
	t, err := l.compileEach(inputs, "value")
	if err != nil {
		return "", nil, err
	}
	return name, t[0], nil
}

func compileSet(l *loader, _ string, o *object) (doer, error) {
	name, t, err := l.compileChange(o)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, f *frame) (any, error) {
		v, err := t.eval(f)
		if err == nil {
			f.run.variables[name] = v
		}
		return nil, err
	}, nil
}

func compileAppend(l *loader, _ string, o *object) (doer, error) {
	name, t, err := l.compileChange(o)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, f *frame) (any, error) {
		v, err := t.eval(f)
		if err != nil {
			return nil, err
		}
		list, ok := f.run.variables[name].([]any)
		if !ok {
			return nil, fmt.Errorf("variable %q is not an array", name)
		}
		f.run.variables[name] = append(slices.Clone(list), v)
		return nil, nil
	}, nil
}
