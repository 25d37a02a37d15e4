package infracheck_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"airlock/scripts/infracheck"
	"airlock/scripts/infracheck/bicep"
)

const costPage = infra + "/cost.md"

// kinds are the rows of the tables about what is there at rest, with the resources that they count.
var kinds = map[string]string{
	"private endpoints":                   "Microsoft.Network/privateEndpoints",
	"accounts under Defender for Storage": "Microsoft.Security/defenderForStorageSettings",
	"storage accounts":                    "Microsoft.Storage/storageAccounts",
	"system topics of Event Grid":         "Microsoft.EventGrid/systemTopics",
	"role assignments":                    "Microsoft.Authorization/roleAssignments",
	"alert rules on logs":                 "Microsoft.Insights/scheduledQueryRules",
	"alert rules on metrics":              "Microsoft.Insights/metricAlerts",
	"Key Vault key":                       "Microsoft.KeyVault/vaults/keys",
}

// sizes are how many resources of each kind a template has, by layout.
func sizes(t *testing.T, program *bicep.Program, template string) map[string]func(kind string) int {
	t.Helper()
	by := map[string]func(string) int{}
	for _, layout := range []string{"default", "compact"} {
		params := infracheck.Example(template)
		params["layout"], params["codeDeployed"] = layout, true
		d, err := program.Deploy(template+".bicep", "rg", params)
		if err != nil {
			t.Fatal(err)
		}
		by[layout] = func(kind string) int { return len(d.Of(kind)) }
	}
	return by
}

func TestTheCostPageCountsWhatIsDeployed(t *testing.T) {
	program := load(t)
	for title, template := range map[string]string{"a workspace has": "workspace", "the TRE has": "main"} {
		by, counted := sizes(t, program, template), 0
		for _, row := range table(t, costPage, title) {
			kind := kinds[row[0]]
			if kind == "" {
				continue
			}
			counted++
			for i, layout := range []string{"default", "compact"} {
				if want := strconv.Itoa(by[layout](kind)); row[1+i] != want {
					t.Errorf("%s: %s has %s %s, and the page says %s", title, layout, want, row[0], row[1+i])
				}
			}
		}
		if counted < 5 {
			t.Errorf("%s: only %d rows are counted", title, counted)
		}
	}
}

// Azure's limits that the page computes with.
const (
	accountsOfRegion   = 250
	rolesOfNetwork     = 4000
	reservedOfSubnet   = 5 // addresses
	firstSubnetForEnds = 1 << (32 - 25)
)

func TestTheCostPageComputesWorkspaces(t *testing.T) {
	program := load(t)
	tre, workspace := sizes(t, program, "main"), sizes(t, program, "workspace")
	for prefix, limit := range map[string]struct {
		kind string
		all  int
	}{
		"addresses for endpoints": {"Microsoft.Network/privateEndpoints", firstSubnetForEnds - reservedOfSubnet},
		"storage accounts in":     {"Microsoft.Storage/storageAccounts", accountsOfRegion},
		"role assignments in":     {"Microsoft.Authorization/roleAssignments", rolesOfNetwork},
	} {
		found := false
		for _, row := range table(t, costPage, "limit") {
			if !strings.HasPrefix(row[0], prefix) {
				continue
			}
			found = true
			for i, layout := range []string{"default", "compact"} {
				most := (limit.all - tre[layout](limit.kind)) / workspace[layout](limit.kind)
				if want := fmt.Sprintf("%s workspaces", grouped(most)); row[2+i] != want {
					t.Errorf("%s: %s, and the page says %s for %s", prefix, want, row[2+i], layout)
				}
			}
		}
		if !found {
			t.Errorf("the page has no limit for %s", prefix)
		}
	}
	d, err := program.Deploy("main.bicep", "rg", infracheck.Example("main"))
	if err != nil {
		t.Fatal(err)
	}
	if network := fmt.Sprint(d.Of("Microsoft.Network/virtualNetworks")[0].Get("properties", "subnets")); !strings.Contains(network, ".128/25") {
		t.Errorf("no subnet of the network is a /25: %s", network)
	}
}

// grouped writes a number with commas.
func grouped(n int) string {
	text := strconv.Itoa(n)
	if len(text) > 3 {
		text = text[:len(text)-3] + "," + text[len(text)-3:]
	}
	return text
}
