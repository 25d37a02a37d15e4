package workflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"airlock/scripts/localazure/logicapp/expression"
)

// Load reads a workflow.json and checks all of it against the environment.
func Load(data []byte, env Environment) (*Workflow, error) {
	root, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("load workflow: %w", err)
	}
	l := &loader{env: env, connections: map[string]string{}, actions: map[string]bool{}, variables: map[string]bool{}}
	w, err := l.workflow(root)
	if err != nil {
		return nil, fmt.Errorf("load workflow: %w", err)
	}
	return w, nil
}

// loader compiles a definition. The names of all actions and variables are collected first, so that every reference is checked.
type loader struct {
	env         Environment
	connections map[string]string
	actions     map[string]bool
	variables   map[string]bool
	loops       []string // the Foreach actions around the place that is compiled
}

// object is a JSON object that remembers the order of its keys: actions run as declared.
type object struct {
	keys   []string
	values map[string]any // nested objects are *object
}

func (l *loader) workflow(root *object) (*Workflow, error) {
	if err := root.only("definition", "kind"); err != nil {
		return nil, err
	}
	if kind := root.values["kind"]; kind != "Stateful" {
		return nil, fmt.Errorf("kind %v is not supported, only Stateful", kind)
	}
	def, err := root.child("definition")
	if err != nil {
		return nil, err
	}
	if err := def.only("$schema", "contentVersion", "triggers", "actions", "outputs", "parameters"); err != nil {
		return nil, err
	}
	list, err := def.child("actions")
	if err != nil {
		return nil, err
	}
	if err := l.collect(list); err != nil {
		return nil, err
	}
	w := &Workflow{env: l.env, connections: l.connections}
	if w.trigger, err = l.trigger(def); err != nil {
		return nil, err
	}
	w.actions, err = l.list(list)
	return w, err
}

func (l *loader) trigger(def *object) (Trigger, error) {
	triggers, err := def.child("triggers")
	if err != nil {
		return Trigger{}, err
	}
	if len(triggers.keys) != 1 {
		return Trigger{}, fmt.Errorf("%d triggers; one is supported", len(triggers.keys))
	}
	t := Trigger{Name: triggers.keys[0]}
	o, err := triggers.child(t.Name)
	if err != nil {
		return t, err
	}
	if err := o.only("type", "inputs", "splitOn", "runtimeConfiguration", "description", "metadata"); err != nil {
		return t, fmt.Errorf("trigger %s: %w", t.Name, err)
	}
	if o.values["type"] != "ServiceProvider" {
		return t, fmt.Errorf("trigger %s: unknown kind %v", t.Name, o.values["type"])
	}
	inputs, err := o.child("inputs")
	if err != nil {
		return t, fmt.Errorf("trigger %s: %w", t.Name, err)
	}
	if t.Provider, t.Operation, t.Connection, err = l.provider(inputs); err != nil {
		return t, fmt.Errorf("trigger %s: %w", t.Name, err)
	}
	switch o.values["splitOn"] {
	case nil:
	case "@triggerOutputs()?['body']", "@triggerBody()":
		t.SplitOn = true
	default:
		return t, fmt.Errorf("trigger %s: splitOn %v is not the body", t.Name, o.values["splitOn"])
	}
	parameters, err := l.template(plain(inputs.values["parameters"]))
	if err != nil {
		return t, fmt.Errorf("trigger %s: %w", t.Name, err)
	}
	v, err := parameters.eval(&frame{run: &run{env: l.env}})
	if err != nil {
		return t, fmt.Errorf("trigger %s: %w", t.Name, err)
	}
	t.Parameters, _ = v.(map[string]any)
	return t, nil
}

// provider reads the serviceProviderConfiguration of a trigger or an action.
func (l *loader) provider(inputs *object) (provider, operation, connection string, err error) {
	if err := inputs.only("parameters", "serviceProviderConfiguration"); err != nil {
		return "", "", "", err
	}
	c, err := inputs.child("serviceProviderConfiguration")
	if err != nil {
		return "", "", "", err
	}
	if err := c.only("connectionName", "operationId", "serviceProviderId"); err != nil {
		return "", "", "", err
	}
	if connection, err = c.text("connectionName"); err != nil {
		return "", "", "", err
	}
	if operation, err = c.text("operationId"); err != nil {
		return "", "", "", err
	}
	if provider, err = c.text("serviceProviderId"); err != nil {
		return "", "", "", err
	}
	l.connections[connection] = provider
	return provider, operation, connection, nil
}

