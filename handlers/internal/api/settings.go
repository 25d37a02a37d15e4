package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"airlock/handlers/internal/airlock"
)

// workspaceSettings is what a workspace decides about its airlock. The fields that a client can set are pointers, so
// that one that was left out can be told from one that is empty.
type workspaceSettings struct {
	_                struct{}          `additionalProperties:"true"`
	WorkspaceID      string            `json:"workspaceId" readOnly:"true"`
	Name             *string           `json:"displayName,omitempty" maxLength:"200"`
	Description      *string           `json:"description,omitempty" maxLength:"4000"`
	Directions       *[]direction      `json:"directions,omitempty" nullable:"false" maxItems:"2" doc:"Empty: the airlock is closed for new requests."`
	Audience         *string           `json:"audience,omitempty" maxLength:"200" doc:"Of the workspace's own app registration; empty: it has none."`
	Members          *[]member         `json:"members,omitempty" nullable:"false" maxItems:"1000" doc:"Who has which role, for tokens of the API's audience."`
	Archived         *bool             `json:"archived,omitempty" doc:"No new requests."`
	MaxFiles         *int              `json:"maxFiles,omitempty"`
	MaxBytes         *int64            `json:"maxBytes,omitempty" doc:"Per file."`
	MaxNameLength    *int              `json:"maxNameLength,omitempty" doc:"Characters."`
	NameDenied       *[]string         `json:"nameDenied,omitempty" nullable:"false" maxItems:"200" doc:"Patterns (*, ?, [a-z]) that the last element of a name must not match."`
	DraftLifetime    *duration         `json:"draftLifetime,omitempty" doc:"How long a draft may rest before it is withdrawn, as an ISO 8601 duration of one unit (P30D, PT12H); PT0S: for ever." example:"P30D"`
	Scanning         *bool             `json:"scanning,omitempty" doc:"The malware scan is required."`
	Approvals        *int              `json:"approvals,omitempty" doc:"Short for reviewPolicies that need this many airlock managers in both directions, and end with the first rejection. Not there where reviewPolicies is."`
	SelfReview       *bool             `json:"selfReview,omitempty" doc:"With approvals: people may review their own requests."`
	Policies         *reviewPolicies   `json:"reviewPolicies,omitempty" doc:"Who reviews, where approvals does not say enough. Give the one or the other."`
	Deputies         *[]deputy         `json:"deputies,omitempty" nullable:"false" maxItems:"100" doc:"Who reviews in place of an owner, from when to when. Owners name deputies of their own."`
	RemindAfter      *duration         `json:"remindAfter,omitempty" doc:"How long a review may wait before the reviewers are reminded, as draftLifetime; PT0S: as the TRE does. It counts for a request from the next time that something happens to it." example:"P2D"`
	EscalateAfter    *duration         `json:"escalateAfter,omitempty" doc:"How long a review may wait before the owners are told as well, as draftLifetime; PT0S: as the TRE does." example:"P5D"`
	IncludeLocation  *bool             `json:"includeLocationInNotice,omitempty" doc:"The notice of an approval brings the requester a short-lived link to the files, and with it everybody who reads their mails or subscribes to the notices."`
	RetainReleased   *duration         `json:"retainReleased,omitempty" doc:"How long released files are kept, counted from the approval, as draftLifetime; PT0S: as the TRE does. Lifetimes count for requests that have ended already within a week." example:"P90D"`
	RetainRefused    *duration         `json:"retainRefused,omitempty" doc:"How long the files of rejected and revoked requests are kept, as retainReleased." example:"P30D"`
	RetainQuarantine *duration         `json:"retainQuarantine,omitempty" doc:"How long files with malware are kept, as retainReleased." example:"P30D"`
	RetainRecords    *duration         `json:"retainRecords,omitempty" doc:"How long a request that has ended, and has no files any more, is kept with its audit trail, as retainReleased." example:"P3650D"`
	LegalHold        *bool             `json:"legalHold,omitempty" doc:"Nothing of any request is deleted: none can be withdrawn, and lifetimes do not count."`
	VerifyUpTo       *int64            `json:"verifyReleasedUpTo,omitempty" minimum:"-1" doc:"Bytes up to which a released file is read again, and its SHA-256 compared with that of what was sealed, before the request is approved. -1: whatever its size; 0: as the TRE does."`
	Suffix           *string           `json:"suffix,omitempty" doc:"Of the names of the workspace's storage accounts."`
	Layout           *map[string]place `json:"layout,omitempty" doc:"Where files are, by direction/zone, where it differs from the layout of the TRE."`
	Version          int               `json:"version" readOnly:"true"`
	ChangedBy        string            `json:"changedBy" readOnly:"true"`
	ChangedAt        *time.Time        `json:"changedAt" readOnly:"true"`
}

