package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// scope is what an operation is about.
type scope int

const (
	ofNothing   scope = iota // neither a workspace nor a request
	ofWorkspace              // a workspace
	ofListing                // requests, without naming one
	ofRequest                // one request
)

// operation is one way to call the API.
type operation struct {
	name, method, path string
	scope              scope
	body               func(w *world, s space) string // nil: none
	effects            map[string]int                 // what a success does
	told               func(answer response) string   // what a success shows; nil: nothing
}

// response is what came back.
type response struct {
	*httptest.ResponseRecorder
	about space // whose request or settings it is about
}

func text(body string) func(*world, space) string { return func(*world, space) string { return body } }

// shows tells whether what only some may know is in the answer.
func shows(secret func(space) string) func(response) string {
	return func(r response) string {
		if strings.Contains(r.Body.String(), secret(r.about)) {
			return "shown"
		}
		return "hidden"
	}
}

// nowIs is the status of the request in the answer.
func nowIs(r response) string {
	var body struct {
		Request struct{ Status string } `json:"airlockRequest"`
	}
	if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil {
		return "not JSON"
	}
	return body.Request.Status
}

// hears are the comments in the answer: r what the requester said, s what a reviewer shared, p what a reviewer kept private.
func hears(r response) string {
	letters := ""
	for _, letter := range []string{"r", "s", "p"} {
		if strings.Contains(r.Body.String(), r.about.said(letter)) {
			letters += letter
		}
	}
	return letters
}

// opens are the rights of the link in the answer, which must be one to the request's files.
func opens(r response) string {
	var body struct{ ContainerURL string }
	if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil {
		return "not JSON"
	}
	return rightsOf(body.ContainerURL)
}

// operations is every operation of the API, and for a review every decision.
func operations() []operation {
	const one = "/api/workspaces/{workspace_id}/requests/{airlock_request_id}"
	const settings = "/api/workspaces/{workspace_id}/airlock"
	acted := map[string]int{"Commit": 1, "Nudge": 1}
	made := map[string]int{"Lookups": 1, "Create": 1, "Open": 1, "Nudge": 1}
	linked := map[string]int{"Commit": 1, "Link": 1}
	configured := map[string]int{"PutSettings": 1}
	noted, notedThere := map[string]int{"Commit": 1}, map[string]int{"PutSettings": 1} // in the trail of the request, of the workspace
	post := func(name, path string, body func(*world, space) string) operation {
		return operation{name, http.MethodPost, one + path, ofRequest, body, acted, nowIs}
	}
	comment := func(name, visibility string) operation {
		return operation{name, http.MethodPost, one + "/comments", ofRequest, text(`{"text":"x","visibility":"` + visibility + `"}`), map[string]int{"Commit": 1}, nil}
	}
	return []operation{
		{"create-import", http.MethodPost, "/api/workspaces/{workspace_id}/requests", ofWorkspace, text(`{"type":"import"}`), made, nil},
		{"create-export", http.MethodPost, "/api/workspaces/{workspace_id}/requests", ofWorkspace, text(`{"type":"export"}`), made, nil},
		{"settings", http.MethodGet, settings, ofWorkspace, nil, nil, shows(space.label)},
		{"workspace-audit", http.MethodGet, settings + "/audit", ofWorkspace, nil, notedThere, shows(func(space) string { return `"what":"settings"` })},
		{"put-members", http.MethodPut, settings, ofWorkspace, func(w *world, s space) string {
			return w.replaced(s, "members", map[string]any{"id": keeperID, "roles": []string{"WorkspaceOwner"}})
		}, configured, nil},
		{"put-scanning", http.MethodPut, settings, ofWorkspace, func(w *world, s space) string { return w.replaced(s, "scanning", false) }, configured, nil},
		{"list", http.MethodGet, "/api/workspaces/{workspace_id}/requests", ofListing, nil, nil, shows(space.title)},
		{"mine", http.MethodGet, "/api/requests", ofListing, nil, nil, shows(space.title)},
		{"to-review", http.MethodGet, "/api/requests?airlock_manager=true", ofListing, nil, nil, shows(space.title)},
		{"get", http.MethodGet, one, ofRequest, nil, nil, shows(space.title)},
		{"files", http.MethodGet, one + "/files", ofRequest, nil, noted, shows(space.file)},
		{"audit", http.MethodGet, one + "/audit", ofRequest, nil, noted, shows(space.title)},
		{"record", http.MethodGet, one + "/record", ofRequest, nil, noted, shows(func(space) string { return "payloadType" })},
		{"get-link", http.MethodGet, one + "/link", ofRequest, nil, linked, opens},
		{"post-link", http.MethodPost, one + "/link", ofRequest, nil, linked, opens},
		post("submit", "/submit", nil),
		post("cancel", "/cancel", nil),
		post("retry", "/retry", nil),
		post("approve", "/review", text(`{"approval":true}`)),
		post("reject", "/review", text(`{"approval":false}`)),
		post("return", "/review", text(`{"decision":"changes_requested","decisionExplanation":"why"}`)),
		post("revoke", "/revoke", text(`{"reason":"why"}`)),
		post("hold", "/hold", text(`{"reason":"why"}`)),
		post("lift", "/lift", text(`{"reason":"why"}`)),
		post("claim", "/claim", nil),
		post("unclaim", "/unclaim", nil),
		post("hand-over", "/hand-over", text(`{"person":"`+ownerID+`"}`)),
		{"comments", http.MethodGet, one + "/comments", ofRequest, nil, nil, hears},
		comment("comment-private", "private"),
		comment("comment-shared", "shared"),
		{"desktop", http.MethodPost, one + "/review-user-resource", ofRequest, nil, nil, nil},
		{"health", http.MethodGet, "/api/health", ofNothing, nil, nil, shows(func(space) string { return `"dependencies"` })},
		{"test-scanner", http.MethodPost, "/api/health/scanner", ofNothing, nil, map[string]int{"Open": 1, "Write": 1}, nil},
		{"scanner-test", http.MethodGet, "/api/health/scanner", ofNothing, nil, nil, shows(func(space) string { return `"state"` })},
		{"document", http.MethodGet, "/api/openapi.json", ofNothing, nil, nil, nil},
		{"docs", http.MethodGet, "/api/docs", ofNothing, nil, nil, nil},
	}
}

