package main_test

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// mistakes are in templates that do not fit the program: some for each promise, with a part of what must be said.
var mistakes = map[string][]struct{ name, file, old, new, says string }{
	"every setting is given, and every one given is read": {
		{"one is missing", "modules/settings.json", `"AIRLOCK_SCAN_DEADLINE": "6h",`, ``, "does not set AIRLOCK_SCAN_DEADLINE"},
		{"one is misspelt", "main.bicep", "AIRLOCK_TRE_ID:", "AIRLOCK_TREID:", "sets AIRLOCK_TREID, which nothing reads"},
		{"one is for emulators", "main.bicep", "AIRLOCK_TRE_ID:", "AIRLOCK_STORAGE_DIAL: 'x'\n      AIRLOCK_TRE_ID:", "but Azure's storage is where its names say"},
	},
	"the program takes what it is given": {
		{"no duration", "modules/settings.json", `"AIRLOCK_COPY_DEADLINE": "24h"`, `"AIRLOCK_COPY_DEADLINE": "a day"`, "AIRLOCK_COPY_DEADLINE"},
		{"another default", "modules/settings.json", `"AIRLOCK_COPY_DEADLINE": "24h"`, `"AIRLOCK_COPY_DEADLINE": "25h"`, "25h in the deployment and 24h in the program"},
		{"the wrong layout", "main.bicep", "layout == 'compact' ? 'true' : 'false'", "'false'", "the layout, the tags"},
		{"no index tags", "main.bicep", "AIRLOCK_SCAN_TAGS: 'true'", "AIRLOCK_SCAN_TAGS: 'false'", "the layout, the tags"},
		{"another queue", "main.bicep", "AIRLOCK_STATUS_QUEUE: statusQueue", "AIRLOCK_STATUS_QUEUE: 'status'", "is not deployed"},
		{"another table", "main.bicep", "AIRLOCK_TABLE_NAME: tableName", "AIRLOCK_TABLE_NAME: 'requests'", "is not deployed"},
	},
	"the accounts of the layout are deployed": {
		{"another name", "modules/layout.json", "stalimrej{tre}", "stalimref{tre}", "stalimreftre1"},
		{"a name too many", "modules/layout.json", `{ "account": "stalimex{tre}"`, `{ "account": "stalimother{tre}", "external": false, "scanned": false, "events": "all" },` + "\n" + `{ "account": "stalimex{tre}"`, "stalimothertre1"},
	},
	"operators find all dead letters": {
		{"another queue", "modules/bus.bicep", "['airlock-blob-created', 'airlock-scan-result']", "['airlock-blob-created', 'airlock-scans']", `nobody looks for the dead letters of "airlock-scans"`},
		{"another subscription", "modules/bus.bicep", "name: 'mail'", "name: 'post'", `"airlock-notifications/mail", where dead letters are looked for, is deployed nowhere`},
	},
	"every trigger is fed": {
		{"another queue", "main.bicep", "AIRLOCK_STATUS_QUEUE: statusQueue", "AIRLOCK_STATUS_QUEUE: 'status'", `waits for the queue "status"`},
		{"nothing calls it", "modules/scan.bicep", "/functions/ScanResult", "/functions/Scan", "nothing calls ScanResult"},
		{"no queue for events", "modules/bus.bicep", "['airlock-blob-created', 'airlock-scan-result']", "['airlock-blob-created']", `waits for the queue "airlock-scan-result"`},
		{"no way to the bus", "modules/app.bicep", "ServiceBus__fullyQualifiedNamespace", "ServiceBus__namespace", "cannot read its queue"},
	},
}

// TestEveryPromiseCanBeBroken: a promise that no mistake in the templates can break would say nothing. With -short the
// first mistake of each is enough.
func TestEveryPromiseCanBeBroken(t *testing.T) {
	all := promises(t)
	if len(mistakes) != len(all) {
		t.Errorf("%d promises, and mistakes for %d", len(all), len(mistakes))
	}
	for _, p := range all {
		if len(mistakes[p.name]) == 0 {
			t.Errorf("nothing shows that this promise can be broken: %s", p.name)
		}
		t.Logf("promise: %s", p.name)
		for i, m := range mistakes[p.name] {
			if i > 0 && testing.Short() {
				break
			}
			t.Logf("      broken by: %s (%s: %q)", m.name, m.file, m.says)
			t.Run(p.name+"/"+m.name, func(t *testing.T) {
				findings := p.check(t, deployments(t, infraWith(t, m.file, m.old, m.new)))
				if !slices.ContainsFunc(findings, func(f string) bool { return strings.Contains(f, m.says) }) {
					t.Errorf("nobody says %q, but %q", m.says, findings)
				}
			})
		}
	}
}

// infraWith is a copy of infra/ with one change.
func infraWith(t *testing.T, file, old, new string) fs.FS {
	t.Helper()
	whole := os.DirFS("../infra")
	changed := fstest.MapFS{}
	for _, pattern := range []string{"*.bicep", "modules/*"} {
		names, err := fs.Glob(whole, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			content, err := fs.ReadFile(whole, name)
			if err != nil {
				t.Fatal(err)
			}
			changed[name] = &fstest.MapFile{Data: content}
		}
	}
	before := string(changed[file].Data)
	if !strings.Contains(before, old) {
		t.Fatalf("%s does not hold %q: the case is out of date", file, old)
	}
	changed[file].Data = []byte(strings.Replace(before, old, new, 1))
	return changed
}
