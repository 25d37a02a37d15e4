package workflow

import (
	"fmt"

	"airlock/scripts/localazure/logicapp/expression"
)

// frame is what names mean at one place of a run: each iteration of a loop has its own, inside that of its surroundings.
type frame struct {
	run      *run
	parent   *frame
	loop     string // name of the Foreach; empty for Select and Query
	item     any
	iterates bool
	outcomes map[string]Outcome
}

// iterate makes the frame of one iteration over a collection.
func (f *frame) iterate(loop string, item any) *frame {
	child := &frame{run: f.run, parent: f, loop: loop, item: item, iterates: true, outcomes: f.outcomes}
	if loop != "" {
		child.outcomes = map[string]Outcome{}
	}
	return child
}

// Refer answers the functions that depend on the run; it makes a frame an expression.Scope.
func (f *frame) Refer(function string, args []any) (any, error) {
	switch function {
	case "triggerOutputs":
		return f.run.trigger, nil
	case "triggerBody":
		return f.run.trigger["body"], nil
	case "item":
		if !f.iterates {
			return nil, fmt.Errorf("there is no loop here")
		}
		return f.item, nil
	case "utcNow":
		format := "o"
		if len(args) == 1 {
			s, ok := args[0].(string)
			if !ok {
				return nil, fmt.Errorf("the format must be a string")
			}
			format = s
		}
		return expression.FormatTime(f.run.env.Now().UTC(), format)
	}
	name, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("the name must be a string")
	}
	return f.named(function, name)
}

func (f *frame) named(function, name string) (any, error) {
	switch function {
	case "parameters":
		if v, ok := f.run.env.Parameters[name]; ok {
			return v, nil
		}
	case "appsetting":
		if v, ok := f.run.env.Settings[name]; ok {
			return v, nil
		}
	case "variables":
		if v, ok := f.run.variables[name]; ok {
			return v, nil
		}
	case "items":
		for at := f; at != nil; at = at.parent {
			if at.iterates && at.loop == name {
				return at.item, nil
			}
		}
	case "outputs", "body":
		return f.outputs(function, name)
	}
	return nil, fmt.Errorf("nothing here is called %q", name)
}

func (f *frame) outputs(function, name string) (any, error) {
	for at := f; at != nil; at = at.parent {
		o, ok := at.outcomes[name]
		switch {
		case !ok:
			continue
		case function == "outputs" || o.Outputs == nil:
			return o.Outputs, nil
		}
		m, ok := o.Outputs.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("the outputs of action %q have no body", name)
		}
		return m["body"], nil
	}
	return nil, fmt.Errorf("action %q has not run before this one", name)
}
