package bicep

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// Program is a set of templates with the files that they load.
type Program struct {
	Files Files
	Data  map[string][]byte // JSON by name, for loadJsonContent
}

// Resource is one thing that a deployment makes.
type Resource struct {
	Type, Version string
	Name          string // with the names of its parents, separated by slashes
	ID            string
	Scope         string // id of what it extends, such as that to which a role is assigned; empty: its resource group
	Group         string // resource group
	Body          map[string]any
	File          string // of the template, with the module calls that led there
	Line          int

	symbol string
}

// Get returns what is below the keys in a resource's body, or nil.
func (r *Resource) Get(keys ...string) any {
	var value any = r.Body
	for _, key := range keys {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[key]
	}
	return value
}

// Text is Get for a text. It is empty for anything else.
func (r *Resource) Text(keys ...string) string {
	text, _ := r.Get(keys...).(string)
	return text
}

// Deployment is what a template makes.
type Deployment struct {
	Resources []*Resource
	Outputs   map[string]any

	uses map[string]map[string][]string // what each name in a file uses there, by the file with its module calls
}

// Of returns the resources of a type.
func (d *Deployment) Of(kind string) []*Resource {
	var all []*Resource
	for _, r := range d.Resources {
		if r.Type == kind {
			all = append(all, r)
		}
	}
	return all
}

// fault is a mistake in a template. It travels as a panic inside this package, from wherever it is found.
type fault struct {
	file string
	line int
	text string
}

func (f fault) Error() string { return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.text) }

// Deploy works out what a template makes in a resource group.
func (p *Program) Deploy(file, group string, params map[string]any) (d *Deployment, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(fault)
			if !ok {
				panic(r)
			}
			err = f
		}
	}()
	d = &Deployment{uses: map[string]map[string][]string{}}
	d.Outputs = p.run(d, file, file, group, params, fault{file: file, line: 1}).outputs
	seen := map[string]bool{}
	for _, r := range d.Resources {
		if key := strings.ToLower(r.Type + "|" + r.ID); seen[key] {
			return nil, fmt.Errorf("%s:%d: %s is deployed twice", r.File, r.Line, r.ID)
		} else {
			seen[key] = true
		}
	}
	return d, nil
}

// frame is one run of a file.
type frame struct {
	program    *Program
	deployment *Deployment
	file       *File
	trail      string // the module calls that led here
	group      string
	params     map[string]any
	values     map[string]any // what was worked out already: variables, resources, modules
	working    map[string]bool
	stack      []string // names that are being worked out
	uses       map[string][]string
}

// called is a module that was run.
type called struct{ outputs map[string]any }

// made is a resource as other parts of a template see it. It is nil where a condition left it out.
type made struct {
	resource *Resource
	existing bool
}

func (p *Program) run(d *Deployment, name, trail, group string, given map[string]any, at fault) called {
	file := p.Files[name]
	if file == nil {
		at.text = "there is no " + name
		panic(at)
	}
	f := &frame{program: p, deployment: d, file: file, trail: trail, group: group, params: map[string]any{}, values: map[string]any{}, working: map[string]bool{}}
	if d.uses[trail] == nil {
		d.uses[trail] = map[string][]string{}
	}
	f.uses = d.uses[trail]
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if file.Params[key] == nil {
			at.text = fmt.Sprintf("%s has no parameter %s", name, key)
			panic(at)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(file.Params)) {
		value, ok := given[key]
		if !ok {
			if file.Params[key].Required {
				at.text = fmt.Sprintf("%s needs the parameter %s", name, key)
				panic(at)
			}
			continue // its default may need other parameters: it is worked out when it is used
		}
		if problem := file.Params[key].check(value); problem != "" {
			at.text = fmt.Sprintf("parameter %s of %s: %s", key, name, problem)
			panic(at)
		}
		f.params[key] = value
	}
	for _, key := range slices.Sorted(maps.Keys(file.Params)) {
		f.lookup(&node{kind: "identifier", text: key, line: file.Params[key].Line}, nil)
	}
	for _, declared := range file.declared {
		f.symbol(declared)
	}
	outputs := map[string]any{}
	for _, o := range file.Outputs {
		outputs[o.Name] = f.eval(o.value, nil)
	}
	return called{outputs}
}

// check returns what is wrong with a value of a parameter.
func (p *Param) check(value any) string {
	if _, unknown := value.(Unknown); unknown {
		return ""
	}
	size, kind := 0, ""
	switch v := value.(type) {
	case string:
		size, kind = len(v), "string"
	case int:
		size, kind = v, "int"
	case bool:
		kind = "bool"
	case []any:
		size, kind = len(v), "array"
	case map[string]any:
		kind = "object"
	default:
		return fmt.Sprintf("a value of the kind %T", value)
	}
	switch {
	case kind != p.Type:
		return fmt.Sprintf("want %s, got %s", p.Type, kind)
	case p.Allowed != nil && !slices.Contains(p.Allowed, value):
		return fmt.Sprintf("%v is not allowed", value)
	case p.Least != nil && size < *p.Least, p.Most != nil && size > *p.Most:
		return fmt.Sprintf("%v is too short, too long, too small or too large", value)
	}
	return ""
}

// symbol works out a resource or a module.
func (f *frame) symbol(d *declaration) any {
	if v, ok := f.values[d.symbol]; ok {
		return v
	}
	f.begin(d.symbol, d.line)
	v := f.expand(d, d.body, nil)
	f.finish(d.symbol, v)
	return v
}

func (f *frame) begin(symbol string, line int) {
	if f.working[symbol] {
		f.fail(line, "%s depends on itself", symbol)
	}
	f.working[symbol] = true
	f.stack = append(f.stack, symbol)
}

