package airlock

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Settings reads a workspace's settings as they are stored.
func (s *Service) Settings(ctx context.Context, who Identity, workspace string) (Settings, error) {
	if !who.isAdmin() {
		if _, _, err := s.enter(ctx, who, workspace, members()...); err != nil {
			return Settings{}, err
		}
	}
	settings, err := s.Store.Settings(ctx, workspace)
	if err != nil {
		return Settings{}, answer(fmt.Errorf("settings of %s: %w", workspace, err), sentenceNoSettings)
	}
	return settings, nil
}

// PutSettings replaces a workspace's settings. TRE admins may change everything; owners only the members, the review policies
// (but not so that people may review their own requests), deputies of their own, and when reviewers are reminded. next.ETag
// must be what was read, and empty for a workspace that has none yet.
func (s *Service) PutSettings(ctx context.Context, who Identity, next Settings) (Settings, error) {
	current, err := s.Store.Settings(ctx, next.WorkspaceID)
	isNew := errors.Is(err, ErrNotFound)
	switch {
	case isNew && !who.isAdmin():
		return Settings{}, answer(err, sentenceNoSettings)
	case err != nil && !isNew:
		return Settings{}, answer(fmt.Errorf("settings of %s: %w", next.WorkspaceID, err), sentenceNoSettings)
	case !isNew && !who.isAdmin():
		if _, _, err := s.enter(ctx, who, next.WorkspaceID, RoleOwner); err != nil {
			return Settings{}, err
		}
		if !slices.EqualFunc(next.foreignDeputies(who.ID), current.foreignDeputies(who.ID), Deputy.equal) {
			return Settings{}, problem(Forbidden, "admin_only", "Owners name deputies of their own; a TRE admin may name those of others.")
		}
		if fields := next.beyondOwner(current); len(fields) > 0 {
			return Settings{}, problem(Forbidden, "admin_only", "Only a TRE admin may change: %s.", strings.Join(fields, ", "))
		}
	}
	if err := next.check(s.Layout, s.TRE); err != nil {
		return Settings{}, err
	}
	if !isNew && next.ETag == "" {
		return Settings{}, problem(Conflict, "settings_exist", "This workspace has settings already. Read them, and send the ETag that comes with them as If-Match.")
	}
	if err := s.movesNothing(ctx, current, next); err != nil {
		return Settings{}, err
	}
	now := s.Now()
	next.Version, next.ChangedBy, next.ChangedAt = current.Version+1, who.ID, now
	next.RecordSeq, next.RecordHash = current.RecordSeq, current.RecordHash
	record := next.chained(Record{
		When: now, Who: who.ID, Name: who.Name, What: recordSettings, Text: fmt.Sprintf("version %d", next.Version),
		Digest: next.digest(), Source: who.SourceAddress, Trace: who.CorrelationID,
	})
	next.RecordSeq, next.RecordHash = record.Seq, record.Hash
	stored, err := s.Store.PutSettings(ctx, next, record)
	if errors.Is(err, ErrLost) {
		return Settings{}, &Problem{Conflict, "lost_race", "Somebody else has changed the settings since you read them. Read them again, and make your change to those.", err}
	}
	if err != nil {
		return Settings{}, answer(fmt.Errorf("settings of %s: %w", next.WorkspaceID, err), sentenceNoSettings)
	}
	s.rememberSettings(stored)
	return stored, nil
}

// movesNothing refuses settings that say of files that they are where they are not: the suffix and the layout tell where the
// files of every request are, also of those that there are already. A request that is made at the same moment is not seen.
func (s *Service) movesNothing(ctx context.Context, current, next Settings) error {
	if current.Version == 0 || next.Suffix == current.Suffix && maps.Equal(next.Layout, current.Layout) {
		return nil
	}
	page, err := s.page(ctx, Query{Workspace: next.WorkspaceID, Order: NewestFirst, Limit: 1})
	if err != nil {
		return answer(err, sentenceNoSettings)
	}
	if len(page.Requests) > 0 || page.Next != "" {
		return problem(Ruled, "requests_exist", "The suffix and the layout say where files are, and this workspace has requests: their files would not be found any more. Leave both as they are.")
	}
	return nil
}

