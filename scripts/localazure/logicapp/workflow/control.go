package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The actions that hold other actions, end the run, wait, or call a connector.

func compileScope(l *loader, _ string, o *object) (doer, error) {
	list, err := l.branch(o)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, f *frame) (any, error) { return nil, f.runActions(ctx, list) }, nil
}

// branch compiles the actions inside an action; there may be none.
func (l *loader) branch(v any) ([]*action, error) {
	o, ok := v.(*object)
	if !ok || o.values["actions"] == nil {
		return nil, nil
	}
	list, err := o.child("actions")
	if err != nil {
		return nil, err
	}
	return l.list(list)
}

func compileIf(l *loader, _ string, o *object) (doer, error) {
	test, err := l.condition(plain(o.values["expression"]))
	if err != nil {
		return nil, err
	}
	yes, err := l.branch(o)
	if err != nil {
		return nil, err
	}
	no, err := l.branch(o.values["else"])
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, f *frame) (any, error) {
		ok, err := test.evalBool(f)
		if err != nil {
			return nil, err
		}
		chosen := no
		if ok {
			chosen = yes
		}
		return nil, f.runBranch(ctx, chosen, yes, no)
	}, nil
}

// runBranch marks the actions of all branches as skipped, then runs those that were chosen.
func (f *frame) runBranch(ctx context.Context, chosen []*action, branches ...[]*action) error {
	for _, list := range branches {
		for _, a := range list {
			f.outcomes[a.name] = Outcome{Status: Skipped}
		}
	}
	return f.runActions(ctx, chosen)
}

func compileSwitch(l *loader, _ string, o *object) (doer, error) {
	t, err := l.compileEach(o, "expression")
	if err != nil {
		return nil, err
	}
	cases, err := o.child("cases")
	if err != nil {
		return nil, err
	}
	byValue := map[any][]*action{}
	var branches [][]*action
	for _, name := range cases.keys {
		c, err := cases.child(name)
		if err != nil {
			return nil, err
		}
		value := c.values["case"]
		switch value.(type) {
		case string, int64:
		default:
			return nil, fmt.Errorf("case %s is neither text nor an integer", name)
		}
		if _, twice := byValue[value]; twice {
			return nil, fmt.Errorf("two cases for %v", value)
		}
		if byValue[value], err = l.branch(c); err != nil {
			return nil, err
		}
		branches = append(branches, byValue[value])
	}
	otherwise, err := l.branch(o.values["default"])
	if err != nil {
		return nil, err
	}
	branches = append(branches, otherwise)
	return func(ctx context.Context, f *frame) (any, error) {
		v, err := t[0].eval(f)
		if err != nil {
			return nil, err
		}
		chosen := otherwise
		switch v.(type) {
		case string, int64: // anything else is no key of a map
			if list, ok := byValue[v]; ok {
				chosen = list
			}
		}
		return nil, f.runBranch(ctx, chosen, branches...)
	}, nil
}

func compileForeach(l *loader, name string, o *object) (doer, error) {
	t, err := l.compileEach(o, "foreach")
	if err != nil {
		return nil, err
	}
	l.loops = append(l.loops, name)
	list, err := l.branch(o)
	l.loops = l.loops[:len(l.loops)-1]
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, f *frame) (any, error) {
		items, err := t[0].evalArray(f)
		if err != nil {
			return nil, err
		}
		var failed error
		for _, item := range items {
			// One iteration that fails does not stop the others. Azure: the loop fails at its end.
			if err := f.iterate(name, item).runActions(ctx, list); err != nil && failed == nil {
				failed = err
			}
		}
		return nil, failed
	}, nil
}

func compileTerminate(l *loader, _ string, o *object) (doer, error) {
	inputs, err := inputsOf(o, "runStatus", "runError")
	if err != nil {
		return nil, err
	}
	s, _ := inputs.values["runStatus"].(string)
	status := Status(s)
	if !slices.Contains([]Status{Succeeded, Failed, Cancelled}, status) {
		return nil, fmt.Errorf("unknown runStatus %q", s)
	}
	t, err := l.compileEach(inputs, "runError")
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, f *frame) (any, error) {
		v, err := t[0].eval(f)
		if err != nil {
			return nil, err
		}
		end := &termination{status: status}
		if status == Failed {
			m, _ := v.(map[string]any)
			end.err = fmt.Errorf("%w: %v: %v", ErrTerminated, m["code"], m["message"])
		}
		f.run.terminated = end
		return nil, nil
	}, nil
}

func compileWait(l *loader, _ string, o *object) (doer, error) {
	inputs, err := inputsOf(o, "interval")
	if err != nil {
		return nil, err
	}
	interval, err := inputs.child("interval")
	if err != nil {
		return nil, err
	}
	if err := interval.only("count", "unit"); err != nil {
		return nil, err
	}
	units := map[any]time.Duration{"Second": time.Second, "Minute": time.Minute, "Hour": time.Hour}
	unit, ok := units[interval.values["unit"]]
	if !ok {
		return nil, fmt.Errorf("unknown unit %v", interval.values["unit"])
	}
	t, err := l.compileEach(interval, "count")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, f *frame) (any, error) {
		v, err := t[0].eval(f)
		if err != nil {
			return nil, err
		}
		n, ok := v.(int64)
		if !ok || n < 1 || n > 10_000 {
			return nil, fmt.Errorf("count %v is not an integer from 1 to 10000", v)
		}
		return nil, f.run.env.Wait(ctx, time.Duration(n)*unit)
	}, nil
}

func compileServiceProvider(l *loader, _ string, o *object) (doer, error) {
	inputs, err := o.child("inputs")
	if err != nil {
		return nil, err
	}
	provider, operation, _, err := l.provider(inputs)
	if err != nil {
		return nil, err
	}
	call, ok := l.env.Operations[Key(provider, operation)]
	if !ok {
		return nil, fmt.Errorf("unknown operation %s of %s", operation, provider)
	}
	return l.calling(inputs, "parameters", operation, call)
}

// compileAPIConnection reads a call of a managed connector. Azure: in Logic Apps (Standard) the connection is named by
// host.connection.referenceName, and what is called by the method and the path that the connector's description has. The
// parts of a path, and queries, are not supported.
func compileAPIConnection(l *loader, _ string, o *object) (doer, error) {
	inputs, err := inputsOf(o, "host", "method", "path", "body")
	if err != nil {
		return nil, err
	}
	host, err := inputs.child("host")
	if err != nil {
		return nil, err
	}
	connection, err := host.child("connection")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(host.only("connection"), connection.only("referenceName")); err != nil {
		return nil, err
	}
	name, err := connection.text("referenceName")
	if err != nil {
		return nil, err
	}
	method, err := inputs.text("method")
	if err != nil {
		return nil, err
	}
	path, err := inputs.text("path")
	if err != nil {
		return nil, err
	}
	provider, operation := ManagedAPI+name, method+" "+path
	call, ok := l.env.Operations[Key(provider, operation)]
	if !ok {
		return nil, fmt.Errorf("unknown operation %s of %s", operation, provider)
	}
	l.connections[name] = provider
	return l.calling(inputs, "body", operation, call)
}

// calling is an action that calls an operation with the object under a key of its inputs.
func (l *loader) calling(inputs *object, key, operation string, call Operation) (doer, error) {
	t, err := l.compileEach(inputs, key)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, f *frame) (any, error) {
		v, err := t[0].eval(f)
		if err != nil {
			return nil, err
		}
		parameters, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s must be an object", key)
		}
		body, err := call(ctx, parameters)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", operation, err)
		}
		return bodied(body), nil
	}, nil
}