// checkReferences refuses names that nothing defines.
func (l *loader) checkReferences(refs []expression.Reference) error {
	for _, r := range refs {
		if r.Name == "" {
			continue
		}
		known := true
		switch r.Function {
		case "parameters":
			_, known = l.env.Parameters[r.Name]
		case "appsetting":
			_, known = l.env.Settings[r.Name]
		case "variables":
			known = l.variables[r.Name]
		case "outputs", "body":
			known = l.actions[r.Name]
		case "items":
			known = slices.Contains(l.loops, r.Name)
		}
		if !known {
			return fmt.Errorf("%s('%s'): there is none", r.Function, r.Name)
		}
	}
	return nil
}

// collect notes the names of all actions and variables.
func (l *loader) collect(list *object) error {
	for _, name := range list.keys {
		if l.actions[name] {
			return fmt.Errorf("two actions are called %s", name)
		}
		l.actions[name] = true
		a, err := list.child(name)
		if err != nil {
			return err
		}
		if a.values["type"] == "InitializeVariable" {
			for _, v := range variables(a) {
				l.variables[v.name] = true
			}
		}
		for _, scope := range scopes(a) {
			if err := l.collect(scope); err != nil {
				return err
			}
		}
	}
	return nil
}

// scopes are the lists of actions inside an action.
func scopes(a *object) []*object {
	var found []*object
	add := func(v any) {
		if o, ok := v.(*object); ok {
			if list, ok := o.values["actions"].(*object); ok {
				found = append(found, list)
			}
		}
	}
	add(a)
	add(a.values["else"])
	add(a.values["default"])
	if cases, ok := a.values["cases"].(*object); ok {
		for _, k := range cases.keys {
			add(cases.values[k])
		}
	}
	return found
}

func (o *object) only(keys ...string) error {
	for _, k := range o.keys {
		if !slices.Contains(keys, k) {
			return fmt.Errorf("unknown key %q", k)
		}
	}
	return nil
}

func (o *object) child(key string) (*object, error) {
	c, ok := o.values[key].(*object)
	if !ok {
		return nil, fmt.Errorf("%q must be an object", key)
	}
	return c, nil
}

func (o *object) text(key string) (string, error) {
	s, ok := o.values[key].(string)
	if !ok || s == "" {
		return "", fmt.Errorf("%q must be a string", key)
	}
	return s, nil
}

func decode(data []byte) (*object, error) {
	if !json.Valid(data) {
		_, err := expression.ParseJSON(data)
		return nil, err
	}
	v, err := ordered(data)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*object)
	if !ok {
		return nil, fmt.Errorf("the file is not a JSON object")
	}
	return o, nil
}

// ordered decodes valid JSON with every object as *object.
func ordered(data []byte) (any, error) {
	data = bytes.TrimSpace(data)
	switch data[0] {
	case '{':
		var raw map[string]json.RawMessage
		if err := json.Unmarshal(data, &raw); err != nil {
			return nil, err
		}
		keys, err := objectKeys(data)
		if err != nil {
			return nil, err
		}
		o := &object{keys: keys, values: map[string]any{}}
		for _, k := range keys {
			if o.values[k], err = ordered(raw[k]); err != nil {
				return nil, err
			}
		}
		return o, nil
	case '[':
		var raw []json.RawMessage
		if err := json.Unmarshal(data, &raw); err != nil {
			return nil, err
		}
		list := make([]any, len(raw))
		for i, r := range raw {
			v, err := ordered(r)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	}
	return expression.ParseJSON(data)
}

// objectKeys lists the keys of a JSON object in their order; a key that stands twice is refused.
func objectKeys(data []byte) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var keys []string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		if slices.Contains(keys, key) {
			return nil, fmt.Errorf("the key %q stands twice", key)
		}
		keys = append(keys, key)
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// plain turns *object back into the values that expressions work on.
func plain(v any) any {
	switch v := v.(type) {
	case *object:
		m := maps.Clone(v.values)
		for k := range m {
			m[k] = plain(m[k])
		}
		return m
	case []any:
		list := slices.Clone(v)
		for i := range list {
			list[i] = plain(list[i])
		}
		return list
	}
	return v
}
