package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/api"
	"airlock/handlers/internal/memstore"
	"airlock/handlers/internal/memzone"
	"airlock/statemachine"
)

// space is a workspace of the test. The names appear in answers, and only where they may.
type space struct{ name, id, audience, suffix string }

var (
	own      = space{"own", "0c7b9e2a-1f4d-4c43-9a51-6b1c7d0e0001", "api://own", "0001"}
	archived = space{"archived", "0c7b9e2a-1f4d-4c43-9a51-6b1c7d0e0002", "api://archived", "0002"}
	foreign  = space{"foreign", "0c7b9e2a-1f4d-4c43-9a51-6b1c7d0e0003", "", "0003"}
	nowhere  = space{"nowhere", "0c7b9e2a-1f4d-4c43-9a51-6b1c7d0e0004", "", ""}
)

const (
	apiAudience = "api://airlock"

	requesterID = "a0000000-0000-4000-8000-000000000001"
	otherID     = "a0000000-0000-4000-8000-000000000002"
	groupID     = "a0000000-0000-4000-8000-000000000003"
	keeperID    = "a0000000-0000-4000-8000-000000000004" // brings the requests to their statuses
)

// accessTime is the moment of every call, and of every token.
func accessTime() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }

// title and file of the request in a workspace: whoever reads them has been let in.
func (s space) title() string             { return "Title of " + s.name }
func (s space) file() string              { return "file-of-" + s.name + ".csv" }
func (s space) said(letter string) string { return "Comment " + letter + " on " + s.name }
func (s space) label() string             { return "Workspace " + s.name }

// world is the whole airlock in memory with one request in each workspace, all in the same status.
type world struct {
	store    *memstore.Store
	zones    *memzone.Zones
	effects  *effects
	requests map[space]string // ids
	etags    map[space]string // of the settings, as the API gives them
	bodies   map[space]map[string]any
	urls     map[string]*url.URL // by operation and place
	secrets  []string            // what no refused caller may read
}

// effects is what happens to the world. Its methods may be called concurrently.
type effects struct {
	clock  func() time.Time
	noCopy bool // copies fail

	mu     sync.Mutex
	reads  int
	writes map[string]int
	ids    int // how many were made
}

func (e *effects) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reads = 0
	clear(e.writes)
}

func (e *effects) read() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reads++
}

func (e *effects) wrote(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writes[what]++
}

func (e *effects) store(op memstore.Op, _ string) memstore.Outcome {
	switch op {
	case memstore.OpLookups, memstore.OpCreate, memstore.OpCommit, memstore.OpPutSettings:
		e.wrote(string(op))
	default:
		e.read()
	}
	return memstore.Pass
}

func (e *effects) zones(c memzone.Call) (before, after error) {
	switch {
	case c.Op == memzone.OpCopy && e.noCopy:
		return fmt.Errorf("switched off: %w", airlock.ErrTransient), nil
	case c.Op == memzone.OpList || c.Op == memzone.OpPing:
		e.read()
	default:
		e.wrote(string(c.Op))
	}
	return nil, nil
}

// Nudge implements airlock.Queue.
func (e *effects) Nudge(context.Context, airlock.Nudge, time.Duration) error {
	e.wrote("Nudge")
	return nil
}

// Ping implements airlock.Queue.
func (e *effects) Ping(context.Context) error { return nil }

// Announce implements airlock.Announcer.
func (e *effects) Announce(context.Context, airlock.Notice) error {
	e.wrote("Announce")
	return nil
}

// newID makes ids of version 7 that nobody has.
func (e *effects) newID() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids++
	return fmt.Sprintf("01990000-0000-7000-8000-%012x", e.ids)
}

func (w *world) clone() *world {
	c := *w
	c.store, c.zones = w.store.Clone(), w.zones.Clone()
	return &c
}

// service is the real one on the world's storage.
func (w *world) service() *airlock.Service {
	timing := airlock.DefaultTiming()
	timing.SettingsCache = 0
	return &airlock.Service{
		Signer: signer{},
		Store:  w.store, Zones: w.zones, Queue: w.effects, Announcer: w.effects, TRE: "tre", Layout: airlock.DefaultLayout(),
		Now: w.effects.clock, NewID: w.effects.newID, NewTrace: w.effects.newID, Spread: func() float64 { return 0.5 }, Timing: timing, ScanTags: true,
	}
}

// asked lets the API's handler ask one airlock after the other.
type asked struct{ *airlock.Service }

// newAPI is the real edge in front of whatever the asked airlock is.
func newAPI(of *asked, tokens api.Tokens) http.Handler {
	return api.New(api.Options{
		Service: of, Tokens: tokens, APIAudiences: []string{apiAudience}, Version: "test",
		NewTrace: func() string { return "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee" }, Now: accessTime, Log: func(context.Context, api.Entry) {},
	})
}

