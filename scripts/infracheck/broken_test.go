package infracheck_test

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/scripts/infracheck"
	"airlock/scripts/infracheck/bicep"
)

// mistake is one that somebody could make in the templates, and a part of what must be said about it.
type mistake struct {
	name, file, old, new string
	says                 string
}

// works stands for the working out of the templates, which comes before every rule: what does not parse, or does not fit
// together, is refused there.
const works = "the templates fit together"

// broken has mistakes for every rule: each must be found by that very rule.
var broken = map[string][]mistake{
	"accounts are closed": {
		{"keys are on", "modules/account.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "allowSharedKeyAccess"},
		{"public containers", "modules/account.bicep", "allowBlobPublicAccess: false", "allowBlobPublicAccess: true", "allowBlobPublicAccess"},
		{"old TLS", "modules/account.bicep", "'TLS1_2'", "'TLS1_0'", "minimumTlsVersion"},
		{"every account is open", "modules/account.bicep", "external ? 'Allow' : 'Deny'", "'Allow'", "open to the internet: true"},
		{"a closed account is external", "modules/layout.json", `"stalimip{tre}", "external": false`, `"stalimip{tre}", "external": true`, "stalimiptre1 is open"},
		{"an external account is closed", "modules/layout.json", `"stalexapp{tre}", "external": true`, `"stalexapp{tre}", "external": false`, "stalexapptre1 is open to the internet: false"},
		{"the platform is open", "modules/platform.bicep", "external: false", "external: true", "stairlocktre1 is open"},
	},
	"identities only": {
		{"bus with keys", "modules/bus.bicep", "disableLocalAuth: true", "disableLocalAuth: false", "disableLocalAuth"},
		{"topic with keys", "modules/scan.bicep", "disableLocalAuth: true", "disableLocalAuth: false", "disableLocalAuth"},
		{"telemetry from anybody", "modules/monitoring.bicep", "    DisableLocalAuth: true\n", "", "DisableLocalAuth"},
		{"vault with policies", "modules/vault.bicep", "enableRbacAuthorization: true", "enableRbacAuthorization: false", "enableRbacAuthorization"},
		{"plain HTTP", "modules/app.bicep", "httpsOnly: true", "httpsOnly: false", "httpsOnly"},
		{"passwords deploy", "modules/app.bicep", "properties: { allow: false }", "properties: { allow: true }", "allow true"},
		{"no policy for the notifier", "modules/notifier.bicep", "resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {", "resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = if (empty(mail.server)) {", "passwords deploy"},
		{"FTP", "modules/app.bicep", "ftpsState: 'Disabled'", "ftpsState: 'AllAllowed'", "FTP"},
	},
	"no secrets": {
		{"keys as an output", "modules/account.bicep", "output id string = account.id", "output id string = account.listKeys().keys[0].value", "calls listKeys"},
		{"a secret as an output", "modules/vault.bicep", "output uri string", "output password string = 'x'\noutput uri string", "output password"},
		{"a secret in the open", "modules/vault.bicep", "param logsId string", "param logsId string\n\n@description('A password.')\nparam smtpPassword string = ''\nvar used = smtpPassword\nvar usedToo = used\nvar usedThree = usedToo", "not marked as secure"},
		{"a connection string with a key", "main.bicep", "AIRLOCK_TRE_ID: treId", "AIRLOCK_TRE_ID: 'Endpoint=sb://x;SharedAccessKey=y'", "is a secret"},
	},
	"everything is described and used": {
		{"no description", "modules/vault.bicep", "@description('Region.')\n", "", "not described"},
		{"an unused parameter", "modules/vault.bicep", "param logsId string", "param logsId string\n\n@description('Nothing.')\nparam nothing string = ''", "nothing uses nothing"},
		{"an unused variable", "main.bicep", "var tableName = 'airlock'", "var tableName = 'airlock'\nvar forgotten = 1", "nothing uses forgotten"},
		{"an unused file", "modules/forgotten.bicep", "", "output nothing string = ''", "nothing uses this file"},
	},
	"versions are dated, released and the same": {
		{"a preview", "modules/vault.bicep", "vaults@2024-11-01", "vaults@2024-12-01-preview", "preview"},
		{"two versions of a provider", "modules/vault.bicep", "vaults/keys@2024-11-01", "vaults/keys@2023-07-01", "but Microsoft.KeyVault"},
		{"no date", "modules/vault.bicep", "vaults@2024-11-01", "vaults@latest", "has the version"},
	},
	"names are within Azure's limits": {
		{"a hyphen in an account", "modules/names.json", `"stairlock{tre}"`, `"st-airlock{tre}"`, "is no name for a"},
		{"a table with a hyphen", "main.bicep", "var tableName = 'airlock'", "var tableName = 'air-lock'", "is no name for a"},
		{"a type that is new", "modules/vault.bicep", "vaults/keys@2024-11-01' = {\n  parent: vault\n  name: keyName", "vaults/secrets@2024-11-01' = {\n  parent: vault\n  name: keyName", "nobody has looked up"},
	},
	"nothing is deployed before what it needs": {
		{"a role before its account", "modules/zone.bicep", "  scope: account\n  dependsOn: [storage]\n  properties: {\n    principalId", "  scope: account\n  properties: {\n    principalId", "does not wait for"},
		{"a container before its account", "modules/platform.bicep", "  name: checkpointContainer\n  dependsOn: [platform]", "  name: checkpointContainer", "checkpoints does not wait for"},
		{"a role before its component", "main.bicep", "  dependsOn: [monitoring]\n", "", "does not wait for"},
		{"calls before the app", "main.bicep", "    appId: app.outputs.id\n    platformGroup", "    appId: resourceId('Microsoft.Web/sites', names.app)\n    platformGroup", "does not wait for"},
	},
	"roles are built-in ones, on narrow scopes": {
		{"another role", "modules/roles.json", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "none of the built-in ones"},
		{"two roles swapped", "modules/roles.json", "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0", "is not the id of"},
		{"a role on the resource group", "modules/vault.bicep", "output uri", "resource wide 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  name: guid('x')\n  properties: {\n    principalId: '1'\n    principalType: 'ServicePrincipal'\n    roleDefinitionId: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'\n  }\n}\n\noutput uri", "whole resource group"},
		{"a role on the whole bus", "modules/bus.bicep", "  scope: status\n", "  scope: bus\n", "nobody has thought of"},
		{"no type of the principal", "modules/bus.bicep", "    principalType: 'ServicePrincipal'\n", "    principalType: 'User'\n", "may not be found yet"},
		{"index tags can be written", "modules/zone.bicep", "    condition: noTagWriting\n", "    condition: ''\n", "lets index tags be written"},
	},
	"events go where they should": {
		{"events of the intake", "modules/layout.json", `"stalimex{tre}", "external": true, "scanned": false, "events": "none"`, `"stalimex{tre}", "external": true, "scanned": false, "events": "all"`, "stalimextre1 has 1 subscriptions"},
		{"no events of a zone", "modules/layout.json", `"stalimrej{tre}", "external": false, "scanned": false, "events": "all"`, `"stalimrej{tre}", "external": false, "scanned": false, "events": "none"`, "stalimrejtre1 has 0 subscriptions"},
		{"calls before there is code", "modules/zone.bicep", "if (heard && (queued || codeDeployed))", "if (heard)", "has 1 subscriptions"},
		{"another function", "modules/zone.bicep", "/functions/BlobCreated", "/functions/blobCreated", "does not call BlobCreated"},
		{"another queue", "modules/scan.bicep", "busName, 'airlock-scan-result'", "busName, 'airlock-scan-results'", "does not fill"},
		{"another event", "modules/zone.bicep", "Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted", "hears of"},
		{"events are lost", "modules/scan.bicep", "blobContainerName: 'undelivered-events'", "blobContainerName: 'lost'", "loses events"},
		{"delivery before the right to", "modules/zone.bicep", "  dependsOn: [grants]\n", "", "before its topic may deliver"},
		{"a filter that loses events", "modules/zone.bicep", "'-holding', ", "", "filters by"},
		{"no filter in a shared account", "modules/zone.bicep", "events == 'behindIntake' ? behindIntake : []", "[]", "filters by"},
		{"scan results before there is code", "modules/scan.bicep", "if (queued || codeDeployed)", "if (queued || !codeDeployed)", "1 subscriptions to scan results, wanted: false"},
		{"a private app that is called", "main.bicep", "privateApp ? 'queue' : eventDelivery", "eventDelivery", "does not fill"},
	},
	"holding accounts are scanned": {
		{"holding is not scanned", "modules/layout.json", `"stalimip{tre}", "external": false, "scanned": true`, `"stalimip{tre}", "external": false, "scanned": false`, "stalimiptre1 is scanned: false"},
		{"the released zone is scanned", "modules/layout.json", `"stalimappws{ws}", "external": false, "scanned": false`, `"stalimappws{ws}", "external": false, "scanned": true`, "is scanned: true"},
		{"scanning cannot be turned off", "modules/zone.bicep", "isEnabled: malwareScanning\n", "isEnabled: true\n", "not scanned as wanted"},
		{"no cap", "modules/zone.bicep", ", capGBPerMonth: scanCapGB", "", "has no cap"},
		{"no index tags", "modules/zone.bicep", "'BlobIndexTags'", "'None'", "no index tags"},
		{"results go elsewhere", "main.bicep", "malwareScanning ? scan.outputs.id : ''", "malwareScanning ? app.outputs.id : ''", "reports to"},
		{"Defender before the topic", "modules/zone.bicep", "dependsOn: [storage, topic]", "dependsOn: [storage]", "topic, and Defender"},
		{"the scanner is locked out", "modules/account.bicep", "scanned ? scanner : []", "[]", "does not let the scanner in"},
	},
	"what is private has private endpoints": {
		{"no private endpoint", "modules/zone.bicep", "services: ['blob']", "services: []", "no private endpoint for blob"},
		{"no private endpoint of the vault", "modules/vault.bicep", "service: 'vault'", "service: 'sites'", "no private endpoint for vault"},
		{"the bus is open around a private app", "modules/bus.bicep", "private ? premium : standard", "standard", "open around a private app"},
		{"a private app is open", "modules/app.bicep", "private ? 'Disabled' : 'Enabled'", "'Enabled'", "open although it is private"},
	},
	works: {
		{"another module", "main.bicep", "modules/vault.bicep'", "modules/monitoring.bicep'", "has no parameter"},
		{"a long account", "modules/names.json", "stairlockfn{tre}", "stairlockfunction{tre}", "too short, too long"},
		{"a long vault", "modules/names.json", "kv-airlock-{tre}", "kv-airlock-vault-{tre}", "too short, too long"},
		{"a name that nobody declares", "main.bicep", "AIRLOCK_TRE_ID: treId\n", "AIRLOCK_TRE_ID: tre_id\n", "nobody declares tre_id"},
		{"a parameter that a module does not have", "main.bicep", "    retentionDays: logDays\n", "    retention: logDays\n", "has no parameter retention"},
		{"a parameter that a module needs", "main.bicep", "    retentionDays: logDays\n", "", "needs the parameter retentionDays"},
		{"a parameter of another type", "main.bicep", "    retentionDays: logDays\n", "    retentionDays: '180'\n", "want int, got string"},
		{"an output that a module does not have", "main.bicep", "monitoring.outputs.peopleId", "monitoring.outputs.people", "there is no people"},
		{"a use of what is not deployed", "main.bicep", "malwareScanning ? scan.outputs.id : ''", "scan.outputs.id", "not deployed"},
		{"a circle", "main.bicep", "var statusQueue = 'airlock-status-changed'", "var statusQueue = bus.outputs.host", "depends on itself"},
		{"a name that is not known", "modules/vault.bicep", "  name: keyName", "  name: vault.properties.vaultUri", "not known before"},
		{"a syntax error", "modules/vault.bicep", "resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {", "resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {{", "syntax error"},
	},
}

// TestEveryRuleFindsWhatIsBroken breaks the templates in every way that a rule is there for. With -v it lists the rules, each
// with the mistakes that it is shown to find.
func TestEveryRuleFindsWhatIsBroken(t *testing.T) {
	rules := slices.Concat([]infracheck.Rule{{Name: works}}, infracheck.Rules())
	for name := range broken {
		if !slices.ContainsFunc(rules, func(r infracheck.Rule) bool { return r.Name == name }) {
			t.Errorf("there is no rule %q", name)
		}
	}
	whole := load(t)
	copies := brokenCopies(t, whole)
	for _, rule := range rules {
		if len(broken[rule.Name]) == 0 {
			t.Errorf("nothing shows that the rule %q can fail", rule.Name)
		}
		t.Logf("rule: %s", rule.Name)
		for _, m := range broken[rule.Name] {
			t.Run(rule.Name+"/"+m.name, func(t *testing.T) {
				program, err := copies(m)
				var plans []infracheck.Plan
				if err == nil {
					plans, err = infracheck.FewPlans(program)
				}
				switch {
				case rule.Check == nil && (err == nil || !strings.Contains(err.Error(), m.says)):
					t.Errorf("got %v, want %q", err, m.says)
				case rule.Check != nil && err != nil:
					t.Errorf("the templates do not fit together: %v", err)
				case rule.Check != nil && !finds(program, plans, rule, m.says):
					t.Errorf("nobody says %q", m.says)
				}
			})
			t.Logf("      fails on: %s (%s: %q)", m.name, m.file, m.says)
		}
	}
}

// finds reports whether a rule says something about a program.
func finds(program *bicep.Program, plans []infracheck.Plan, rule infracheck.Rule, says string) bool {
	reports := infracheck.Check(program, plans, []infracheck.Rule{rule})
	return slices.ContainsFunc(reports, func(r infracheck.Report) bool { return strings.Contains(r.Finding, says) })
}

// brokenCopies returns what makes a copy of the templates with one mistake. They are parsed all at once: a parser for each
// would take most of the time. One that cannot be parsed is an error of its own.
func brokenCopies(t *testing.T, whole *bicep.Program) func(mistake) (*bicep.Program, error) {
	t.Helper()
	sources := map[string]string{}
	for _, mistakes := range broken {
		for _, m := range mistakes {
			if strings.HasSuffix(m.file, ".bicep") && m.says != "syntax error" {
				sources[m.name] = damaged(t, m)
			}
		}
	}
	files, err := parse(sources)
	if err != nil {
		t.Fatal(err)
	}
	return func(m mistake) (*bicep.Program, error) {
		program := &bicep.Program{Files: maps.Clone(whole.Files), Data: maps.Clone(whole.Data)}
		if strings.HasSuffix(m.file, ".json") {
			program.Data[m.file] = []byte(damaged(t, m))
			return program, nil
		}
		file := files[m.name]
		if file == nil {
			_, err := parse(map[string]string{m.file: damaged(t, m)})
			return program, err
		}
		file.Name = m.file
		program.Files[m.file] = file
		return program, nil
	}
}

func parse(sources map[string]string) (bicep.Files, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return bicep.Parse(ctx, sources)
}

// damaged returns a file with one mistake in it.
func damaged(t *testing.T, m mistake) string {
	t.Helper()
	if m.old == "" { // a file that is not there yet
		return m.new
	}
	raw, err := os.ReadFile(infra + "/" + m.file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), m.old) {
		t.Fatalf("%s does not hold %q: the case is out of date", m.file, m.old)
	}
	return strings.Replace(string(raw), m.old, m.new, 1)
}
