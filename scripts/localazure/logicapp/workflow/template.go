package workflow

import (
	"fmt"
	"maps"
	"slices"

	"airlock/scripts/localazure/logicapp/expression"
)

// template is a JSON value with expressions in its strings, at any depth.
type template struct {
	text   *expression.Template
	array  []*template
	object map[string]*template
	plain  any
}

func (l *loader) template(v any) (*template, error) {
	switch v := v.(type) {
	case string:
		t, err := expression.Compile(v)
		if err != nil {
			return nil, err
		}
		return &template{text: t}, l.checkReferences(t.References())
	case []any:
		t := &template{array: make([]*template, len(v))}
		for i, e := range v {
			var err error
			if t.array[i], err = l.template(e); err != nil {
				return nil, err
			}
		}
		return t, nil
	case map[string]any:
		t := &template{object: make(map[string]*template, len(v))}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			e, err := l.template(v[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			t.object[k] = e
		}
		return t, nil
	default:
		return &template{plain: v}, nil
	}
}

func (t *template) eval(f *frame) (any, error) {
	switch {
	case t.text != nil:
		return t.text.Eval(f)
	case t.array != nil:
		out := make([]any, len(t.array))
		for i, e := range t.array {
			v, err := e.eval(f)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	case t.object != nil:
		out := make(map[string]any, len(t.object))
		for k, e := range t.object {
			v, err := e.eval(f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			out[k] = v
		}
		return out, nil
	}
	return t.plain, nil
}

func (t *template) evalArray(f *frame) ([]any, error) {
	v, err := t.eval(f)
	if err != nil {
		return nil, err
	}
	a, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("an array is needed, not %T", v)
	}
	return a, nil
}

func (t *template) evalBool(f *frame) (bool, error) {
	v, err := t.eval(f)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("a boolean is needed, not %T", v)
	}
	return b, nil
}
