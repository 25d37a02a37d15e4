package infracheck

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"airlock/scripts/infracheck/bicep"
)

// Rule is something that every deployment has to keep.
type Rule struct {
	Name string
	// Check returns what breaks the rule, in sentences.
	Check func(program *bicep.Program, plans []Plan) []string
}

// Rules returns all rules that need nothing but the templates.
func Rules() []Rule {
	return []Rule{
		{"accounts are closed", eachResource(closedAccount)},
		{"identities only", eachResource(identityOnly)},
		{"no secrets", noSecrets},
		{"everything is described and used", described},
		{"versions are dated, released and the same", versions},
		{"names are within Azure's limits", eachResource(nameFits)},
		{"nothing is deployed before what it needs", ordered},
		{"roles are built-in ones, on narrow scopes", roles},
		{"events go where they should", events},
		{"holding accounts are scanned", scanning},
		{"what is private has private endpoints", private},
	}
}

// Report is what a rule found.
type Report struct {
	Rule, Finding string
}

// Check applies rules, and says each thing once however many deployments show it.
func Check(program *bicep.Program, plans []Plan, rules []Rule) []Report {
	var reports []Report
	for _, rule := range rules {
		found := map[string]bool{}
		for _, finding := range rule.Check(program, plans) {
			found[finding] = true
		}
		for _, finding := range slices.Sorted(maps.Keys(found)) {
			reports = append(reports, Report{rule.Name, finding})
		}
	}
	return reports
}

// eachResource makes a rule of a check of one resource.
func eachResource(check func(Plan, *bicep.Resource) string) func(*bicep.Program, []Plan) []string {
	return func(_ *bicep.Program, plans []Plan) []string {
		var found []string
		for _, p := range plans {
			for _, r := range p.Deployment.Resources {
				if problem := check(p, r); problem != "" {
					found = append(found, fmt.Sprintf("%s:%d: %s %s", r.File, r.Line, r.Name, problem))
				}
			}
		}
		return found
	}
}

const accountType = "Microsoft.Storage/storageAccounts"

// external are the accounts that researchers reach from the internet.
var external = regexp.MustCompile(`^(stalimex|stalexapp)`)

// isExternal reports whether an account may be open: by its name, or because zones share the TRE's one account.
func isExternal(p Plan, name string) bool {
	shared := p.Params["layout"] == "compact" && strings.HasPrefix(name, "stal") && !strings.HasPrefix(name, "stalws") && !strings.HasPrefix(name, "stairlock")
	return external.MatchString(name) || shared
}

func closedAccount(p Plan, r *bicep.Resource) string {
	if r.Type != accountType {
		return ""
	}
	for key, want := range map[string]any{"allowSharedKeyAccess": false, "allowBlobPublicAccess": false, "isLocalUserEnabled": false,
		"allowCrossTenantReplication": false, "defaultToOAuthAuthentication": true, "minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": true} {
		if got := r.Get("properties", key); got != want {
			return fmt.Sprintf("has %s %v, not %v", key, got, want)
		}
	}
	open := r.Text("properties", "publicNetworkAccess") != "Disabled" || r.Text("properties", "networkAcls", "defaultAction") != "Deny"
	if want := isExternal(p, r.Name); open != want {
		return fmt.Sprintf("is open to the internet: %v, not %v", open, want)
	}
	return ""
}

// keyless are the properties without which a resource takes keys or passwords besides identities.
var keyless = map[string]map[string]any{
	"Microsoft.ServiceBus/namespaces":                        {"disableLocalAuth": true, "minimumTlsVersion": "1.2"},
	"Microsoft.EventGrid/topics":                             {"disableLocalAuth": true, "minimumTlsVersionAllowed": "1.2"},
	"Microsoft.Insights/components":                          {"DisableLocalAuth": true},
	"Microsoft.KeyVault/vaults":                              {"enableRbacAuthorization": true, "enablePurgeProtection": true},
	"Microsoft.Web/sites":                                    {"httpsOnly": true},
	"Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"allow": false},
}

func identityOnly(p Plan, r *bicep.Resource) string {
	for key, want := range keyless[r.Type] {
		if got := r.Get("properties", key); got != want {
			return fmt.Sprintf("has %s %v, not %v", key, got, want)
		}
	}
	if r.Type != "Microsoft.Web/sites" {
		return ""
	}
	if r.Text("properties", "siteConfig", "minTlsVersion") != "1.2" || r.Text("properties", "siteConfig", "ftpsState") != "Disabled" {
		return "takes old TLS, or FTP"
	}
	policies := 0
	for _, other := range p.Deployment.Of("Microsoft.Web/sites/basicPublishingCredentialsPolicies") {
		if strings.HasPrefix(other.ID, r.ID+"/") {
			policies++
		}
	}
	if policies != 2 {
		return "lets passwords deploy"
	}
	return ""
}

// secretNames are names that only a secret has, and secretMarks what stands in one.
var (
	secretNames = regexp.MustCompile(`(?i)password|secret|credential|token|connectionstring|accountkey|accesskey|apikey`)
	secretMarks = []string{"AccountKey=", "SharedAccessKey", "?sig=", "&sig=", "listKeys"}
)

