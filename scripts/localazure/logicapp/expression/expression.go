// Package expression compiles and evaluates the expressions of the Azure Logic Apps workflow definition language, as they
// stand in the strings of a workflow.json.
//
// It promises to refuse, when it compiles and with the name in the error, every function that it does not know and every
// call with the wrong number of arguments: an expression that compiles means here what it means in Azure, or fails. Both
// branches of if() and all arguments of and() and or() are always evaluated, so that nothing works here only because a
// faulty branch was not taken.
//
// It never reads the clock, the environment or the network; what an expression refers to comes from its Scope. It is a
// subset: the functions in the tables of this package and no others.
package expression

import (
	"errors"
	"fmt"
	"strings"
)

// MaxLength is the longest string with expressions, in bytes. Azure: 8,192 characters per expression.
const MaxLength = 8192

// maxText bounds what one function may make, in bytes, so that nested replace() calls cannot fill the memory.
const maxText = 8 << 20

// Scope is what an expression refers to outside itself. Name is one of the functions in References, as written there.
type Scope interface {
	Refer(name string, args []any) (any, error)
}

// A Reference is a call of a function that the Scope answers.
type Reference struct {
	Function string // as in References
	Name     string // the first argument if it is a literal string, else ""
}

// References returns the names of the functions that a Scope answers.
func References() []string {
	names := make([]string, 0, len(references))
	for _, r := range references {
		names = append(names, r.name)
	}
	return names
}

// A Template is a compiled string: text, one expression, or text with expressions in it.
type Template struct {
	parts []node // a literal or an expression each
	whole bool   // the string is one expression, whose value keeps its type
	refs  []Reference
}

// Compile compiles a string of a workflow. "@expr" is an expression, "…@{expr}…" puts its text into a string, and "@@" stands
// for "@" at the start of a string and before "{".
func Compile(s string) (*Template, error) {
	if len(s) > MaxLength && strings.Contains(s, "@") {
		return nil, fmt.Errorf("compile expression: longer than %d bytes", MaxLength)
	}
	p := &parser{src: s}
	t, err := p.template()
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", excerpt(s), err)
	}
	t.refs = p.refs
	return t, nil
}

// Eval evaluates the template. The value is nil, bool, int64, float64, string, []any or map[string]any.
func (t *Template) Eval(s Scope) (any, error) {
	if t.whole {
		return t.parts[0].eval(s)
	}
	var b strings.Builder
	for _, p := range t.parts {
		v, err := p.eval(s)
		if err != nil {
			return nil, err
		}
		text, err := Text(v)
		if err != nil {
			return nil, err
		}
		if b.Len()+len(text) > maxText {
			return nil, errTooLong
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// References lists the calls that a Scope will have to answer, for checks before a run.
func (t *Template) References() []Reference { return t.refs }

var errTooLong = errors.New("the text grows over the limit of 8 MiB")

func excerpt(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return fmt.Sprintf("%q", s)
}

type node interface {
	eval(Scope) (any, error)
}

type literal struct{ value any }

func (l literal) eval(Scope) (any, error) { return l.value, nil }

// call is a function of this package.
type call struct {
	name string
	fn   func(args []any) (any, error)
	args []node
}

func (c call) eval(s Scope) (any, error) {
	args, err := evalAll(c.args, s)
	if err != nil {
		return nil, err
	}
	v, err := c.fn(args)
	if err != nil {
		return nil, fmt.Errorf("%s(): %w", c.name, err)
	}
	return v, nil
}

// refer is a function that the scope answers.
type refer struct {
	name string
	args []node
}

func (r refer) eval(s Scope) (any, error) {
	args, err := evalAll(r.args, s)
	if err != nil {
		return nil, err
	}
	v, err := s.Refer(r.name, args)
	if err != nil {
		return nil, fmt.Errorf("%s(): %w", r.name, err)
	}
	return v, nil
}

func evalAll(nodes []node, s Scope) ([]any, error) {
	values := make([]any, len(nodes))
	for i, n := range nodes {
		v, err := n.eval(s)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// access is a property or an element of a value: of['key'], of.key, of[0], and with safe of?['key'].
type access struct {
	of   node
	key  node
	safe bool
}

func (a access) eval(s Scope) (any, error) {
	of, err := a.of.eval(s)
	if err != nil {
		return nil, err
	}
	key, err := a.key.eval(s)
	if err != nil {
		return nil, err
	}
	if of == nil && a.safe {
		return nil, nil
	}
	switch of := of.(type) {
	case map[string]any:
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("an object has no element %s; its properties have names", describe(key))
		}
		v, ok := of[name]
		if !ok && !a.safe {
			return nil, fmt.Errorf("the object has no property %q", name)
		}
		return v, nil
	case []any:
		i, ok := key.(int64)
		if !ok {
			return nil, fmt.Errorf("an array has no property %s; its elements have numbers", describe(key))
		}
		if i < 0 || i >= int64(len(of)) {
			if a.safe {
				return nil, nil
			}
			return nil, fmt.Errorf("the array has %d elements and no [%d]", len(of), i)
		}
		return of[i], nil
	default:
		return nil, fmt.Errorf("%s has no property %s", describe(of), describe(key))
	}
}
