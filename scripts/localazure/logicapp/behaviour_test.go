package logicapp

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure/logicapp/workflow"
)

// incumbent is a project in the shape of AzureTRE's notifier, which has to go on working on the same messages: a queue, the content
// parsed, a switch on the status, all recipients of a role in one mail.
func incumbent() Options {
	return Options{Dir: filepath.Join("testdata", "incumbent"), Workflow: "Notifier", Settings: map[string]string{"PORTAL": "https://tre.example"}}
}

func TestIncumbentWorkflowRunsOnTheSameMessages(t *testing.T) {
	for _, k := range kinds(t) {
		t.Run(k.String(), func(t *testing.T) {
			var r recorder
			var status string
			result := r.run(t, incumbent(), sent(t, k, func(_, request map[string]any) { status = request["status"].(string) }))
			to := map[string]string{"approved": "rita@tre.example", "in_review": "mara@tre.example;milo@tre.example"}[status]
			if to == "" {
				if result.Status != workflow.Cancelled || len(r.mails) != 0 {
					t.Errorf("run %s, %d mails", result.Status, len(r.mails))
				}
				return
			}
			if result.Status != workflow.Succeeded || len(r.mails) != 1 || r.mails[0]["to"] != to {
				t.Fatalf("run %s (%v), mails %v", result.Status, result.Err, r.mails)
			}
			body := r.mails[0]["body"].(string)
			if !regexp.MustCompile(`https://tre\.example/workspaces/[0-9a-f-]{36}/requests/[0-9a-f-]{36}`).MatchString(body) || !strings.Contains(body, "<b>Asthma cohort</b>") {
				t.Error(body)
			}
		})
	}
}

func TestSettling(t *testing.T) {
	two := func(data, _ map[string]any) {
		data["recipients"] = []string{"a@tre.example", "b@tre.example", "a@tre.example"}
	}
	tests := []struct {
		name    string
		edit    func(data, request map[string]any)
		raw     any // instead of an edited notice
		change  map[string]any
		refuse  func(string) bool
		status  workflow.Status
		to      []string
		settled string
		waited  time.Duration
	}{
		{name: "each recipient once", edit: two, status: workflow.Succeeded, to: []string{"a@tre.example", "b@tre.example"}, settled: "completeTopicMessageV2"},
		{name: "nobody", edit: func(data, _ map[string]any) { data["recipients"] = []string{} }, status: workflow.Succeeded, settled: "completeTopicMessageV2"},
		{name: "one refused", edit: two, refuse: func(to string) bool { return to == "a@tre.example" }, status: workflow.Failed,
			to: []string{"b@tre.example"}, settled: "deadLetterTopicMessageV2 PartlySent"},
		{name: "all refused", edit: two, refuse: func(string) bool { return true }, status: workflow.Failed, settled: "abandonTopicMessageV2", waited: time.Minute},
		{name: "a shorter pause", edit: two, refuse: func(string) bool { return true }, change: map[string]any{"pauseSeconds": int64(3)}, status: workflow.Failed,
			settled: "abandonTopicMessageV2", waited: 3 * time.Second},
		{name: "separators in an address", edit: func(data, _ map[string]any) {
			data["recipients"] = []string{"a@tre.example;b@tre.example", "c@tre.example,d@tre.example", "e@tre.example\nf@tre.example", "e@tre.example\rf@tre.example", "e@tre.example f@tre.example", "nobody", "", "g@tre.example"}
		}, status: workflow.Failed, to: []string{"g@tre.example"}, settled: "deadLetterTopicMessageV2 PartlySent"},
		{name: "not JSON", raw: "hello", status: workflow.Failed, settled: "deadLetterTopicMessageV2 NotANotice"},
		{name: "no recipients", edit: func(data, _ map[string]any) { delete(data, "recipients") }, status: workflow.Failed, settled: "deadLetterTopicMessageV2 NotANotice"},
		{name: "another type", edit: func(_, request map[string]any) { request["updated_when"] = "yesterday" }, status: workflow.Failed, settled: "deadLetterTopicMessageV2 NotANotice"},
		{name: "no content", raw: nil, status: workflow.Failed, settled: "deadLetterTopicMessageV2 NotANotice"},
		{name: "a wrong parameter", edit: two, change: map[string]any{"timeZone": "Mars Standard Time"}, status: workflow.Failed, settled: "deadLetterTopicMessageV2 CannotWriteMail"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body := test.raw
			if test.edit != nil {
				body = notice(t, test.edit)
			}
			r := recorder{refuse: test.refuse}
			result := r.run(t, notifier(test.change), body)
			var to []string
			for _, m := range r.mails {
				to = append(to, m["to"].(string))
			}
			if result.Status != test.status || (result.Err != nil) != (test.status == workflow.Failed) {
				t.Errorf("run %s (%v), want %s", result.Status, result.Err, test.status)
			}
			if test.refuse == nil && r.asked != len(test.to) {
				t.Errorf("the mail server was asked %d times for %d mails", r.asked, len(test.to))
			}
			if !slices.Equal(to, test.to) || !slices.Equal(r.settled, []string{test.settled}) || r.waited != test.waited {
				t.Errorf("mails to %v, settled %v after %s; want %v, %q, %s", to, r.settled, r.waited, test.to, test.settled, test.waited)
			}
		})
	}
}

