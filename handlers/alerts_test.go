package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"
)

// TestTheDigestAlertHears what the journal writes when content is not what it must be.
func TestTheDigestAlertHears(t *testing.T) {
	templates, err := os.ReadFile("../infra/modules/alerts.bicep")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(templates), `tostring(line.event) == "`+eventDigest+`" |`) {
		t.Errorf("no alert looks for the event %s", eventDigest)
	}
	var out strings.Builder
	newJournal(&out, "info", time.Now).problem(t.Context(), fmt.Errorf("request x: %w", airlock.ErrDigest))
	if line := out.String(); !strings.Contains(line, `"event":"`+eventDigest+`"`) || !strings.Contains(line, `"level":"error"`) {
		t.Errorf("the journal writes %s", line)
	}
}

// TestTheAuditAlertHearsEveryBreak holds the text that the alert looks for against every way in which a trail can be refused.
func TestTheAuditAlertHearsEveryBreak(t *testing.T) {
	templates, err := os.ReadFile("../infra/modules/alerts.bicep")
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`tostring\(line\.event\) == "([^"]+)" or tostring\(line\.error\) matches regex "([^"]+)"`).FindSubmatch(templates)
	if match == nil || string(match[1]) != eventBroken {
		t.Fatalf("no alert looks for the event %s: %q", eventBroken, match)
	}
	alert := regexp.MustCompile(string(match[2]))

	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const ws, id = "ws", "00000000-0000-7000-8000-00000000dead"
	first := airlock.Record{When: when, Who: "ada", What: "create", To: "draft", Chain: airlock.Chain(ws, id)}.Seal(0, "")
	second := airlock.Record{When: when, Who: "ada", What: "cancel", From: "draft", To: "cancelled", Chain: airlock.Chain(ws, id)}.Seal(1, first.Hash)
	changed := second
	changed.Text = "another"
	stray := second
	stray.Previous = "0"
	broken := map[string][]airlock.Record{
		"a record too few": {second}, "one that was changed": {first, changed}, "one that follows another": {first, stray},
		"twice": {first, first},
	}
	for name, records := range broken {
		if _, _, err := airlock.VerifyTrail(airlock.Chain(ws, id), records); err == nil || !alert.MatchString(err.Error()) {
			t.Errorf("%s: the alert does not hear %v", name, err)
		}
	}
	if _, _, err := airlock.VerifyTrail("elsewhere", []airlock.Record{first}); err == nil || !alert.MatchString(err.Error()) {
		t.Errorf("a trail of another: the alert does not hear %v", err)
	}

	good := airlock.Request{
		WorkspaceID: ws, ID: id, Type: airlock.Import, Status: statemachine.Draft, CreatedBy: airlock.Person{ID: "ada"}, UpdatedWhen: when, Version: 1, Round: 1,
		RecordSeq: 1, RecordHash: first.Hash,
	}
	if err := (airlock.Commit{After: good, Record: &first}).Check(true); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	headless, behind := good, good
	headless.RecordHash = "0"
	behind.RecordSeq = 0
	for name, c := range map[string]airlock.Commit{
		"a head that is not there": {After: headless, Record: &first}, "a head that stayed behind": {After: behind, Record: &first},
		"a record that does not continue": {After: good, Record: &second},
	} {
		if err := c.Check(true); err == nil || !alert.MatchString(err.Error()) {
			t.Errorf("%s: the alert does not hear %v", name, err)
		}
	}
	moved := good
	moved.ETag, moved.Version = "x", 1
	after := moved
	after.Version, after.RecordSeq = 2, 7
	if err := (airlock.Commit{Before: moved, After: after}).Check(false); err == nil || !alert.MatchString(err.Error()) {
		t.Errorf("a head that moved: the alert does not hear %v", err)
	}
	settings := airlock.Settings{WorkspaceID: ws, RecordSeq: 1, RecordHash: "0"}
	if err := settings.CheckRecord(first); err == nil || !alert.MatchString(err.Error()) {
		t.Errorf("settings: the alert does not hear %v", err)
	}

	// What is every day's work must not wake anybody up.
	for _, usual := range []string{"tablestore: commit x: the request was changed meanwhile", "read 00000000-0000-7000-8000-00000000dead: not found", "record of the copy is late"} {
		if alert.MatchString(usual) {
			t.Errorf("the alert hears %q", usual)
		}
	}
}

// TestAlertsCompareWithRealValues: a value that an alert compares a field with is one that the field can have.
func TestAlertsCompareWithRealValues(t *testing.T) {
	templates, err := os.ReadFile("../infra/modules/alerts.bicep")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, transition := range statemachine.Transitions() {
		for _, o := range transition.Owes {
			kinds = append(kinds, string(o.Kind))
		}
	}
	compared := regexp.MustCompile(`tostring\(line\.(\w+)\) [!=]= "([^"]+)"`).FindAllStringSubmatch(string(templates), -1)
	for _, c := range compared {
		field, value := c[1], c[2]
		switch {
		case field == "task" && slices.Contains(kinds, value):
		case field == "event" && slices.Contains([]string{eventBroken, eventDigest, eventNoCheckpoint}, value):
		default:
			t.Errorf("an alert compares %s with %q, which it never is; tasks are %s", field, value, strings.Join(kinds, ", "))
		}
	}
	if len(compared) < 4 {
		t.Errorf("only %d values are compared", len(compared))
	}
}
