package api

import (
	"github.com/danielgtaylor/huma/v2"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// newDocument is the OpenAPI document before the operations add themselves.
func newDocument() *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title:   "Airlock",
			Version: contractVersion,
			Description: "Bring files into a Trusted Research Environment, and take files out: sealed, scanned, reviewed by people, recorded.\n\n" +
				"Errors are problem documents (RFC 9457); ask for text/plain to have the sentence alone. " +
				"Every answer has the header x-ms-request-id, which leads to the log and to the audit record. " +
				"Bodies are JSON, whatever content type they come with; unknown fields are ignored, and a name must not stand twice in an object. " +
				"Titles and business justifications are plain text: show them as text. Explanations, reasons and comments are Markdown, stored as it was written, in which " +
				"HTML (a < directly before a letter, /, ! or ?), images, and links other than http, https and mailto are refused. Control characters are refused everywhere. " +
				"Times are POSIX seconds as decimals where AzureTRE has them so, and RFC 3339 elsewhere. Ids are UUIDs in any case.",
		},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				bearer: {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token from Entra ID, for the API's audience or the workspace's."},
			},
		},
	}
}

const bearer = "bearer"

// id is a UUID in a path, of any version and in any case.
type id string

// Schema describes it.
func (id) Schema(huma.Registry) *huma.Schema {
	const form = `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`
	return &huma.Schema{Type: huma.TypeString, Pattern: form, PatternDescription: "a UUID"}
}

// text is what people write.
type text string

// Schema describes it.
func (text) Schema(huma.Registry) *huma.Schema {
	longest := airlock.MaxText
	return &huma.Schema{Type: huma.TypeString, MaxLength: &longest}
}

// orZero returns what a pointer points to, or the zero value.
func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// decimal is a number that keeps its decimal point on the wire also when it is whole, as existing clients have it.
type decimal float64

// Schema describes it.
func (decimal) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Format: "double"}
}

func oneOf[T ~string](values ...T) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}

func statuses() []statemachine.Status {
	var all []statemachine.Status
	for _, f := range statemachine.Statuses() {
		all = append(all, f.Status)
	}
	return all
}

// status is a request's status.
type status statemachine.Status

// Schema lists the statuses of the state machine.
func (status) Schema(huma.Registry) *huma.Schema { return oneOf(statuses()...) }

// blocked is how a menu of AzureTRE's web page calls blocked_by_scan.
const blocked = "blocked"

// statusFilter is a status in a query.
type statusFilter string

// Schema lists the statuses and their alias.
func (statusFilter) Schema(huma.Registry) *huma.Schema { return oneOf(append(statuses(), blocked)...) }

func (f statusFilter) status() statemachine.Status {
	if f == blocked {
		return statemachine.BlockedByScan
	}
	return statemachine.Status(f)
}

// action is what somebody may do with a request now.
type action statemachine.Action

// Schema lists the actions of the state machine that there are on a request.
func (action) Schema(huma.Registry) *huma.Schema { return oneOf(statemachine.Actions()...) }

// decision is what a reviewer can say.
type decision statemachine.Decision

// Schema lists the decisions of the state machine that a reviewer can take.
func (decision) Schema(huma.Registry) *huma.Schema {
	return oneOf(statemachine.DecisionApproved, statemachine.DecisionRejected, statemachine.DecisionChangesRequested)
}

// decided is how a decision stands among a request's reviews.
type decided statemachine.Decision

// Schema lists the decisions of the state machine.
func (decided) Schema(huma.Registry) *huma.Schema {
	return oneOf(statemachine.DecisionApproved, statemachine.DecisionRejected, statemachine.DecisionChangesRequested, statemachine.DecisionRevoked)
}

// direction is import or export.
type direction airlock.Direction

// Schema lists the directions.
func (direction) Schema(huma.Registry) *huma.Schema { return oneOf(airlock.Directions()...) }

// role is an Entra app role of a workspace.
type role airlock.Role

// Schema lists the roles that a workspace gives.
func (role) Schema(huma.Registry) *huma.Schema {
	return oneOf(airlock.RoleResearcher, airlock.RoleOwner, airlock.RoleManager)
}
