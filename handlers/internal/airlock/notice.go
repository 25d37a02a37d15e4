package airlock

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"airlock/statemachine"
)

// Notice tells one audience of a request. It is made and stored with the change that it tells of, holds all that its
// readers need, and is published until that succeeded at least once.
type Notice struct {
	ID       string                `json:"id"` // the same each time it is sent; of nothing else
	When     time.Time             `json:"when"`
	Occasion statemachine.Occasion `json:"occasion"`
	Audience statemachine.Audience `json:"audience"`

	WorkspaceID          string `json:"workspaceId"`
	WorkspaceName        string `json:"workspaceName"`
	WorkspaceDescription string `json:"workspaceDescription"`
	RequestID            string `json:"requestId"`

	Status          statemachine.Status   `json:"status"`
	PreviousStatus  statemachine.Status   `json:"previousStatus,omitempty"`
	StatusSince     time.Time             `json:"statusSince"`
	StatusMessage   string                `json:"statusMessage,omitempty"`
	Type            Direction             `json:"type"`
	Title           string                `json:"title"`
	Justification   string                `json:"businessJustification"`
	Round           int                   `json:"round"`
	Files           []FileSummary         `json:"files,omitempty"` // the first SummaryFiles
	FileCount       int                   `json:"fileCount,omitempty"`
	TotalBytes      int64                 `json:"totalBytes,omitempty"`
	CreatedBy       Person                `json:"createdBy"`
	CreatedWhen     time.Time             `json:"createdWhen"`
	UpdatedBy       Person                `json:"updatedBy"`
	UpdatedWhen     time.Time             `json:"updatedWhen"`
	Decision        statemachine.Decision `json:"decision,omitempty"`
	Explanation     string                `json:"explanation,omitempty"`
	ApprovalsGiven  int                   `json:"approvalsGiven,omitempty"` // in this round; while a blind one goes on, reviews of any kind
	ApprovalsNeeded int                   `json:"approvalsNeeded,omitempty"`
	Page            string                `json:"page,omitempty"` // where people see the request

	Turn    statemachine.Turn `json:"turn"`              // whose move it is
	MustAct []Contact         `json:"mustAct,omitempty"` // the people whose move it is, one by one

	Recipients       []string            `json:"recipients,omitempty"` // addresses of this audience, one by one
	RecipientsByRole map[string][]string `json:"recipientsByRole,omitempty"`
	Unaddressed      int                 `json:"unaddressed,omitempty"` // people of this audience without an address
	Shortened        bool                `json:"shortened,omitempty"`   // not all people are listed: there are more than maxContacts

	// Location is made when the notice is sent, where the workspace wants it, and is never stored: it holds a signature.
	Location Location `json:"-"`
}

// Location is a link to the files of an approved request.
type Location struct {
	URL       string
	ExpiresAt time.Time
}

