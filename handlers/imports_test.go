package main_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rule says what the packages of one folder may import of this module and of Azure, and why.
type rule struct {
	own   []string // packages of this module, from its root
	azure bool     // packages of Azure or OpenID Connect
	why   string
}

// rules is who may import whom. A folder that is not here may not exist. Tests may import more, but never an adapter
// into another.
var rules = map[string]rule{
	"statemachine": {nil, false, "the rules are pure: the standard library only"},
	"functions":    {nil, false, "only function.json files"},
	"handlers": {[]string{"handlers/internal/airlock", "handlers/internal/api", "handlers/internal/blobzone", "handlers/internal/busqueue",
		"handlers/internal/config", "handlers/internal/customhandler", "handlers/internal/dsse", "handlers/internal/entra", "handlers/internal/keyvault",
		"handlers/internal/operator",
		"handlers/internal/tablestore", "handlers/internal/trigger"}, true, "main wires, so it sees everything"},
	"handlers/internal/airlock": {[]string{"statemachine"}, false, "the domain asks the rules and knows no technology"},
	"handlers/internal/api": {[]string{"handlers/internal/airlock", "statemachine"}, false,
		"the HTTP edge speaks the domain's words and finds out nothing about tokens itself"},
	"handlers/internal/trigger": {[]string{"functions", "handlers/internal/airlock", "handlers/internal/customhandler"}, false,
		"triggers decode and hand over; how a nudge is written belongs to the queue and is injected"},
	"handlers/internal/operator": {[]string{"handlers/internal/airlock", "handlers/internal/dsse", "handlers/internal/proof", "statemachine"}, false,
		"commands ask the domain; how to reach anything is injected"},
	"handlers/internal/proof":         {[]string{"handlers/internal/airlock", "handlers/internal/dsse"}, false, "proofs need files and nothing else"},
	"handlers/internal/customhandler": {nil, false, "the host's protocol knows nothing of airlocks"},
	"handlers/internal/config":        {nil, false, "settings are plain values"},
	"handlers/internal/dsse":          {nil, false, "envelopes know nothing of airlocks"},
	"handlers/internal/keyvault":      {nil, true, "signatures by Key Vault"},
	"handlers/internal/entra":         {nil, true, "the one place that verifies tokens"},
	"handlers/internal/tablestore":    {[]string{"handlers/internal/airlock", "statemachine"}, true, "the Store on Azure Tables"},
	"handlers/internal/blobzone":      {[]string{"handlers/internal/airlock", "statemachine"}, true, "the Zones on Azure Blob Storage"},
	"handlers/internal/busqueue":      {[]string{"handlers/internal/airlock", "statemachine"}, true, "the Queue and the Announcer on Service Bus"},
	"handlers/internal/memstore":      {[]string{"handlers/internal/airlock", "statemachine"}, false, "the Store in memory"},
	"handlers/internal/memzone":       {[]string{"handlers/internal/airlock", "statemachine"}, false, "the Zones in memory"},
	"handlers/internal/storetest":     {[]string{"handlers/internal/airlock", "statemachine"}, false, "a suite sees the port, not who implements it"},
	"handlers/internal/zonetest":      {[]string{"handlers/internal/airlock", "statemachine"}, false, "a suite sees the port, not who implements it"},
	"handlers/internal/simulation": {[]string{"handlers/internal/airlock", "handlers/internal/memstore", "handlers/internal/memzone", "statemachine"}, false,
		"the domain on storage that fails on purpose"},
	"handlers/internal/simulation/simulate": {[]string{"handlers/internal/simulation"}, false, "the simulation as a command: it only prints"},
}

// azure are the packages that only adapters may see.
var azure = []string{"github.com/Azure/", "github.com/coreos/go-oidc", "github.com/go-jose/"}

func TestImportsPointInwards(t *testing.T) {
	seen := map[string]bool{}
	for _, top := range []string{"../statemachine", "../functions", "."} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			folder := filepath.ToSlash(filepath.Dir(filepath.Join("handlers", path)))
			r, ok := ruleFor(folder)
			if !ok {
				t.Errorf("%s: no rule says what %s may import", path, folder)
				return nil
			}
			seen[folder] = true
			checkFile(t, path, r, strings.HasSuffix(path, "_test.go"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d folders were looked at", len(seen))
	}
}

// ruleFor finds the rule of a folder, or that of the nearest folder above it.
func ruleFor(folder string) (rule, bool) {
	for ; folder != "."; folder = filepath.ToSlash(filepath.Dir(folder)) {
		if r, ok := rules[folder]; ok {
			return r, true
		}
	}
	return rule{}, false
}

func checkFile(t *testing.T, path string, r rule, test bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		own, isOwn := strings.CutPrefix(name, "airlock/")
		isAzure := slices.ContainsFunc(azure, func(p string) bool { return strings.HasPrefix(name, p) })
		switch {
		case test:
		case isOwn && !slices.Contains(r.own, own):
			t.Errorf("%s imports %s: %s", path, name, r.why)
		case isAzure && !r.azure:
			t.Errorf("%s imports %s: %s", path, name, r.why)
		case r.why == rules["statemachine"].why && (isOwn || strings.Contains(name, ".")):
			t.Errorf("%s imports %s: %s", path, name, r.why)
		}
		for _, banned := range []string{"time", "context", "os", "net", "net/http"} {
			if !test && strings.HasPrefix(path, "../statemachine/") && name == banned {
				t.Errorf("%s imports %s: %s", path, name, rules["statemachine"].why)
			}
		}
	}
}
