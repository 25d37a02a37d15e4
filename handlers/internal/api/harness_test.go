package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

var update = flag.Bool("update", false, "rewrite the golden files and the committed OpenAPI document")

const (
	workspaceID = "0c7b9e2a-1f4d-4c43-9a51-6b1c7d0e8f21"
	requestID   = "01890a5d-ac96-774b-bcce-b302099a8057"
	traceID     = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	requests    = "/api/workspaces/" + workspaceID + "/requests"
	one         = requests + "/" + requestID
	settingsAt  = "/api/workspaces/" + workspaceID + "/airlock"
)

var (
	researcher = airlock.Person{ID: "11111111-1111-4111-8111-111111111111", Name: "Rosa Researcher", Email: "rosa@example.org",
		Roles: []airlock.Role{airlock.RoleResearcher}, Audience: "workspace-app"}
	manager = airlock.Person{ID: "22222222-2222-4222-8222-222222222222", Name: "Manu Manager", Email: "manu@example.org",
		Roles: []airlock.Role{airlock.RoleManager}, Audience: "api-app"}
	admin = airlock.Person{ID: "33333333-3333-4333-8333-333333333333", Name: "Ada Admin",
		Roles: []airlock.Role{airlock.RoleAdmin}, Audience: "api-app"}
)

// answer is what the fake gives back once for a call.
type answer struct {
	value any
	err   error
}

var _ UseCases = (*airlock.Service)(nil)

// fake is the use cases. It fails the test when something is called that the test does not expect.
type fake struct {
	t       testing.TB
	mu      sync.Mutex
	expects map[string]answer
	calls   []string
}

// called records a call and gives its answer.
func called[T any](f *fake, method string, who airlock.Identity, args ...any) (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	line := method + " " + who.ID
	for _, a := range args {
		line += fmt.Sprintf(" %+v", a)
	}
	f.calls = append(f.calls, line)
	a, ok := f.expects[method]
	if !ok {
		f.t.Errorf("unexpected call: %s", line)
		return *new(T), errors.New("unexpected call")
	}
	if who.ID != "" && (who.CorrelationID == "" || who.SourceAddress == "") {
		f.t.Errorf("%s: without correlation id or source address: %+v", method, who)
	}
	value, _ := a.value.(T)
	return value, a.err
}

