package operator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	"airlock/handlers/internal/operator"
	"airlock/statemachine"
)

const ws = "11111111-1111-4111-8111-111111111111"

// world is an airlock in memory that a command looks at.
type world struct {
	t      *testing.T
	now    time.Time
	store  *memstore.Store
	zones  *memzone.Zones
	mu     sync.Mutex // of nudges and ids: a sweep has several workers
	nudges []airlock.Nudge
	busy   error // that the queue fails with
	down   bool  // the store does not answer
	ids    int
	*airlock.Service
}

func (w *world) Nudge(_ context.Context, n airlock.Nudge, _ time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nudges = append(w.nudges, n)
	return w.busy
}
func (w *world) Ping(context.Context) error                     { return nil }
func (w *world) Announce(context.Context, airlock.Notice) error { return nil }

func (w *world) id() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return fmt.Sprintf("00000000-0000-7000-8000-%012d", w.ids)
}

var person = airlock.Identity{
	Person: airlock.Person{ID: "ada", Name: "Ada", Roles: []airlock.Role{airlock.RoleAdmin}}, ForAPI: true,
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return w.now }
	w.store = &memstore.Store{Fault: func(memstore.Op, string) memstore.Outcome {
		if w.down {
			return memstore.NotDone
		}
		return memstore.Pass
	}}
	w.zones = memzone.New(memzone.Options{Now: clock})
	w.Service = &airlock.Service{
		Store: w.store, Zones: w.zones, Queue: w, Announcer: w, TRE: "tre", Layout: airlock.DefaultLayout(), Now: clock, NewID: w.id,
		NewTrace: w.id, Spread: func() float64 { return 0.5 }, Timing: airlock.DefaultTiming(),
	}
	settings := airlock.DefaultSettings(ws)
	settings.Members = []airlock.Member{{ID: "ada", Roles: []airlock.Role{airlock.RoleResearcher}}}
	if _, err := w.PutSettings(t.Context(), person, settings); err != nil {
		t.Fatal(err)
	}
	return w
}

// draft makes a request that owes nothing any more.
func (w *world) draft() airlock.Request {
	w.t.Helper()
	v, err := w.Create(w.t.Context(), person, ws, airlock.NewRequest{Type: airlock.Import})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.Reconcile(w.t.Context(), ws, v.Request.ID); err != nil {
		w.t.Fatal(err)
	}
	w.nudges = nil
	return v.Request
}

// run runs a command and returns what it printed.
func (w *world) run(args ...string) (code int, out, problems string) {
	w.t.Helper()
	var o, p bytes.Buffer
	code = operator.Run(w.t.Context(), args, func() (operator.Tools, error) {
		return operator.Tools{
			Checker: airlock.Checker{Store: w.store, Zones: w.zones, TRE: "tre", Layout: w.Layout, Containers: w.zones},
			Queue:   w, Now: func() time.Time { return w.now },
		}, nil
	}, &o, &p)
	return code, o.String(), p.String()
}

func TestACommandThatIsNotUnderstoodSaysWhatThereIs(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"fsck", "-nonsense"}, {"fsck", "more"}, {"fsck", "-h"}} {
		var out, problems bytes.Buffer
		code := operator.Run(t.Context(), args, func() (operator.Tools, error) { return operator.Tools{Now: time.Now}, nil }, &out, &problems)
		want := operator.Unclear
		if slices.Contains(args, "-h") {
			want = operator.Well
		}
		if code != want || !strings.Contains(problems.String(), "fsck") || out.Len() > 0 {
			t.Errorf("%v: exit code %d, %s%s", args, code, out.String(), problems.String())
		}
	}
}

func TestWithoutToolsNothingIsClear(t *testing.T) {
	var out, problems bytes.Buffer
	none := func() (operator.Tools, error) { return operator.Tools{}, errors.New("no settings") }
	if code := operator.Run(t.Context(), []string{"fsck"}, none, &out, &problems); code != operator.Unclear || !strings.Contains(problems.String(), "no settings") {
		t.Errorf("exit code %d, %s", code, problems.String())
	}
}

// found is the JSON of fsck, as scripts read it.
type found struct {
	Requests   int                  `json:"requests"`
	Violations *[]airlock.Violation `json:"violations"`
	Owed       *[]struct {
		Request string `json:"requestId"`
		Overdue bool   `json:"overdue"`
	} `json:"owed"`
	Orphans  *[]airlock.Violation `json:"orphans"`
	Problems []string             `json:"problems"`
	Nudged   int                  `json:"nudged"`
}

