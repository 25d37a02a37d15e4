package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// Problem is every answer that is not a success (RFC 9457).
type problem struct {
	Title    string         `json:"title" doc:"The status in words."`
	Status   int            `json:"status" doc:"The HTTP status."`
	Code     string         `json:"code" doc:"What is wrong, for programs. It never changes; where a rule refuses, it is the name of the rule." example:"not_the_requester"`
	Detail   string         `json:"detail" doc:"What is wrong and what to do, for people." example:"Nobody can review their own request. Ask another airlock manager."`
	Instance string         `json:"instance" format:"uri" doc:"The correlation id, as in the header x-ms-request-id: it leads to the log and to the audit record."`
	Errors   []fieldProblem `json:"errors,omitempty" nullable:"false" doc:"Every field that has something wrong."`

	headers http.Header
	cause   error // for the log only
}

// fieldProblem is what is wrong with one field.
type fieldProblem struct {
	Field  string `json:"field" doc:"The field of the body, or the parameter." example:"members[2].roles"`
	Detail string `json:"detail" doc:"What is wrong with it."`
}

const (
	problemType = "application/problem+json"
	textType    = "text/plain; charset=utf-8"

	// maxFieldProblems is how many fields an answer names: enough to correct a form, and no echo of a flood.
	maxFieldProblems = 50
)

// statusOf is the one table from what the airlock answers to HTTP. What is not here is internal: 500. Illegal and
// Disabled are the statuses that AzureTRE's clients know.
var statusOf = map[airlock.Kind]int{
	airlock.Malformed:       http.StatusBadRequest,
	airlock.Invalid:         http.StatusUnprocessableEntity,
	airlock.Unauthenticated: http.StatusUnauthorized,
	airlock.Forbidden:       http.StatusForbidden,
	airlock.Missing:         http.StatusNotFound,
	airlock.Illegal:         http.StatusBadRequest,
	airlock.Ruled:           http.StatusConflict,
	airlock.Conflict:        http.StatusConflict,
	airlock.Unavailable:     http.StatusServiceUnavailable,
	airlock.Disabled:        http.StatusMethodNotAllowed,
}

// passing are refusals that pass by themselves: the system is at work, and whoever asks again soon may be served.
var passing = []string{"link_" + string(statemachine.LinkBusy), string(statemachine.Prepared)}

func newProblem(status int, code, detail string) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail, headers: http.Header{}}
}

// Error makes a problem an error.
func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus makes huma answer with the problem itself.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders gives huma the headers that belong to the problem.
func (p *problem) GetHeaders() http.Header { return p.headers }

// ContentType is that of problem documents.
func (p *problem) ContentType(string) string { return problemType }

func (p *problem) because(err error) *problem {
	p.cause = err
	return p
}

func invalid(fields ...fieldProblem) *problem {
	p := newProblem(http.StatusUnprocessableEntity, "invalid", "")
	p.Errors = fields[:min(len(fields), maxFieldProblems)]
	var sentences []string
	for _, f := range p.Errors {
		sentences = append(sentences, f.Field+": "+f.Detail)
	}
	p.Detail = "The request is not valid. " + strings.Join(sentences, "; ")
	return p
}

func (s *server) unavailable(code, detail string) *problem {
	p := newProblem(http.StatusServiceUnavailable, code, detail)
	return s.later(p)
}

// later tells the client when to ask again.
func (s *server) later(p *problem) *problem {
	p.headers.Set("Retry-After", strconv.Itoa(int(s.Limits.RetryAfter/time.Second)))
	return p
}

// answer turns what a use case failed with into a problem.
func (s *server) answer(err error) *problem {
	var known *problem
	if errors.As(err, &known) {
		return known
	}
	answers, rest := problemsIn(err)
	switch {
	case rest && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)):
		return s.unavailable("timeout", "This took too long. Try again in a moment.").because(err)
	case rest || len(answers) == 0:
		return newProblem(http.StatusInternalServerError, "internal", "Unable to process request").because(err)
	case len(answers) > 1 || answers[0].Kind == airlock.Invalid:
		return invalidAnswers(answers)
	}
	a := answers[0]
	status, ok := statusOf[a.Kind]
	switch {
	case !ok:
		return newProblem(http.StatusInternalServerError, "internal", "Unable to process request").because(err)
	case status == http.StatusServiceUnavailable:
		return s.unavailable(a.Code, a.Detail).because(a.Err)
	}
	p := newProblem(status, a.Code, a.Detail).because(a.Err)
	switch status {
	case http.StatusUnauthorized:
		p.headers.Set("WWW-Authenticate", "Bearer")
	case http.StatusMethodNotAllowed:
		p.headers.Set("Allow", http.MethodGet)
	}
	if slices.Contains(passing, a.Code) {
		return s.later(p)
	}
	return p
}

