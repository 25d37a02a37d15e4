package infracheck_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"airlock/functions"
	"airlock/scripts/infracheck"
)

// table returns the rows of the table in a Markdown file whose first column has this title.
func table(t *testing.T, file, title string) [][]string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(raw), "\n| "+title+" |")
	if !found {
		t.Fatalf("%s has no table that begins with %s", file, title)
	}
	var rows [][]string
	for _, line := range strings.Split(rest, "\n")[2:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		rows = append(rows, cells)
	}
	return rows
}

func TestEveryRoleIsInTheTable(t *testing.T) {
	all, rows := plans(t, load(t)), table(t, infra+"/README.md", "identity")
	for _, finding := range unexplained(all, rows) {
		t.Error(finding)
	}
	// A row too few, one too many and one that stands there twice have to be found.
	for want, broken := range map[string][][]string{
		"and the table does not say why": rows[1:],
		"and never assigned":             append([][]string{{"app", "Storage Blob Data Owner", "Key Vault"}}, rows...),
		"stands there twice":             append(rows[:1:1], rows...),
	} {
		if !slices.ContainsFunc(unexplained(all, broken), func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("nobody says that a role %s", want)
		}
	}
}

// unexplained compares the roles that are assigned with the rows of the table.
func unexplained(all []infracheck.Plan, rows [][]string) (found []string) {
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	written := map[infracheck.Assignment]bool{}
	for _, row := range rows {
		a := infracheck.Assignment{Identity: row[0], Role: row[1], On: row[2]}
		if written[a] {
			complain("%+v stands there twice", a)
		}
		written[a] = true
	}
	given := map[infracheck.Assignment]bool{}
	for _, p := range all {
		for _, a := range infracheck.Assignments(p) {
			given[a] = true
			if !written[a] {
				complain("%+v is assigned, and the table does not say why", a)
			}
			if queued := strings.Contains(a.On, "blob-created") || strings.Contains(a.On, "scan-result"); queued && infracheck.Delivery(p) != "queue" {
				complain("%+v is assigned without need in %v", a, p)
			}
		}
	}
	for a := range written {
		if !given[a] {
			complain("%+v is in the table, and never assigned", a)
		}
	}
	return found
}

// The table says which call needs a role. Those calls exist.
func TestTheTableNamesRealCalls(t *testing.T) {
	call := regexp.MustCompile("`([a-z]+)\\.([A-Z][A-Za-z]+)`")
	calls := 0
	for _, row := range table(t, infra+"/README.md", "identity") {
		for _, match := range call.FindAllStringSubmatch(row[3], -1) {
			calls++
			method := regexp.MustCompile(`(?m)^func \([a-z]+ \*[A-Z][a-z]+\) ` + match[2] + `\(`)
			files, err := filepath.Glob("../../handlers/internal/" + match[1] + "/*.go")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(files, func(file string) bool {
				source, err := os.ReadFile(file)
				return err == nil && method.Match(source)
			}) {
				t.Errorf("there is no %s in %s", match[2], match[1])
			}
		}
		if row[0] == "app" && !strings.Contains(row[3], "`") && !strings.Contains(row[3], "the host") {
			t.Errorf("the row %v names nothing that needs it", row)
		}
	}
	if calls < 8 {
		t.Errorf("only %d calls are named", calls)
	}
}

