package logicapp

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure/logicapp/workflow"
)

var update = flag.Bool("update", false, "write the snapshots of the mails anew")

const notifierDir = "../../../infra/notifier"

// notifierSettings are the app settings that the notifier names.
func notifierSettings() map[string]string {
	return map[string]string{
		"NOTIFIER_SENDER": "airlock@tre.example", "NOTIFIER_LANGUAGE": "en",
		"NOTIFIER_TIME_ZONE": "GMT Standard Time", "NOTIFIER_TIME_ZONE_LABEL": "UK time",
	}
}

// recorder stands in for the connectors and notes what a run asks of them.
type recorder struct {
	mails   []map[string]any
	settled []string // operation and reason
	waited  time.Duration
	refuse  func(to string) bool
	asked   int // how often a mail was to be sent
}

func (r *recorder) operations() map[string]workflow.Operation {
	ops := map[string]workflow.Operation{}
	for key := range new(App).operations() {
		_, name, _ := strings.Cut(key, "#")
		ops[key] = func(_ context.Context, p map[string]any) (any, error) {
			if name == "sendEmail" {
				return nil, r.send(p)
			}
			if p["lockToken"] != "the-lock" {
				return nil, fmt.Errorf("lock token %v", p["lockToken"])
			}
			reason, _ := p["deadLetterReason"].(string)
			r.settled = append(r.settled, strings.TrimSuffix(name+" "+reason, " "))
			return nil, nil
		}
	}
	return ops
}

func (r *recorder) send(p map[string]any) error {
	r.asked++
	// The real checks of the parameters, so that a run cannot pass here what the connector would refuse.
	if _, err := letterOf(p); err != nil {
		return err
	}
	if to, _ := p["to"].(string); r.refuse != nil && r.refuse(to) {
		return errors.New("550 no such recipient")
	}
	r.mails = append(r.mails, p)
	return nil
}

// run runs a workflow of a project on a message with this body.
func (r *recorder) run(t *testing.T, o Options, body any) *workflow.Result {
	t.Helper()
	o.Now = func() time.Time { return time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) }
	o.Wait = func(_ context.Context, d time.Duration) error { r.waited += d; return nil }
	w, err := load(o, r.operations())
	if err != nil {
		t.Fatal(err)
	}
	result, err := w.Run(t.Context(), map[string]any{"body": map[string]any{"contentData": body, "lockToken": "the-lock"}})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func notifier(parameters map[string]any) Options {
	return Options{Dir: notifierDir, Workflow: "AirlockNotifier", Settings: notifierSettings(), Parameters: parameters}
}

// notice is a message as the service publishes it, changed by edit.
func notice(t *testing.T, edit func(data, request map[string]any)) any {
	t.Helper()
	const text = `{"id": "0198c0de-0000-7000-8000-00000000000a-3-1", "eventType": "airlockNotification", "dataVersion": "4.0",
	 "subject": "0198c0de-0000-7000-8000-00000000000a/airlockNotification", "eventTime": "2026-07-01T09:30:05Z",
	 "topic": "airlock-notifications", "metadataVersion": "1",
	 "data": {"event_type": "status_changed",
	  "recipient_emails_by_role": {"workspace_owner": ["olga@tre.example"], "workspace_researcher": ["rita@tre.example"],
	   "airlock_manager": ["mara@tre.example", "milo@tre.example"]},
	  "request": {"id": "0198c0de-0000-7000-8000-00000000000a", "created_when": 1782896405.25,
	   "created_by": {"name": "Rita Researcher", "email": "rita@tre.example"}, "updated_when": 1782898205.5,
	   "updated_by": {"name": "Mara Manager", "email": "mara@tre.example"}, "request_type": "export",
	   "files": [{"name": "results/table 1.csv", "size": 4096}, {"name": "figure.png", "size": 70000}], "status": "in_review",
	   "business_justification": "Needed for the paper.", "title": "Results of wave 3", "status_message": null,
	   "previous_status": "submitted", "round": 1, "decision": null, "decision_explanation": null,
	   "link": "https://airlock.example/workspaces/w1/requests/0198c0de-0000-7000-8000-00000000000a"},
	  "workspace": {"id": "w1", "display_name": "Asthma cohort", "description": "A study"},
	  "audience": "requester", "recipients": ["rita@tre.example"]}}`
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	data := m["data"].(map[string]any)
	edit(data, data["request"].(map[string]any))
	encoded, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	// As text, which ParseJson takes as it takes an object: the numbers then have the types that a message gives them.
	return string(encoded)
}

