package bicep

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// eval works out an expression. locals are the variables of loops and lambdas around it.
func (f *frame) eval(n *node, locals map[string]any) any {
	switch n.kind {
	case "string":
		return f.text(n, locals)
	case "number":
		return number(n)
	case "boolean":
		return leaf(n) == "true"
	case "null":
		return nil
	case "identifier":
		return f.lookup(n, locals)
	case "parenthesized_expression":
		return f.eval(n.children[1], locals)
	case "array":
		items := []any{}
		for _, c := range n.children {
			if c.kind != "[" && c.kind != "]" && c.kind != "," && c.kind != "comment" {
				items = append(items, f.eval(c, locals))
			}
		}
		return items
	case "object":
		return f.object(n, locals)
	case "for_statement":
		items := []any{}
		f.loop(n, locals, func(body *node, locals map[string]any) { items = append(items, f.eval(body, locals)) })
		return items
	case "ternary_expression":
		condition, ok := f.eval(n.children[0], locals).(bool)
		if !ok {
			f.fail(n.line, "a condition that is not known before the deployment")
		}
		if condition {
			return f.eval(n.children[2], locals)
		}
		return f.eval(n.children[4], locals)
	case "unary_expression":
		return f.negate(n, locals)
	case "binary_expression":
		return f.binary(n, locals)
	case "member_expression":
		return f.member(n, f.eval(n.children[0], locals), n.last().text)
	case "subscript_expression":
		return f.subscript(n, locals)
	case "call_expression":
		return f.function(n, locals)
	}
	f.fail(n.line, "%s is not supported", n.kind)
	return nil
}

func leaf(n *node) string {
	for len(n.children) > 0 {
		n = n.children[0]
	}
	return n.text
}

// text works out a string. A part that is unknown leaves its mark in it.
func (f *frame) text(n *node, locals map[string]any) string {
	var b strings.Builder
	for _, c := range n.children {
		switch c.kind {
		case "string_content":
			b.WriteString(c.text)
		case "escape_sequence":
			b.WriteString(unescape(c.text))
		case "interpolation":
			b.WriteString(f.render(c.line, f.eval(c.children[1], locals)))
		}
	}
	text := b.String()
	if n.children[0].text == "'''" {
		text = strings.TrimPrefix(text, "\n")
	}
	return text
}

func (f *frame) render(line int, value any) string {
	switch v := value.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	case Unknown:
		return "«" + string(v) + "»"
	}
	f.fail(line, "%v cannot be a part of a text", value)
	return ""
}

// lookup finds what a name stands for.
func (f *frame) lookup(n *node, locals map[string]any) any {
	name := n.text
	if v, ok := locals[name]; ok {
		return v
	}
	if len(f.stack) > 0 {
		user := f.stack[len(f.stack)-1]
		f.uses[user] = append(f.uses[user], name)
	}
	if v, ok := f.params[name]; ok {
		return v
	}
	if v, ok := f.values[name]; ok {
		return v
	}
	if p := f.file.Params[name]; p != nil {
		f.begin(name, n.line)
		v := f.eval(p.fallback, nil)
		if problem := p.check(v); problem != "" {
			f.fail(p.Line, "the default of %s: %s", name, problem)
		}
		f.finish(name, v)
		return v
	}
	if expression := f.file.vars[name]; expression != nil {
		f.begin(name, n.line)
		v := f.eval(expression, nil)
		f.finish(name, v)
		return v
	}
	for _, d := range f.file.declared {
		if d.symbol == name {
			return f.symbol(d)
		}
	}
	f.fail(n.line, "nobody declares %s", name)
	return nil
}

func (f *frame) object(n *node, locals map[string]any) any {
	object := map[string]any{}
	for _, c := range n.children {
		if c.kind != "object_property" {
			continue
		}
		if len(c.children) < 3 {
			f.fail(c.line, "nested declarations are not supported")
		}
		key := c.children[0].text
		if c.children[0].kind == "string" {
			key = f.text(c.children[0], locals)
		}
		if _, twice := object[key]; twice {
			f.fail(c.line, "%s stands here twice", key)
		}
		object[key] = f.eval(c.last(), locals)
	}
	return object
}

func (f *frame) negate(n *node, locals map[string]any) any {
	switch v := f.eval(n.children[1], locals).(type) {
	case bool:
		return !v
	case int:
		return -v
	default:
		f.fail(n.line, "%s of %v", n.children[0].text, v)
		return nil
	}
}

func (f *frame) binary(n *node, locals map[string]any) any {
	operator := n.children[1].text
	left := f.eval(n.children[0], locals)
	switch operator {
	case "??":
		if left != nil {
			return left
		}
		return f.eval(n.children[2], locals)
	case "&&", "||":
		l, ok := left.(bool)
		if ok && l == (operator == "||") {
			return l
		}
		r, also := f.eval(n.children[2], locals).(bool)
		if !ok || !also {
			f.fail(n.line, "%s wants two truth values that are known", operator)
		}
		return r
	}
	right := f.eval(n.children[2], locals)
	for _, v := range []any{left, right} {
		if _, unknown := v.(Unknown); unknown {
			f.fail(n.line, "a comparison with what is not known before the deployment: %v", v)
		}
	}
	switch operator {
	case "==":
		return reflect.DeepEqual(left, right)
	case "!=":
		return !reflect.DeepEqual(left, right)
	}
	l, ok := left.(int)
	r, also := right.(int)
	if !ok || !also {
		f.fail(n.line, "%s wants numbers", operator)
	}
	switch operator {
	case "+":
		return l + r
	case "-":
		return l - r
	case "*":
		return l * r
	case ">":
		return l > r
	case ">=":
		return l >= r
	case "<":
		return l < r
	case "<=":
		return l <= r
	}
	f.fail(n.line, "the operator %s is not supported", operator)
	return nil
}

// member works out value.key.
func (f *frame) member(n *node, value any, key string) any {
	switch v := value.(type) {
	case Unknown:
		return Unknown(string(v) + "." + key)
	case map[string]any:
		item, ok := v[key]
		if !ok {
			f.fail(n.line, "there is no %s", key)
		}
		return item
	case called:
		if key == "outputs" {
			return v.outputs
		}
	case made:
		if v.resource == nil {
			f.fail(n.line, "%s of what is not deployed", key)
		}
		return v.get(key)
	}
	f.fail(n.line, "%v has no %s", value, key)
	return nil
}

// get returns a property of a resource: what Azure decides is unknown.
func (m made) get(key string) any {
	r := m.resource
	switch key {
	case "id":
		return r.ID
	case "name":
		return r.Name[strings.LastIndex(r.Name, "/")+1:]
	case "type":
		return r.Type
	}
	if value, ok := r.Body[key]; ok && key != "properties" && key != "identity" && !m.existing {
		return value
	}
	return Unknown(r.Type + "/" + r.Name + "." + key)
}

func (f *frame) subscript(n *node, locals map[string]any) any {
	value := f.eval(n.children[0], locals)
	index := f.eval(n.children[len(n.children)-2], locals)
	switch v := value.(type) {
	case Unknown:
		return Unknown(fmt.Sprintf("%s[%v]", v, index))
	case map[string]any:
		if key, ok := index.(string); ok {
			return f.member(n, v, key)
		}
	case []any:
		if i, ok := index.(int); ok && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	f.fail(n.line, "%v has no element %v", value, index)
	return nil
}
