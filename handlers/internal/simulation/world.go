package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
)

// The names of this world.
const (
	tre   = "tre"
	north = "north-1111"
	south = "south-2222"
)

// world is one run.
type world struct {
	random *rand.Rand
	now    time.Time
	mood   mood
	store  *memstore.Store
	zones  *memzone.Zones
	layout airlock.Layout

	processes [2]*process
	people    []airlock.Identity
	jobs      []*job
	stacks    *stacks
	current   *job // the invocation that runs; nil: the world itself, for which nothing goes wrong

	queue     []message
	keys      map[string]time.Time
	events    []event
	scans     []scan
	published map[string]int
	contents  map[string]string // of every version of a file, by its ETag
	links     []grant
	late      []late
	known     []string // ids of requests that were made, or tried to be
	homes     map[string]string

	attempts map[string]*attempt
	policies []*policy

	forgotten map[string]*keepsake // requests that were deleted, or were about to be

	serial int
	result Result
	tracer func(string)
	bend   bend // nil: none
}

// mood is how bad a run is: each is a chance of 0 to 1.
type mood struct {
	fails, loses, late, dies float64 // a call to a port
	switches                 float64 // a stop at a call to a port
	drops, doubles           float64 // a nudge or an event
	copyBreaks               float64
	malware                  float64 // in a file
	silent, slow, not, lying float64 // the scanner
	meddles, wild, holds     float64 // people
	requests                 int     // at most
	tags                     bool    // the scanner writes index tags, and they must agree
	copyTime                 time.Duration
	cache                    time.Duration
	hashBytes, hashAtOnce    int64
	jammed                   bool              // no copy out of a holding zone becomes complete
	mute                     bool              // the topic is down
	deaf                     bool              // when it heals, no nudge and no event is left
	ends                     bool              // lifetimes are short, and time passes fast
	retention                airlock.Retention // of the TRE
}

func newWorld(seed uint64, tracer func(string), stacks *stacks, bend bend) *world {
	w := &world{
		random: rand.New(rand.NewPCG(seed, 0x41_69_72)), now: began(), tracer: tracer, people: people(), stacks: stacks, bend: bend,
		keys: map[string]time.Time{}, published: map[string]int{}, homes: map[string]string{}, attempts: map[string]*attempt{},
		forgotten: map[string]*keepsake{}, contents: map[string]string{},
		result: Result{Seed: seed, Faults: map[Kind]int{}, Ends: map[string]int{}, Done: map[string]int{}}, layout: airlock.DefaultLayout(),
	}
	w.mood = w.drawMood()
	if w.chance(0.3) {
		w.layout = airlock.CompactLayout()
	}
	w.store = &memstore.Store{Fault: w.storeFault, Span: w.random.IntN(4)}
	w.zones = memzone.New(memzone.Options{
		Now: w.clock, CopyTime: w.mood.copyTime, BusyTime: 40 * time.Second, CopyEnd: w.copyEnd, Fault: w.zoneFault,
	})
	for i := range w.processes {
		w.processes[i] = &process{name: fmt.Sprintf("p%d", i+1)}
		w.boot(w.processes[i])
	}
	w.found()
	return w
}

// drawMood makes some runs calm and others terrible, each in its own way.
func (w *world) drawMood() mood {
	some := func(share, most float64) float64 {
		if !w.chance(share) {
			return 0
		}
		return w.random.Float64() * most
	}
	m := mood{
		fails: some(0.5, 0.12), loses: some(0.5, 0.12), late: some(0.4, 0.1), dies: some(0.5, 0.04), switches: some(0.8, 0.6),
		drops: some(0.5, 0.6), doubles: some(0.5, 0.5), copyBreaks: some(0.4, 0.4),
		silent: some(0.3, 0.5), slow: some(0.3, 0.7), not: some(0.3, 0.5), lying: some(0.4, 0.6), malware: some(0.5, 0.4),
		meddles: some(0.5, 0.3), wild: some(0.5, 0.5), requests: pick(w, 1, 1, 2, 3), tags: w.chance(0.7), deaf: w.chance(0.5),
		copyTime: pick(w, 0, 0, time.Second, time.Minute, 20*time.Minute), cache: pick(w, 0, 10*time.Second),
		holds: some(0.3, 0.3), ends: w.chance(0.3), mute: w.chance(0.1),
		hashBytes: pick[int64](w, 2, 5, 1<<20), hashAtOnce: pick[int64](w, 0, 1<<20),
	}
	if m.ends && w.chance(0.5) {
		m.retention = w.retention()
	}
	return m
}

