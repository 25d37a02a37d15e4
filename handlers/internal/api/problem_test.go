package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
)

const asResearcher = "Authorization: Bearer researcher"

// TestProblems shows what every failure of a use case becomes.
func TestProblems(t *testing.T) {
	says := func(kind airlock.Kind, code, detail string) error {
		return &airlock.Problem{Kind: kind, Code: code, Detail: detail, Err: errors.New("table at 10.0.0.4 said no")}
	}
	for _, test := range []struct {
		name   string
		err    error
		status int
		code   string
		detail string
		header string
	}{
		{"malformed", says(airlock.Malformed, "unreadable", "It cannot be read."), 400, "unreadable", "It cannot be read.", ""},
		{"invalid", says(airlock.Invalid, "cursor", "The cursor does not belong to this list."), 422, "invalid", "The cursor does not belong to this list.", ""},
		{"unauthenticated", says(airlock.Unauthenticated, "wrong_audience", "Invalid token"), 401, "wrong_audience", "Invalid token", "WWW-Authenticate: Bearer"},
		{"forbidden", says(airlock.Forbidden, "missing_role", "The user is missing a required role: ['WorkspaceOwner']"), 403, "missing_role",
			"The user is missing a required role: ['WorkspaceOwner']", ""},
		{"missing", fmt.Errorf("read: %w", says(airlock.Missing, "not_found", "Airlock request does not exist")), 404, "not_found", "Airlock request does not exist", ""},
		{"illegal", says(airlock.Illegal, "no_transition", "Airlock request status change was illegal"), 400, "no_transition", "Airlock request status change was illegal", ""},
		{"ruled", says(airlock.Ruled, "not_the_requester", "Nobody can review their own request."), 409, "not_the_requester", "Nobody can review their own request.", ""},
		{"conflict", says(airlock.Conflict, "lost_race", "Somebody else changed the request."), 409, "lost_race", "Somebody else changed the request.", ""},
		{"at work, link", says(airlock.Illegal, "link_busy", "Airlock request is being processed, please try again later."), 400, "link_busy",
			"Airlock request is being processed, please try again later.", "Retry-After: 5"},
		{"at work, submit", says(airlock.Ruled, "prepared", "The files are still being prepared."), 409, "prepared", "The files are still being prepared.", "Retry-After: 5"},
		{"unavailable", says(airlock.Unavailable, "unavailable", "State Store endpoint is not responding"), 503, "unavailable",
			"State Store endpoint is not responding", "Retry-After: 5"},
		{"disabled", says(airlock.Disabled, "direction_enabled", "Airlock is not enabled in this workspace."), 405, "direction_enabled",
			"Airlock is not enabled in this workspace.", "Allow: GET"},
		{"kind without a status", says("new kind", "x", "secret"), 500, "internal", "Unable to process request", ""},
		{"internal", errors.New("secret: panic in table"), 500, "internal", "Unable to process request", ""},
		{"internal beside an answer", errors.Join(says(airlock.Invalid, "a", "A."), errors.New("secret")), 500, "internal", "Unable to process request", ""},
		{"deadline", fmt.Errorf("read: %w", context.DeadlineExceeded), 503, "timeout", "This took too long. Try again in a moment.", "Retry-After: 5"},
		{"cancelled", context.Canceled, 503, "timeout", "This took too long. Try again in a moment.", "Retry-After: 5"},
		{"several fields", errors.Join(says(airlock.Invalid, "maxFiles", "Too many."), says(airlock.Invalid, "suffix", "Too long.")), 422, "invalid",
			"The request is not valid. maxFiles: Too many.; suffix: Too long.", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			// createRequest documents every one of these statuses but one.
			e := newEdge(t).expect("Create", nil, test.err).expect("Submit", nil, test.err)
			target, body := requests, `{"type":"import"}`
			if test.status == 400 {
				target, body = one+"/submit", ""
			}
			w := e.do("POST", target, body, asResearcher)
			p := e.problem(w)
			if p.Status != test.status || p.Code != test.code || p.Detail != test.detail {
				t.Errorf("got %+v", p)
			}
			if name, value, ok := strings.Cut(test.header, ": "); ok && w.Header().Get(name) != value {
				t.Errorf("header %s: %q", name, w.Header().Get(name))
			}
			if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "10.0.0.4") {
				t.Errorf("internals left: %s", w.Body)
			}
			entry := e.log[0]
			if entry.Code != test.code || entry.Person != researcher.ID || entry.Workspace != workspaceID || entry.CorrelationID != traceID {
				t.Errorf("log %+v", entry)
			}
			if internal := test.status == 500 || test.status == 503; internal && entry.Err == nil {
				t.Errorf("nothing in the log: %+v", entry)
			}

			w = e.do("POST", target, body, asResearcher, "Accept: text/plain")
			if w.Code != test.status || w.Body.String() != test.detail || w.Header().Get("Content-Type") != textType {
				t.Errorf("as text: %d %v %q", w.Code, w.Header(), w.Body)
			}
		})
	}
}

