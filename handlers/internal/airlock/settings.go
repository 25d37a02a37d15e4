package airlock

import (
	"slices"
	"strings"
	"time"
)

// Settings is what a workspace decides about its airlock.
type Settings struct {
	WorkspaceID string `json:"workspaceId"`
	Name        string `json:"displayName"`
	Description string `json:"description"`

	Directions []Direction `json:"directions"`
	Audience   string      `json:"audience"` // of the workspace's own app registration; empty: it has none
	Members    []Member    `json:"members"`
	Archived   bool        `json:"archived"`

	MaxFiles      int           `json:"maxFiles"`
	MaxBytes      int64         `json:"maxBytes"`      // per file
	MaxNameLength int           `json:"maxNameLength"` // characters
	NameDenied    []string      `json:"nameDenied"`    // glob patterns on the last element of a name
	DraftLifetime time.Duration `json:"draftLifetime"` // 0: drafts never expire

	Scanning   bool                 `json:"scanning"`                 // the malware scan is required
	Approvals  int                  `json:"approvals"`                // short for a ManagerPolicy of that many in both directions
	SelfReview bool                 `json:"selfReview"`               // of that policy
	Policies   map[Direction]Policy `json:"reviewPolicies,omitempty"` // of both directions, where there is more to say; Approvals is 0 then

	Deputies []Deputy `json:"deputies,omitempty"` // who reviews in place of an owner, from when to when

	RemindAfter     time.Duration `json:"remindAfter"`             // of a review that waits; 0: as the TRE does
	EscalateAfter   time.Duration `json:"escalateAfter"`           // when the owners hear of it too; 0: as the TRE does
	IncludeLocation bool          `json:"includeLocationInNotice"` // the notice of an approval brings the requester a link to the files

	VerifyUpTo int64     `json:"verifyReleasedUpTo,omitempty"` // bytes up to which a released file is read again and compared; below 0: whatever its size; 0: as the TRE does
	Retention  Retention `json:"retention,omitzero"`
	LegalHold  bool      `json:"legalHold,omitempty"` // nothing of any request is deleted

	Suffix string            `json:"suffix"` // of the workspace's storage accounts
	Layout map[string]Locate `json:"layout"` // overrides of the layout, by "direction/zone"

	Version    int       `json:"version"`
	ChangedBy  string    `json:"changedBy"`
	ChangedAt  time.Time `json:"changedAt"`
	RecordSeq  int       `json:"recordSeq"`
	RecordHash string    `json:"recordHash"`
	ETag       string    `json:"-"`
}

// Member is a user, a group or an application with roles in the workspace. It counts for tokens whose audience is
// the API's own; tokens of the workspace's audience carry their roles themselves.
type Member struct {
	ID    string `json:"id"` // Entra object id
	Name  string `json:"name"`
	Email string `json:"email"`
	Roles []Role `json:"roles"`
}

// DefaultSettings are those of a workspace in which nothing was decided: both directions, one file of at most 5 GiB,
// scanned, one approval by somebody who is not the requester.
func DefaultSettings(workspace string) Settings {
	suffix := workspace
	if len(suffix) > 4 {
		suffix = suffix[len(suffix)-4:]
	}
	return Settings{
		WorkspaceID: workspace, Name: workspace, Directions: Directions(), MaxFiles: 1, MaxBytes: 5 << 30,
		MaxNameLength: 200, DraftLifetime: 30 * 24 * time.Hour, Scanning: true, Approvals: 1, Suffix: suffix,
	}
}

// RolesOf returns the roles that the member list gives to any of the object ids (a person's own, and their groups').
func (s Settings) RolesOf(ids ...string) []Role {
	var roles []Role
	for _, m := range s.Members {
		if slices.ContainsFunc(ids, func(id string) bool { return strings.EqualFold(id, m.ID) }) { // people type them in
			for _, r := range m.Roles {
				if !slices.Contains(roles, r) {
					roles = append(roles, r)
				}
			}
		}
	}
	return roles
}

// member returns the entry with the object id; an empty one where there is none.
func (s Settings) member(id string) Member {
	for _, m := range s.Members {
		if strings.EqualFold(m.ID, id) { // people type them in
			return m
		}
	}
	return Member{}
}

// Emails returns the addresses of the members with the role, without doubles, in the order of the list.
func (s Settings) Emails(role Role) []string {
	var emails []string
	for _, m := range s.Members {
		if m.Email != "" && slices.Contains(m.Roles, role) && !slices.Contains(emails, m.Email) {
			emails = append(emails, m.Email)
		}
	}
	return emails
}
