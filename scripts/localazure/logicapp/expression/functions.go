package expression

import (
	"fmt"
	"maps"
)

// arity is how many arguments a function takes; a negative most means any number.
type arity struct{ least, most int }

func (a arity) check(name string, n int) error {
	switch {
	case n < a.least:
		return fmt.Errorf("%s() needs at least %d arguments, not %d", name, a.least, n)
	case a.most >= 0 && n > a.most:
		return fmt.Errorf("%s() takes at most %d arguments, not %d", name, a.most, n)
	}
	return nil
}

type reference struct {
	name  string
	arity arity
}

// references are the functions that the Scope answers, by lower-case name.
var references = map[string]reference{
	"appsetting":     {"appsetting", arity{1, 1}},
	"body":           {"body", arity{1, 1}},
	"item":           {"item", arity{0, 0}},
	"items":          {"items", arity{1, 1}},
	"outputs":        {"outputs", arity{1, 1}},
	"parameters":     {"parameters", arity{1, 1}},
	"triggerbody":    {"triggerBody", arity{0, 0}},
	"triggeroutputs": {"triggerOutputs", arity{0, 0}},
	"utcnow":         {"utcNow", arity{0, 1}},
	"variables":      {"variables", arity{1, 1}},
}

type function struct {
	arity arity
	fn    func(args []any) (any, error)
}

// functions are the functions that need nothing but their arguments, by lower-case name.
var functions = merge(textFunctions, collectionFunctions, logicFunctions, numberFunctions, timeFunctions)

func merge(tables ...map[string]function) map[string]function {
	all := map[string]function{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// stringArg returns argument i, which has to be a string.
func stringArg(args []any, i int) (string, error) {
	s, ok := args[i].(string)
	if !ok {
		return "", fmt.Errorf("argument %d must be a string, not %s", i+1, describe(args[i]))
	}
	return s, nil
}

func stringArgs(args []any) ([]string, error) {
	texts := make([]string, len(args))
	for i := range args {
		s, err := stringArg(args, i)
		if err != nil {
			return nil, err
		}
		texts[i] = s
	}
	return texts, nil
}

func intArg(args []any, i int) (int64, error) {
	n, ok := args[i].(int64)
	if !ok {
		return 0, fmt.Errorf("argument %d must be an integer, not %s", i+1, describe(args[i]))
	}
	return n, nil
}

func boolArg(args []any, i int) (bool, error) {
	b, ok := args[i].(bool)
	if !ok {
		return false, fmt.Errorf("argument %d must be a boolean, not %s", i+1, describe(args[i]))
	}
	return b, nil
}

func arrayArg(args []any, i int) ([]any, error) {
	a, ok := args[i].([]any)
	if !ok {
		return nil, fmt.Errorf("argument %d must be an array, not %s", i+1, describe(args[i]))
	}
	return a, nil
}

func numberArg(args []any, i int) (float64, error) {
	n, ok := number(args[i])
	if !ok {
		return 0, fmt.Errorf("argument %d must be a number, not %s", i+1, describe(args[i]))
	}
	return n, nil
}