type member struct {
	_     struct{} `additionalProperties:"true"`
	ID    string   `json:"id" maxLength:"100" doc:"Entra object id of a user, a group or an application."`
	Name  string   `json:"name,omitempty" maxLength:"200"`
	Email string   `json:"email,omitempty" maxLength:"320" doc:"Where notices go."`
	Roles []role   `json:"roles" nullable:"false"`
}

type place struct {
	_         struct{} `additionalProperties:"true"`
	Account   string   `json:"account" example:"stalimex{tre}"`
	Container string   `json:"container" example:"{id}{round}"`
}

type putSettingsInput struct {
	OfWorkspace
	IfMatch string `header:"If-Match" maxLength:"500" doc:"The ETag that was read. Leave it out for a workspace that has no settings yet."`
	Body    workspaceSettings
}

type settingsOutput struct {
	ETag string `header:"ETag" doc:"For If-Match."`
	Body workspaceSettings
}

// addSettings adds what configures a workspace.
func (s *server) addSettings() {
	const path = "/api/workspaces/{workspace_id}/airlock"
	add(s, operation{
		id: "getSettings", method: http.MethodGet, path: path, tag: "Workspaces", summary: "Read a workspace's settings",
		about: "For everybody with a role in the workspace, and TRE admins.",
	}, func(ctx context.Context, who airlock.Identity, in *OfWorkspace) (*settingsOutput, error) {
		return settingsAnswer(s.Service.Settings(ctx, who, in.Workspace.lower()))
	})
	add(s, operation{
		id: "putSettings", method: http.MethodPut, path: path, tag: "Workspaces", summary: "Replace a workspace's settings", maxBody: s.Limits.MaxSettings,
		about: "TRE admins may change everything, workspace owners the members, the review policies (but not let people review their own requests), deputies of their own, and when reviewers are reminded. With If-Match every field must be there; " +
			"without it the workspace must be new, and what is left out has its default: both directions, one file of at most 5 GiB, scanned, one approval, never one's own. " +
			"All problems are told at once. 409 says that somebody else has changed the settings since, or that there are requests whose files another suffix or layout would lose.",
		fails: []int{http.StatusConflict},
	}, s.putSettings)
}

func (s *server) putSettings(ctx context.Context, who airlock.Identity, in *putSettingsInput) (*settingsOutput, error) {
	settings := airlock.DefaultSettings(in.Workspace.lower())
	missing := in.Body.into(&settings)
	if in.IfMatch != "" {
		var known bool
		if settings.ETag, known = etagValue(in.IfMatch); !known {
			return nil, invalid(fieldProblem{"If-Match", "give the ETag that came with the settings"})
		}
		if len(missing) > 0 {
			return nil, invalid(missing...)
		}
	}
	return settingsAnswer(s.Service.PutSettings(ctx, who, settings))
}

