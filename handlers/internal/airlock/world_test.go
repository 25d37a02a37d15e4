package airlock_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	sm "airlock/statemachine"
)

const ws = "11111111-1111-4111-8111-111111111111"

// world is a whole airlock in memory, with a clock that only the test moves.
type world struct {
	t     *testing.T
	now   time.Time
	store *memstore.Store
	zones *memzone.Zones
	queue *queue
	told  *announcer
	*airlock.Service

	ids      int
	problems []error
	scanner  func(name string) airlock.ScanResult // what the scanner finds; nil: everything is clean
	scanned  map[string]bool                      // place, name and ETag of what it has read

	onWrite   func(write string) effect // decides how a write to a port ends; nil: well
	dead      bool                      // the process has died, and does not know it yet
	silent    bool                      // no event arrives: there are only sweeps
	onRead    func()                    // runs when a file is read; nil: nothing
	readFault error                     // of every reading of a file; nil: it succeeds
	damage    func(airlock.Copy) bool   // copies whose content is another; nil: none
	timing    func(*airlock.Timing)     // changes the usual one; nil: nothing
	copyEnd   airlock.CopyState         // how copies end; empty: with success
}

// queue keeps nudges until they are due.
type queue struct {
	w    *world
	fail error
	keys map[string]bool
	sent []sentNudge
}

type sentNudge struct {
	airlock.Nudge
	at time.Time
}

func (q *queue) Nudge(_ context.Context, n airlock.Nudge, after time.Duration) error {
	before, done := q.w.write("Nudge")
	if err := cmp.Or(q.fail, before); err != nil {
		return err
	}
	if n.Key != "" && !q.keys[n.Key] { // duplicate detection, as the real one has
		q.keys[n.Key] = true
		q.sent = append(q.sent, sentNudge{n, q.w.now.Add(after)})
	}
	return done
}

func (q *queue) Ping(context.Context) error { return q.fail }

// announcer notes what was published, and fails the test when a notice is not stored.
type announcer struct {
	w    *world
	fail error
	by   map[string]int
	last []airlock.Notice
}

func (a *announcer) Announce(ctx context.Context, n airlock.Notice) error {
	before, done := a.w.write("Announce")
	if err := cmp.Or(a.fail, before); err != nil {
		return err
	}
	r, err := a.w.store.Request(ctx, n.WorkspaceID, n.RequestID)
	if err != nil {
		return err
	}
	if a.by[n.ID] == 0 && !slices.Contains(r.Untold, n.ID) {
		a.w.t.Errorf("notice %s was published before its status was stored", n.ID)
	}
	a.by[n.ID]++
	a.last = append(a.last, n)
	return done
}

var (
	researcher = person("a0000000-0000-4000-8000-000000000001", "Ada", airlock.RoleResearcher)
	colleague  = person("a0000000-0000-4000-8000-000000000002", "Ben", airlock.RoleResearcher)
	owner      = person("a0000000-0000-4000-8000-000000000003", "Olga", airlock.RoleOwner)
	manager    = person("a0000000-0000-4000-8000-000000000004", "Mia", airlock.RoleManager)
	second     = person("a0000000-0000-4000-8000-000000000005", "Max", airlock.RoleManager)
	both       = person("a0000000-0000-4000-8000-000000000006", "Rob", airlock.RoleResearcher, airlock.RoleManager)
	admin      = airlock.Identity{Person: airlock.Person{ID: "a0000000-0000-4000-8000-000000000007", Name: "Tara", Roles: []airlock.Role{airlock.RoleAdmin}}, ForAPI: true}
)

// wsAudience is the workspace's own app registration: its tokens carry the roles.
const wsAudience = "api://workspace"

func person(id, name string, roles ...airlock.Role) airlock.Identity {
	return airlock.Identity{Person: airlock.Person{ID: id, Name: name, Email: name + "@example.org", Roles: roles, Audience: wsAudience}}
}

func newWorld(t *testing.T, change ...func(*airlock.Settings)) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), scanned: map[string]bool{}}
	w.store = &memstore.Store{Fault: w.storeFault}
	w.zones = memzone.New(memzone.Options{Now: w.clock, Fault: w.zoneFault, CopyEnd: func(airlock.Copy) airlock.CopyState {
		return cmp.Or(w.copyEnd, airlock.CopySuccess)
	}, Damage: func(c airlock.Copy) bool { return w.damage != nil && w.damage(c) }})
	w.queue = &queue{w: w, keys: map[string]bool{}}
	w.told = &announcer{w: w, by: map[string]int{}}
	w.build()
	settings := airlock.DefaultSettings(ws)
	settings.Audience, settings.MaxFiles, settings.Name = wsAudience, 3, "Demo"
	settings.Members = []airlock.Member{{ID: manager.ID, Email: "mia@example.org", Roles: []airlock.Role{airlock.RoleManager}}}
	for _, c := range change {
		c(&settings)
	}
	if _, err := w.PutSettings(t.Context(), admin, settings); err != nil {
		t.Fatal(err)
	}
	return w
}

// build makes the service anew on the same storage: a restart.
func (w *world) build() {
	timing := airlock.DefaultTiming()
	timing.SettingsCache = 0
	if w.timing != nil {
		w.timing(&timing)
	}
	w.Service = &airlock.Service{
		Store: w.store, Zones: w.zones, Queue: w.queue, Announcer: w.told, TRE: "tre", Layout: airlock.DefaultLayout(),
		Now: w.clock, NewID: func() string { return w.id(7) }, NewTrace: func() string { return w.id(4) }, Spread: func() float64 { return 0.5 },
		Timing: timing, ScanTags: true, SweepWorkers: 1, Report: func(_ context.Context, err error) { w.problems = append(w.problems, err) },
	}
}