func (f *frame) finish(symbol string, v any) {
	delete(f.working, symbol)
	f.stack = f.stack[:len(f.stack)-1]
	f.values[symbol] = v
}

// expand follows loops and conditions down to the bodies of a declaration.
func (f *frame) expand(d *declaration, n *node, locals map[string]any) any {
	switch n.kind {
	case "for_statement":
		all := []any{}
		f.loop(n, locals, func(body *node, locals map[string]any) { all = append(all, f.expand(d, body, locals)) })
		return all
	case "if_statement":
		condition, ok := f.eval(n.first("parenthesized_expression"), locals).(bool)
		if !ok {
			f.fail(n.line, "the condition of %s is not known before the deployment", d.symbol)
		}
		if !condition {
			return made{}
		}
		return f.expand(d, n.last(), locals)
	}
	body := f.eval(n, locals).(map[string]any)
	if d.module {
		return f.call(d, body)
	}
	return f.make(d, body)
}

func (f *frame) call(d *declaration, body map[string]any) any {
	group := f.group
	if scope, ok := body["scope"].(map[string]any); ok {
		group = scope["name"].(string)
	}
	if name, ok := body["name"].(string); !ok || strings.Contains(name, "«") || len(name) > 64 {
		f.fail(d.line, "the name of the deployment %v is not known before, or is longer than 64", body["name"])
	}
	params, _ := body["params"].(map[string]any)
	return f.program.run(f.deployment, relative(f.file.Name, d.kind), f.trail+call+d.symbol, group, params,
		fault{file: f.trail, line: d.line})
}

func (f *frame) make(d *declaration, body map[string]any) any {
	r := &Resource{Type: d.kind, Version: d.version, Group: f.group, File: f.trail, Line: d.line, symbol: d.symbol}
	name, ok := body["name"].(string)
	if !ok || strings.Contains(name, "«") {
		f.fail(d.line, "the name of %s is not known before the deployment: %v", d.symbol, body["name"])
	}
	r.Name = name
	if parent, ok := body["parent"].(made); ok {
		if parent.resource == nil {
			f.fail(d.line, "the parent of %s is not deployed", d.symbol)
		}
		r.Name, r.Group, r.Scope = parent.resource.Name+"/"+name, parent.resource.Group, parent.resource.Scope
	}
	switch scope := body["scope"].(type) {
	case made:
		if scope.resource == nil {
			f.fail(d.line, "what %s extends is not deployed", d.symbol)
		}
		r.Scope, r.Group = scope.resource.ID, scope.resource.Group
	case map[string]any:
		r.Group = scope["name"].(string)
	case nil:
	default:
		f.fail(d.line, "the scope of %s is %v", d.symbol, scope)
	}
	r.ID = f.identify(r, d)
	r.Body = body
	for _, key := range []string{"name", "parent", "scope", "dependsOn"} {
		delete(body, key)
	}
	if !d.existing {
		f.deployment.Resources = append(f.deployment.Resources, r)
	}
	return made{resource: r, existing: d.existing}
}

// identify returns the id of a resource.
func (f *frame) identify(r *Resource, d *declaration) string {
	kinds, names := strings.Split(r.Type, "/"), strings.Split(r.Name, "/")
	if len(kinds) != len(names)+1 {
		f.fail(d.line, "%s of the type %s has %d names", r.Name, r.Type, len(names))
	}
	id := "/subscriptions/" + subscriptionID + "/resourceGroups/" + r.Group
	if r.Scope != "" {
		id = r.Scope
	}
	id += "/providers/" + kinds[0]
	for i, name := range names {
		id += "/" + kinds[i+1] + "/" + name
	}
	return id
}

// loop calls use for each round of a for expression.
func (f *frame) loop(n *node, locals map[string]any, use func(body *node, locals map[string]any)) {
	var variable, index string
	var over, body *node
	for i, c := range n.children {
		switch c.kind {
		case "for_loop_parameters":
			variable, index = c.first("loop_variable").text, c.first("loop_enumerator").text
		case "for":
			if next := n.children[i+1]; next.kind == "identifier" {
				variable = next.text
			}
		case "in":
			over = n.children[i+1]
		case ":":
			body = n.children[i+1]
		}
	}
	items, ok := f.eval(over, locals).([]any)
	if !ok {
		f.fail(n.line, "the list of a loop is not known before the deployment")
	}
	for i, item := range items {
		inner := maps.Clone(locals)
		if inner == nil {
			inner = map[string]any{}
		}
		inner[variable] = item
		if index != "" {
			inner[index] = i
		}
		use(body, inner)
	}
}

func (f *frame) fail(line int, format string, args ...any) {
	panic(fault{file: f.trail, line: line, text: fmt.Sprintf(format, args...)})
}

// load reads a JSON file that a template names.
func (f *frame) load(line int, name string) any {
	raw, ok := f.program.Data[relative(f.file.Name, name)]
	if !ok {
		f.fail(line, "there is no %s", name)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		f.fail(line, "%s: %v", name, err)
	}
	return integers(value)
}

// integers makes the numbers of JSON those of Bicep.
func integers(value any) any {
	switch v := value.(type) {
	case float64:
		return int(v)
	case []any:
		for i := range v {
			v[i] = integers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = integers(v[k])
		}
	}
	return value
}

// keys returns the keys of an object in order.
func keys(object map[string]any) []string {
	all := make([]string, 0, len(object))
	for k := range object {
		all = append(all, k)
	}
	sort.Strings(all)
	return all
}