// TestProblemFields checks that all wrong fields are named, wherever they were found wrong.
func TestProblemFields(t *testing.T) {
	e := newEdge(t)
	p := e.problem(e.do("GET", requests+"?status=lost&limit=0&type=up&order_ascending=maybe", "", asResearcher))
	var fields []string
	for _, f := range p.Errors {
		fields = append(fields, f.Field)
	}
	if p.Status != 422 || p.Code != "invalid" || strings.Join(fields, " ") != "type status order_ascending limit" {
		t.Errorf("%+v", p)
	}
	e.expect("PutSettings", nil, errors.Join(&airlock.Problem{Kind: airlock.Invalid, Code: "maxFiles", Detail: "It must be from 1 to 2000."},
		fmt.Errorf("more: %w", &airlock.Problem{Kind: airlock.Invalid, Code: "suffix", Detail: "Too long."})))
	p = e.problem(e.do("PUT", settingsAt, `{}`, "Authorization: Bearer admin"))
	if want := []fieldProblem{{"maxFiles", "It must be from 1 to 2000."}, {"suffix", "Too long."}}; p.Status != 422 || len(p.Errors) != 2 || p.Errors[0] != want[0] || p.Errors[1] != want[1] {
		t.Errorf("%+v", p)
	}
	var flood strings.Builder
	for i := range 900 {
		fmt.Fprintf(&flood, `{"id":%d},`, i)
	}
	p = e.problem(e.do("PUT", settingsAt, `{"members":[`+strings.TrimSuffix(flood.String(), ",")+`]}`, "Authorization: Bearer admin"))
	if len(p.Errors) != maxFieldProblems || p.Errors[0].Field == "" {
		t.Errorf("%d errors, first %+v", len(p.Errors), p.Errors[0])
	}
}

// TestPlainTextByDefault checks a deployment whose clients expect sentences: those that name JSON still get it.
func TestPlainTextByDefault(t *testing.T) {
	e := newEdge(t, func(o *Options) { o.PlainTextErrors = true })
	for _, test := range []struct {
		accept string
		plain  bool
	}{
		{"", true}, {"*/*", true}, {"text/html, */*;q=0.1", true}, {"application/json", false}, {"application/problem+json", false},
		{"application/json, text/plain, */*", true}, {"application/json, text/plain;q=0.5", false}, {"application/json;q=0.1, text/plain;q=0.5", true},
	} {
		for target, headers := range map[string][]string{"/api/nowhere": nil, one: nil, requests + "?limit=x": {asResearcher}} {
			if test.accept != "" {
				headers = append(headers, "Accept: "+test.accept)
			}
			w := e.do("GET", target, "", headers...)
			if plain := w.Header().Get("Content-Type") == textType; plain != test.plain || plain == strings.HasPrefix(w.Body.String(), "{") {
				t.Errorf("%s, Accept %q: %v: %s", target, test.accept, w.Header(), w.Body)
			}
		}
	}
}

// slow is the use cases where one waits until it has to give up.
type slow struct{ *fake }

func (slow) Request(ctx context.Context, _ airlock.Identity, _, _ string) (airlock.View, error) {
	<-ctx.Done()
	return airlock.View{}, fmt.Errorf("read: %w", ctx.Err())
}

// TestTimeout checks that no request lasts longer than its limit.
func TestTimeout(t *testing.T) {
	e := newEdge(t, func(o *Options) {
		o.Service, o.Limits = slow{}, DefaultLimits()
		o.Limits.Timeout = time.Millisecond
	})
	if p := e.problem(e.do("GET", one, "", asResearcher)); p.Status != 503 || p.Code != "timeout" {
		t.Errorf("%+v", p)
	}
}

// TestPanic checks that a fault in the program is an answer for the client and a trace in the log.
func TestPanic(t *testing.T) {
	e := newEdge(t, func(o *Options) { o.Service = nil })
	p := e.problem(e.do("GET", one, "", asResearcher))
	if p.Status != 500 || p.Code != "internal" || p.Detail != "Unable to process request" {
		t.Errorf("%+v", p)
	}
	if err := e.log[0].Err; err == nil || !strings.Contains(err.Error(), "goroutine") {
		t.Errorf("log: %v", err)
	}
}
