package workflow

import (
	"context"
	"fmt"
	"slices"
)

// action is one compiled action. do returns its outputs, or why it failed.
type action struct {
	name  string
	after map[string][]Status
	order []string // the keys of after, as declared
	do    func(ctx context.Context, f *frame) (any, error)
}

type doer = func(ctx context.Context, f *frame) (any, error)

// kind is one kind of action: the keys that it may have beside the common ones, and how it is compiled.
type kind struct {
	keys    []string
	compile func(l *loader, name string, o *object) (doer, error)
}

func kinds() map[string]kind {
	return map[string]kind{
		"ApiConnection":         {[]string{"inputs"}, compileAPIConnection},
		"AppendToArrayVariable": {[]string{"inputs"}, compileAppend},
		"Compose":               {[]string{"inputs"}, compileCompose},
		"Foreach":               {[]string{"foreach", "actions", "operationOptions"}, compileForeach},
		"If":                    {[]string{"expression", "actions", "else"}, compileIf},
		"InitializeVariable":    {[]string{"inputs"}, compileInitialize},
		"ParseJson":             {[]string{"inputs"}, compileParseJSON},
		"Query":                 {[]string{"inputs"}, compileQuery},
		"Scope":                 {[]string{"actions"}, compileScope},
		"Select":                {[]string{"inputs"}, compileSelect},
		"ServiceProvider":       {[]string{"inputs"}, compileServiceProvider},
		"SetVariable":           {[]string{"inputs"}, compileSet},
		"Switch":                {[]string{"expression", "cases", "default"}, compileSwitch},
		"Terminate":             {[]string{"inputs"}, compileTerminate},
		"Wait":                  {[]string{"inputs"}, compileWait},
	}
}

// list compiles the actions of one scope and puts them in an order in which they can run.
func (l *loader) list(o *object) ([]*action, error) {
	byName := map[string]*action{}
	for _, name := range o.keys {
		def, err := o.child(name)
		if err != nil {
			return nil, err
		}
		a, err := l.action(name, def)
		if err != nil {
			return nil, fmt.Errorf("action %s: %w", name, err)
		}
		byName[name] = a
	}
	var sorted []*action
	for len(sorted) < len(o.keys) {
		before := len(sorted)
		for _, name := range o.keys {
			a := byName[name]
			if a == nil || slices.Contains(sorted, a) {
				continue
			}
			ready := true
			for _, dep := range a.order {
				d, ok := byName[dep]
				if !ok {
					return nil, fmt.Errorf("action %s runs after %s, which is not in the same scope", name, dep)
				}
				ready = ready && slices.Contains(sorted, d)
			}
			if ready {
				sorted = append(sorted, a)
			}
		}
		if len(sorted) == before {
			return nil, fmt.Errorf("actions wait for each other in a circle")
		}
	}
	return sorted, nil
}

func (l *loader) action(name string, o *object) (*action, error) {
	typ, err := o.text("type")
	if err != nil {
		return nil, err
	}
	k, ok := kinds()[typ]
	if !ok {
		return nil, fmt.Errorf("unknown kind %q", typ)
	}
	// What is in runtimeConfiguration (how many at once, what the run history hides) changes nothing here.
	if err := o.only(append(k.keys, "type", "runAfter", "description", "metadata", "runtimeConfiguration")...); err != nil {
		return nil, err
	}
	a := &action{name: name, after: map[string][]Status{}}
	if o.values["runAfter"] != nil {
		if err := l.runAfter(a, o); err != nil {
			return nil, err
		}
	}
	a.do, err = k.compile(l, name, o)
	return a, err
}

func (l *loader) runAfter(a *action, o *object) error {
	after, err := o.child("runAfter")
	if err != nil {
		return err
	}
	for _, dep := range after.keys {
		list, ok := after.values[dep].([]any)
		if !ok || len(list) == 0 {
			return fmt.Errorf("runAfter %s must be a list of statuses", dep)
		}
		for _, v := range list {
			s, _ := v.(string)
			if !slices.Contains([]Status{Succeeded, Failed, Skipped, TimedOut}, Status(s)) {
				return fmt.Errorf("runAfter %s: unknown status %v", dep, v)
			}
			a.after[dep] = append(a.after[dep], Status(s))
		}
		a.order = append(a.order, dep)
	}
	return nil
}

// inputsOf returns the inputs of an action as an object with no other keys than these.
func inputsOf(o *object, keys ...string) (*object, error) {
	inputs, err := o.child("inputs")
	if err != nil {
		return nil, err
	}
	return inputs, inputs.only(keys...)
}

// compileEach compiles the values of some keys.
func (l *loader) compileEach(o *object, keys ...string) ([]*template, error) {
	list := make([]*template, len(keys))
	for i, k := range keys {
		t, err := l.template(plain(o.values[k]))
		if err != nil {
			return nil, err
		}
		list[i] = t
	}
	return list, nil
}

// bodied are the outputs of all actions that have a body; those of Compose are the bare value.
func bodied(v any) map[string]any { return map[string]any{"body": v} }