func TestHostileTexts(t *testing.T) {
	const evil = `<script>alert("1")</script>'&amp;` + "\r\nBcc: everybody@tre.example"
	var r recorder
	result := r.run(t, notifier(nil), notice(t, func(data, request map[string]any) {
		data["audience"], data["event_type"] = "reviewers", "review_escalation"
		data["must_act"] = map[string]any{"people": []any{map[string]any{"name": evil}}}
		data["location"] = map[string]any{"container_url": `https://tre.example/"onmouseover="x`, "expires_at": "2026-01-01T00:00:00Z"}
		for _, k := range []string{"title", "status_message", "decision_explanation", "business_justification"} {
			request[k] = evil
		}
		request["created_by"] = map[string]any{"name": evil, "email": evil}
		request["link"] = `https://tre.example/"onmouseover="x`
		data["workspace"] = map[string]any{"id": "w", "display_name": evil}
		request["files"] = []any{map[string]any{"name": evil, "size": 1}}
	}))
	if result.Status != workflow.Succeeded || len(r.mails) != 1 {
		t.Fatalf("run %s (%v), %d mails", result.Status, result.Err, len(r.mails))
	}
	body, subject := r.mails[0]["body"].(string), r.mails[0]["subject"].(string)
	if strings.Contains(body, "<script") || strings.Contains(body, `"onmouseover`) || !strings.Contains(body, "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;amp;") {
		t.Error(body)
	}
	if strings.ContainsAny(subject, "\r\n") || !strings.Contains(subject, "Bcc: everybody") {
		t.Errorf("subject %q", subject)
	}
}

func TestLinks(t *testing.T) {
	for link, button := range map[any]bool{"https://a.example/x": true, "http://127.0.0.1:7000/x": true, nil: false, "": false, "javascript:alert(1)": false, "data:text/html,x": false, "hxxp://a.example": false} {
		var r recorder
		r.run(t, notifier(nil), notice(t, func(_, request map[string]any) { request["link"] = link }))
		if got := strings.Contains(r.mails[0]["body"].(string), "<a "); got != button {
			t.Errorf("%v: a button is %v", link, got)
		}
	}
}

