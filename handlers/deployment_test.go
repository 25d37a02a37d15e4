package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/functions"
	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/config"
	"airlock/scripts/infracheck"
	"airlock/scripts/infracheck/bicep"
	"airlock/statemachine"
)

// deployments are the templates in a folder, worked out for every combination of parameters that matters.
func deployments(t *testing.T, infra fs.FS) []infracheck.Plan {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	program, err := infracheck.Load(ctx, infra)
	if err != nil {
		t.Fatal(err)
	}
	plans, err := infracheck.FewPlans(program)
	if err != nil {
		t.Fatal(err)
	}
	return plans
}

// settings are the names that the program reads, with their defaults.
func settings() map[string]string {
	all := map[string]string{}
	for field := range reflect.TypeFor[config.Config]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		all[name] = field.Tag.Get("envDefault")
	}
	return all
}

// elsewhere are settings of the program that the deployment does not give, and why.
var elsewhere = map[string]string{
	"FUNCTIONS_CUSTOMHANDLER_PORT": "the Functions host gives it",
	"AIRLOCK_STORAGE_DIAL":         "Azure's storage is where its names say",
	"AIRLOCK_SIGNING_KEY_FILE":     "the key is in Key Vault and never leaves it",
	"AIRLOCK_STORAGE_CA_FILE":      "Azure's certificates are trusted",
	"ServiceBus":                   "a connection string is for emulators",
}

// forHost are settings that the Functions host reads and the program does not.
var forHost = regexp.MustCompile(`^(AzureWebJobs|APPLICATIONINSIGHTS_|FUNCTIONS_|WEBSITE_RUN_FROM_PACKAGE|ServiceBus__(credential|clientId)$)`)

// appSettings are those of the function app in a plan.
func appSettings(p infracheck.Plan) map[string]any {
	for _, r := range p.Deployment.Of("Microsoft.Web/sites/config") {
		if strings.HasPrefix(r.Name, "func-") {
			return r.Get("properties").(map[string]any)
		}
	}
	return nil
}

// A promise is something that the templates and the program hold each other to. It returns what breaks it, in sentences.
type promise struct {
	name  string
	check func(*testing.T, []infracheck.Plan) []string
}

func promises(t *testing.T) []promise {
	t.Helper()
	packages := packaged(t)
	return []promise{
		{"every setting is given, and every one given is read", settingsAreGiven},
		{"the program takes what it is given", settingsAreTaken},
		{"the accounts of the layout are deployed", accountsAreDeployed},
		{"operators find all dead letters", deadLettersAreFound},
		{"every trigger is fed", func(t *testing.T, plans []infracheck.Plan) []string { return triggersAreFed(t, packages, plans) }},
	}
}

// packaged makes the package of each way that events arrive, and returns their folders.
func packaged(t *testing.T) map[string]string {
	t.Helper()
	folders := map[string]string{}
	for _, delivery := range []string{"push", "queue"} {
		folders[delivery] = filepath.Join(t.TempDir(), "dist")
		command := exec.Command("../scripts/package", folders[delivery])
		command.Env = append(os.Environ(), "EVENT_DELIVERY="+delivery)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("scripts/package: %v\n%s", err, out)
		}
	}
	return folders
}

func TestDeploymentFitsTheProgram(t *testing.T) {
	plans := deployments(t, os.DirFS("../infra"))
	for _, p := range promises(t) {
		t.Run(p.name, func(t *testing.T) {
			for _, finding := range p.check(t, plans) {
				t.Error(finding)
			}
		})
	}
}

func settingsAreGiven(_ *testing.T, plans []infracheck.Plan) (found []string) {
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	read := settings()
	for _, p := range plans {
		given := appSettings(p)
		if (given != nil) != (p.Template == "main") {
			complain("%v: settings %v", p, given)
		}
		for name := range given {
			if _, ok := read[name]; !ok && !forHost.MatchString(name) {
				complain("%v sets %s, which nothing reads", p, name)
			}
			if elsewhere[name] != "" {
				complain("%v sets %s, but %s", p, name, elsewhere[name])
			}
		}
		for name := range read {
			if _, ok := given[name]; given != nil && !ok && elsewhere[name] == "" {
				complain("%v does not set %s", p, name)
			}
		}
	}
	return found
}