func noSecrets(program *bicep.Program, plans []Plan) []string {
	var found []string
	for _, file := range program.Files {
		for _, function := range []string{"listKeys", "listAccountSas", "listServiceSas", "listSecrets", "list"} {
			for _, line := range file.Calls(function) {
				found = append(found, fmt.Sprintf("%s:%d: calls %s", file.Name, line, function))
			}
		}
		for _, p := range file.Params {
			if secretNames.MatchString(p.Name) && !p.Secure {
				found = append(found, fmt.Sprintf("%s:%d: parameter %s is not marked as secure", file.Name, p.Line, p.Name))
			}
		}
		for _, o := range file.Outputs {
			if secretNames.MatchString(o.Name) {
				found = append(found, fmt.Sprintf("%s:%d: output %s is a secret", file.Name, o.Line, o.Name))
			}
		}
	}
	for _, p := range plans {
		for _, r := range p.Deployment.Resources {
			walk(r.Body, func(path, value string) {
				if slices.ContainsFunc(secretMarks, func(mark string) bool { return strings.Contains(value, mark) }) {
					found = append(found, fmt.Sprintf("%s:%d: %s is a secret", r.File, r.Line, path))
				}
			})
		}
	}
	return found
}

// walk calls use for every text in a value.
func walk(value any, use func(path, value string)) { descend("", value, use) }

func descend(path string, value any, use func(path, value string)) {
	switch v := value.(type) {
	case string:
		use(path, v)
	case []any:
		for _, item := range v {
			descend(path+"[]", item, use)
		}
	case map[string]any:
		for key, item := range v {
			descend(path+"."+key, item, use)
		}
	}
}

func described(program *bicep.Program, _ []Plan) []string {
	var found []string
	used := map[string]bool{"main.bicep": true, "workspace.bicep": true}
	for _, file := range program.Files {
		for _, module := range file.Modules() {
			used[module] = true
		}
		for _, p := range file.Params {
			if len(p.Description) < 5 || !strings.HasSuffix(strings.TrimRight(p.Description, ")"), ".") {
				found = append(found, fmt.Sprintf("%s:%d: parameter %s is not described in sentences", file.Name, p.Line, p.Name))
			}
		}
		for _, name := range file.Unused() {
			found = append(found, fmt.Sprintf("%s: nothing uses %s", file.Name, name))
		}
	}
	for name := range program.Files {
		if !used[name] {
			found = append(found, name+": nothing uses this file")
		}
	}
	return found
}

var (
	dated = regexp.MustCompile(`^20[0-9]{2}-[01][0-9]-[0-3][0-9](-preview)?$`)
	// Azure has no released version of these.
	previewOnly = []string{"Microsoft.Insights/diagnosticSettings"}
	// Types of one provider that are versioned apart from the others.
	apart = regexp.MustCompile(`^Microsoft\.(Insights/[a-zA-Z]+|Network/privateDnsZones|Web/connections)`)
)

func versions(_ *bicep.Program, plans []Plan) []string {
	var found []string
	first := map[string]*bicep.Resource{}
	for _, p := range plans {
		for _, r := range p.Deployment.Resources {
			if !dated.MatchString(r.Version) {
				found = append(found, fmt.Sprintf("%s:%d: %s has the version %q", r.File, r.Line, r.Type, r.Version))
			}
			if strings.HasSuffix(r.Version, "-preview") && !slices.Contains(previewOnly, r.Type) {
				found = append(found, fmt.Sprintf("%s:%d: %s@%s is a preview", r.File, r.Line, r.Type, r.Version))
			}
			family := apart.FindString(r.Type)
			if family == "" {
				family, _, _ = strings.Cut(r.Type, "/")
			}
			if first[family] == nil {
				first[family] = r
			}
			if other := first[family]; other.Version != r.Version {
				found = append(found, fmt.Sprintf("%s:%d: %s@%s, but %s has %s", r.File, r.Line, r.Type, r.Version, other.Type, other.Version))
			}
		}
	}
	return found
}