func (f *fake) Create(_ context.Context, who airlock.Identity, workspace string, in airlock.NewRequest) (airlock.View, error) {
	return called[airlock.View](f, "Create", who, workspace, in)
}
func (f *fake) Request(_ context.Context, who airlock.Identity, workspace, id string) (airlock.View, error) {
	return called[airlock.View](f, "Request", who, workspace, id)
}
func (f *fake) Requests(_ context.Context, who airlock.Identity, workspace string, l airlock.Listing) (airlock.Views, error) {
	return called[airlock.Views](f, "Requests", who, workspace, l)
}
func (f *fake) Mine(_ context.Context, who airlock.Identity, asReviewer bool, l airlock.Listing) (airlock.Views, error) {
	return called[airlock.Views](f, "Mine", who, asReviewer, l)
}
func (f *fake) Link(_ context.Context, who airlock.Identity, workspace, id string) (airlock.Link, error) {
	return called[airlock.Link](f, "Link", who, workspace, id)
}
func (f *fake) Submit(_ context.Context, who airlock.Identity, workspace, id string) (airlock.View, error) {
	return called[airlock.View](f, "Submit", who, workspace, id)
}
func (f *fake) Cancel(_ context.Context, who airlock.Identity, workspace, id string) (airlock.View, error) {
	return called[airlock.View](f, "Cancel", who, workspace, id)
}
func (f *fake) Retry(_ context.Context, who airlock.Identity, workspace, id string) (airlock.View, error) {
	return called[airlock.View](f, "Retry", who, workspace, id)
}
func (f *fake) Review(_ context.Context, who airlock.Identity, workspace, id string, in airlock.NewReview) (airlock.View, error) {
	return called[airlock.View](f, "Review", who, workspace, id, in)
}
func (f *fake) Revoke(_ context.Context, who airlock.Identity, workspace, id, reason string) (airlock.View, error) {
	return called[airlock.View](f, "Revoke", who, workspace, id, reason)
}
func (f *fake) Comment(_ context.Context, who airlock.Identity, workspace, id string, in airlock.NewComment) (airlock.Comment, error) {
	return called[airlock.Comment](f, "Comment", who, workspace, id, in)
}
func (f *fake) Comments(_ context.Context, who airlock.Identity, workspace, id string, limit int, cursor string) (airlock.Comments, error) {
	return called[airlock.Comments](f, "Comments", who, workspace, id, limit, cursor)
}
func (f *fake) Files(_ context.Context, who airlock.Identity, workspace, id string, round int) (airlock.Listed, error) {
	return called[airlock.Listed](f, "Files", who, workspace, id, round)
}
func (f *fake) Audit(_ context.Context, who airlock.Identity, workspace, id string) (airlock.Trail, error) {
	return called[airlock.Trail](f, "Audit", who, workspace, id)
}
func (f *fake) Hold(_ context.Context, who airlock.Identity, workspace, id, reason string) (airlock.View, error) {
	return called[airlock.View](f, "Hold", who, workspace, id, reason)
}
func (f *fake) Lift(_ context.Context, who airlock.Identity, workspace, id, reason string) (airlock.View, error) {
	return called[airlock.View](f, "Lift", who, workspace, id, reason)
}
func (f *fake) Disclosure(_ context.Context, who airlock.Identity, workspace, id string, round int) ([]byte, error) {
	return called[[]byte](f, "Disclosure", who, workspace, id, round)
}
func (f *fake) Claim(_ context.Context, who airlock.Identity, workspace, id string) (airlock.View, error) {
	return called[airlock.View](f, "Claim", who, workspace, id)
}
func (f *fake) Unclaim(_ context.Context, who airlock.Identity, workspace, id string) (airlock.View, error) {
	return called[airlock.View](f, "Unclaim", who, workspace, id)
}
func (f *fake) HandOver(_ context.Context, who airlock.Identity, workspace, id, person string) (airlock.View, error) {
	return called[airlock.View](f, "HandOver", who, workspace, id, person)
}
func (f *fake) WorkspaceAudit(_ context.Context, who airlock.Identity, workspace string) (airlock.Trail, error) {
	return called[airlock.Trail](f, "WorkspaceAudit", who, workspace)
}
func (f *fake) Settings(_ context.Context, who airlock.Identity, workspace string) (airlock.Settings, error) {
	return called[airlock.Settings](f, "Settings", who, workspace)
}
func (f *fake) PutSettings(_ context.Context, who airlock.Identity, s airlock.Settings) (airlock.Settings, error) {
	return called[airlock.Settings](f, "PutSettings", who, s)
}
func (f *fake) Health(context.Context) []airlock.Check {
	checks, _ := called[[]airlock.Check](f, "Health", airlock.Identity{})
	return checks
}
func (f *fake) StartScannerTest(_ context.Context, who airlock.Identity) (airlock.ScannerTest, error) {
	return called[airlock.ScannerTest](f, "StartScannerTest", who)
}
func (f *fake) ScannerTest(_ context.Context, who airlock.Identity) (airlock.ScannerTest, error) {
	return called[airlock.ScannerTest](f, "ScannerTest", who)
}

// tokens knows a few tokens by heart.
type tokens struct{}