// isAdmin reports whether the token proves a TRE admin: by the API's audience only.
func (i Identity) isAdmin() bool { return i.ForAPI && slices.Contains(i.Roles, RoleAdmin) }

// beyondOwner names the fields that differ and are not an owner's to change.
func (next Settings) beyondOwner(current Settings) []string {
	allowed := current
	allowed.Members, allowed.Approvals, allowed.SelfReview, allowed.Policies = next.Members, next.Approvals, next.SelfReview, next.Policies
	allowed.Deputies = next.Deputies
	allowed.RemindAfter, allowed.EscalateAfter = next.RemindAfter, next.EscalateAfter
	fields := allowed.differences(next)
	if slices.ContainsFunc(Directions(), func(d Direction) bool { return next.Policy(d).SelfReview && !current.Policy(d).SelfReview }) {
		fields = append(fields, "selfReview") // an owner who also reviews would pass alone
	}
	return fields
}

// differences names the settings in which two versions differ.
func (next Settings) differences(other Settings) []string {
	var names []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{"displayName", next.Name == other.Name}, {"description", next.Description == other.Description},
		{"directions", slices.Equal(next.Directions, other.Directions)}, {"audience", next.Audience == other.Audience},
		{"archived", next.Archived == other.Archived}, {"maxFiles", next.MaxFiles == other.MaxFiles},
		{"maxBytes", next.MaxBytes == other.MaxBytes}, {"maxNameLength", next.MaxNameLength == other.MaxNameLength},
		{"nameDenied", slices.Equal(next.NameDenied, other.NameDenied)},
		{"draftLifetime", next.DraftLifetime == other.DraftLifetime}, {"scanning", next.Scanning == other.Scanning},
		{"retention", next.Retention == other.Retention}, {"legalHold", next.LegalHold == other.LegalHold},
		{"includeLocationInNotice", next.IncludeLocation == other.IncludeLocation},
		{"verifyReleasedUpTo", next.VerifyUpTo == other.VerifyUpTo},
		{"suffix", next.Suffix == other.Suffix}, {"layout", maps.Equal(next.Layout, other.Layout)},
	} {
		if !f.same {
			names = append(names, f.name)
		}
	}
	return names
}

// suffixPattern leaves room for the longest of the layout's own names of accounts.
var suffixPattern = regexp.MustCompile(`^[a-z0-9]{1,9}$`)

// The bounds of a member list: the settings are one row, and every notice holds a part of it. RFC 5321 has no longer
// addresses.
const (
	maxApprovals  = 10
	maxMembers    = 1000
	maxEmail      = 254
	maxPersonName = 200
)

// longest is how long anything can be told to take: the store sorts by times up to 2200.
const longest = 100 * 365 * 24 * time.Hour