func TestParameters(t *testing.T) {
	var r recorder
	r.run(t, notifier(map[string]any{"listFileNames": true, "language": "xx", "timeZone": "Tokyo Standard Time", "timeZoneLabel": "Tokyo"}), notice(t, func(_, request map[string]any) {
		request["title"] = strings.Repeat("é", 500)
	}))
	body, subject := r.mails[0]["body"].(string), r.mails[0]["subject"].(string)
	for _, want := range []string{"2: figure.png, results/table 1.csv", "1 July 2026, 18:10 (Tokyo)", `lang="en"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	if n := len([]rune(subject)); n > 180 {
		t.Errorf("the subject has %d characters", n)
	}
	r = recorder{}
	r.run(t, notifier(nil), notice(t, func(_, request map[string]any) { request["title"] = " " }))
	if s := r.mails[0]["subject"]; s != "Submitted: 0198c0de-0000-7000-8000-000000000001" {
		t.Errorf("without a title the subject is %q", s)
	}
	if strings.Contains(r.mails[0]["body"].(string), "table 1.csv") {
		t.Error("the mail names files, which the default must not")
	}
}

// TestTextsAreComplete makes sure that each language has what English has, and each text the placeholders that are replaced.
func TestTextsAreComplete(t *testing.T) {
	parameters, err := readParameters(filepath.Join(notifierDir, "parameters.json"), notifierSettings())
	if err != nil {
		t.Fatal(err)
	}
	texts := parameters["texts"].(map[string]any)
	var paths func(prefix string, v any) []string
	paths = func(prefix string, v any) []string {
		m, ok := v.(map[string]any)
		if !ok {
			return []string{prefix}
		}
		var all []string
		for k, e := range m {
			all = append(all, paths(prefix+"."+k, e)...)
		}
		slices.Sort(all)
		return all
	}
	english := paths("", texts["en"])
	for language, table := range texts {
		if got := paths("", table); !slices.Equal(got, english) {
			t.Errorf("%s has the texts %v, English has %v", language, got, english)
		}
		for name, s := range table.(map[string]any)["situations"].(map[string]any) {
			headline, _ := s.(map[string]any)["headline"].(string)
			if !strings.Contains(headline, "{request}") {
				t.Errorf("%s %s: the headline %q has no {request}", language, name, headline)
			}
		}
	}
}

func TestProjectsAreCheckedWhole(t *testing.T) {
	write := func(dir, name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		file, text, want string
		edit             func(*Options)
	}{
		"missing setting":      {edit: func(o *Options) { o.Settings = nil }, want: `parameter portal: appsetting(): there is no setting "PORTAL"`},
		"missing parameter":    {file: "parameters.json", text: `{"from": {"type": "String", "value": "a"}}`, want: "parameters('portal'): there is none"},
		"type of a parameter":  {file: "parameters.json", text: `{"from": {"type": "Int", "value": "a"}}`, want: `parameter from: the value is not of the type "Int"`},
		"expression":           {file: "parameters.json", text: `{"from": {"type": "String", "value": "@utcNow()"}}`, want: "only appsetting()"},
		"unknown override":     {edit: func(o *Options) { o.Parameters = map[string]any{"x": 1} }, want: `no parameter "x"`},
		"missing connection":   {file: "connections.json", text: `{}`, want: `no connection "bus"`},
		"another provider":     {file: "connections.json", text: `{"serviceProviderConnections": {"bus": {"serviceProvider": {"id": "/serviceProviders/sql"}}}}`, want: `connection "bus" is to`},
		"connections not JSON": {file: "connections.json", text: `{`, want: "connections.json: parse JSON"},
		"no workflow":          {edit: func(o *Options) { o.Workflow = "Other" }, want: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			o := incumbent()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(o.Dir)); err != nil {
				t.Fatal(err)
			}
			o.Dir = dir
			if test.file != "" {
				write(dir, test.file, test.text)
			}
			if test.edit != nil {
				test.edit(&o)
			}
			if _, err := load(o, new(recorder).operations()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestReadmeNamesEverySetting keeps the table of app settings whole.
func TestReadmeNamesEverySetting(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(notifierDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`@appsetting\('([^']+)'\)`)
	var settings []string
	for _, file := range []string{"connections.json", "parameters.json", "AirlockNotifier/workflow.json"} {
		data, err := os.ReadFile(filepath.Join(notifierDir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllSubmatch(data, -1) {
			settings = append(settings, string(m[1]))
		}
	}
	if len(settings) == 0 {
		t.Fatal("no settings found")
	}
	for _, s := range settings {
		if !strings.Contains(string(readme), "| `"+s+"` |") {
			t.Errorf("README.md does not list %s", s)
		}
	}
}

func TestOnlyOwnMessagesAreSettledOnce(t *testing.T) {
	a := &App{entity: entity{topic: "t", subscription: "s"}, inFlight: map[string]*delivery{"done": {settled: true}}}
	complete := a.operations()[workflow.Key(serviceBus, "completeTopicMessageV2")]
	for want, p := range map[string]map[string]any{
		"settled already":                 {"topicName": "t", "subscriptionName": "s", "lockToken": "done"},
		"no message is locked":            {"topicName": "t", "subscriptionName": "s", "lockToken": "other"},
		"topicName is not that of":        {"topicName": "x", "subscriptionName": "s", "lockToken": "done"},
		"subscriptionName is not that of": {"topicName": "t", "lockToken": "done"},
	} {
		if _, err := complete(t.Context(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", p, err, want)
		}
	}
}

func TestStartRefusesABadConnectionStringWithoutQuotingIt(t *testing.T) {
	o := incumbent()
	o.ConnectionString = "Endpoint=nonsense;SharedAccessKey=c2VjcmV0"
	_, err := Start(t.Context(), o)
	if err == nil || strings.Contains(err.Error(), "c2VjcmV0") || errors.Unwrap(err) != nil {
		t.Errorf("%v", err)
	}
}