// Contact is a person, or a group with an address of its own, as a notice names them.
type Contact struct {
	ID    string `json:"id,omitempty"` // Entra object id; empty for an address alone
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// maxContacts bounds every list of people in a notice, so that it fits a row of the store whatever the member list is.
const maxContacts = 200

// noticeID names a notice. A status is told of once for each version that came to it, all else once in a round.
func noticeID(r Request, version int, o statemachine.Occasion, a statemachine.Audience) string {
	if o == statemachine.StatusChanged {
		return fmt.Sprintf("%s-%d-%s", r.ID, version, a)
	}
	return fmt.Sprintf("%s-%s-%d-%s", r.ID, o, r.Round, a)
}

// tell adds the notices of an occasion to a commit, for everybody whom it concerns. fill, if given, adds to each.
func (s *Service) tell(c *Commit, o statemachine.Occasion, settings Settings, when time.Time, fill func(*Notice)) {
	r := c.After
	for _, audience := range statemachine.Told(r.Status, o) {
		n := s.notice(r, settings, audience)
		n.ID, n.Occasion, n.When = noticeID(r, r.Version, o, audience), o, when
		if fill != nil {
			fill(&n)
		}
		c.Notices = append(c.Notices, n)
		c.After.Untold = append(slices.Clip(c.After.Untold), n.ID)
	}
}

// notice is all that a notice says of the request itself and of the people.
func (s *Service) notice(r Request, settings Settings, audience statemachine.Audience) Notice {
	status, _ := statemachine.Of(r.Status)
	n := Notice{
		Audience: audience, WorkspaceID: r.WorkspaceID, WorkspaceName: settings.Name, WorkspaceDescription: settings.Description,
		RequestID: r.ID, Status: r.Status, StatusSince: r.StatusSince, StatusMessage: r.StatusMessage, Type: r.Type, Title: r.Title,
		Justification: r.Justification, Round: r.Round, Files: r.Files, FileCount: r.FileCount, TotalBytes: r.TotalBytes,
		CreatedBy: r.CreatedBy, CreatedWhen: r.CreatedWhen, UpdatedBy: r.UpdatedBy, UpdatedWhen: r.UpdatedWhen,
		ApprovalsGiven: r.Approvals(), ApprovalsNeeded: r.policy(settings).Reviews(), Turn: status.Turn,
	}
	if policy := r.policy(settings); !statemachine.ShowsReviews(statemachine.Facts{Status: r.Status, Blind: policy.Blind}) {
		n.ApprovalsGiven = len(r.spoken())
	}
	if s.Page != nil {
		n.Page = s.Page(r.WorkspaceID, r.ID)
	}
	for _, p := range s.people(audience, r, settings) {
		switch {
		case p.Email == "":
			n.Unaddressed++
		case !slices.Contains(n.Recipients, p.Email):
			n.Recipients = append(n.Recipients, p.Email)
		}
	}
	n.MustAct = s.people(status.Turn.Acts(), r, settings)
	n.RecipientsByRole = map[string][]string{}
	for key, role := range map[string]Role{"workspace_owner": RoleOwner, "workspace_researcher": RoleResearcher, "airlock_manager": RoleManager} {
		if emails := settings.Emails(role); len(emails) > 0 {
			n.RecipientsByRole[key] = bounded(&n, emails)
		}
	}
	n.Recipients, n.MustAct = bounded(&n, n.Recipients), bounded(&n, n.MustAct)
	return n
}

// bounded cuts a list of people, and notes in the notice that it did.
func bounded[T any](n *Notice, list []T) []T {
	if len(list) <= maxContacts {
		return list
	}
	n.Shortened = true
	return list[:maxContacts]
}

// people are those who belong to an audience, with or without an address.
func (s *Service) people(a statemachine.Audience, r Request, settings Settings) []Contact {
	var people []Contact
	switch a {
	case statemachine.AudienceRequester:
		return []Contact{{r.CreatedBy.ID, r.CreatedBy.Name, cmp.Or(r.CreatedBy.Email, settings.member(r.CreatedBy.ID).Email)}}
	case statemachine.AudienceOperators:
		for _, address := range s.Operators {
			people = append(people, Contact{Email: address})
		}
		return people
	}
	for _, m := range settings.Members {
		if a == statemachine.AudienceOwners && slices.Contains(m.Roles, RoleOwner) ||
			a == statemachine.AudienceReviewers && mayReview(m, r, settings, s.Now()) {
			people = append(people, Contact{m.ID, m.Name, m.Email})
		}
	}
	return people
}

// mayReview asks the rules whether a member could give a review now. The requester can be in the list under another id
// than that of the token that they came with: the address tells.
func mayReview(m Member, r Request, settings Settings, now time.Time) bool {
	if !r.policy(settings).SelfReview && m.Email != "" && strings.EqualFold(m.Email, r.CreatedBy.Email) {
		return false
	}
	actor := Actor{Person: Person{ID: m.ID, Roles: m.Roles}, Groups: []string{m.ID}, SteadOf: settings.steadOf(m.ID, now)}
	return slices.Contains(statemachine.AllowedActions(facts(r, settings, actor)), statemachine.ActionReview)
}