// invalidAnswers joins answers about fields. The code of each is the field's name; a single one keeps its sentence.
func invalidAnswers(answers []*airlock.Problem) *problem {
	fields := make([]fieldProblem, len(answers))
	for i, a := range answers {
		fields[i] = fieldProblem{a.Code, a.Detail}
	}
	p := invalid(fields...)
	if len(answers) == 1 {
		p.Detail = answers[0].Detail
	}
	return p
}

// problemsIn finds the answers in an error, which may join several. rest tells that there is also something else.
func problemsIn(err error) (answers []*airlock.Problem, rest bool) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			found, more := problemsIn(e)
			answers, rest = append(answers, found...), rest || more
		}
		return answers, rest
	}
	var p *airlock.Problem
	if errors.As(err, &p) {
		return []*airlock.Problem{p}, false
	}
	return nil, err != nil
}

// unidentified turns what Tokens failed with into a problem, with the sentences that AzureTRE's clients know.
func (s *server) unidentified(err error) *problem {
	detail, code := "Invalid token", "token_invalid"
	switch {
	case errors.Is(err, ErrUnavailable):
		return s.unavailable("issuer_unavailable", "Tokens cannot be checked at the moment. Try again soon.").because(err)
	case errors.Is(err, ErrNoToken):
		detail, code = "Could not validate credentials", "token_missing"
	case errors.Is(err, ErrExpired):
		detail, code = "Expired token signature", "token_expired"
	case errors.Is(err, ErrSignature):
		detail, code = "Invalid token signature", "token_signature"
	}
	p := newProblem(http.StatusUnauthorized, code, detail).because(err)
	p.headers.Set("WWW-Authenticate", "Bearer")
	return p
}

// refusedByHuma turns what huma found wrong before an operation ran into a problem. A body that is no JSON, or none
// where one is needed, is 422 as in AzureTRE; huma would say 400, and 500 where the connection broke.
func refusedByHuma(m *huma.ErrorModel) *problem {
	switch m.Status {
	case http.StatusRequestEntityTooLarge:
		return newProblem(m.Status, "too_large", "The body is too large. Files do not go through the API: upload them with the request's link.")
	case http.StatusRequestTimeout:
		return newProblem(m.Status, "body_timeout", "The body did not arrive in time.")
	case http.StatusInternalServerError:
		return newProblem(http.StatusBadRequest, "malformed", "The body could not be read.")
	}
	var fields []fieldProblem
	for _, e := range m.Errors {
		field := e.Location
		for _, place := range []string{"body.", "query.", "path.", "header."} {
			field = strings.TrimPrefix(field, place)
		}
		message := e.Message
		if message == validation.MsgExpectedMatchAtLeastOneSchema {
			message = "expected " + boolMeaning // nothing else has several forms
		}
		fields = append(fields, fieldProblem{field, message})
	}
	if len(fields) == 0 {
		fields = []fieldProblem{{"body", m.Detail}}
	}
	p := invalid(fields...)
	if m.Status == http.StatusBadRequest {
		p.Code = "malformed"
	}
	return p
}

// sentence is a problem as plain text.
type sentence string

// transform finishes every problem on its way out, whoever made it; everything else passes.
func (s *server) transform(ctx huma.Context, _ string, v any) (any, error) {
	var p *problem
	switch v := v.(type) {
	case *problem:
		p = v
	case *huma.ErrorModel:
		p = refusedByHuma(v)
	default:
		return v, nil
	}
	x := exchangeOf(ctx.Context())
	x.refuse(p)
	if x.plain {
		ctx.SetHeader("Content-Type", textType)
		return sentence(p.Detail), nil
	}
	return p, nil
}
