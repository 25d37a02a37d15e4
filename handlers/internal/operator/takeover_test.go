package operator_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/operator"
	"airlock/statemachine"
)

// legacy is a request as AzureTRE has it in Cosmos DB. Members that begin with an underscore are Cosmos DB's.
func legacy(n int, status string, change ...func(map[string]any)) map[string]any {
	ada := map[string]any{"id": "ADA", "name": "Ada", "email": "ada@example.org", "roles": []string{"WorkspaceResearcher"}, "audience": "x", "is_workspace_token": true}
	bob := map[string]any{"id": "bob", "name": "Bob", "email": nil, "roleAssignments": []any{[]string{"r", "x"}}, "roles": "AirlockManager"}
	d := map[string]any{
		"id": fmt.Sprintf("AAAAAAAA-0000-4000-8000-%012d", n), "resourceVersion": 2, "workspaceId": ws, "type": "import", "title": "Old", "businessJustification": "Why",
		"createdBy": ada, "createdWhen": 1663848137.123456, "updatedBy": bob, "updatedWhen": 1663848140.0, "status": status, "statusMessage": nil,
		"history": []any{
			map[string]any{"resourceVersion": 0, "updatedWhen": 1663848137.123456, "updatedBy": ada, "properties": map[string]any{"previousStatus": "draft"}},
			map[string]any{"resourceVersion": 1, "updatedWhen": 1663848138.5, "updatedBy": ada, "properties": map[string]any{"previousStatus": "submitted"}},
		},
		"files": []any{map[string]any{"name": "a.csv", "size": 5.0}}, "reviewUserResources": map[string]any{}, "etag": "x",
		"reviews": []any{map[string]any{"id": "r", "reviewer": bob, "dateCreated": 1663848139.0, "reviewDecision": "approved", "decisionExplanation": "fine"}},
		"_ts":     1663848140, "_rid": "x", "_self": "x", "_etag": "\"x\"", "_attachments": "attachments/",
	}
	for _, c := range change {
		c(d)
	}
	return d
}

func set(key string, value any) func(map[string]any) {
	return func(d map[string]any) { d[key] = value }
}

// export writes documents into a file, as a tool for Cosmos DB does.
func export(t *testing.T, documents ...any) string {
	t.Helper()
	encoded, err := json.MarshalIndent(documents, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return written(t, string(encoded))
}

func written(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "requests.json")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// takings is the JSON of the command, as scripts read it.
type takings struct {
	Requests []struct {
		Number                                       int
		WorkspaceID, RequestID, Type, Status, Reason string
		Outcome                                      airlock.Taking
	}
	Counts   map[airlock.Taking]int
	Problems []string
}

func (w *world) take(file string, more ...string) (int, takings) {
	w.t.Helper()
	code, out, problems := w.run(append(append([]string{"import-azuretre", "-json"}, more...), file)...)
	var r takings
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		w.t.Fatalf("%v: %s%s", err, out, problems)
	}
	if strings.Contains(out, "a.csv") {
		w.t.Error("it prints the name of a file")
	}
	return code, r
}

// isSound checks everything that is stored.
func (w *world) isSound() {
	w.t.Helper()
	if code, out, problems := w.run("fsck"); code != operator.Well {
		w.t.Errorf("fsck: %s%s", out, problems)
	}
}

// TestTakeOverEveryStatus takes an export with a request of every status, looks first, repeats it, and lets the running
// program and fsck look at what came of it.
func TestTakeOverEveryStatus(t *testing.T) {
	w := newWorld(t)
	want := map[airlock.Taking]int{}
	var documents []any
	taken := map[string]statemachine.Status{}
	for n, s := range statemachine.Statuses() {
		d := legacy(n, string(s.Status))
		documents = append(documents, d)
		if s.Turn == statemachine.TurnNobody || s.Turn == statemachine.TurnOperator {
			want[airlock.Taken]++
			taken[strings.ToLower(d["id"].(string))] = s.Status
		} else {
			want[airlock.NotAtRest]++
		}
	}
	if want[airlock.Taken] != 6 || want[airlock.NotAtRest] != 6 {
		t.Fatalf("%v", want)
	}
	file := export(t, documents...)

	code, r := w.take(file, "-dry-run")
	if code != operator.Found || r.Counts[airlock.TakenSoon] != 6 || r.Counts[airlock.NotAtRest] != 6 {
		t.Errorf("exit code %d, %+v", code, r)
	}
	for id := range taken {
		if _, err := w.store.Request(t.Context(), ws, id); err == nil {
			t.Error("a dry run stored something")
		}
	}
	code, r = w.take(file)
	if code != operator.Found || !maps.Equal(r.Counts, want) {
		t.Errorf("exit code %d, %+v", code, r)
	}
	w.isSound()
	if code, r = w.take(file); code != operator.Found || r.Counts[airlock.TakenThen] != 6 || r.Counts[airlock.Taken] != 0 {
		t.Errorf("again: exit code %d, %+v", code, r)
	}
	for _, past := range []time.Duration{0, time.Hour, 400 * 24 * time.Hour} { // the running program looks at them
		w.now = w.now.Add(past)
		w.sweep()
		w.isSound()
	}
	for id, status := range taken {
		w.isHistory(id, status)
	}

	// They are kept no longer than others: all but the failed one, which somebody has to cancel first.
	w.Retention.Records = time.Hour
	for range 3 {
		w.now = w.now.Add(8 * 24 * time.Hour) // the settings are looked at every week
		w.sweep()
	}
	w.isSound()
	for id, status := range taken {
		if _, err := w.store.Request(t.Context(), ws, id); (err == nil) != (status == statemachine.Failed) {
			t.Errorf("%s: after its time: %v", status, err)
		}
	}
}

