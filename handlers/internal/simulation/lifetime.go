package simulation

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// This file is the second opinion on what is deleted, and when.

// keepsake is a request with its records, also of one that was deleted.
type keepsake struct {
	airlock.Request
	records []airlock.Record
}

// lifetime is how long something is kept; 0: for ever, or as the TRE does.
func (w *world) lifetime() time.Duration {
	return pick(w, 0, time.Hour, 5*time.Hour, 24*time.Hour, 9*24*time.Hour)
}

func (w *world) retention() airlock.Retention {
	return airlock.Retention{Released: w.lifetime(), Refused: w.lifetime(), Quarantine: w.lifetime(), Records: w.lifetime()}
}

// keep looks at a request that is about to be deleted, as it is stored, while there is something to see.
func (w *world) keep(r airlock.Request) {
	stored, records, ok := w.store.Look(r.WorkspaceID, r.ID)
	if ok && stored.ETag == r.ETag && len(records) == stored.RecordSeq {
		w.forgotten[r.ID] = &keepsake{stored, records}
	}
}

// kept is all requests with their records: those that are stored, and those that were.
func (w *world) kept() []keepsake {
	var all []keepsake
	stored := map[string]bool{}
	for _, r := range w.requests() {
		stored[r.ID] = true
		_, records, _ := w.store.Look(r.WorkspaceID, r.ID)
		all = append(all, keepsake{r, records})
	}
	for _, id := range slices.Sorted(maps.Keys(w.forgotten)) {
		if !stored[id] {
			all = append(all, *w.forgotten[id])
		}
	}
	return all
}

// judgeForgotten: the trail of the workspace tells once of what was deleted, and nobody waits for a notice of it.
func (w *world) judgeForgotten(k keepsake) {
	_, stored := w.request(k.ID)
	records, err := w.store.SettingsRecords(context.Background(), k.WorkspaceID, 0, airlock.MaxPage)
	if err != nil {
		w.wrong("records of %s: %v", k.WorkspaceID, err)
	}
	told := 0
	for _, rec := range records {
		if rec.What == airlock.RecordForget && rec.Subject == k.ID {
			told++
		}
	}
	switch {
	case stored:
		w.wrong("%s was to be deleted and is still there", k.ID)
	case told != 1:
		w.wrong("the trail of the workspace tells %d times that %s was deleted", told, k.ID)
	case len(k.Untold) > 0:
		w.wrong("%s was deleted with notices that were never published: %v", k.ID, k.Untold)
	}
}

// follow goes on from a record.
func (at *standing) follow(rec airlock.Record) {
	switch rec.What {
	case "hold", "lift":
		at.onHold = rec.What == "hold"
	case "purge":
		at.purged = true
	}
	at.status = statemachine.Status(rec.To)
}

// judgeLifetime: nothing was deleted before its time, or under a hold.
func (w *world) judgeLifetime(k keepsake) {
	var at standing
	var entered, used time.Time // the status, the draft
	for _, rec := range k.records {
		since := entered
		if rec.What == "expire" {
			since = used
		}
		switch rec.What {
		case "expire", "purge", "forget":
			if !slices.ContainsFunc(w.policiesOf(k.WorkspaceID, rec.When.Add(-deadline), rec.When), func(p *policy) bool {
				long := w.keeps(p.Settings, at, rec.What)
				return long > 0 && !at.onHold && !p.LegalHold && !rec.When.Before(since.Add(long))
			}) {
				w.wrong("%s was not to %s at %s, %s since %s (on hold: %v)", k.ID, rec.What, rec.When, at.status, since, at.onHold)
			}
		}
		if rec.From != rec.To {
			entered = rec.When
		}
		if !slices.Contains([]string{"link", "comment", "files", "audit"}, rec.What) { // those leave it as it is
			used = rec.When
		}
		at.follow(rec)
	}
}

// keeps is how long something of a request is kept before it ends so; 0: for ever, or it does not end so.
func (w *world) keeps(s airlock.Settings, at standing, what string) time.Duration {
	tre := w.mood.retention
	switch {
	case what == "expire" && at.status == "draft":
		return s.DraftLifetime
	case what == "purge" && !at.purged && at.status == "approved":
		return cmp.Or(s.Retention.Released, tre.Released)
	case what == "purge" && !at.purged && (at.status == "rejected" || at.status == "revoked"):
		return cmp.Or(s.Retention.Refused, tre.Refused)
	case what == "purge" && !at.purged && at.status == "blocked_by_scan":
		return cmp.Or(s.Retention.Quarantine, tre.Quarantine)
	case what == "forget" && (at.purged || at.status == "cancelled"):
		return cmp.Or(s.Retention.Records, tre.Records)
	default:
		return 0
	}
}

// judgeKept: after a long time nothing is there that was to end.
func (w *world) judgeKept(r airlock.Request) {
	settings, err := w.store.Settings(context.Background(), r.WorkspaceID)
	if err != nil {
		w.wrong("settings of %s: %v", r.WorkspaceID, err)
	}
	at := standing{status: r.Status, onHold: r.OnHold, purged: !r.PurgedWhen.IsZero()}
	for _, what := range []string{"expire", "purge", "forget"} {
		if w.keeps(settings, at, what) > 0 && !r.OnHold && !settings.LegalHold {
			w.wrong("%s was to %s long ago: it is %s since %s", r.ID, what, r.Status, r.StatusSince)
		}
	}
}
