package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"airlock/handlers/internal/airlock"
)

type disclosureInput struct {
	OfRequest
	Round int `query:"round" minimum:"1" doc:"Of the decision; default: the latest decision."`
}

type disclosureOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// signed is a DSSE envelope.
type signed struct {
	Kind       string `json:"payloadType" doc:"application/vnd.airlock.disclosure.v1+json"`
	Document   []byte `json:"payload" doc:"The document, in base64."`
	Signatures []struct {
		Key       string `json:"keyid" doc:"The algorithm (es256 or ed25519), a colon, and the SHA-256 of the public key."`
		Signature []byte `json:"sig" doc:"In base64."`
	} `json:"signatures" nullable:"false"`
}

// addDisclosure adds the record of a decision.
func (s *server) addDisclosure() {
	registry := s.api.OpenAPI().Components.Schemas
	envelope := registry.Schema(reflect.TypeFor[signed](), true, "")
	add(s, operation{
		id: "getRecord", method: http.MethodGet, path: requestPath + "/record", tag: "Evidence", summary: "Get the signed record of a decision",
		about: "For the requester, workspace owners, airlock managers and TRE admins. What was decided in a round, on which bytes, under which rules, by whom, once the " +
			"decision is carried out: the same bytes each time. It is a DSSE envelope; what is in it is described by handlers/internal/airlock/schema. The audit trail tells of it.",
		fails:   []int{http.StatusConflict},
		content: map[string]*huma.MediaType{"application/json": {Schema: envelope}},
	}, s.disclosure)
}

func (s *server) disclosure(ctx context.Context, who airlock.Identity, in *disclosureInput) (*disclosureOutput, error) {
	envelope, err := s.Service.Disclosure(ctx, who, in.Workspace.lower(), in.Request.lower(), in.Round)
	if err != nil {
		return nil, err
	}
	return &disclosureOutput{ContentType: "application/json", Body: envelope}, nil
}