// settingsAreTaken: the program starts with the settings that the deployment gives it, and they are its own defaults where
// they can be.
func settingsAreTaken(_ *testing.T, plans []infracheck.Plan) (found []string) {
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	defaults := settings()
	for _, p := range plans {
		given := appSettings(p)
		if given == nil {
			continue
		}
		lookup := func(name string) (string, bool) {
			if name == "FUNCTIONS_CUSTOMHANDLER_PORT" {
				return "8080", true
			}
			switch v := given[name].(type) {
			case string:
				return v, true
			case bicep.Unknown:
				return "known-later", true
			}
			return "", false
		}
		c, err := config.Read(lookup)
		if err != nil {
			complain("%v: %v", p, err)
			continue
		}
		if c.CompactLayout != (p.Params["layout"] == "compact") || !c.ScanTags || c.BusNamespace == "" || c.IdentityClientID == "" {
			complain("%v: the layout, the tags, the bus or the identity are others: %+v", p, c)
		}
		if queue, topic := "/queues/"+c.StatusQueue, "/topics/"+c.NotificationTopic; !deployed(p, queue) || !deployed(p, topic) ||
			!deployed(p, "/storageAccounts/"+c.TableAccount+"/tableServices/default/tables/"+c.TableName) {
			complain("%v: the queue, the topic or the table of the settings is not deployed", p)
		}
		for name, value := range given {
			if fallback := defaults[name]; fallback != "" && value != fallback && name != "AIRLOCK_COMPACT_LAYOUT" {
				complain("%s is %v in the deployment and %s in the program", name, value, fallback)
			}
		}
	}
	return found
}

// deployed reports whether a plan has a resource whose id ends so.
func deployed(p infracheck.Plan, end string) bool {
	return slices.ContainsFunc(p.Deployment.Resources, func(r *bicep.Resource) bool { return strings.HasSuffix(r.ID, end) })
}

// deadLettersAreFound: the commands for operators look into every queue and subscription that is deployed.
func deadLettersAreFound(_ *testing.T, plans []infracheck.Plan) (found []string) {
	kept := regexp.MustCompile(`/(?:queues|topics)/([^/]+)(?:/subscriptions/([^/]+))?$`)
	known := config.Config{StatusQueue: "airlock-status-changed", NotificationTopic: "airlock-notifications"}.DeadLetterQueues()
	deployed := map[string]bool{}
	for _, p := range plans {
		for _, r := range p.Deployment.Resources {
			parts := kept.FindStringSubmatch(r.ID)
			switch {
			case parts == nil || !strings.Contains(r.ID, "Microsoft.ServiceBus/namespaces/") || strings.Contains(r.ID, "/topics/") && parts[2] == "":
			case parts[2] != "":
				deployed[parts[1]+"/"+parts[2]] = true
			default:
				deployed[parts[1]] = true
			}
		}
	}
	for queue := range deployed {
		if !slices.Contains(known, queue) {
			found = append(found, fmt.Sprintf("nobody looks for the dead letters of %q", queue))
		}
	}
	for _, queue := range known {
		if !deployed[queue] {
			found = append(found, fmt.Sprintf("%q, where dead letters are looked for, is deployed nowhere", queue))
		}
	}
	return found
}

// accountsAreDeployed: every account in which the program looks for files is deployed, and no other, by the right template.
func accountsAreDeployed(t *testing.T, plans []infracheck.Plan) (found []string) {
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for _, p := range plans {
		layout := airlock.DefaultLayout()
		if p.Params["layout"] == "compact" {
			layout = airlock.CompactLayout()
		}
		tre, suffix := p.Params["treId"].(string), "abcd"
		if given, ok := p.Params["suffix"].(string); ok {
			suffix = given
		}
		want := map[string]bool{}
		for key, at := range layout {
			direction, zone, _ := strings.Cut(key, "/")
			place, err := layout.Place(airlock.Direction(direction), tre, suffix, "id", statemachine.Spot{Zone: statemachine.Zone(zone), Round: 1})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(at.Account, "{ws}") == (p.Template == "workspace") {
				want[place.Account] = true
				if len(place.Account) > 24 {
					complain("%v: the account %s has %d characters", p, place.Account, len(place.Account))
				}
			}
		}
		got := map[string]bool{}
		for _, r := range p.Deployment.Of("Microsoft.Storage/storageAccounts") {
			if !strings.HasPrefix(r.Name, "stairlock") {
				got[r.Name] = true
			}
		}
		if !maps.Equal(got, want) {
			complain("%v deploys the accounts %v, the program uses %v", p, got, want)
		}
	}
	return found
}

