// Package workflow runs a definition of Azure Logic Apps (Standard): the same workflow.json that is deployed.
//
// It promises that a definition is either understood whole or refused by Load, with the name of what is not understood: an
// action's kind, a function, an operation of a connector, a key, a name that nothing defines. Nothing is ever ignored. What it
// runs, it runs in one order: actions that could run side by side in Azure run one after the other, as declared.
//
// It never talks to the outside itself; connectors are the Operations of the Environment. It keeps no state between runs.
package workflow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Status is the outcome of an action or a run. Azure: the same words stand in a definition's runAfter.
type Status string

// The statuses.
const (
	Succeeded Status = "Succeeded"
	Failed    Status = "Failed"
	Skipped   Status = "Skipped"
	TimedOut  Status = "TimedOut"
	Cancelled Status = "Cancelled"
)

// An Operation is one thing that a connector can do, with its evaluated parameters. What it returns becomes the action's body.
type Operation func(ctx context.Context, parameters map[string]any) (any, error)

// Environment is everything that a workflow touches outside itself.
type Environment struct {
	Parameters map[string]any    // what parameters() answers
	Settings   map[string]string // what appsetting() answers
	// Operations are the connectors, by Key. The actions of a workflow may name no others.
	Operations map[string]Operation
	Now        func() time.Time                                 // what utcNow() answers
	Wait       func(ctx context.Context, d time.Duration) error // how a Wait action waits
}

// ManagedAPI begins the provider of a managed connector, before its name. Azure: so ends the id of its API.
const ManagedAPI = "/managedApis/"

// Key is the name of an operation in Environment.Operations. Azure: the provider's id is not case-sensitive.
//
// The provider of a managed connector is ManagedAPI and its name, its operation the method and the path.
func Key(provider, operation string) string { return strings.ToLower(provider) + "#" + operation }

// A Trigger is how a workflow wants to be started.
type Trigger struct {
	Name       string
	Provider   string         // for example /serviceProviders/serviceBus
	Operation  string         // for example peekLockTopicMessagesV2
	Connection string         // a name in connections.json
	Parameters map[string]any // evaluated
	SplitOn    bool           // one run per message, not per batch
}

// A Workflow is a loaded definition. It can run several times at once.
type Workflow struct {
	env         Environment
	trigger     Trigger
	actions     []*action
	connections map[string]string
}

// Trigger tells how the workflow is started.
func (w *Workflow) Trigger() Trigger { return w.trigger }

// Connections are the connections that trigger and actions use, by name, with the id of their provider.
func (w *Workflow) Connections() map[string]string { return w.connections }

// An Outcome is how one action ended.
type Outcome struct {
	Status  Status
	Outputs any
	Err     error // why it failed
}

// A Result is how a run ended. Actions inside a loop are not in it.
type Result struct {
	Status  Status
	Err     error // why it failed, or what a Terminate action said
	Actions map[string]Outcome
}

// ErrTerminated is wrapped by the error of a run that a Terminate action ended as Failed.
var ErrTerminated = errors.New("terminated by the workflow")

// Run runs the workflow once for the outputs of its trigger: for a message, an object with the message as "body". The error is
// only ever that of the context; a workflow that fails is a Result.
func (w *Workflow) Run(ctx context.Context, trigger map[string]any) (*Result, error) {
	r := &run{env: w.env, trigger: trigger, variables: map[string]any{}}
	top := &frame{run: r, outcomes: map[string]Outcome{}}
	err := top.runActions(ctx, w.actions)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("run workflow: %w", context.Cause(ctx))
	}
	result := &Result{Status: Succeeded, Actions: top.outcomes}
	switch {
	case r.terminated != nil:
		result.Status, result.Err = r.terminated.status, r.terminated.err
	case err != nil:
		result.Status, result.Err = Failed, err
	}
	return result, nil
}

// run is the state of one run.
type run struct {
	env        Environment
	trigger    map[string]any
	variables  map[string]any
	terminated *termination
}

type termination struct {
	status Status
	err    error
}

// runActions runs the actions of one scope in order and tells whether the scope failed.
func (f *frame) runActions(ctx context.Context, list []*action) error {
	for _, a := range list {
		if f.run.terminated != nil || ctx.Err() != nil {
			return nil
		}
		if !f.due(a) {
			f.outcomes[a.name] = Outcome{Status: Skipped}
			continue
		}
		outputs, err := a.do(ctx, f)
		o := Outcome{Status: Succeeded, Outputs: outputs}
		if err != nil {
			o.Status, o.Err = Failed, fmt.Errorf("action %s: %w", a.name, err)
		}
		f.outcomes[a.name] = o
	}
	return f.failure(list)
}

// due reports whether everything that the action runs after has ended in a way that it accepts.
func (f *frame) due(a *action) bool {
	for name, accepted := range a.after {
		o := f.outcomes[name]
		ok := false
		for _, s := range accepted {
			ok = ok || s == o.Status
		}
		if !ok {
			return false
		}
	}
	return true
}

// failure is the status of a scope: it failed if a last action failed, or was skipped because of a failure before it. A failure
// after which another action ran is handled. Azure: documented under "Get context and results for failures".
func (f *frame) failure(list []*action) error {
	byName, last := map[string]*action{}, map[string]bool{}
	for _, a := range list {
		byName[a.name] = a
		last[a.name] = true
	}
	for _, a := range list {
		for name := range a.after {
			delete(last, name)
		}
	}
	var blame func(a *action) error
	blame = func(a *action) error {
		o := f.outcomes[a.name]
		if o.Status == Failed {
			return o.Err
		}
		if o.Status != Skipped {
			return nil
		}
		for _, before := range a.order {
			if err := blame(byName[before]); err != nil {
				return err
			}
		}
		return nil
	}
	for _, a := range list {
		if last[a.name] {
			if err := blame(a); err != nil {
				return err
			}
		}
	}
	return nil
}
