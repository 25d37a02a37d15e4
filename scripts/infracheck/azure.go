package infracheck

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"airlock/scripts/infracheck/bicep"
)

// builtIn are the roles that a deployment may assign, with the ids that Azure gave them. Source: Microsoft, "Azure built-in
// roles".
var builtIn = map[string]string{
	"b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
	"ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
	"0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
	"974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
	"17d1049b-9a84-46fb-8f53-869881c3d3ab": "Storage Account Contributor",
	"69a216fc-b8fb-44d8-bc22-1f3c2cd27a39": "Azure Service Bus Data Sender",
	"4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0": "Azure Service Bus Data Receiver",
	"12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
	"4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
	"3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}

// Assignment is a role that an identity has on something, in the words of the table in infra/README.md.
type Assignment struct {
	Identity, Role, On string
}

// Assignments returns the roles that a plan assigns.
func Assignments(p Plan) []Assignment {
	var all []Assignment
	for _, r := range p.Deployment.Of("Microsoft.Authorization/roleAssignments") {
		id := r.Text("properties", "roleDefinitionId")
		principal, _ := r.Get("properties", "principalId").(bicep.Unknown)
		all = append(all, Assignment{identityOf(string(principal)), builtIn[id[strings.LastIndex(id, "/")+1:]], scopeOf(r.Scope)})
	}
	return all
}

// naming says what ids that look like something name.
type naming struct {
	id   *regexp.Regexp
	name string
}

var identities = []naming{
	{regexp.MustCompile(`userAssignedIdentities/id-airlock-notifier-`), "notifier (its account)"},
	{regexp.MustCompile(`userAssignedIdentities/id-airlock-`), "app"},
	{regexp.MustCompile(`Microsoft\.Web/sites/logic-airlock-`), "notifier"},
	{regexp.MustCompile(`Microsoft\.EventGrid/systemTopics/`), "topic of an account"},
	{regexp.MustCompile(`Microsoft\.EventGrid/topics/`), "topic of scan results"},
}

var scopes = []naming{
	{regexp.MustCompile(`/queues/airlock-status-changed$`), "queue `airlock-status-changed`"},
	{regexp.MustCompile(`/queues/airlock-blob-created$`), "queue `airlock-blob-created`"},
	{regexp.MustCompile(`/queues/airlock-scan-result$`), "queue `airlock-scan-result`"},
	{regexp.MustCompile(`/topics/airlock-notifications$`), "topic `airlock-notifications`"},
	{regexp.MustCompile(`/subscriptions/mail$`), "subscription `mail`"},
	{regexp.MustCompile(`/tables/airlock$`), "table `airlock`"},
	{regexp.MustCompile(`/containers/undelivered-events$`), "container `undelivered-events`"},
	{regexp.MustCompile(`/containers/checkpoints$`), "container `checkpoints`"},
	{regexp.MustCompile(`/keys/signing$`), "key `signing`"},
	{regexp.MustCompile(`/storageAccounts/stairlockfn[a-z0-9]+$`), "account of the host"},
	{regexp.MustCompile(`/storageAccounts/stairlocklg[a-z0-9]+$`), "account of the notifier"},
	{regexp.MustCompile(`/storageAccounts/stal[a-z0-9]+$`), "every account of the layout"},
	{regexp.MustCompile(`/components/appi-[a-z0-9-]+$`), "Application Insights"},
	{regexp.MustCompile(`/vaults/kv-[a-z0-9-]+$`), "Key Vault"},
}

// identityOf says whose identity an object id is.
func identityOf(principal string) string {
	return firstMatch(principal, identities)
}

// scopeOf says what an id names.
func scopeOf(id string) string {
	return firstMatch(id, scopes)
}

func firstMatch(text string, table []naming) string {
	for _, row := range table {
		if row.id.MatchString(text) {
			return row.name
		}
	}
	return "unknown: " + text
}

func roles(program *bicep.Program, plans []Plan) []string {
	var found []string
	for _, p := range plans {
		for _, r := range p.Deployment.Of("Microsoft.Authorization/roleAssignments") {
			at := fmt.Sprintf("%s:%d: ", r.File, r.Line)
			id := r.Text("properties", "roleDefinitionId")
			if builtIn[id[strings.LastIndex(id, "/")+1:]] == "" {
				found = append(found, at+"the role "+id+" is none of the built-in ones that are meant")
			}
			if r.Scope == "" {
				found = append(found, at+"the role is for a whole resource group")
			}
			if r.Text("properties", "principalType") != "ServicePrincipal" {
				found = append(found, at+"the principal is not marked as a service's, so that a new identity may not be found yet")
			}
		}
		for _, a := range Assignments(p) {
			if strings.HasPrefix(a.Identity, "unknown") || strings.HasPrefix(a.On, "unknown") {
				found = append(found, fmt.Sprintf("%+v is an assignment that nobody has thought of", a))
			}
		}
		found = append(found, tagWriters(p)...)
	}
	for name, raw := range named(program) {
		if builtIn[raw] != name {
			found = append(found, fmt.Sprintf("modules/roles.json: %s is not the id of %s", raw, name))
		}
	}
	return found
}

// tagWriters: what owns the files of people must not be able to write the scanner's result.
func tagWriters(p Plan) []string {
	var found []string
	for _, r := range p.Deployment.Of("Microsoft.Authorization/roleAssignments") {
		if scopeOf(r.Scope) != "every account of the layout" {
			continue
		}
		if !strings.Contains(r.Text("properties", "condition"), "!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags/write'})") ||
			r.Text("properties", "conditionVersion") != "2.0" {
			found = append(found, fmt.Sprintf("%s:%d: %s lets index tags be written", r.File, r.Line, r.Scope))
		}
	}
	return found
}

// named returns the ids of modules/roles.json by name.
func named(program *bicep.Program) map[string]string {
	return decode[map[string]string](program.Data["modules/roles.json"])
}

const (
	systemSubscription = "Microsoft.EventGrid/systemTopics/eventSubscriptions"
	topicSubscription  = "Microsoft.EventGrid/topics/eventSubscriptions"
)

// Delivery is how events reach the app in a plan: a private app cannot be called.
func Delivery(p Plan) string {
	if p.Params["privateApp"] == true {
		return "queue"
	}
	if delivery, ok := p.Params["eventDelivery"].(string); ok {
		return delivery
	}
	return "push"
}

// running reports whether Event Grid may be told to call the app.
func running(p Plan) bool {
	deployed, given := p.Params["codeDeployed"].(bool)
	if !given {
		deployed = p.Template == "workspace" // its default
	}
	return deployed || Delivery(p) == "queue"
}

func events(_ *bicep.Program, plans []Plan) []string {
	var found []string
	for _, p := range plans {
		for _, a := range p.Deployment.Of(accountType) {
			if !strings.HasPrefix(a.Name, "stal") {
				continue
			}
			subscriptions := matching(p, systemSubscription, "evgt-"+a.Name+"/")
			want := 1
			if strings.HasPrefix(a.Name, "stalimex") || strings.HasPrefix(a.Name, "stalexint") || !running(p) {
				want = 0
			}
			if len(subscriptions) != want {
				found = append(found, fmt.Sprintf("%s has %d subscriptions to its events, not %d (%s, running %v)", a.Name, len(subscriptions), want, Delivery(p), running(p)))
			}
			for _, s := range subscriptions {
				found = append(found, delivered(p, s, "BlobCreated", "airlock-blob-created", "Microsoft.Storage.BlobCreated")...)
				marks := fmt.Sprint(s.Get("properties", "filter", "advancedFilters"))
				shared := p.Params["layout"] == "compact"
				if shared != strings.Contains(marks, "-holding") || strings.Contains(marks, "intake") {
					found = append(found, a.Name+" filters by "+marks)
				}
			}
		}
		results := matching(p, topicSubscription, "")
		if want := p.Template == "main" && p.Params["malwareScanning"] != false && running(p); (len(results) == 1) != want {
			found = append(found, fmt.Sprintf("%d subscriptions to scan results, wanted: %v", len(results), want))
		}
		for _, s := range results {
			found = append(found, delivered(p, s, "ScanResult", "airlock-scan-result", "Microsoft.Security.MalwareScanningResult")...)
		}
	}
	return found
}

func matching(p Plan, kind, prefix string) []*bicep.Resource {
	return slices.DeleteFunc(p.Deployment.Of(kind), func(r *bicep.Resource) bool { return !strings.HasPrefix(r.Name, prefix) })
}

// delivered checks where one subscription delivers, and what becomes of events that it cannot deliver.
func delivered(p Plan, s *bicep.Resource, function, queue, event string) []string {
	var found []string
	complain := func(text string) { found = append(found, fmt.Sprintf("%s:%d: %s", s.File, s.Line, text)) }
	called := s.Text("properties", "destination", "properties", "resourceId")
	filled := s.Text("properties", "deliveryWithResourceIdentity", "destination", "properties", "resourceId")
	if Delivery(p) == "push" && (!strings.HasSuffix(called, "/functions/"+function) || filled != "") {
		complain("does not call " + function)
	}
	if Delivery(p) == "queue" && (!strings.HasSuffix(filled, "/queues/"+queue) || called != "") {
		complain("does not fill " + queue)
	}
	if got := fmt.Sprint(s.Get("properties", "filter", "includedEventTypes")); got != "["+event+"]" {
		complain("hears of " + got)
	}
	dead := s.Text("properties", "deadLetterWithResourceIdentity", "deadLetterDestination", "properties", "blobContainerName")
	if dead != "undelivered-events" {
		complain("loses events that cannot be delivered")
	}
	topic := s.Name[:strings.LastIndex(s.Name, "/")]
	grants := map[string]bool{}
	for _, r := range p.Deployment.Of("Microsoft.Authorization/roleAssignments") {
		if principal, _ := r.Get("properties", "principalId").(bicep.Unknown); strings.Contains(string(principal), "/"+topic+".") {
			grants[scopeOf(r.Scope)] = p.Deployment.Follows(s, r)
		}
	}
	if !grants["container `undelivered-events`"] || Delivery(p) == "queue" && !grants["queue `"+queue+"`"] {
		complain("begins before its topic may deliver")
	}
	return found
}

// scanning: the scanner looks at the accounts with a holding zone, and at no others.
func scanning(_ *bicep.Program, plans []Plan) []string {
	var found []string
	for _, p := range plans {
		scanned := map[string]*bicep.Resource{}
		for _, r := range p.Deployment.Of("Microsoft.Security/defenderForStorageSettings") {
			scanned[r.Scope[strings.LastIndex(r.Scope, "/")+1:]] = r
		}
		for _, a := range p.Deployment.Of(accountType) {
			shared := p.Params["layout"] == "compact" && strings.HasPrefix(a.Name, "stal")
			holds := strings.HasPrefix(a.Name, "stalimip") || strings.HasPrefix(a.Name, "stalexip") || shared
			r := scanned[a.Name]
			if holds != (r != nil) {
				found = append(found, fmt.Sprintf("%s is scanned: %v", a.Name, r != nil))
			}
			if r != nil {
				found = append(found, scanner(p, a, r)...)
			}
		}
	}
	return found
}

func scanner(p Plan, a, r *bicep.Resource) []string {
	var found []string
	complain := func(text string) { found = append(found, fmt.Sprintf("%s:%d: %s %s", r.File, r.Line, a.Name, text)) }
	on := p.Params["malwareScanning"] != false
	if r.Get("properties", "isEnabled") != on || r.Get("properties", "malwareScanning", "onUpload", "isEnabled") != on {
		complain(fmt.Sprintf("is not scanned as wanted: %v", on))
	}
	if _, capped := r.Get("properties", "malwareScanning", "onUpload", "capGBPerMonth").(int); !capped {
		complain("has no cap")
	}
	if r.Text("properties", "malwareScanning", "blobScanResultsOptions") != "BlobIndexTags" || r.Get("properties", "overrideSubscriptionLevelSettings") != true {
		complain("gets no index tags, or whatever the subscription has")
	}
	if topic := r.Text("properties", "malwareScanning", "scanResultsEventGridTopicResourceId"); on != strings.Contains(topic, "/topics/evgt-airlock-scan-") {
		complain("reports to " + topic)
	}
	for _, t := range matching(p, "Microsoft.EventGrid/systemTopics", "evgt-"+a.Name) {
		if !p.Deployment.Follows(r, t) {
			complain("is scanned before it has its topic, and Defender makes one of its own")
		}
	}
	rules, _ := a.Get("properties", "networkAcls", "resourceAccessRules").([]any)
	if on != (len(rules) == 1) {
		complain("does not let the scanner in, or does without need")
	}
	return found
}

// private: whatever is closed to the internet has a private endpoint, and an app that is private has nothing open around it.
func private(_ *bicep.Program, plans []Plan) []string {
	var found []string
	for _, p := range plans {
		reached := map[string]bool{}
		for _, e := range p.Deployment.Of("Microsoft.Network/privateEndpoints") {
			connections, _ := e.Get("properties", "privateLinkServiceConnections").([]any)
			for _, c := range connections {
				connection := c.(map[string]any)["properties"].(map[string]any)
				for _, service := range connection["groupIds"].([]any) {
					reached[fmt.Sprint(connection["privateLinkServiceId"], " ", service)] = true
				}
			}
		}
		need := func(r *bicep.Resource, services ...string) {
			for _, service := range services {
				if !reached[r.ID+" "+service] {
					found = append(found, fmt.Sprintf("%s has no private endpoint for %s", r.Name, service))
				}
			}
		}
		for _, r := range p.Deployment.Resources {
			closed := p.Params["privateApp"] == true
			switch {
			case r.Type == accountType:
				need(r, "blob")
				if strings.HasPrefix(r.Name, "stairlock") {
					need(r, "table")
				}
			case r.Type == "Microsoft.KeyVault/vaults":
				need(r, "vault")
			case r.Type == "Microsoft.ServiceBus/namespaces" && closed:
				need(r, "namespace")
				if r.Text("sku", "name") != "Premium" || r.Text("properties", "publicNetworkAccess") != "Disabled" {
					found = append(found, r.Name+" is open around a private app")
				}
			case r.Type == "Microsoft.Web/sites" && closed && strings.HasPrefix(r.Name, "func-"):
				need(r, "sites")
				if r.Text("properties", "publicNetworkAccess") != "Disabled" {
					found = append(found, r.Name+" is open although it is private")
				}
			}
		}
	}
	return found
}
