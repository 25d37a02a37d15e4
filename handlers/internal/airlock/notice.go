package airlock

import (
	"time"

	"airlock/statemachine"
)

// Notice tells one audience that a request has come to a status. It is made and stored with the change that it tells
// of, holds all that its readers need, and is published until that succeeded at least once.
type Notice struct {
	ID       string                `json:"id"` // the request's id, the version and the audience: the same each time it is sent
	When     time.Time             `json:"when"`
	Audience statemachine.Audience `json:"audience"`

	WorkspaceID          string `json:"workspaceId"`
	WorkspaceName        string `json:"workspaceName"`
	WorkspaceDescription string `json:"workspaceDescription"`
	RequestID            string `json:"requestId"`

	Status         statemachine.Status   `json:"status"`
	PreviousStatus statemachine.Status   `json:"previousStatus,omitempty"`
	StatusMessage  string                `json:"statusMessage,omitempty"`
	Type           Direction             `json:"type"`
	Title          string                `json:"title"`
	Justification  string                `json:"businessJustification"`
	Round          int                   `json:"round"`
	Files          []FileSummary         `json:"files,omitempty"`
	CreatedBy      Person                `json:"createdBy"`
	CreatedWhen    time.Time             `json:"createdWhen"`
	UpdatedBy      Person                `json:"updatedBy"`
	UpdatedWhen    time.Time             `json:"updatedWhen"`
	Decision       statemachine.Decision `json:"decision,omitempty"`
	Explanation    string                `json:"explanation,omitempty"`
	Page           string                `json:"page,omitempty"` // where people see the request

	Recipients       []string            `json:"recipients,omitempty"` // addresses of this audience
	RecipientsByRole map[string][]string `json:"recipientsByRole,omitempty"`
}
