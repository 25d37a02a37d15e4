package simulation

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
)

// broken is a rule that is broken, and what the simulation says then.
type broken struct {
	rule string
	bend bend
	says string // a part of a violation
}

// brokenRules are those that the system keeps, and behind each that the simulation judges by.
func brokenRules() []broken {
	none := func([]airlock.Owed) []airlock.Owed { return nil }
	return []broken{
		{"a commit replaces only what was read", overwriting, "was not to"},
		{"a copy is of the version that was sealed", unconditional, "is not what was submitted"},
		{"nothing is deleted before it has arrived", hasty, "manifest"},
		{"a verdict counts only with its tag", func(_ *world, s *airlock.Service) { s.ScanTags = false }, "with malware in it"},
		{"notices follow the commit", early, "published before what it tells of was stored"},
		{"the requester is no reviewer", lies(liar{settings: func(s *airlock.Settings) { s.SelfReview = true }}), "was not to approve"},
		{"what is owed is due", changed(func(c *airlock.Commit) {
			if c.After.Busy() {
				c.After.Due = time.Time{}
			}
		}), "will never be looked at"},
		{"what is owed is kept", changed(func(c *airlock.Commit) {
			if n := len(c.After.Owed); n > 0 {
				c.After.Owed = c.After.Owed[:n-1]
			}
		}), "zone"},

		{"only some change settings", lies(liar{settings: generous}), "changed the settings of"},
		{"people are offered what is theirs to do", lies(liar{settings: generous}), "is offered"},
		{"people read what is theirs to read", lies(liar{settings: generous}), "could read"},
		{"people do what is theirs to do", lies(liar{settings: generous}), "was not to"},
		{"settings can be stored", lies(liar{put: airlock.ErrLost}), "settings could not be stored"},
		{"everything comes to rest", lies(liar{due: none}), "never rests"},
		{"everything ends", lies(liar{due: none}), "long ago"},
		{"a sweep works", lies(liar{workspaces: errors.New("no")}), "a sweep fails although nothing is wrong"},
		{"everything can be brought to an end", tagged(airlock.ScanPending), "cannot be brought to an end"},
		{"files can be uploaded", func(_ *world, s *airlock.Service) { s.Zones = pretender{Zones: s.Zones, unmade: true} }, "nothing can be uploaded"},
		{"what is offered works", lies(liar{settings: func(s *airlock.Settings) { s.Members = nil }}), "cannot create"},
		{"records tell who did it", changed(func(c *airlock.Commit) {
			if c.Record != nil && c.Record.Who != "system" {
				*c = resealed(*c, func(r *airlock.Record) { r.Source = "elsewhere" })
			}
		}), "who never tried"},
		{"what is done is recorded", lies(liar{commit: forgetful}), "it is not recorded"},
		{"what is refused is not recorded", lies(liar{commit: denied}), "it is recorded"},
		{"what is done is recorded once", lies(liar{commit: doubled}), "is recorded 2 times"},
		{"nobody reviews twice", lies(liar{commit: doubled}), "twice"},
		{"enough approve", lies(liar{settings: func(s *airlock.Settings) { s.Approvals = 1 }}), "was approved by 1"},
		{"nothing malicious passes", tagged(airlock.Clean), "with malware in it"},
		{"what blocks is malicious", tagged(airlock.Malicious), "cannot be brought to an end"},
		{"notices are published", func(_ *world, s *airlock.Service) { s.Announcer = silence{} }, "was never published"},
		{"data is kept as long as it has to be", lies(liar{settings: func(s *airlock.Settings) { s.Retention.Released = time.Hour }}), "was not to purge"},
		{"drafts are kept as long as they have to be", lies(liar{settings: func(s *airlock.Settings) { s.DraftLifetime = time.Hour }}), "was not to expire"},
		{"records are kept as long as they have to be", lies(liar{settings: func(s *airlock.Settings) { s.Retention.Records = time.Hour }}), "was not to forget"},
		{"a hold keeps everything", lies(liar{settings: func(s *airlock.Settings) { s.LegalHold = false }}), "was not to"},
		{"what is deleted is told of once", lies(liar{ledger: func([]airlock.Record) []airlock.Record { return nil }}), "tells 2 times"},
		{"what is to be deleted is", lies(liar{forgets: true}), "was to be deleted and is still there"},
	}
}

// TestBrokenRulesAreSeen breaks one rule at a time: a simulation that finds nothing wrong would prove nothing otherwise.
func TestBrokenRulesAreSeen(t *testing.T) {
	const most = 2000 // seeds
	// Some need a run that is rare. That they are looked for from here on saves time and decides nothing.
	from := map[string]uint64{
		"a commit replaces only what was read": 200, "a verdict counts only with its tag": 245, "the requester is no reviewer": 100,
	}
	for _, b := range brokenRules() {
		t.Run(b.rule, func(t *testing.T) {
			stacks := &stacks{}
			defer stacks.close()
			for seed := from[b.rule]; seed < from[b.rule]+most; seed++ {
				r := run(seed+1, nil, stacks, b.bend)
				if i := slices.IndexFunc(r.Violations, func(v string) bool { return strings.Contains(v, b.says) }); i >= 0 {
					t.Logf("seen with seed %d: %s", seed+1, r.Violations[i])
					return
				}
			}
			t.Errorf("not seen in %d runs", most)
		})
	}
}