func (tokens) Identify(_ context.Context, authorization string) (airlock.Identity, error) {
	switch authorization {
	case "Bearer researcher":
		return airlock.Identity{Person: researcher}, nil
	case "Bearer manager":
		return airlock.Identity{Person: manager, ForAPI: true}, nil
	case "Bearer admin":
		return airlock.Identity{Person: admin, ForAPI: true}, nil
	case "Bearer expired":
		return airlock.Identity{}, fmt.Errorf("verify: %w", ErrExpired)
	case "Bearer forged":
		return airlock.Identity{}, fmt.Errorf("verify: %w", ErrSignature)
	case "Bearer offline":
		return airlock.Identity{}, fmt.Errorf("verify: %w: secret-host.internal", ErrUnavailable)
	case "", "Basic cm9zYTo=":
		return airlock.Identity{}, ErrNoToken
	default:
		return airlock.Identity{}, errors.New("another audience")
	}
}

// edge is a handler under test.
type edge struct {
	t       testing.TB
	server  *server
	service *fake
	now     time.Time
	mu      sync.Mutex
	log     []Entry
}

func newEdge(t testing.TB, change ...func(*Options)) *edge {
	e := &edge{t: t, service: &fake{t: t, expects: map[string]answer{}}, now: time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)}
	o := Options{
		Service: e.service, Tokens: tokens{}, Version: "test", APIAudiences: []string{"api-app"},
		NewTrace: func() string { return traceID }, Now: func() time.Time { return e.now },
		Log: func(_ context.Context, entry Entry) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.log = append(e.log, entry)
		},
	}
	for _, c := range change {
		c(&o)
	}
	e.server = newServer(o)
	return e
}

// on lets another test go on with the same handler, which takes a moment to make.
func (e *edge) on(t testing.TB) *edge {
	e.t, e.service.t, e.service.calls, e.log = t, t, nil, nil
	return e
}

// expect tells what the use case gives back.
func (e *edge) expect(method string, value any, err error) *edge {
	e.service.expects[method] = answer{value, err}
	return e
}

// do sends a request and checks what every answer must be: as the OpenAPI document says, with the headers that all
// have, with one line in the log, and without a server fault that nobody asked for. Headers come as "Name: value".
func (e *edge) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	e.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, content)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return e.send(r)
}

// send is do for a request that is made already.
func (e *edge) send(r *http.Request) *httptest.ResponseRecorder {
	e.t.Helper()
	method, target := r.Method, r.RequestURI
	before := len(e.log)
	w := httptest.NewRecorder()
	e.server.serve(w, r)
	if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || !airlock.IsRequestID(h.Get("x-ms-request-id")) {
		e.t.Errorf("%s %s: headers that every answer has: %v", method, target, h)
	}
	length := strconv.Itoa(w.Body.Len())
	if w.Code == http.StatusNoContent {
		length = ""
	}
	if got := w.Header().Get("Content-Length"); got != length {
		e.t.Errorf("%s %s: %d with the length %q, where it has %q", method, target, w.Code, got, length)
	}
	if len(e.log) != before+1 || e.log[before].Status != w.Code {
		e.t.Errorf("%s %s: status %d, log %+v", method, target, w.Code, e.log[before:])
	}
	e.asDocumented(r, w)
	return w
}

// asDocumented checks an answer against the OpenAPI document.
func (e *edge) asDocumented(r *http.Request, w *httptest.ResponseRecorder) {
	e.t.Helper()
	document := e.server.api.OpenAPI()
	registry := document.Components.Schemas
	content, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	schema := registry.Map()["Problem"]
	if _, pattern := e.server.routes.mux.Handler(r); pattern != anything && w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNotFound && r.Method != http.MethodOptions {
		_, path, _ := strings.Cut(pattern, " ")
		item, ok := document.Paths[path]
		if !ok {
			return // the document itself and its page
		}
		operation := map[string]*huma.Operation{"GET": item.Get, "HEAD": item.Get, "POST": item.Post, "PUT": item.Put}[r.Method]
		response := operation.Responses[strconv.Itoa(w.Code)]
		if response == nil || response.Content[content] == nil {
			e.t.Errorf("%s %s: %d with %q is not documented", r.Method, r.URL.Path, w.Code, content)
			return
		}
		schema = response.Content[content].Schema
	}
	if content != "application/json" && content != problemType || r.Method == http.MethodHead {
		return
	}
	var value any
	if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
		e.t.Errorf("%s %s: not JSON: %v: %s", r.Method, r.URL.Path, err, w.Body)
		return
	}
	result := &huma.ValidateResult{}
	huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, result)
	for _, err := range result.Errors {
		e.t.Errorf("%s %s: %d not as documented: %v", r.Method, r.URL.Path, w.Code, err)
	}
}

