package expression

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

var logicFunctions = map[string]function{
	"if":              {arity{3, 3}, choose},
	"and":             {arity{2, -1}, and},
	"or":              {arity{2, -1}, or},
	"not":             {arity{1, 1}, not},
	"equals":          {arity{2, 2}, func(a []any) (any, error) { return equal(a[0], a[1]), nil }},
	"greater":         {arity{2, 2}, order(func(c int) bool { return c > 0 })},
	"greaterorequals": {arity{2, 2}, order(func(c int) bool { return c >= 0 })},
	"less":            {arity{2, 2}, order(func(c int) bool { return c < 0 })},
	"lessorequals":    {arity{2, 2}, order(func(c int) bool { return c <= 0 })},
	"coalesce":        {arity{1, -1}, coalesce},
	"bool":            {arity{1, 1}, toBool},
}

var numberFunctions = map[string]function{
	"int":          {arity{1, 1}, toInt},
	"float":        {arity{1, 1}, toFloat},
	"add":          {arity{2, 2}, arithmetic("+")},
	"sub":          {arity{2, 2}, arithmetic("-")},
	"mul":          {arity{2, 2}, arithmetic("*")},
	"div":          {arity{2, 2}, arithmetic("/")},
	"mod":          {arity{2, 2}, arithmetic("%")},
	"formatnumber": {arity{2, 2}, formatNumber},
}

func choose(args []any) (any, error) {
	b, err := boolArg(args, 0)
	if err != nil {
		return nil, err
	}
	if b {
		return args[1], nil
	}
	return args[2], nil
}

func and(args []any) (any, error) {
	all := true
	for i := range args {
		b, err := boolArg(args, i)
		if err != nil {
			return nil, err
		}
		all = all && b
	}
	return all, nil
}

func or(args []any) (any, error) {
	one := false
	for i := range args {
		b, err := boolArg(args, i)
		if err != nil {
			return nil, err
		}
		one = one || b
	}
	return one, nil
}

func not(args []any) (any, error) {
	b, err := boolArg(args, 0)
	return !b, err
}

// order compares two numbers or two strings.
func order(holds func(c int) bool) func([]any) (any, error) {
	return func(args []any) (any, error) {
		if s, ok := args[0].(string); ok {
			t, err := stringArg(args, 1)
			return holds(strings.Compare(s, t)), err
		}
		x, err := numberArg(args, 0)
		if err != nil {
			return nil, err
		}
		y, err := numberArg(args, 1)
		switch {
		case err != nil:
			return nil, err
		case x < y:
			return holds(-1), nil
		case x > y:
			return holds(1), nil
		}
		return holds(0), nil
	}
}

func coalesce(args []any) (any, error) {
	for _, a := range args {
		if a != nil {
			return a, nil
		}
	}
	return nil, nil
}

func toBool(args []any) (any, error) {
	switch v := args[0].(type) {
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case string:
		switch strings.ToLower(v) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
	}
	return nil, fmt.Errorf("%s is not a boolean", describe(args[0]))
}

func toInt(args []any) (any, error) {
	switch v := args[0].(type) {
	case int64:
		return v, nil
	case string:
		if i, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return i, nil
		}
	}
	return nil, fmt.Errorf("%s is not an integer", describe(args[0]))
}

func toFloat(args []any) (any, error) {
	if f, ok := number(args[0]); ok {
		return f, nil
	}
	if s, ok := args[0].(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, nil
		}
	}
	return nil, fmt.Errorf("%s is not a number", describe(args[0]))
}

// arithmetic keeps integers when both sides are integers, as Azure does: div(7, 2) is 3.
func arithmetic(op string) func([]any) (any, error) {
	return func(args []any) (any, error) {
		x, err := numberArg(args, 0)
		if err != nil {
			return nil, err
		}
		y, err := numberArg(args, 1)
		if err != nil {
			return nil, err
		}
		if y == 0 && (op == "/" || op == "%") {
			return nil, errors.New("division by zero")
		}
		i, ok1 := args[0].(int64)
		j, ok2 := args[1].(int64)
		if ok1 && ok2 {
			return onInts(op, i, j), nil
		}
		return finite(onFloats(op, x, y))
	}
}

func onInts(op string, i, j int64) int64 {
	switch op {
	case "+":
		return i + j
	case "-":
		return i - j
	case "*":
		return i * j
	case "/":
		return i / j
	default:
		return i % j
	}
}

func onFloats(op string, x, y float64) float64 {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	default:
		return math.Mod(x, y)
	}
}

func finite(f float64) (any, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, errors.New("the result is not a number")
	}
	return f, nil
}

// formatNumber knows the .NET formats F and N with up to two digits of precision: 'F0', 'N2'.
func formatNumber(args []any) (any, error) {
	f, err := numberArg(args, 0)
	if err != nil {
		return nil, err
	}
	format, err := stringArg(args, 1)
	if err != nil {
		return nil, err
	}
	kind, digits := "", 2
	if format != "" {
		kind = strings.ToUpper(format[:1])
		if d, err := strconv.ParseUint(format[1:], 10, 8); err == nil && d < 100 {
			digits = int(d)
		} else if len(format) > 1 {
			kind = ""
		}
	}
	if kind != "F" && kind != "N" {
		return nil, fmt.Errorf("unknown number format %q", format)
	}
	s := strconv.FormatFloat(roundAway(f, digits), 'f', digits, 64)
	if kind == "F" {
		return s, nil
	}
	return groupThousands(s), nil
}

// roundAway rounds halves away from zero as .NET does; strconv rounds the exact binary value to even.
func roundAway(f float64, digits int) float64 {
	p := math.Pow10(digits)
	if r := math.Round(f*p) / p; !math.IsInf(r, 0) && !math.IsNaN(r) {
		return r
	}
	return f
}

func groupThousands(s string) string {
	whole, fraction, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}
