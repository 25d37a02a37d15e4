package api

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"airlock/handlers/internal/airlock"
)

// operation is what operations differ in.
type operation struct {
	id, method, path string
	tag              string
	summary, about   string
	success          int                        // 0: 200
	maxBody          int64                      // 0: Limits.MaxBody
	open             bool                       // a token is welcome and not needed
	fails            []int                      // beside those that every operation of its kind has
	content          map[string]*huma.MediaType // of the success, where it is not JSON alone
}

// OfWorkspace is the input of what needs only a workspace, and a part of that of what needs more. It is exported because huma
// does not look into other embedded structs.
type OfWorkspace struct {
	Workspace id `path:"workspace_id" doc:"The workspace."`
}

// OfRequest is the same of a request.
type OfRequest struct {
	OfWorkspace
	Request id `path:"airlock_request_id" doc:"The request."`
}

// add puts an operation into the routes and into the document.
func add[I, O any](s *server, op operation, handle func(ctx context.Context, who airlock.Identity, in *I) (*O, error)) {
	if op.success == 0 {
		op.success = http.StatusOK
	}
	if op.maxBody == 0 {
		op.maxBody = s.Limits.MaxBody
	}
	if _, ok := reflect.TypeFor[I]().FieldByName("Body"); ok {
		op.fails = append(op.fails, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge)
	}
	security := []map[string][]string{{bearer: {}}}
	if op.open {
		security = append(security, map[string][]string{})
	}
	described := huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Tags: []string{op.tag}, Summary: op.summary, Description: op.about,
		DefaultStatus: op.success, Security: security, MaxBodyBytes: op.maxBody + 1, // huma refuses a body of just this size
		BodyReadTimeout: s.Limits.BodyTimeout,
		Responses:       s.responses(op),
	}
	huma.Register(s.api, described, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, exchangeOf(ctx).who, in)
		if err != nil {
			return nil, s.answer(err)
		}
		return out, nil
	})
}

// responses describes what an operation answers: its success, and every problem that it can have.
func (s *server) responses(op operation) map[string]*huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "")
	fails := append([]int{http.StatusUnauthorized, http.StatusRequestHeaderFieldsTooLarge, http.StatusInternalServerError,
		http.StatusServiceUnavailable}, op.fails...)
	if strings.Contains(op.path, "{") {
		fails = append(fails, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity)
	}
	all := map[string]*huma.Response{
		strconv.Itoa(op.success): {Description: http.StatusText(op.success), Content: op.content},
	}
	for _, code := range fails {
		all[strconv.Itoa(code)] = &huma.Response{
			Description: http.StatusText(code),
			Content: map[string]*huma.MediaType{
				problemType:  {Schema: schema},
				"text/plain": {Schema: &huma.Schema{Type: huma.TypeString, Description: "The problem's detail alone."}},
			},
		}
	}
	return all
}

// lower is an id as the airlock knows it.
func (i id) lower() string { return strings.ToLower(string(i)) }