func TestTheReadmeCountsAssignments(t *testing.T) {
	program := load(t)
	count := func(layout, delivery string) int {
		params := infracheck.Example("workspace")
		params["layout"], params["eventDelivery"] = layout, delivery
		d, err := program.Deploy("workspace.bicep", "rg", params)
		if err != nil {
			t.Fatal(err)
		}
		return len(d.Of("Microsoft.Authorization/roleAssignments"))
	}
	wide, compact := count("default", "push"), count("compact", "push")
	want := fmt.Sprintf("A workspace takes %d with the default layout and %d with the compact one, and %d or %d more with queued events.",
		wide, compact, count("default", "queue")-wide, count("compact", "queue")-compact)
	raw, err := os.ReadFile(infra + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if words := strings.Join(strings.Fields(string(raw)), " "); !strings.Contains(words, want) {
		t.Errorf("README does not say %q", want)
	}
}

// Every alert has a playbook and the reverse, and both tables know them.
func TestEveryAlertHasAPlaybook(t *testing.T) {
	named := map[string]bool{}
	severity := map[string]string{}
	for _, p := range plans(t, load(t)) {
		for _, kind := range []string{"Microsoft.Insights/scheduledQueryRules", "Microsoft.Insights/metricAlerts"} {
			for _, alert := range p.Deployment.Of(kind) {
				name := alert.Text("tags", "playbook")
				if !strings.Contains(alert.Text("properties", "description"), "infra/playbooks/"+name+".md") {
					t.Errorf("%s: the description does not name its playbook", alert.Name)
				}
				if fmt.Sprint(alert.Get("properties", "actions")) == "<nil>" {
					t.Errorf("%s tells nobody", alert.Name)
				}
				named[name] = true
				severity[name] = fmt.Sprint(alert.Get("properties", "severity"))
			}
		}
	}
	listed := map[string]bool{}
	for _, row := range table(t, infra+"/README.md", "alert") {
		_, rest, _ := strings.Cut(row[2], "](playbooks/")
		name, _, _ := strings.Cut(rest, ".md)")
		listed[name] = true
		if row[1] != severity[name] {
			t.Errorf("%s has severity %s, README says %s", name, severity[name], row[1])
		}
	}
	files, err := filepath.Glob(infra + "/playbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, file := range files {
		written[strings.TrimSuffix(filepath.Base(file), ".md")] = true
		checkPlaybook(t, file)
	}
	for name := range named {
		if !written[name] || !listed[name] {
			t.Errorf("alert %s: playbook %v, in README %v", name, written[name], listed[name])
		}
	}
	if len(written) != len(named) || len(listed) != len(named) {
		t.Errorf("%d alerts, %d playbooks, %d rows in README", len(named), len(written), len(listed))
	}
}

// TestTheNotifierGetsItsSettings: the deployment gives the Logic App every setting that its project names, whichever way it mails.
func TestTheNotifierGetsItsSettings(t *testing.T) {
	named := map[string]bool{}
	for _, file := range []string{"connections.json", "parameters.json"} {
		raw, err := os.ReadFile(infra + "/notifier/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`@appsetting\('([^']+)'\)`).FindAllStringSubmatch(string(raw), -1) {
			named[match[1]] = true
		}
	}
	connectors := map[any]bool{}
	few, err := infracheck.FewPlans(load(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range few {
		for _, r := range p.Deployment.Of("Microsoft.Web/sites/config") {
			given, _ := r.Get("properties").(map[string]any)
			if !strings.HasPrefix(r.Name, "logic-") {
				continue
			}
			connector := given["NOTIFIER_MAIL_CONNECTOR"]
			connectors[connector] = true
			for name := range named {
				if _, ok := given[name]; !ok {
					t.Errorf("%v does not set %s", p, name)
				}
			}
			for _, kind := range []string{"Microsoft.Web/connections", "Microsoft.Web/connections/accessPolicies"} {
				if n := len(p.Deployment.Of(kind)); (n == 1) != (connector == "office365") {
					t.Errorf("%v has %d of %s", p, n, kind)
				}
			}
		}
	}
	if len(named) < 10 || !connectors["smtp"] || !connectors["office365"] {
		t.Errorf("%d settings are named, and mails are sent by %v", len(named), connectors)
	}
}

// TestTheExampleOfParametersIsTaken: what README gives as a file for --parameters are parameters and settings that there are.
func TestTheExampleOfParametersIsTaken(t *testing.T) {
	raw, err := os.ReadFile(infra + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "\n### Parameters\n")
	_, rest, _ = strings.Cut(rest, "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	var file map[string]struct{ Value any }
	if err := json.Unmarshal([]byte(example), &file); err != nil || len(file) < 3 {
		t.Fatalf("%v: %s", err, example)
	}
	template, err := os.ReadFile(infra + "/main.bicep")
	if err != nil {
		t.Fatal(err)
	}
	defaults, err := os.ReadFile(infra + "/modules/settings.json")
	if err != nil {
		t.Fatal(err)
	}
	params := infracheck.Example("main")
	for name, p := range file {
		if params[name] = p.Value; !strings.Contains(string(template), "\nparam "+name+" ") {
			t.Errorf("there is no parameter %s", name)
		}
	}
	d, err := load(t).Deploy("main.bicep", "rg", params)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(d.Of("Microsoft.Insights/actionGroups")[0].Get("properties", "emailReceivers"))
	if emails := file["alertEmails"].Value.([]any); !strings.Contains(text, emails[0].(string)) {
		t.Errorf("alerts go to %s", text)
	}
	apps := 0
	for _, r := range d.Of("Microsoft.Web/sites/config") {
		if !strings.HasPrefix(r.Name, "func-") {
			continue
		}
		apps++
		for name, value := range file["settings"].Value.(map[string]any) {
			if r.Get("properties", name) != value || !strings.Contains(string(defaults), `"`+name+`"`) {
				t.Errorf("the setting %s is %v", name, r.Get("properties", name))
			}
		}
	}
	if apps != 1 {
		t.Errorf("%d apps have settings", apps)
	}
}

// TestThePlaybookLooksWhereTheAlertDoes: a file in quarantine that wakes somebody up is found by what they are told to ask.
func TestThePlaybookLooksWhereTheAlertDoes(t *testing.T) {
	alerts, err := os.ReadFile(infra + "/modules/alerts.bicep")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(alerts), "var quarantine = '")
	where, _, found := strings.Cut(rest, "'\n")
	playbook, err := os.ReadFile(infra + "/playbooks/quarantine-hit.md")
	if err != nil {
		t.Fatal(err)
	}
	if !found || !strings.Contains(string(playbook), where) {
		t.Errorf("the playbook does not look for %q", where)
	}
}

// checkPlaybook: the same questions are answered by each, and links between them lead somewhere.
func checkPlaybook(t *testing.T, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	name := strings.TrimSuffix(filepath.Base(file), ".md")
	at := 0
	for _, part := range []string{"# " + name + "\n", "**Fires** ", "\n## What it means\n", "\n## What users notice\n", "\n## What to look at\n", "\n## What to do\n"} {
		i := strings.Index(text[at:], part)
		if i < 0 {
			t.Errorf("%s: no %q in its place", file, strings.TrimSpace(part))
			continue
		}
		at += i + len(part)
	}
	for _, match := range regexp.MustCompile(`\]\(([a-z-]+\.md)\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), match[1])); err != nil {
			t.Errorf("%s links to %s, which is not there", file, match[1])
		}
	}
}

// The alerts look for invocations of functions that exist, and for lines that the program writes.
func TestAlertsLookForWhatIsLogged(t *testing.T) {
	source := ""
	for _, pattern := range []string{"../../handlers/*.go", "../../handlers/internal/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if raw, err := os.ReadFile(file); err == nil && !strings.HasSuffix(file, "_test.go") {
				source += string(raw)
			}
		}
	}
	called := regexp.MustCompile(`(?:^|[^A-Za-z])Name == "([A-Za-z]+)"`)
	texts := regexp.MustCompile(`has_any \(([^)]*)\)|line\.message == "([a-z ]+)"`)
	names, phrases := 0, 0
	for _, alert := range plans(t, load(t))[0].Deployment.Of("Microsoft.Insights/scheduledQueryRules") {
		all, _ := alert.Get("properties", "criteria", "allOf").([]any)
		query, _ := all[0].(map[string]any)["query"].(string)
		for _, match := range called.FindAllStringSubmatch(query, -1) {
			names++
			if !slices.Contains(functions.Names(), match[1]) {
				t.Errorf("%s looks for the function %s", alert.Name, match[1])
			}
		}
		for _, match := range texts.FindAllStringSubmatch(query, -1) {
			for _, phrase := range strings.Split(match[1]+match[2], `", "`) {
				phrases++
				if phrase = strings.Trim(phrase, `"`); !strings.Contains(source, phrase) {
					t.Errorf("%s looks for %q, which nothing writes", alert.Name, phrase)
				}
			}
		}
	}
	if names < 2 || phrases < 4 {
		t.Errorf("only %d functions and %d texts are looked for", names, phrases)
	}
}
