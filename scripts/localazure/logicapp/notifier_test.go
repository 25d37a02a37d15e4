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
		"NOTIFIER_TIME_ZONE": "GMT Standard Time", "NOTIFIER_TIME_ZONE_LABEL": "UK time", "NOTIFIER_MAIL_CONNECTOR": "smtp",
		"office365_apiId":        "/subscriptions/s/providers/Microsoft.Web/locations/westeurope/managedApis/office365",
		"office365_connectionId": "/connection", "office365_connectionRuntimeUrl": "https://office365.example",
	}
}

// recorder stands in for the connectors and notes what a run asks of them.
type recorder struct {
	mails   []map[string]any
	settled []string // operation and reason
	waited  time.Duration
	refuse  func(to string) bool
	asked   int // how often a mail was to be sent
	office  int // of these, by Office 365
}

func (r *recorder) operations() map[string]workflow.Operation {
	ops := map[string]workflow.Operation{}
	for key := range new(App).operations() {
		_, name, _ := strings.Cut(key, "#")
		ops[key] = func(_ context.Context, p map[string]any) (any, error) {
			switch name {
			case "sendEmail":
				return nil, r.send(p, letterOf)
			case "post /v2/Mail":
				r.office++
				return nil, r.send(p, officeLetter)
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

func (r *recorder) send(p map[string]any, read func(map[string]any) (letter, error)) error {
	r.asked++
	// The real checks of the parameters, so that a run cannot pass here what the connector would refuse.
	m, err := read(p)
	if err != nil {
		return err
	}
	if to := m.to[0].Address; r.refuse != nil && r.refuse(to) {
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

// messageDir holds what the airlock itself has sent, one message of each kind.
const messageDir = "../../../handlers/internal/busqueue/testdata/messages"

// kind is what a message tells, and whom: the name of its file.
type kind struct{ situation, audience string }

func (k kind) String() string { return k.situation + "-" + k.audience }

// kinds are the messages that there are.
func kinds(t *testing.T) []kind {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(messageDir, "*.json"))
	if err != nil || len(files) < 15 {
		t.Fatalf("%d messages (%v)", len(files), err)
	}
	var all []kind
	for _, f := range files {
		situation, audience, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".json"), "-")
		all = append(all, kind{situation, audience})
	}
	return all
}

// sent is a message as the service publishes it, changed by edit, if any.
func sent(t *testing.T, k kind, edit func(data, request map[string]any)) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(messageDir, k.String()+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if edit == nil {
		return string(text)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
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

// notice is a message to the requester, changed by edit.
func notice(t *testing.T, edit func(data, request map[string]any)) any {
	t.Helper()
	return sent(t, kind{"submitted", "requester"}, edit)
}

// TestMailsOfEveryMessage writes what people would read for each kind of message, and for one of a status that is not known.
func TestMailsOfEveryMessage(t *testing.T) {
	all := map[string]string{"unknown": sent(t, kind{"submitted", "requester"}, func(_, request map[string]any) { request["status"] = "frozen" })}
	for _, k := range kinds(t) {
		all[k.String()] = sent(t, k, nil)
	}
	for name, message := range all {
		t.Run(name, func(t *testing.T) {
			var subject any
			var bodies []string
			for _, format := range []string{"text", "html"} {
				var r recorder
				result := r.run(t, notifier(map[string]any{"mailFormat": format}), message)
				if result.Status != workflow.Succeeded || len(r.mails) == 0 || !slices.Equal(r.settled, []string{"completeTopicMessageV2"}) {
					t.Fatalf("run %s (%v), %d mails, settled %v", result.Status, result.Err, len(r.mails), r.settled)
				}
				m := r.mails[0]
				if m["isHTML"] != (format == "html") {
					t.Errorf("isHTML is %v for %s", m["isHTML"], format)
				}
				subject = m["subject"]
				bodies = append(bodies, m["body"].(string))
			}
			compare(t, filepath.Join("testdata", "mails", name+".txt"),
				fmt.Sprintf("Subject: %s\n-------- text\n%s\n-------- html\n%s\n", subject, bodies[0], bodies[1]))
		})
	}
}

// TestEverySituationHasItsWords: no message is told in the words for what is not known, and no words are for nothing.
func TestEverySituationHasItsWords(t *testing.T) {
	parameters, err := readParameters(filepath.Join(notifierDir, "parameters.json"), notifierSettings())
	if err != nil {
		t.Fatal(err)
	}
	situations := parameters["texts"].(map[string]any)["en"].(map[string]any)["situations"].(map[string]any)
	used := map[string]bool{"other default": true}
	for _, k := range kinds(t) {
		words, ok := situations[k.situation].(map[string]any)
		if !ok {
			t.Errorf("there are no words for %s", k)
			continue
		}
		used[k.situation+" "+k.audience] = true
		if next, _ := words["next"].(map[string]any); k.audience != "requester" && next[k.audience] == nil {
			t.Errorf("%s: the %s are not told what to do", k, k.audience)
		}
	}
	for name, words := range situations {
		next, _ := words.(map[string]any)["next"].(map[string]any)
		for audience := range next {
			if !used[name+" "+audience] {
				t.Errorf("nobody reads the words for %s, %s", name, audience)
			}
		}
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
	if n := len(kinds(t)) + 1; err != nil || len(files) != n {
		t.Fatalf("%d snapshots for %d messages (%v)", len(files), n, err)
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