var audiences = []string{"requester", "reviewers", "owners", "operators"}

// situations are the statuses, and what else a mail tells apart, with what the service sends along.
var situations = []struct {
	name string
	edit func(request map[string]any)
}{
	{"draft", func(r map[string]any) { r["status"], r["previous_status"] = "draft", nil }},
	{"returned", func(r map[string]any) {
		r["status"], r["previous_status"], r["round"] = "draft", "in_review", 2
		r["decision"], r["decision_explanation"] = "changes_requested", "Table 1 has cells with counts below ten.\nPlease round them."
	}},
	{"unsealed", func(r map[string]any) {
		r["status"], r["previous_status"], r["round"] = "draft", "submitted", 2
		r["status_message"] = "The file figure.png changed while it was being sealed."
	}},
	{"submitted", func(r map[string]any) { r["status"], r["previous_status"] = "submitted", "draft" }},
	{"in_review", func(map[string]any) {}},
	{"approval_in_progress", func(r map[string]any) { r["status"], r["decision"] = "approval_in_progress", "approved" }},
	{"approved", func(r map[string]any) {
		r["status"], r["decision"], r["decision_explanation"] = "approved", "approved", "Good work."
	}},
	{"rejection_in_progress", func(r map[string]any) { r["status"], r["decision"] = "rejection_in_progress", "rejected" }},
	{"rejected", func(r map[string]any) {
		r["status"], r["decision"], r["decision_explanation"] = "rejected", "rejected", "Row level data must not leave."
	}},
	{"blocking_in_progress", func(r map[string]any) { r["status"] = "blocking_in_progress" }},
	{"blocked_by_scan", func(r map[string]any) {
		r["status"], r["status_message"] = "blocked_by_scan", "A threat was found in 1 of 2 files."
	}},
	{"cancelled", func(r map[string]any) { r["status"] = "cancelled" }},
	{"failed", func(r map[string]any) {
		r["status"], r["status_message"] = "failed", "The scanner did not answer within 30 minutes."
	}},
	{"revoked", func(r map[string]any) {
		r["status"], r["decision"], r["decision_explanation"] = "revoked", "revoked", "Released by mistake."
	}},
	{"unknown", func(r map[string]any) { r["status"] = "frozen" }},
}

func TestMailsOfEverySituation(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			var got strings.Builder
			for _, audience := range audiences {
				edit := func(data, request map[string]any) {
					data["audience"] = audience
					s.edit(request)
				}
				var bodies []string
				var subject any
				for _, format := range []string{"text", "html"} {
					var r recorder
					result := r.run(t, notifier(map[string]any{"mailFormat": format}), notice(t, edit))
					if result.Status != workflow.Succeeded || len(r.mails) != 1 || !slices.Equal(r.settled, []string{"completeTopicMessageV2"}) {
						t.Fatalf("%s: run %s (%v), %d mails, settled %v", audience, result.Status, result.Err, len(r.mails), r.settled)
					}
					m := r.mails[0]
					if m["isHTML"] != (format == "html") {
						t.Errorf("isHTML is %v for %s", m["isHTML"], format)
					}
					subject = m["subject"]
					bodies = append(bodies, m["body"].(string))
				}
				fmt.Fprintf(&got, "======== %s\nSubject: %s\n-------- text\n%s\n-------- html\n%s\n", audience, subject, bodies[0], bodies[1])
			}
			compare(t, filepath.Join("testdata", "mails", s.name+".txt"), got.String())
		})
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it with -update and git diff\n%s", path, got)
	}
}

var leftover = regexp.MustCompile(`[@{}]\{|\{[a-z]+\}`)

func TestMailsHaveNoLeftovers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "mails", "*.txt"))
	if err != nil || len(files) != len(situations) {
		t.Fatalf("%d snapshots for %d situations (%v)", len(files), len(situations), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if found := leftover.Find(data); found != nil {
			t.Errorf("%s holds %q, which a text should have replaced", f, found)
		}
	}
}