// into writes the fields that are there into settings, and names the others.
func (w workspaceSettings) into(to *airlock.Settings) (missing []fieldProblem) {
	take(&missing, "displayName", w.Name, &to.Name, same)
	take(&missing, "description", w.Description, &to.Description, same)
	take(&missing, "directions", w.Directions, &to.Directions, func(list []direction) []airlock.Direction {
		return each(list, func(d direction) airlock.Direction { return airlock.Direction(d) })
	})
	take(&missing, "audience", w.Audience, &to.Audience, same)
	take(&missing, "members", w.Members, &to.Members, func(list []member) []airlock.Member {
		return each(list, func(m member) airlock.Member {
			return airlock.Member{ID: m.ID, Name: m.Name, Email: m.Email, Roles: each(m.Roles, func(r role) airlock.Role { return airlock.Role(r) })}
		})
	})
	take(&missing, "archived", w.Archived, &to.Archived, same)
	take(&missing, "maxFiles", w.MaxFiles, &to.MaxFiles, same)
	take(&missing, "maxBytes", w.MaxBytes, &to.MaxBytes, same)
	take(&missing, "maxNameLength", w.MaxNameLength, &to.MaxNameLength, same)
	take(&missing, "nameDenied", w.NameDenied, &to.NameDenied, same)
	take(&missing, "draftLifetime", w.DraftLifetime, &to.DraftLifetime, duration.value)
	take(&missing, "scanning", w.Scanning, &to.Scanning, same)
	missing = append(missing, w.policies(to)...)
	take(&missing, "deputies", w.Deputies, &to.Deputies, func(list []deputy) []airlock.Deputy {
		return each(list, func(d deputy) airlock.Deputy {
			return airlock.Deputy{Owner: d.Owner, Deputy: d.Deputy, From: d.From, Until: d.Until}
		})
	})
	take(&missing, "remindAfter", w.RemindAfter, &to.RemindAfter, duration.value)
	take(&missing, "escalateAfter", w.EscalateAfter, &to.EscalateAfter, duration.value)
	take(&missing, "includeLocationInNotice", w.IncludeLocation, &to.IncludeLocation, same)
	take(&missing, "retainReleased", w.RetainReleased, &to.Retention.Released, duration.value)
	take(&missing, "retainRefused", w.RetainRefused, &to.Retention.Refused, duration.value)
	take(&missing, "retainQuarantine", w.RetainQuarantine, &to.Retention.Quarantine, duration.value)
	take(&missing, "retainRecords", w.RetainRecords, &to.Retention.Records, duration.value)
	take(&missing, "legalHold", w.LegalHold, &to.LegalHold, same)
	take(&missing, "verifyReleasedUpTo", w.VerifyUpTo, &to.VerifyUpTo, same)
	take(&missing, "suffix", w.Suffix, &to.Suffix, same)
	take(&missing, "layout", w.Layout, &to.Layout, func(m map[string]place) map[string]airlock.Locate {
		layout := map[string]airlock.Locate{}
		for key, p := range m {
			layout[key] = airlock.Locate{Account: p.Account, Container: p.Container}
		}
		return layout
	})
	return missing
}

// take writes a field that is there, and notes one that is not.
func take[W, T any](missing *[]fieldProblem, name string, from *W, to *T, convert func(W) T) {
	if from == nil {
		*missing = append(*missing, fieldProblem{name, "it is missing: an update must be whole"})
		return
	}
	*to = convert(*from)
}

func same[T any](v T) T { return v }

func each[A, B any](list []A, convert func(A) B) []B {
	out := make([]B, len(list))
	for i, v := range list {
		out[i] = convert(v)
	}
	return out
}