// triggersAreFed: every function of a package gets what its trigger waits for.
func triggersAreFed(t *testing.T, packages map[string]string, plans []infracheck.Plan) (found []string) {
	for delivery, folder := range packages {
		for _, p := range plans {
			if running := p.Params["codeDeployed"] == true; p.Template != "main" || !running || infracheck.Delivery(p) != delivery {
				continue
			}
			for _, name := range functions.Names() {
				for _, b := range bindings(t, filepath.Join(folder, name, "function.json")) {
					found = append(found, hungry(p, name, b)...)
				}
			}
		}
	}
	return found
}

type binding struct {
	Type, Direction, Name, QueueName, Connection, DataType, Cardinality string
}

func bindings(t *testing.T, file string) []binding {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var function struct{ Bindings []binding }
	if err := json.Unmarshal(raw, &function); err != nil {
		t.Fatal(err)
	}
	return function.Bindings
}

// hungry says what is wrong with how a plan feeds one binding of a function.
func hungry(p infracheck.Plan, function string, b binding) (found []string) {
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	switch b.Type {
	case "serviceBusTrigger":
		queue := b.QueueName
		if setting := strings.Trim(queue, "%"); setting != queue {
			queue, _ = appSettings(p)[setting].(string)
		}
		if !deployed(p, "/queues/"+queue) {
			complain("%v: %s waits for the queue %q, which is not deployed", p, function, queue)
		}
		if _, ok := appSettings(p)[b.Connection+"__fullyQualifiedNamespace"]; !ok || b.DataType != "binary" || b.Cardinality != "one" {
			complain("%v: %s cannot read its queue: %+v", p, function, b)
		}
	case "eventGridTrigger":
		if p.Params["malwareScanning"] == false && function == functions.ScanResult {
			return nil
		}
		called := slices.ContainsFunc(p.Deployment.Resources, func(r *bicep.Resource) bool {
			return strings.HasSuffix(r.Text("properties", "destination", "properties", "resourceId"), "/functions/"+function)
		})
		if !called {
			complain("%v: nothing calls %s", p, function)
		}
	case "httpTrigger", "http", "timerTrigger":
	default:
		complain("%s has the binding %s, of which nobody has thought", function, b.Type)
	}
	if function != functions.API && !slices.Contains([]string{functions.MessageBinding, functions.EventBinding, functions.TimerBinding}, b.Name) {
		complain("%s has a binding with the name %s", function, b.Name)
	}
	return found
}

// local.settings.json.example has every setting but the host's own, and nothing that is none.
func TestTheExampleOfLocalSettingsIsComplete(t *testing.T) {
	raw, err := os.ReadFile("../local.settings.json.example")
	if err != nil {
		t.Fatal(err)
	}
	var example struct{ Values map[string]string }
	if err := json.Unmarshal(raw, &example); err != nil {
		t.Fatal(err)
	}
	read := settings()
	delete(read, "FUNCTIONS_CUSTOMHANDLER_PORT")
	for name := range read {
		if _, ok := example.Values[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	for name := range example.Values {
		if _, ok := read[name]; !ok && !forHost.MatchString(name) && !strings.HasPrefix(name, "IDENTITY_") {
			t.Errorf("nothing reads %s", name)
		}
	}
	if strings.Contains(string(raw), "AccountKey=") {
		t.Error("it holds a key")
	}
	values := maps.Clone(example.Values)
	values["FUNCTIONS_CUSTOMHANDLER_PORT"] = "8080"
	for name, value := range values { // what a person fills in
		values[name] = strings.NewReplacer("ENTRA_PORT", "1", "LINK_PORT", "2", "STORAGE_PORT", "3", "BUS_PORT", "4", "STORAGE_SUFFIX", "example.org", "TENANT", "t").Replace(value)
	}
	if _, err := config.Read(func(name string) (string, bool) { v, ok := values[name]; return v, ok }); err != nil {
		t.Errorf("the program does not take it: %v", err)
	}
}