// check returns every problem of the settings at once, joined; each is a *Problem.
func (next Settings) check(layout Layout, tre string) error {
	var errs []error
	wrong := func(field, format string, args ...any) { errs = append(errs, problem(Invalid, field, format, args...)) }
	for _, d := range next.Directions {
		if !slices.Contains(Directions(), d) {
			wrong("directions", "%q is not a direction: use import and export.", d)
		}
	}
	if next.MaxFiles < 1 || next.MaxFiles > MaxManifestFiles {
		wrong("maxFiles", "It must be from 1 to %d.", MaxManifestFiles)
	}
	if next.MaxBytes < 1 {
		wrong("maxBytes", "It must be at least 1.")
	}
	if next.VerifyUpTo < -1 {
		wrong("verifyReleasedUpTo", "It must be a number of bytes, 0 for what the TRE does, or -1 for files of every size.")
	}
	if next.MaxNameLength < 1 || next.MaxNameLength > maxBlobName {
		wrong("maxNameLength", "It must be from 1 to %d.", maxBlobName)
	}
	if next.DraftLifetime != 0 && (next.DraftLifetime < time.Hour || next.DraftLifetime > longest) {
		wrong("draftLifetime", "It must be from an hour to 100 years, or 0 for ever.")
	}
	for _, f := range []struct {
		name string
		long time.Duration
	}{
		{"retainReleased", next.Retention.Released}, {"retainRefused", next.Retention.Refused},
		{"retainQuarantine", next.Retention.Quarantine}, {"retainRecords", next.Retention.Records},
	} {
		if f.long != 0 && (f.long < time.Hour || f.long > longest) {
			wrong(f.name, "It must be from an hour to 100 years, or 0 for what the TRE does.")
		}
	}
	if next.RemindAfter != 0 && (next.RemindAfter < time.Hour || next.RemindAfter > longest) {
		wrong("remindAfter", "It must be from an hour to 100 years, or 0 for what the TRE does.")
	}
	if next.EscalateAfter != 0 && (next.EscalateAfter < max(time.Hour, next.RemindAfter+1) || next.EscalateAfter > longest) {
		wrong("escalateAfter", "It must be from an hour to 100 years and longer than remindAfter, or 0 for what the TRE does.")
	}
	next.checkPolicies(wrong)
	next.checkDeputies(wrong)
	if !suffixPattern.MatchString(next.Suffix) {
		wrong("suffix", "It must be 1 to 9 lower-case letters and digits.")
	}
	for _, pattern := range next.NameDenied {
		if _, err := path.Match(pattern, ""); err != nil {
			wrong("nameDenied", "%q is not a pattern.", pattern)
		}
	}
	next.checkMembers(wrong)
	next.checkLayout(layout, tre, wrong)
	return errors.Join(errs...)
}

// checkPolicies: they are said in one of the two ways.
func (next Settings) checkPolicies(wrong func(field, format string, args ...any)) {
	if len(next.Policies) == 0 {
		if next.Approvals < 1 || next.Approvals > maxApprovals {
			wrong("approvals", "It must be from 1 to %d.", maxApprovals)
		}
		return
	}
	if next.Approvals != 0 || next.SelfReview {
		wrong("approvals", "approvals and selfReview are another way to write reviewPolicies: give the one or the other.")
	}
	for d := range next.Policies {
		if !slices.Contains(Directions(), d) {
			wrong("reviewPolicies", "%q is not a direction: use import and export.", d)
		}
	}
	for _, d := range Directions() {
		p, ok := next.Policies[d]
		if !ok {
			wrong("reviewPolicies", "There is none for %s.", d)
			continue
		}
		p.check(func(format string, args ...any) { wrong("reviewPolicies", string(d)+": "+format, args...) })
	}
}

func (next Settings) checkMembers(wrong func(field, format string, args ...any)) {
	if len(next.Members) > maxMembers {
		wrong("members", "There may be at most %d.", maxMembers)
	}
	seen := map[string]bool{}
	for i, m := range next.Members {
		switch {
		case m.ID == "":
			wrong("members", "Member %d has no id.", i+1)
		case seen[strings.ToLower(m.ID)]:
			wrong("members", "%q is listed twice.", m.ID)
		}
		seen[strings.ToLower(m.ID)] = true
		for _, r := range m.Roles {
			if r != RoleResearcher && r != RoleOwner && r != RoleManager {
				wrong("members", "%q is not a role in a workspace.", r)
			}
		}
		if len(m.Email) > maxEmail || utf8.RuneCountInString(m.Name) > maxPersonName {
			wrong("members", "The e-mail address of member %d may have %d characters, the name %d.", i+1, maxEmail, maxPersonName)
		}
		if strings.ContainsAny(m.Email, "\r\n<>,; ") {
			wrong("members", "The e-mail address of member %d holds a character that it cannot have.", i+1)
		}
	}
}
