// Package api is the HTTP edge: it turns requests into calls of the airlock's use cases, and what they return into
// the wire format that existing clients of AzureTRE's airlock know.
//
// It promises that nobody unknown causes any work: the access token is checked before the path, the query or the body
// is looked at. Every failure is one problem document (RFC 9457) with a stable code, or its sentence alone as plain
// text; what went wrong inside goes to the log and never to the client. The OpenAPI document is made from the same
// types that read and write the bodies.
//
// It never decides who may do what: the airlock does. It never redirects, keeps no state beyond a moment of health,
// and never logs a token, a link, a file name or a text that somebody wrote.
package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"airlock/handlers/internal/airlock"
)

// contractVersion is the version of the OpenAPI document: it rises with every change of the contract.
const contractVersion = "1.12.2"

// UseCases is what the airlock can do for somebody. Errors that hold an *airlock.Problem are answers; all others are
// internal.
type UseCases interface {
	Create(ctx context.Context, who airlock.Identity, workspace string, in airlock.NewRequest) (airlock.View, error)
	Request(ctx context.Context, who airlock.Identity, workspace, id string) (airlock.View, error)
	Requests(ctx context.Context, who airlock.Identity, workspace string, l airlock.Listing) (airlock.Views, error)
	Mine(ctx context.Context, who airlock.Identity, asReviewer bool, l airlock.Listing) (airlock.Views, error)
	Link(ctx context.Context, who airlock.Identity, workspace, id string) (airlock.Link, error)
	Submit(ctx context.Context, who airlock.Identity, workspace, id string) (airlock.View, error)
	Cancel(ctx context.Context, who airlock.Identity, workspace, id string) (airlock.View, error)
	Retry(ctx context.Context, who airlock.Identity, workspace, id string) (airlock.View, error)
	Review(ctx context.Context, who airlock.Identity, workspace, id string, in airlock.NewReview) (airlock.View, error)
	Revoke(ctx context.Context, who airlock.Identity, workspace, id, reason string) (airlock.View, error)
	Hold(ctx context.Context, who airlock.Identity, workspace, id, reason string) (airlock.View, error)
	Claim(ctx context.Context, who airlock.Identity, workspace, id string) (airlock.View, error)
	Unclaim(ctx context.Context, who airlock.Identity, workspace, id string) (airlock.View, error)
	HandOver(ctx context.Context, who airlock.Identity, workspace, id, person string) (airlock.View, error)
	Lift(ctx context.Context, who airlock.Identity, workspace, id, reason string) (airlock.View, error)
	Comment(ctx context.Context, who airlock.Identity, workspace, id string, in airlock.NewComment) (airlock.Comment, error)
	Comments(ctx context.Context, who airlock.Identity, workspace, id string, limit int, cursor string) (airlock.Comments, error)
	Files(ctx context.Context, who airlock.Identity, workspace, id string, round int) (airlock.Listed, error)
	Audit(ctx context.Context, who airlock.Identity, workspace, id string) (airlock.Trail, error)
	Disclosure(ctx context.Context, who airlock.Identity, workspace, id string, round int) ([]byte, error)
	WorkspaceAudit(ctx context.Context, who airlock.Identity, workspace string) (airlock.Trail, error)
	Settings(ctx context.Context, who airlock.Identity, workspace string) (airlock.Settings, error)
	PutSettings(ctx context.Context, who airlock.Identity, s airlock.Settings) (airlock.Settings, error)
	Health(ctx context.Context) []airlock.Check
	StartScannerTest(ctx context.Context, who airlock.Identity) (airlock.ScannerTest, error)
	ScannerTest(ctx context.Context, who airlock.Identity) (airlock.ScannerTest, error)
}

// Tokens finds out who sent a request.
type Tokens interface {
	// Identify checks the value of an Authorization header, which may be empty. It fails with one of the errors below;
	// any other error means that the token is no good. It leaves SourceAddress and CorrelationID alone.
	Identify(ctx context.Context, authorization string) (airlock.Identity, error)
}

// What Tokens fails with.
var (
	ErrNoToken     = errors.New("no bearer token")
	ErrExpired     = errors.New("the token has expired")
	ErrSignature   = errors.New("the token's signature is wrong")
	ErrUnavailable = errors.New("the issuer's keys are not available")
)

// Options is what the handler needs. Service, Tokens, NewTrace, Now and Log must be set.
type Options struct {
	Service UseCases
	Tokens  Tokens

	Version         string   // of the program, for administrators
	PlainTextErrors bool     // errors are plain text unless the client asks for JSON by name
	AllowedOrigins  []string // origins whose pages may call, exactly as browsers send them; "*" is all
	APIAudiences    []string // audiences that are the API's own, so that tokens with others belong to a workspace

	NewTrace func() string // correlation ids: UUID
	Now      func() time.Time
	Limits   Limits // the zero value stands for DefaultLimits
	Log      func(context.Context, Entry)
}

// Limits is how much of anything a client may send, and how long an answer may take.
type Limits struct {
	MaxBody     int64         // bytes of a body; beyond: 413
	MaxSettings int64         // bytes of a workspace's settings; beyond: 413
	MaxDiscard  int64         // bytes of a refused body that are read nevertheless, so that the client hears why
	MaxHeader   int           // bytes of the request line and all headers; beyond: 431
	MaxDepth    int           // objects and arrays inside each other in a body; beyond: 422
	BodyTimeout time.Duration // for a body to arrive; beyond: 408
	Timeout     time.Duration // for one request; beyond: 503
	RetryAfter  time.Duration // what clients are told to wait with a 503, or while the system is at work, in whole seconds
	HealthFor   time.Duration // how long one look at the dependencies serves everybody who asks
}

// DefaultLimits is for production. The texts that people write have a limit of their own,
// airlock.MaxText, and so have the drafts of one person, airlock.Service.MaxDrafts. The header
// limit leaves room for a token with 200 groups, the most that Entra puts into one.
func DefaultLimits() Limits {
	return Limits{
		MaxBody: 64 << 10, MaxSettings: 1 << 20, MaxDiscard: 16 << 20, MaxHeader: 32 << 10, MaxDepth: 16,
		BodyTimeout: 5 * time.Second, Timeout: 30 * time.Second, RetryAfter: 5 * time.Second, HealthFor: 5 * time.Second,
	}
}

// Entry is one line of the access log.
type Entry struct {
	Operation     string // the operation's id in the OpenAPI document; empty where the path is none
	Method        string
	Status        int
	Code          string // of the problem that was answered; empty: none
	CorrelationID string
	Person        string // object id; empty where nobody was identified
	Workspace     string
	Request       string
	Took          time.Duration
	Err           error // what the client was not told; nil where all is said
}

// server holds what the operations share.
type server struct {
	Options
	api    huma.API
	routes *routes
	health healthCache
}

// New makes the handler. It serves the paths below /api, with that prefix.
func New(o Options) http.Handler {
	s := newServer(o)
	return http.HandlerFunc(s.serve)
}

func newServer(o Options) *server {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	s := &server{Options: o}
	s.routes = newRoutes(s.nowhere)
	s.api = humago.New(s.routes, huma.Config{
		OpenAPI:       newDocument(),
		Formats:       map[string]huma.Format{"application/json": s.format(), "json": s.format()},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{s.transform},
	})
	s.api.UseMiddleware(s.authenticate)
	s.addRequests()
	s.addLists()
	s.addActions()
	s.addComments()
	s.addAudit()
	s.addDisclosure()
	s.addSettings()
	s.addHealth()
	s.addScannerTest()
	s.addDocument()
	return s
}