func TestFsck(t *testing.T) {
	for _, test := range []struct {
		name                               string
		spoil                              func(w *world, r airlock.Request) []string // returns more arguments
		code                               int
		violations, owed, overdue, orphans int
		nudged                             int
		problem                            bool
	}{
		{name: "all is well"},
		{name: "an orphan", code: operator.Found, orphans: 1, spoil: func(w *world, _ airlock.Request) []string {
			w.open(airlock.Place{Account: "stalimextre", Container: "00000000-0000-7000-8000-00000000dead"})
			return nil
		}},
		{name: "a container that is nobody's business", spoil: func(w *world, _ airlock.Request) []string {
			w.open(airlock.Place{Account: "stalimextre", Container: "backups"})
			return nil
		}},
		{name: "data in a zone where it should not be", code: operator.Found, violations: 1, nudged: 1,
			spoil: func(w *world, r airlock.Request) []string {
				w.open(w.place(r, statemachine.Released))
				return []string{"-repair"}
			}},
		{name: "a container in the account of another direction", code: operator.Found, violations: 1, spoil: func(w *world, r airlock.Request) []string {
			w.open(airlock.Place{Account: "stalexapptre", Container: r.ID})
			return nil
		}},
		{name: "work that is owed and not yet due", owed: 1, spoil: func(w *world, r airlock.Request) []string {
			w.cancel(r)
			return nil
		}},
		{name: "work that is overdue", code: operator.Found, violations: 1, owed: 1, overdue: 1, spoil: func(w *world, r airlock.Request) []string {
			w.cancel(r)
			w.now = w.now.Add(time.Hour)
			return nil
		}},
		{name: "work that is overdue, but not by what the operator takes for it", owed: 1, nudged: 1, spoil: func(w *world, r airlock.Request) []string {
			w.cancel(r)
			w.now = w.now.Add(time.Hour)
			return []string{"-grace", "2h", "-repair", "-workspace", ws}
		}},
		{name: "a store that does not answer", code: operator.Unclear, problem: true, spoil: func(w *world, _ airlock.Request) []string {
			w.down = true
			return nil
		}},
		{name: "a workspace that there is not", code: operator.Unclear, problem: true, spoil: func(*world, airlock.Request) []string {
			return []string{"-workspace", "nowhere"}
		}},
		{name: "a queue that does not answer", code: operator.Unclear, owed: 1, problem: true, spoil: func(w *world, r airlock.Request) []string {
			w.cancel(r)
			w.busy = airlock.ErrTransient
			return []string{"-repair"}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.draft()
			var more []string
			if test.spoil != nil {
				more = test.spoil(w, r)
			}
			before := w.read(r.ID)
			code, out, problems := w.run(append([]string{"fsck", "-json"}, more...)...)
			var f found
			if err := json.Unmarshal([]byte(out), &f); err != nil {
				t.Fatalf("%v: %s%s", err, out, problems)
			}
			if f.Violations == nil || f.Owed == nil || f.Orphans == nil {
				t.Fatalf("a list is missing: %s", out)
			}
			overdue := 0
			for _, o := range *f.Owed {
				if o.Overdue {
					overdue++
				}
			}
			if code != test.code || len(*f.Violations) != test.violations || len(*f.Owed) != test.owed || overdue != test.overdue ||
				len(*f.Orphans) != test.orphans || f.Nudged != test.nudged || (len(f.Problems) > 0) != test.problem {
				t.Errorf("exit code %d, %s", code, out)
			}
			if !test.problem && f.Requests != 1 {
				t.Errorf("%d requests were looked at", f.Requests)
			}
			for _, n := range w.nudges {
				if n.Workspace != ws || n.Request != r.ID || n.Key == "" {
					t.Errorf("nudged %+v", n)
				}
			}
			if after := w.read(r.ID); after.ETag != before.ETag {
				t.Error("the request was changed")
			}
			if again, text, _ := w.run(append([]string{"fsck"}, more...)...); again != code && !test.problem || !strings.Contains(text, "fsck: ") {
				t.Errorf("as text: exit code %d, %s", again, text)
			}
		})
	}
}

func (w *world) open(p airlock.Place) {
	w.t.Helper()
	if _, err := w.zones.Open(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) place(r airlock.Request, zone statemachine.Zone) airlock.Place {
	w.t.Helper()
	p, err := w.Layout.Place(r.Type, "tre", airlock.DefaultSettings(ws).Suffix, r.ID, statemachine.Spot{Zone: zone, Round: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) cancel(r airlock.Request) {
	w.t.Helper()
	if _, err := w.Cancel(w.t.Context(), person, ws, r.ID); err != nil {
		w.t.Fatal(err)
	}
	w.nudges = nil
}

func (w *world) read(id string) airlock.Request {
	w.t.Helper()
	defer func(down bool) { w.down = down }(w.down)
	w.down = false
	r, err := w.store.Request(context.Background(), ws, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}