// sweep lets the running program look at what is due.
func (w *world) sweep() {
	w.t.Helper()
	if _, err := w.Sweep(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	for _, n := range w.nudges {
		if err := w.Reconcile(w.t.Context(), n.Workspace, n.Request); err != nil {
			w.t.Fatal(err)
		}
	}
	w.nudges = nil
}

// isHistory: people can read it, and nothing more.
func (w *world) isHistory(id string, status statemachine.Status) {
	w.t.Helper()
	v, err := w.Request(w.t.Context(), person, ws, id)
	if err != nil {
		w.t.Fatal(err)
	}
	r := v.Request
	if r.Status != status || r.CreatedBy.ID != "ada" || r.UpdatedBy.Name != "Bob" || r.Title != "Old" || r.FileCount != 1 || r.TotalBytes != 5 ||
		len(r.Reviews) != 1 || r.Reviews[0].Explanation != "fine" || len(r.CreatedBy.Roles) != 1 || len(r.UpdatedBy.Roles) != 0 {
		w.t.Errorf("%s: %+v", status, r)
	}
	at := func(seconds float64) time.Time { return time.UnixMicro(int64(seconds * 1e6)).UTC() }
	if !r.CreatedWhen.Equal(at(1663848137.123456)) || !r.UpdatedWhen.Equal(at(1663848140)) {
		w.t.Errorf("%s: made %s, changed %s", status, r.CreatedWhen, r.UpdatedWhen)
	}
	if h := r.History; len(h) != 2 || h[0].PreviousStatus != "draft" || !h[0].When.Equal(at(1663848138.5)) || h[0].By.ID != "ada" ||
		h[1].PreviousStatus != "submitted" || !h[1].When.Equal(at(1663848140)) || h[1].By.ID != "bob" {
		w.t.Errorf("%s: history %+v", status, h)
	}
	for _, a := range v.Actions {
		if a != statemachine.ActionHold && !(status == statemachine.Failed && a == statemachine.ActionCancel) {
			w.t.Errorf("%s: it can be asked to %s", status, a)
		}
	}
	if _, err := w.Link(w.t.Context(), person, ws, id); err == nil {
		w.t.Errorf("%s: there is a link to nothing", status)
	}
	records, err := w.store.Records(w.t.Context(), ws, id, 0, 10)
	if err != nil || len(records) != 1 || !strings.Contains(records[0].Text, "Taken over from AzureTRE, where it was "+string(status)+" on 2022-09-22") || len(records[0].Digest) != 64 {
		w.t.Errorf("%s: %v, %+v", status, err, records)
	}
}

// TestTakeOverOddDocuments takes what years of other versions leave behind.
func TestTakeOverOddDocuments(t *testing.T) {
	for name, test := range map[string]struct {
		document any
		outcome  airlock.Taking
		says     string
	}{
		"old and without reviews":    {legacy(1, "approved", set("reviews", nil), set("history", nil), set("title", nil), set("reviewUserResources", nil)), airlock.Taken, ""},
		"without a time of creation": {legacy(1, "approved", set("createdWhen", nil)), airlock.Taken, ""},
		"upper case":                 {legacy(1, "rejected", set("workspaceId", strings.ToUpper(ws))), airlock.Taken, ""},
		"revoked":                    {legacy(1, "revoked"), airlock.Taken, ""},
		"many files":                 {legacy(1, "approved", set("files", slices.Repeat([]any{map[string]any{"name": "a.csv", "size": 1e15}}, 150))), airlock.Taken, ""},
		"a new member":               {legacy(1, "approved", set("airlock_version", 2)), airlock.Taken, ""},
		"no direction":               {legacy(1, "approved", set("type", nil)), airlock.NotTaken, "neither import nor export"},
		"nobody made it":             {legacy(1, "approved", set("createdBy", map[string]any{"name": "?"})), airlock.NotTaken, "cannot be its requester"},
		"made by a text":             {legacy(1, "approved", set("createdBy", "ada")), airlock.NotTaken, "not a request of AzureTRE"},
		"never changed":              {legacy(1, "approved", set("updatedWhen", nil)), airlock.NotTaken, "when it was made or changed"},
		"a time that is none":        {legacy(1, "approved", set("updatedWhen", 1e300)), airlock.NotTaken, "when it was made or changed"},
		"a title of another kind":    {legacy(1, "approved", set("title", 5)), airlock.NotTaken, "document.title"},
		"a file without a size":      {legacy(1, "approved", set("files", []any{map[string]any{"name": "a.csv", "size": -1}})), airlock.NotTaken, "file 1"},
		"a status of somebody else":  {legacy(1, "archived"), airlock.NotTaken, `no status "archived"`},
		"another workspace":          {legacy(1, "approved", set("workspaceId", "22222222-2222-4222-8222-222222222222")), airlock.NotTaken, "has no airlock settings here"},
		"no workspace":               {legacy(1, "approved", set("workspaceId", nil)), airlock.NotTaken, "has no airlock settings here"},
		"no id":                      {legacy(1, "approved", set("id", "x")), airlock.NotTaken, "not an id"},
		"too large":                  {legacy(1, "approved", set("businessJustification", strings.Repeat("x", 1<<20))), airlock.NotTaken, "bytes"},
		"no object":                  {17, airlock.NotTaken, "not a request of AzureTRE"},
		"nothing":                    {nil, airlock.NotTaken, "no status"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			code, r := w.take(export(t, test.document))
			if len(r.Requests) != 1 || r.Requests[0].Outcome != test.outcome || !strings.Contains(r.Requests[0].Reason, test.says) ||
				(code == operator.Well) != (test.outcome == airlock.Taken) {
				t.Errorf("exit code %d, %+v", code, r)
			}
			w.isSound()
		})
	}
}