// problem reads a problem document.
func (e *edge) problem(w *httptest.ResponseRecorder) problem {
	e.t.Helper()
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		e.t.Fatalf("not a problem: %v: %s", err, w.Body)
	}
	if w.Header().Get("Content-Type") != problemType || p.Status != w.Code || p.Title != http.StatusText(w.Code) ||
		p.Instance != "urn:uuid:"+w.Header().Get("x-ms-request-id") {
		e.t.Errorf("problem %+v with status %d and headers %v", p, w.Code, w.Header())
	}
	return p
}

// calls is what was called, and forgets it.
func (e *edge) calls() string {
	calls := strings.Join(e.service.calls, "\n")
	e.service.calls = nil
	return calls
}

// golden compares with a committed file, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update when that is right); got:\n%s", file, got)
	}
}

// indented keeps the order of fields and how numbers are written.
func indented(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return append(bytes.TrimSpace(b.Bytes()), '\n')
}

// aRequest has something in every field.
func aRequest() airlock.Request {
	at := time.Date(2022, 9, 22, 12, 2, 17, 123456000, time.UTC)
	return airlock.Request{
		WorkspaceID: workspaceID, ID: requestID, Type: airlock.Import, Title: `<Spectra> & "more"`, Justification: "For the study.",
		Status: statemachine.InReview, StatusMessage: "A file is large.", CreatedBy: researcher, CreatedWhen: at,
		UpdatedBy: airlock.Person{}, UpdatedWhen: at.Add(time.Second - 123456*time.Microsecond), Version: 3, Round: 1,
		History: []airlock.Change{
			{Version: 1, PreviousStatus: statemachine.Draft, When: at, By: researcher},
			{Version: 2, PreviousStatus: statemachine.Submitted, When: at, By: airlock.Person{}},
		},
		Files:   []airlock.FileSummary{{Name: "a b#é.txt", Size: 5}, {Name: "big", Size: 5 << 40}},
		Reviews: []airlock.Review{{ID: "r1", Round: 1, Reviewer: manager, When: at, Decision: statemachine.DecisionApproved, Explanation: "Fine."}},
		ETag:    `W/"datetime'2022'"`,
	}
}

func aView(actions ...statemachine.Action) airlock.View {
	r := aRequest()
	return seated(airlock.View{Request: r, Actions: actions}, r.Reviews...)
}

// somePolicy has something in every field.
func somePolicy() airlock.Policy {
	return airlock.Policy{Version: 2, OneRejectionEnds: true, SelfReview: true, Blind: true, RequireDigest: true, Slots: []airlock.Slot{
		{Name: "output-checker", Count: 2, Roles: []airlock.Role{airlock.RoleManager}, Independent: true},
		{Name: "owner", Count: 1, Roles: []airlock.Role{}, Groups: []string{"55555555-5555-4555-8555-555555555555"}, People: []string{researcher.ID}},
	}}
}

// seated puts a view under somePolicy, with the reviews in its first slot.
func seated(v airlock.View, by ...airlock.Review) airlock.View {
	v.Policy = somePolicy()
	for i, s := range v.Policy.Slots {
		v.Seats = append(v.Seats, airlock.Seat{Slot: s, Open: s.Count})
		if i == 0 {
			v.Seats[i].Open, v.Seats[i].By = s.Count-len(by), by
		}
	}
	return v
}