// places are where an operation can be asked for.
func (o operation) places() []string {
	switch {
	case o.scope == ofRequest:
		return []string{"own", "archived", "foreign", "smuggled", "nowhere"}
	case o.scope == ofNothing:
		return []string{"own"}
	case strings.Contains(o.path, "{workspace_id}"):
		return []string{"own", "archived", "foreign", "nowhere"}
	default:
		return []string{"own", "archived", "foreign"} // where the request is that may be listed
	}
}

// spaces are the workspace in the path, and the one that the request is of.
func spaces(where string) (path, of space) {
	switch where {
	case "archived":
		return archived, archived
	case "foreign":
		return foreign, foreign
	case "smuggled":
		return own, foreign
	case "nowhere":
		return nowhere, own
	default:
		return own, own
	}
}

// address is the URL of the operation.
func (o operation) address(w *world, where string) *url.URL {
	at, of := spaces(where)
	u, err := url.Parse(strings.NewReplacer("{workspace_id}", at.id, "{airlock_request_id}", w.requests[of]).Replace(o.path))
	if err != nil {
		panic(err) // the paths are constants
	}
	return u
}

// ask sends one call to the API, and returns the answer in the words of the golden file.
func (o operation) ask(w *world, handler http.Handler, q question, authorization string) (string, response) {
	at, of := spaces(q.where)
	body := ""
	if o.body != nil {
		body = o.body(w, at)
	}
	target := w.urls[o.name+q.where]
	r := &http.Request{
		Method: o.method, URL: target, RequestURI: target.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "airlock.test",
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "192.0.2.1:1234",
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if etag := w.etags[at]; o.method == http.MethodPut && etag != "" {
		r.Header.Set("If-Match", etag)
	}
	answer := response{httptest.NewRecorder(), of}
	handler.ServeHTTP(answer, r)
	words := fmt.Sprint(answer.Code)
	switch {
	case answer.Code >= 400:
		_, code, _ := strings.Cut(answer.Body.String(), `"code":"`)
		code, _, _ = strings.Cut(code, `"`)
		words += " " + code
	case o.told != nil:
		words += " " + o.told(answer)
	}
	return words, answer
}

// judge says what a call did to the world that it may not do; empty: nothing. Whoever is refused has changed nothing and
// read nothing, and whoever is nobody has caused no work.
func (o operation) judge(w *world, q question, answer response) string {
	var want map[string]int
	if answer.Code < 300 {
		want = o.effects
	}
	if len(w.effects.writes)+len(want) > 0 && !maps.Equal(w.effects.writes, want) {
		return fmt.Sprintf("it answered %d and did %v, want %v", answer.Code, w.effects.writes, want)
	}
	if answer.Code < 300 {
		return ""
	}
	if anonymous(q.token) && w.effects.reads > 0 {
		return fmt.Sprintf("somebody unknown has caused %d reads", w.effects.reads)
	}
	for _, secret := range w.secrets {
		if strings.Contains(answer.Body.String(), secret) {
			return fmt.Sprintf("the refusal tells %q: %s", secret, answer.Body)
		}
	}
	return ""
}

// checkOperations fails unless the list holds every operation of the OpenAPI document.
func checkOperations(t *testing.T, handler http.Handler, all []operation) {
	t.Helper()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/api/openapi.json", nil))
	var document struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(answer.Body.Bytes(), &document); err != nil || len(document.Paths) == 0 {
		t.Fatalf("the OpenAPI document: %d, %v", answer.Code, err)
	}
	for path, methods := range document.Paths {
		for method := range methods {
			if !slices.ContainsFunc(all, func(o operation) bool {
				known, _, _ := strings.Cut(o.path, "?")
				return known == path && strings.EqualFold(o.method, method)
			}) {
				t.Errorf("nobody asks for %s %s", method, path)
			}
		}
	}
}