func settingsAnswer(v airlock.Settings, err error) (*settingsOutput, error) {
	if err != nil {
		return nil, err
	}
	directions := each(v.Directions, func(d airlock.Direction) direction { return direction(d) })
	members := each(v.Members, func(m airlock.Member) member {
		return member{ID: m.ID, Name: m.Name, Email: m.Email, Roles: each(m.Roles, func(r airlock.Role) role { return role(r) })}
	})
	deputies := each(v.Deputies, func(d airlock.Deputy) deputy {
		return deputy{Owner: d.Owner, Deputy: d.Deputy, From: d.From.UTC(), Until: d.Until.UTC()}
	})
	released, refused := durationOf(v.Retention.Released), durationOf(v.Retention.Refused)
	quarantine, records := durationOf(v.Retention.Quarantine), durationOf(v.Retention.Records)
	remind, escalate := durationOf(v.RemindAfter), durationOf(v.EscalateAfter)
	lifetime, denied, layout := durationOf(v.DraftLifetime), append([]string{}, v.NameDenied...), map[string]place{}
	for key, l := range v.Layout {
		layout[key] = place{Account: l.Account, Container: l.Container}
	}
	out := &settingsOutput{ETag: etagHeader(v.ETag), Body: workspaceSettings{
		WorkspaceID: v.WorkspaceID, Name: &v.Name, Description: &v.Description, Directions: &directions, Audience: &v.Audience,
		Members: &members, Archived: &v.Archived, MaxFiles: &v.MaxFiles, MaxBytes: &v.MaxBytes, MaxNameLength: &v.MaxNameLength,
		NameDenied: &denied, DraftLifetime: &lifetime, Scanning: &v.Scanning,
		Deputies: &deputies, RemindAfter: &remind, EscalateAfter: &escalate, IncludeLocation: &v.IncludeLocation,
		RetainReleased: &released, RetainRefused: &refused, RetainQuarantine: &quarantine, RetainRecords: &records, LegalHold: &v.LegalHold,
		VerifyUpTo: &v.VerifyUpTo, Suffix: &v.Suffix, Layout: &layout, Version: v.Version, ChangedBy: v.ChangedBy,
	}}
	if len(v.Policies) > 0 {
		out.Body.Policies = policiesOf(v.Policies)
	} else {
		out.Body.Approvals, out.Body.SelfReview = &v.Approvals, &v.SelfReview
	}
	if at := v.ChangedAt.UTC(); !at.IsZero() {
		out.Body.ChangedAt = &at
	}
	return out, nil
}

// etagHeader wraps the store's token, which may be weak or hold any character, into a strong one: If-Match compares
// strongly (RFC 9110, 13.1.1).
func etagHeader(etag string) string {
	return `"` + base64.RawURLEncoding.EncodeToString([]byte(etag)) + `"`
}

// etagValue is the inverse. ok is false for what etagHeader has not made.
func etagValue(header string) (etag string, ok bool) {
	inner, opened := strings.CutPrefix(strings.TrimSpace(header), `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(inner)
	return string(decoded), opened && closed && err == nil && len(decoded) > 0
}

// duration is an ISO 8601 duration of one unit with a fixed length.
type duration string

var durationForm = regexp.MustCompile(`^(P[0-9]{1,5}D|PT[0-9]{1,6}H|PT[0-9]{1,8}M|PT[0-9]{1,9}S)$`)

// Schema describes it.
func (duration) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: durationForm.String(), PatternDescription: "an ISO 8601 duration in one of days, hours, minutes and seconds, like P30D or PT12H"}
}

// value is the time that it stands for. What does not fit the pattern was refused before.
func (d duration) value() time.Duration {
	unit := map[byte]time.Duration{'D': 24 * time.Hour, 'H': time.Hour, 'M': time.Minute, 'S': time.Second}[d[len(d)-1]]
	n, err := strconv.ParseInt(strings.Trim(string(d), "PTDHMS"), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(n) * unit
}

// durationOf writes whole days as days and everything else in seconds.
func durationOf(d time.Duration) duration {
	if d > 0 && d%(24*time.Hour) == 0 {
		return duration(fmt.Sprintf("P%dD", d/(24*time.Hour)))
	}
	return duration(fmt.Sprintf("PT%dS", int64(d/time.Second)))
}
