package api

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// airlockRequest is a request as AzureTRE's clients know it: its fields, their order, and nulls that are always there.
type airlockRequest struct {
	ID              string     `json:"id"`
	ResourceVersion int        `json:"resourceVersion" doc:"Counts changes, from 0."`
	CreatedBy       user       `json:"createdBy"`
	CreatedWhen     decimal    `json:"createdWhen" doc:"POSIX seconds."`
	UpdatedBy       user       `json:"updatedBy"`
	UpdatedWhen     decimal    `json:"updatedWhen" doc:"POSIX seconds."`
	History         []change   `json:"history" nullable:"false" doc:"Every version before this one."`
	WorkspaceID     string     `json:"workspaceId"`
	Type            direction  `json:"type"`
	Files           []fileSize `json:"files" nullable:"false" doc:"The submitted files, at most 100 of them; .../files has all."`
	Title           string     `json:"title"`
	Justification   string     `json:"businessJustification"`
	Status          status     `json:"status"`
	StatusMessage   *string    `json:"statusMessage" doc:"What is wrong, for the people concerned; null when nothing is."`
	Reviews         []review   `json:"reviews" nullable:"false"`
	ETag            *string    `json:"_etag" doc:"Changes with every change of the request."`
	LegalHold       bool       `json:"legalHold,omitempty" doc:"Nothing of the request may be deleted."`
	ClaimedBy       *user      `json:"claimedBy,omitempty" doc:"The reviewer who has said that they look at it, while the claim holds. Shown to those who review requests or look after them, and never to the requester."`
	ClaimedUntil    *decimal   `json:"claimedUntil,omitempty" doc:"When the claim ends, in POSIX seconds; there with claimedBy."`
	DataDeleted     *decimal   `json:"dataDeletedWhen,omitempty" doc:"When the files were deleted at the end of their lifetime, in POSIX seconds; not there while they are kept."`
	ManifestDigest  string     `json:"manifestDigest,omitempty" pattern:"^[0-9a-f]{64}$" doc:"SHA-256, in hex, of the list of the sealed files, which is what reviewers decide about: for each file, in the order of the bytes of the names, a line of its SHA-256 in hex, its size in bytes and its name, with one space between them and a line feed at the end. Not there until the SHA-256 of every file is known."`
	ReviewDesktops  desktops   `json:"reviewUserResources" doc:"Always empty: review desktops are made by the TRE, not by the airlock."`
}

// desktops is the review desktops of a request, by reviewer.
type desktops struct{}

// user is somebody in a request.
type user struct {
	ID             string   `json:"id" doc:"Entra object id; \"system\" for the system itself."`
	Name           string   `json:"name"`
	Email          string   `json:"email"`
	Roles          []string `json:"roles" nullable:"false"`
	Audience       string   `json:"audience" doc:"Audience of the token they came with."`
	WorkspaceToken bool     `json:"is_workspace_token" doc:"The token was made for the workspace."`
}

type change struct {
	ResourceVersion int     `json:"resourceVersion"`
	UpdatedWhen     decimal `json:"updatedWhen"`
	UpdatedBy       user    `json:"updatedBy"`
	Properties      was     `json:"properties"`
}

type was struct {
	PreviousStatus status `json:"previousStatus"`
}

type fileSize struct {
	Name string  `json:"name"`
	Size decimal `json:"size" doc:"Bytes."`
}

type review struct {
	ID          string  `json:"id"`
	Reviewer    user    `json:"reviewer"`
	When        decimal `json:"dateCreated" doc:"POSIX seconds."`
	Decision    decided `json:"reviewDecision"`
	Explanation string  `json:"decisionExplanation"`
	Round       int     `json:"round" doc:"In which it was given; counts submissions, from 1."`
}

// requestWithActions is a request with what the one who asked may do with it now.
type requestWithActions struct {
	Request airlockRequest `json:"airlockRequest"`
	Actions []action       `json:"allowedUserActions" nullable:"false" doc:"Always in this order: review, cancel, submit, revoke, retry, hold, lift, claim, unclaim, hand_over."`
	Round   *reviewRound   `json:"reviewRound,omitempty" doc:"How its reviews decide, and who has given them. Not in lists."`
}

// MarshalJSON keeps the decimal point.
func (d decimal) MarshalJSON() ([]byte, error) {
	text := strconv.AppendFloat(make([]byte, 0, 24), float64(d), 'f', -1, 64)
	if !bytes.ContainsRune(text, '.') {
		text = append(text, ".0"...)
	}
	return text, nil
}

// posix is a time in seconds with microseconds, which is as fine as a double has it.
func posix(t time.Time) decimal { return decimal(float64(t.UnixMicro()) / 1e6) }

func (s *server) user(p airlock.Person) user {
	u := user{ID: p.ID, Name: p.Name, Email: p.Email, Roles: make([]string, 0, len(p.Roles)), Audience: p.Audience}
	u.WorkspaceToken = p.Audience != "" && !slices.Contains(s.APIAudiences, p.Audience)
	if u.ID == "" {
		u.ID, u.Name = "system", "Airlock"
	}
	for _, r := range p.Roles {
		u.Roles = append(u.Roles, string(r))
	}
	return u
}

func (s *server) request(r airlock.Request) airlockRequest {
	w := airlockRequest{
		ID: r.ID, ResourceVersion: r.Version - 1, WorkspaceID: r.WorkspaceID, Type: direction(r.Type),
		CreatedBy: s.user(r.CreatedBy), CreatedWhen: posix(r.CreatedWhen),
		UpdatedBy: s.user(r.UpdatedBy), UpdatedWhen: posix(r.UpdatedWhen),
		Title: r.Title, Justification: r.Justification, Status: status(r.Status),
		StatusMessage: orNull(r.StatusMessage), ETag: orNull(strings.Trim(strings.TrimPrefix(r.ETag, "W/"), `"`)),
		LegalHold: r.OnHold, ManifestDigest: r.ManifestDigest, History: make([]change, 0, len(r.History)), Files: make([]fileSize, 0, len(r.Files)),
		Reviews: make([]review, 0, len(r.Reviews)),
	}
	if !r.PurgedWhen.IsZero() {
		when := posix(r.PurgedWhen)
		w.DataDeleted = &when
	}
	if r.ClaimedBy.ID != "" {
		by, until := s.user(r.ClaimedBy), posix(r.ClaimedUntil)
		w.ClaimedBy, w.ClaimedUntil = &by, &until
	}
	for _, c := range r.History {
		w.History = append(w.History, change{c.Version - 1, posix(c.When), s.user(c.By), was{status(c.PreviousStatus)}})
	}
	for _, f := range r.Files {
		w.Files = append(w.Files, fileSize{f.Name, decimal(f.Size)})
	}
	for _, v := range r.Reviews {
		w.Reviews = append(w.Reviews, review{v.ID, s.user(v.Reviewer), posix(v.When), decided(v.Decision), v.Explanation, v.Round})
	}
	return w
}

func actions(allowed []statemachine.Action) []action {
	list := make([]action, len(allowed))
	for i, a := range allowed {
		list[i] = action(a)
	}
	return list
}

// orNull is null on the wire for an empty text.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
