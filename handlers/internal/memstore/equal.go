package memstore

import (
	"slices"

	"airlock/handlers/internal/airlock"
)

// equalRequests reports whether two requests are the same in every field, as reflect.DeepEqual would: an empty list is none
// that is nil.
func equalRequests(a, b *airlock.Request) bool {
	return a.WorkspaceID == b.WorkspaceID && a.ID == b.ID && a.Type == b.Type && a.Title == b.Title && a.Justification == b.Justification &&
		a.Status == b.Status && a.StatusMessage == b.StatusMessage && a.StatusSince == b.StatusSince && a.FailedIn == b.FailedIn &&
		equalPeople(&a.CreatedBy, &b.CreatedBy) && a.CreatedWhen == b.CreatedWhen &&
		equalPeople(&a.UpdatedBy, &b.UpdatedBy) && a.UpdatedWhen == b.UpdatedWhen && equalLists(a.History, b.History, equalChanges) &&
		a.Version == b.Version && a.Round == b.Round && a.Attempt == b.Attempt &&
		equal(a.Files, b.Files) && a.FileCount == b.FileCount && a.TotalBytes == b.TotalBytes && a.Scanning == b.Scanning && a.SealedAt == b.SealedAt &&
		equalPolicies(&a.Policy, &b.Policy) && equalLists(a.Policies, b.Policies, equalPolicies) && equalLists(a.Reviews, b.Reviews, equalReviews) &&
		equalPeople(&a.ClaimedBy, &b.ClaimedBy) && a.ClaimedUntil == b.ClaimedUntil && a.Comments == b.Comments &&
		a.ManifestDigest == b.ManifestDigest && equal(a.Owed, b.Owed) && equal(a.Untold, b.Untold) && a.OnHold == b.OnHold &&
		a.PurgedWhen == b.PurgedWhen && a.LedgerFrom == b.LedgerFrom && a.Due == b.Due && equal(a.Reminded, b.Reminded) &&
		a.Tries == b.Tries && a.LastError == b.LastError && equal(a.Gone, b.Gone) && a.GoneAgain == b.GoneAgain && equal(a.Signed, b.Signed) &&
		a.RecordSeq == b.RecordSeq && a.RecordHash == b.RecordHash && a.Stamp == b.Stamp && a.Later == b.Later && a.ETag == b.ETag
}

func equalPeople(a, b *airlock.Person) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Email == b.Email && equal(a.Roles, b.Roles) && a.Audience == b.Audience
}

func equalChanges(a, b *airlock.Change) bool {
	return a.Version == b.Version && a.PreviousStatus == b.PreviousStatus && a.When == b.When && equalPeople(&a.By, &b.By)
}

func equalReviews(a, b *airlock.Review) bool {
	return a.ID == b.ID && a.Round == b.Round && equalPeople(&a.Reviewer, &b.Reviewer) && a.When == b.When && a.Decision == b.Decision &&
		a.Explanation == b.Explanation && equal(a.Slots, b.Slots) && a.Digest == b.Digest && a.SteadOf == b.SteadOf
}

func equalPolicies(a, b *airlock.Policy) bool {
	return a.Version == b.Version && equalLists(a.Slots, b.Slots, equalSlots) && a.OneRejectionEnds == b.OneRejectionEnds &&
		a.SelfReview == b.SelfReview && a.Blind == b.Blind && a.RequireDigest == b.RequireDigest
}

func equalSlots(a, b *airlock.Slot) bool {
	return a.Name == b.Name && a.Count == b.Count && equal(a.Roles, b.Roles) && equal(a.Groups, b.Groups) && equal(a.People, b.People) &&
		a.Independent == b.Independent
}

// equal compares lists of what == compares.
func equal[T comparable](a, b []T) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// equalLists compares lists of what is compared by a function.
func equalLists[T any](a, b []T, same func(a, b *T) bool) bool {
	if len(a) != len(b) || (a == nil) != (b == nil) {
		return false
	}
	for i := range a {
		if !same(&a[i], &b[i]) {
			return false
		}
	}
	return true
}
