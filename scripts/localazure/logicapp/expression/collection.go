package expression

import (
	"fmt"
	"strings"
)

var collectionFunctions = map[string]function{
	"array":       {arity{1, 1}, func(a []any) (any, error) { return []any{a[0]}, nil }},
	"createarray": {arity{1, -1}, func(a []any) (any, error) { return append([]any{}, a...), nil }},
	"empty":       {arity{1, 1}, empty},
	"length":      {arity{1, 1}, length},
	"first":       {arity{1, 1}, func(a []any) (any, error) { return end(a, true) }},
	"last":        {arity{1, 1}, func(a []any) (any, error) { return end(a, false) }},
	"take":        {arity{2, 2}, func(a []any) (any, error) { return cut(a, true) }},
	"skip":        {arity{2, 2}, func(a []any) (any, error) { return cut(a, false) }},
	"contains":    {arity{2, 2}, contains},
	"join":        {arity{2, 2}, join},
	"union":       {arity{2, -1}, union},
	"json":        {arity{1, 1}, parseJSON},
	"setproperty": {arity{3, 3}, setProperty},
}

func empty(args []any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return true, nil
	case string:
		return v == "", nil
	case []any:
		return len(v) == 0, nil
	case map[string]any:
		return len(v) == 0, nil
	default:
		return nil, fmt.Errorf("%s is neither text nor a collection", describe(v))
	}
}

func length(args []any) (any, error) {
	switch v := args[0].(type) {
	case string:
		return int64(len([]rune(v))), nil
	case []any:
		return int64(len(v)), nil
	default:
		return nil, fmt.Errorf("%s has no length", describe(v))
	}
}

func end(args []any, front bool) (any, error) {
	var all []any
	switch v := args[0].(type) {
	case []any:
		all = v
	case string:
		for _, r := range v {
			all = append(all, string(r))
		}
		if len(all) == 0 {
			return "", nil
		}
	default:
		return nil, fmt.Errorf("%s has no first or last element", describe(v))
	}
	switch {
	case len(all) == 0:
		return nil, nil
	case front:
		return all[0], nil
	default:
		return all[len(all)-1], nil
	}
}

func cut(args []any, front bool) (any, error) {
	n, err := intArg(args, 1)
	if err != nil {
		return nil, err
	}
	n = max(n, 0)
	switch v := args[0].(type) {
	case string:
		r := []rune(v)
		n = min(n, int64(len(r)))
		if front {
			return string(r[:n]), nil
		}
		return string(r[n:]), nil
	case []any:
		n = min(n, int64(len(v)))
		if front {
			return v[:n], nil
		}
		return v[n:], nil
	default:
		return nil, fmt.Errorf("%s has no elements", describe(v))
	}
}

// contains finds a text in a text, a value in an array, or a name among the properties of an object.
func contains(args []any) (any, error) {
	switch v := args[0].(type) {
	case string:
		s, err := stringArg(args, 1)
		if err != nil {
			return nil, err
		}
		return strings.Contains(v, s), nil
	case []any:
		for _, e := range v {
			if equal(e, args[1]) {
				return true, nil
			}
		}
		return false, nil
	case map[string]any:
		s, err := stringArg(args, 1)
		if err != nil {
			return nil, err
		}
		_, ok := v[s]
		return ok, nil
	default:
		return nil, fmt.Errorf("%s contains nothing", describe(v))
	}
}

func join(args []any) (any, error) {
	a, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	sep, err := stringArg(args, 1)
	if err != nil {
		return nil, err
	}
	texts, size := make([]string, len(a)), 0
	for i, e := range a {
		if texts[i], err = Text(e); err != nil {
			return nil, err
		}
		if size += len(texts[i]) + len(sep); size > maxText {
			return nil, errTooLong
		}
	}
	return strings.Join(texts, sep), nil
}

// union joins arrays, each value once and in the order of its first appearance.
func union(args []any) (any, error) {
	all := []any{}
	for i := range args {
		a, err := arrayArg(args, i)
		if err != nil {
			return nil, err
		}
		for _, e := range a {
			if known, _ := contains([]any{all, e}); known == false {
				all = append(all, e)
			}
		}
	}
	return all, nil
}

func parseJSON(args []any) (any, error) {
	s, err := stringArg(args, 0)
	if err != nil {
		return nil, err
	}
	return ParseJSON([]byte(s))
}

// setProperty returns the object with the property added or changed; the given one stays as it is.
func setProperty(args []any) (any, error) {
	o, ok := args[0].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("argument 1 must be an object, not %s", describe(args[0]))
	}
	name, err := stringArg(args, 1)
	if err != nil {
		return nil, err
	}
	out := map[string]any{name: args[2]}
	for k, v := range o {
		if k != name {
			out[k] = v
		}
	}
	return out, nil
}