func TestTakeOverWhatIsThere(t *testing.T) {
	w := newWorld(t)
	if code, r := w.take(export(t, legacy(1, "approved"), legacy(1, "approved"))); code != operator.Well || r.Counts[airlock.TakenThen] != 1 {
		t.Errorf("twice in a file: exit code %d, %+v", code, r)
	}
	changed := legacy(1, "revoked")
	if code, r := w.take(export(t, changed)); code != operator.Found || r.Counts[airlock.TakenOther] != 1 || w.read(strings.ToLower(changed["id"].(string))).Status != statemachine.Approved {
		t.Errorf("changed since: exit code %d, %+v", code, r)
	}
	own := w.draft()
	if code, r := w.take(export(t, legacy(1, "approved", set("id", own.ID)))); code != operator.Found || !strings.Contains(r.Requests[0].Reason, "another request") {
		t.Errorf("the id of another: exit code %d, %+v", code, r)
	}
	w.isSound()
}

// TestTakeOverBrokenFiles: what could be read is done, and the exit code says that it was not all.
func TestTakeOverBrokenFiles(t *testing.T) {
	good, err := json.Marshal(legacy(1, "approved"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := json.Marshal(legacy(2, "approved"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		content string
		code    int
		taken   int
	}{
		"an array":          {fmt.Sprintf("\n [%s,\n%s]\n", good, other), operator.Well, 2},
		"one in each line":  {fmt.Sprintf("%s\n%s\n", good, other), operator.Well, 2},
		"with a mark":       {fmt.Sprintf("\ufeff[%s]", good), operator.Well, 1},
		"an empty array":    {"[]", operator.Well, 0},
		"nothing":           {"", operator.Well, 0},
		"cut off":           {fmt.Sprintf("[%s,%s", good, other[:len(other)/2]), operator.Unclear, 1},
		"cut off after one": {fmt.Sprintf("[%s", good), operator.Unclear, 1},
		"a line cut off":    {fmt.Sprintf("%s\n%s", good, other[:len(other)/2]), operator.Unclear, 1},
		"no JSON":           {"<html>", operator.Unclear, 0},
		"a comma too many":  {fmt.Sprintf("[%s,]", good), operator.Unclear, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			code, r := w.take(written(t, test.content))
			if code != test.code || r.Counts[airlock.Taken] != test.taken || (len(r.Problems) > 0) != (code == operator.Unclear) {
				t.Errorf("exit code %d, %+v", code, r)
			}
			w.isSound()
		})
	}
}

func TestTakeOverForPeople(t *testing.T) {
	w := newWorld(t)
	file := export(t, legacy(1, "approved"), legacy(2, "draft"), 17)
	code, out, _ := w.run("import-azuretre", file)
	if code != operator.Found || !strings.HasSuffix(out, "import-azuretre: 3 documents, 1 taken, 1 running, 1 refused\n") || strings.Count(out, "\n") != 4 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	w.down = true
	if code, out, _ = w.run("import-azuretre", file); code != operator.Unclear || !strings.Contains(out, "not known: take over aaaaaaaa-0000-4000-8000-000000000001") {
		t.Errorf("a store that does not answer: exit code %d\n%s", code, out)
	}
	for _, args := range [][]string{{"import-azuretre"}, {"import-azuretre", "/nowhere.json"}, {"import-azuretre", file, file}} {
		if code, _, problems := w.run(args...); code != operator.Unclear || problems == "" {
			t.Errorf("%v: exit code %d, %s", args, code, problems)
		}
	}
}