func (w *world) clock() time.Time { return w.now }

func (w *world) id(version int) string {
	w.ids++
	return fmt.Sprintf("%08x-0000-%d000-8000-%012x", w.now.Unix()-1700000000, version, w.ids)
}

func (w *world) place(r airlock.Request, zone sm.Zone, round int) airlock.Place {
	w.t.Helper()
	p, err := w.Layout.Place(r.Type, w.TRE, airlock.DefaultSettings(ws).Suffix, r.ID, sm.Spot{Zone: zone, Round: round})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// settle lets everything happen that happens by itself: nudges that are due, storage's events, the scanner. It stops
// when nothing is left to happen at this moment.
func (w *world) settle() {
	w.t.Helper()
	for range 200 {
		worked := w.deliver()
		if w.scan() {
			worked = true
		}
		if !worked {
			return
		}
	}
	w.t.Fatal("it never comes to rest")
}

func (w *world) deliver() bool {
	var later, due []sentNudge
	for _, n := range w.queue.sent {
		if n.at.After(w.now) {
			later = append(later, n)
		} else {
			due = append(due, n)
		}
	}
	w.queue.sent = later
	if w.silent {
		return false
	}
	for _, n := range due {
		w.note(w.survive(func() error { return w.Reconcile(context.Background(), n.Workspace, n.Request) }))
	}
	return len(due) > 0
}

func (w *world) note(err error) {
	if err != nil {
		w.problems = append(w.problems, err)
	}
}

// scan plays the scanner on everything that is new in a holding zone.
func (w *world) scan() bool {
	worked := false
	for _, p := range w.zones.Places() {
		if id := airlock.RequestID(p.Container); id == "" || p.Account != "stalimiptre" && p.Account != "stalexipws1111" {
			continue
		}
		blobs, _ := w.zones.Blobs(p)
		for _, b := range blobs {
			key := p.Account + p.Container + b.Name + b.ETag
			if b.Copy == airlock.CopyPending || w.scanned[key] {
				continue
			}
			w.scanned[key] = true
			result := airlock.Clean
			if w.scanner != nil {
				result = w.scanner(b.Name)
			}
			if result == airlock.ScanPending {
				continue // silent
			}
			worked = true
			if err := w.zones.Tag(p, b.Name, result); err != nil {
				continue // it has been moved on because of another file
			}
			if w.silent {
				continue
			}
			report := airlock.ScanReport{Place: p, Name: b.Name, ETag: b.ETag, Verdict: airlock.Verdict{Result: result, Malware: []string{"Test_File"}}}
			err := w.survive(func() error { return second2(w.Scanned(context.Background(), report)) })
			w.note(err)
			w.scanned[key] = err == nil // events come again until somebody takes them
		}
	}
	return worked
}

// later moves the clock and lets the sweep and everything due happen.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	w.settle()
	w.note(w.survive(func() error { return second2(w.Sweep(context.Background())) }))
	w.settle()
}

func (w *world) create(who airlock.Identity, d airlock.Direction) airlock.Request {
	w.t.Helper()
	v, err := w.Create(w.t.Context(), who, ws, airlock.NewRequest{Type: d, Title: "T", Justification: "J"})
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Request
}

func (w *world) upload(r airlock.Request, name, content string) {
	w.t.Helper()
	if _, err := w.zones.Put(w.place(r, sm.Intake, r.Round), name, memzone.File{Content: []byte(content)}); err != nil {
		w.t.Fatalf("upload: %v", err)
	}
}

// do fails the test unless the use case succeeds, and lets everything settle.
func (w *world) do(v airlock.View, err error) airlock.Request {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	return w.read(v.Request.ID)
}

func (w *world) read(id string) airlock.Request {
	w.t.Helper()
	r, err := w.store.Request(context.Background(), ws, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// submitted makes a request with one file and submits it.
func (w *world) submitted(d airlock.Direction, content string) airlock.Request {
	w.t.Helper()
	r := w.create(researcher, d)
	w.settle()
	w.upload(r, "data/ä b.csv", content)
	return w.do(w.Submit(w.t.Context(), researcher, ws, r.ID))
}

func (w *world) want(r airlock.Request, status sm.Status) {
	w.t.Helper()
	if r.Status != status {
		w.t.Fatalf("status is %s (%s), want %s; problems: %v", r.Status, r.StatusMessage, status, w.problems)
	}
	w.check(r)
}

// check holds a request that came to rest, and its workspace, against what must always be true.
func (w *world) check(r airlock.Request) {
	w.t.Helper()
	found, err := w.checker().Workspace(context.Background(), ws)
	if err != nil {
		w.t.Error(err)
	}
	for _, v := range found {
		w.t.Error(v)
	}
	if len(r.Owed) > 0 || len(r.Untold) > 0 {
		w.t.Errorf("%s does not rest: owed %v, untold %v", r.Status, r.Owed, r.Untold)
	}
}

// checker sees everything, and takes all time for over.
func (w *world) checker() airlock.Checker {
	return airlock.Checker{
		Store: w.store, Zones: w.zones, TRE: w.TRE, Layout: w.Layout, Containers: containers{w.zones},
		Published: func(id string) bool { return w.told.by[id] > 0 }, Deadline: w.now.Add(1000 * time.Hour),
	}
}

// containers lists those of a storage in memory.
type containers struct{ *memzone.Zones }

func (c containers) Containers(_ context.Context, account string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, p := range c.Places() {
			if p.Account == account && !yield(p.Container, nil) {
				return
			}
		}
	}
}

// refusal returns the problem that a use case answered, or fails the test.
func refusal(t *testing.T, err error) *airlock.Problem {
	t.Helper()
	var p *airlock.Problem
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want a problem", err)
	}
	return p
}