// newWorld makes the workspaces and brings a request in each to the status.
func newWorld(t *testing.T, status statemachine.Status) *world {
	t.Helper()
	now := accessTime().Add(-24 * time.Hour)
	e := &effects{clock: func() time.Time { return now }, writes: map[string]int{}}
	w := &world{
		store: &memstore.Store{Fault: e.store}, zones: memzone.New(memzone.Options{Now: func() time.Time { return e.clock() }, Fault: e.zones}),
		effects: e, requests: map[space]string{}, etags: map[space]string{}, bodies: map[space]map[string]any{}, urls: map[string]*url.URL{},
	}
	for _, s := range []space{own, archived, foreign} {
		w.settle(t, s, crew(), false)
		w.requests[s] = w.reach(t, s, status, func(d time.Duration) { now = now.Add(d) })
		w.secrets = append(w.secrets, s.title(), s.file(), s.label(), s.said("r"), s.said("s"), s.said("p"))
	}
	for _, o := range operations() {
		for _, where := range o.places() {
			w.urls[o.name+where] = o.address(w, where)
		}
	}
	e.clock = accessTime
	return w
}

// reach makes a request and brings it to the status.
func (w *world) reach(t *testing.T, s space, status statemachine.Status, wait func(time.Duration)) string {
	t.Helper()
	l := &life{t: t, w: w, s: s, service: w.service(), wait: wait}
	l.create()
	steps := map[statemachine.Status][]func(){
		statemachine.Draft:               nil,
		statemachine.Submitted:           {l.submit},
		statemachine.InReview:            {l.submit, l.scan, l.talk},
		statemachine.ApprovalInProgress:  {l.submit, l.scan, l.talk, l.approve},
		statemachine.Approved:            {l.submit, l.scan, l.talk, l.approve, l.reconcile},
		statemachine.RejectionInProgress: {l.submit, l.scan, l.talk, l.reject},
		statemachine.Rejected:            {l.submit, l.scan, l.talk, l.reject, l.reconcile},
		statemachine.BlockingInProgress:  {l.submit, l.stick, l.infect},
		statemachine.BlockedByScan:       {l.submit, l.infect},
		statemachine.Cancelled:           {l.submit, l.scan, l.talk, l.cancel, l.reconcile},
		statemachine.Failed:              {l.submit, l.outlast},
		statemachine.Revoked:             {l.submit, l.scan, l.talk, l.approve, l.reconcile, l.revoke, l.reconcile},
	}
	if _, ok := steps[status]; !ok {
		t.Fatalf("nobody has said how a request comes to be %s", status)
	}
	for _, step := range steps[status] {
		step()
	}
	r, err := w.store.Request(context.Background(), s.id, l.id)
	if err != nil || r.Status != status {
		t.Fatalf("the request in %s is %s (%s), want %s: %v", s.name, r.Status, r.StatusMessage, status, err)
	}
	return l.id
}

// settle gives a workspace its settings, as a TRE admin does.
func (w *world) settle(t *testing.T, s space, members []airlock.Member, isArchived bool) {
	t.Helper()
	current, err := w.store.Settings(context.Background(), s.id)
	next := airlock.DefaultSettings(s.id)
	if err == nil {
		next = current
	}
	next.Name, next.Audience, next.Suffix, next.Members, next.Archived = s.label(), s.audience, s.suffix, members, isArchived
	admin := airlock.Identity{Person: airlock.Person{ID: keeperID, Roles: []airlock.Role{airlock.RoleAdmin}}, ForAPI: true}
	if _, err := w.service().PutSettings(context.Background(), admin, next); err != nil {
		t.Fatal(err)
	}
}

// learn reads the settings through the API as a TRE admin, for calls that replace them.
func (w *world) learn(t *testing.T, handler http.Handler, admin string) {
	t.Helper()
	etags, bodies := map[space]string{}, map[space]map[string]any{}
	for _, s := range []space{own, archived, foreign} {
		r := httptest.NewRequest(http.MethodGet, "/api/workspaces/"+s.id+"/airlock", nil)
		r.Header.Set("Authorization", admin)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		var body map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || rec.Code != http.StatusOK {
			t.Fatalf("settings of %s: %d %s", s.name, rec.Code, rec.Body)
		}
		etags[s], bodies[s] = rec.Header().Get("ETag"), body
	}
	w.etags, w.bodies = etags, bodies
}

// replaced is the body that replaces the settings of a workspace with one field changed.
func (w *world) replaced(s space, field string, value any) string {
	body := maps.Clone(w.bodies[s])
	if body == nil {
		body = map[string]any{}
	}
	if field == "members" {
		members, _ := body[field].([]any)
		value = append(append([]any{}, members...), value)
	}
	body[field] = value
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	return string(encoded)
}

// rightsOf are the letters in a link's signature.
func rightsOf(link string) string {
	_, query, _ := strings.Cut(link, "?")
	for _, pair := range strings.Split(query, "&") {
		if letters, ok := strings.CutPrefix(pair, "sp="); ok {
			return letters
		}
	}
	return ""
}

// signer wraps documents and signs nothing: what a signature is worth is not asked here.
type signer struct{}

func (signer) Sign(_ context.Context, kind string, document []byte) ([]byte, error) {
	return json.Marshal(map[string]any{"payloadType": kind, "payload": document, "signatures": []any{}})
}

func (signer) Open(string, []byte) ([]byte, error) { return nil, airlock.ErrNotFound }
