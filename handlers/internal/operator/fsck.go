package operator

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// defaultGrace is how long due work may stay undone before it counts as overdue: the sweep comes every minute.
const defaultGrace = 10 * time.Minute

// report is what fsck has found.
type report struct {
	Requests   int                 `json:"requests"`           // that were looked at
	Violations []airlock.Violation `json:"violations"`         // what is not as it must be
	Owed       []owed              `json:"owed"`               // requests for which the system has something to do
	Orphans    []airlock.Violation `json:"orphans"`            // containers that belong to no request
	Problems   []string            `json:"problems,omitempty"` // what could not be looked at
	Nudged     int                 `json:"nudged"`             // requests that the program was asked to look at
}

// owed is a request that waits for the system.
type owed struct {
	Workspace string              `json:"workspaceId"`
	Request   string              `json:"requestId"`
	Status    statemachine.Status `json:"status"`
	Since     time.Time           `json:"statusSince"`
	Owed      []statemachine.Task `json:"owed"`
	Untold    int                 `json:"untold"` // notices
	Due       time.Time           `json:"due"`
	Overdue   bool                `json:"overdue"`
	Tries     int                 `json:"tries"`
	LastError string              `json:"lastError,omitempty"`
}

// fsck is the command with its flags.
type fsck struct {
	json, repair bool
	workspace    string
	grace        time.Duration
}

func defineFsck(flags *flag.FlagSet) run {
	f := &fsck{}
	flags.BoolVar(&f.json, "json", false, "print one JSON object")
	flags.BoolVar(&f.repair, "repair", false, "ask the running program to look at every request with a violation or with work that is owed; nothing else is changed")
	flags.StringVar(&f.workspace, "workspace", "", "check this workspace only")
	flags.DurationVar(&f.grace, "grace", defaultGrace, "how long due work may stay undone before that is a violation")
	return f.run
}

func (f *fsck) run(ctx context.Context, t Tools, args []string, out io.Writer) (int, error) {
	if len(args) > 0 {
		return Unclear, fmt.Errorf("%q is no flag", args[0])
	}
	now := t.Now()
	r := report{Violations: []airlock.Violation{}, Owed: []owed{}, Orphans: []airlock.Violation{}}
	checker := t.Checker
	checker.Deadline = now.Add(-f.grace)
	checker.Looked = func(q airlock.Request) { r.look(q, checker.Deadline) }
	var found []airlock.Violation
	var err error
	if f.workspace == "" {
		found, err = checker.Everything(ctx)
	} else {
		found, err = checker.Workspace(ctx, f.workspace)
	}
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	for _, v := range found {
		if v.Rule == airlock.RuleOrphan {
			r.Orphans = append(r.Orphans, v)
		} else {
			r.Violations = append(r.Violations, v)
		}
	}
	if f.repair {
		r.nudge(ctx, t.Queue, now)
	}
	if f.json {
		err = encode(out, r)
	} else {
		err = r.print(out)
	}
	return r.code(), err
}

// look notes one request.
func (r *report) look(q airlock.Request, deadline time.Time) {
	r.Requests++
	if !q.Busy() {
		return
	}
	tasks := q.Owed
	if tasks == nil {
		tasks = []statemachine.Task{}
	}
	r.Owed = append(r.Owed, owed{
		Workspace: q.WorkspaceID, Request: q.ID, Status: q.Status, Since: q.StatusSince, Owed: tasks, Untold: len(q.Untold),
		Due: q.Due, Overdue: !q.Due.After(deadline), Tries: q.Tries, LastError: q.LastError,
	})
}

// nudge asks the program to look at all requests that could be the better for it.
func (r *report) nudge(ctx context.Context, queue airlock.Queue, now time.Time) {
	asked := map[string]bool{}
	ask := func(workspace, id string) {
		if workspace == "" || id == "" || asked[id] {
			return
		}
		asked[id] = true
		key := fmt.Sprintf("%s-fsck-%d", id, now.UnixNano()) // a nudge of its own: an earlier one may have been lost
		if err := queue.Nudge(ctx, airlock.Nudge{Workspace: workspace, Request: id, Key: key}, 0); err != nil {
			r.Problems = append(r.Problems, err.Error())
			return
		}
		r.Nudged++
	}
	for _, v := range r.Violations {
		ask(v.Workspace, v.Request)
	}
	for _, o := range r.Owed {
		ask(o.Workspace, o.Request)
	}
}

func (r *report) code() int {
	switch {
	case len(r.Problems) > 0:
		return Unclear
	case len(r.Violations)+len(r.Orphans) > 0:
		return Found
	default:
		return Well
	}
}

// print writes the report for people: one line for each thing, and the sum at the end.
func (r *report) print(out io.Writer) error {
	var errs []error
	line := func(format string, args ...any) {
		_, err := fmt.Fprintf(out, format+"\n", args...)
		errs = append(errs, err)
	}
	for _, p := range r.Problems {
		line("not looked at: %s", p)
	}
	for _, v := range append(r.Violations, r.Orphans...) {
		line("%s", v)
	}
	overdue := 0
	for _, o := range r.Owed {
		state := "owed"
		if o.Overdue {
			overdue++
			state = "overdue"
		}
		line("%s: %s/%s: %s since %s, %d tasks, %d notices, due %s, %d failures", state, o.Workspace, o.Request, o.Status,
			o.Since.UTC().Format(time.RFC3339), len(o.Owed), o.Untold, o.Due.UTC().Format(time.RFC3339), o.Tries)
	}
	line("fsck: %d requests, %d violations, %d owed (%d overdue), %d orphans, %d nudged",
		r.Requests, len(r.Violations), len(r.Owed), overdue, len(r.Orphans), r.Nudged)
	return errors.Join(errs...)
}