// calm is the mood without all that goes wrong.
func (w *world) calm() mood {
	m := w.mood
	return mood{tags: m.tags, copyTime: m.copyTime, cache: m.cache, deaf: m.deaf, ends: m.ends, retention: m.retention,
		hashBytes: m.hashBytes, hashAtOnce: m.hashAtOnce}
}

// boot gives a process a new service: what it remembered is gone.
func (w *world) boot(p *process) {
	timing := airlock.DefaultTiming()
	timing.SettingsCache, timing.TaskTime = w.mood.cache, 24*time.Hour
	timing.HashBytes, timing.HashAtOnce = w.mood.hashBytes, w.mood.hashAtOnce
	p.dead = false
	p.Service = &airlock.Service{
		Store: slowStore{w.store, w}, Zones: slowZones{w.zones, w}, Queue: queue{w}, Announcer: topic{w}, TRE: tre, Layout: w.layout,
		Now: w.clock, NewID: func() string { return w.uuid(7) }, NewTrace: func() string { return w.uuid(4) }, Spread: w.random.Float64,
		Timing: timing, SweepWorkers: 1, ScanTags: w.mood.tags, Retention: w.mood.retention,
		Report: func(_ context.Context, err error) { w.trace("%s: reports: %v", p.name, err) },
	}
	if w.bend != nil {
		w.bend(w, p.Service)
	}
}

func (w *world) clock() time.Time { return w.now }

func (w *world) uuid(version int) string {
	w.serial++
	id := []byte("00000000-0000-0000-8000-000000000000")
	hexadecimal(id[:8], uint64(w.now.Sub(began())/time.Second))
	hexadecimal(id[24:], uint64(w.serial))
	id[14] = byte('0' + version)
	return string(id)
}

// hexadecimal writes a number in all of the digits.
func hexadecimal(digits []byte, n uint64) {
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = "0123456789abcdef"[n&15]
		n >>= 4
	}
}

func (w *world) chance(p float64) bool { return p > 0 && w.random.Float64() < p }

func pick[T any](w *world, from ...T) T { return from[w.random.IntN(len(from))] }

func (w *world) count(k Kind) { w.result.Faults[k]++ }

func (w *world) trace(format string, args ...any) {
	w.result.Steps++
	if w.tracer != nil {
		w.tracer(fmt.Sprintf("%s %s", w.now.Format("02 15:04:05"), fmt.Sprintf(format, args...)))
	}
}

func (w *world) wrong(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.trace("VIOLATION: %s", text)
	w.result.Violations = append(w.result.Violations, text)
}

// requests reads all requests of all workspaces, as they are stored, in the order in which they were made.
func (w *world) requests() []airlock.Request {
	all := make([]airlock.Request, 0, len(w.known))
	for _, id := range w.known {
		if r, ok := w.request(id); ok {
			all = append(all, r)
		}
	}
	return all
}

// request reads a request as it is stored; ok is false when it was only tried to be made.
func (w *world) request(id string) (r airlock.Request, ok bool) {
	workspace, found := w.homes[id]
	if !found {
		var err error
		if workspace, err = w.store.Workspace(context.Background(), id); err != nil {
			return airlock.Request{}, false
		}
		w.homes[id] = workspace
	}
	r, _, ok = w.store.Look(workspace, id)
	return r, ok
}
