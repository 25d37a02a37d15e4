package workflow

import "fmt"

// condition is what an If asks: an expression in a string, or the object that the designer writes, {"and": [{"equals": [a, b]}]}.
type condition struct {
	text     *template
	function string
	args     []*template
	nested   []*condition
}

func (l *loader) condition(v any) (*condition, error) {
	if s, ok := v.(string); ok {
		t, err := l.template(s)
		return &condition{text: t}, err
	}
	o, ok := v.(map[string]any)
	if !ok || len(o) != 1 {
		return nil, fmt.Errorf("a condition must be a string or an object with one key")
	}
	for name, arg := range o {
		c := &condition{function: name}
		list, isList := arg.([]any)
		if !isList {
			list = []any{arg}
		}
		var err error
		switch name {
		case "and", "or", "not":
			for _, e := range list {
				n, err := l.condition(e)
				if err != nil {
					return nil, err
				}
				c.nested = append(c.nested, n)
			}
			if name == "not" && len(c.nested) != 1 {
				return nil, fmt.Errorf("not takes one condition, not %d", len(c.nested))
			}
			return c, nil
		case "equals", "greater", "greaterOrEquals", "less", "lessOrEquals", "contains", "startsWith", "endsWith":
			if len(list) != 2 {
				return nil, fmt.Errorf("%s takes two values, not %d", name, len(list))
			}
			for _, e := range list {
				t, err := l.template(e)
				if err != nil {
					return nil, err
				}
				c.args = append(c.args, t)
			}
			c.text, err = l.template(comparison(name))
			return c, err
		}
		return nil, fmt.Errorf("unknown condition %q", name)
	}
	return nil, nil
}

// comparison is the expression that compares the two values of the array that item() is.
func comparison(name string) string {
	return "@" + name + "(item()[0], item()[1])"
}

func (c *condition) evalBool(f *frame) (bool, error) {
	switch c.function {
	case "":
		return c.text.evalBool(f)
	case "and", "or", "not":
		result := c.function == "and"
		for _, n := range c.nested {
			b, err := n.evalBool(f)
			switch {
			case err != nil:
				return false, err
			case c.function == "and":
				result = result && b
			case c.function == "or":
				result = result || b
			default:
				result = !b
			}
		}
		return result, nil
	}
	operands := make([]any, len(c.args))
	for i, t := range c.args {
		v, err := t.eval(f)
		if err != nil {
			return false, err
		}
		operands[i] = v
	}
	return c.text.evalBool(f.iterate("", operands))
}