// limits are the names that Azure takes, for the last part of a name. Source: Microsoft, "Naming rules and restrictions for
// Azure resources".
var limits = map[string]*regexp.Regexp{
	accountType:                                                   regexp.MustCompile(`^[a-z0-9]{3,24}$`),
	accountType + "/blobServices":                                 regexp.MustCompile(`^default$`),
	accountType + "/tableServices":                                regexp.MustCompile(`^default$`),
	accountType + "/tableServices/tables":                         regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{2,62}$`),
	accountType + "/blobServices/containers":                      regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`),
	accountType + "/blobServices/containers/immutabilityPolicies": regexp.MustCompile(`^default$`),
	"Microsoft.Authorization/roleAssignments":                     regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`),
	"Microsoft.EventGrid/systemTopics":                            regexp.MustCompile(`^[A-Za-z0-9-]{3,50}$`),
	"Microsoft.EventGrid/systemTopics/eventSubscriptions":         regexp.MustCompile(`^[A-Za-z0-9-]{3,64}$`),
	"Microsoft.EventGrid/topics":                                  regexp.MustCompile(`^[A-Za-z0-9-]{3,50}$`),
	"Microsoft.EventGrid/topics/eventSubscriptions":               regexp.MustCompile(`^[A-Za-z0-9-]{3,64}$`),
	"Microsoft.Insights/actionGroups":                             regexp.MustCompile(`^[^:<>+/&%\\?|]{1,260}$`),
	"Microsoft.Insights/components":                               regexp.MustCompile(`^[^%&\\?/]{1,259}[^%&\\?/. ]$`),
	"Microsoft.Insights/diagnosticSettings":                       regexp.MustCompile(`^[A-Za-z0-9-]{1,260}$`),
	"Microsoft.Insights/metricAlerts":                             regexp.MustCompile(`^[^*#&+:<>?@%{}\\/]{1,260}$`),
	"Microsoft.Insights/scheduledQueryRules":                      regexp.MustCompile(`^[^*#&+:<>?@%{}\\/]{1,260}$`),
	"Microsoft.Insights/webtests":                                 regexp.MustCompile(`^[A-Za-z0-9-]{1,260}$`),
	"Microsoft.KeyVault/vaults":                                   regexp.MustCompile(`^[A-Za-z](-?[A-Za-z0-9]){2,23}$`),
	"Microsoft.KeyVault/vaults/keys":                              regexp.MustCompile(`^[A-Za-z0-9-]{1,127}$`),
	"Microsoft.ManagedIdentity/userAssignedIdentities":            regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$`),
	"Microsoft.Network/networkSecurityGroups":                     regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]$`),
	"Microsoft.Network/privateDnsZones":                           regexp.MustCompile(`^[a-z0-9.-]{1,63}$`),
	"Microsoft.Network/privateDnsZones/virtualNetworkLinks":       regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]$`),
	"Microsoft.Network/privateEndpoints":                          regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]$`),
	"Microsoft.Network/privateEndpoints/privateDnsZoneGroups":     regexp.MustCompile(`^default$`),
	"Microsoft.Network/virtualNetworks":                           regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]$`),
	"Microsoft.OperationalInsights/workspaces":                    regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$`),
	"Microsoft.Security/defenderForStorageSettings":               regexp.MustCompile(`^current$`),
	"Microsoft.ServiceBus/namespaces":                             regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]$`),
	"Microsoft.ServiceBus/namespaces/networkRuleSets":             regexp.MustCompile(`^default$`),
	"Microsoft.ServiceBus/namespaces/queues":                      regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,259}$`),
	"Microsoft.ServiceBus/namespaces/topics":                      regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,259}$`),
	"Microsoft.ServiceBus/namespaces/topics/subscriptions":        regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$`),
	"Microsoft.Web/connections":                                   regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]$`),
	"Microsoft.Web/connections/accessPolicies":                    regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]$`),
	"Microsoft.Web/serverfarms":                                   regexp.MustCompile(`^[A-Za-z0-9-]{1,60}$`),
	"Microsoft.Web/sites":                                         regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]$`),
	"Microsoft.Web/sites/basicPublishingCredentialsPolicies":      regexp.MustCompile(`^(ftp|scm)$`),
	"Microsoft.Web/sites/config":                                  regexp.MustCompile(`^appsettings$`),
}

func nameFits(_ Plan, r *bicep.Resource) string {
	limit := limits[r.Type]
	name := r.Name[strings.LastIndex(r.Name, "/")+1:]
	switch {
	case limit == nil:
		return "is of a type whose names nobody has looked up: " + r.Type
	case !limit.MatchString(name):
		return "is no name for a " + r.Type
	}
	return ""
}

// ordered: a resource that is a part of another, extends it or names its id must wait for it. The id alone does not make
// Azure wait where it was put together by hand.
func ordered(_ *bicep.Program, plans []Plan) []string {
	var found []string
	for _, p := range plans {
		byID := map[string]*bicep.Resource{}
		for _, r := range p.Deployment.Resources {
			byID[r.ID] = r
		}
		for _, r := range p.Deployment.Resources {
			needs := map[string]bool{r.Scope: true, parentID(r): true}
			walk(r.Body, func(_, value string) { needs[value] = true })
			for id := range needs {
				if other := byID[id]; other != nil && other != r && !p.Deployment.Follows(r, other) {
					found = append(found, fmt.Sprintf("%s:%d: %s does not wait for %s", r.File, r.Line, r.Name, other.Name))
				}
			}
		}
	}
	return found
}

// parentID is the id of the resource that a resource is a part of; empty when it is none's.
func parentID(r *bicep.Resource) string {
	if strings.Count(r.Type, "/") < 2 {
		return ""
	}
	id := r.ID[:strings.LastIndex(r.ID, "/")]
	return id[:strings.LastIndex(id, "/")]
}
