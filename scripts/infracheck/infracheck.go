// Package infracheck holds the deployment in infra/ against the rules that it promises to keep and against the code that it
// is for, without Azure.
//
// It promises that every rule looks at what would be deployed, worked out from the templates for each combination of
// parameters that matters, and not at the text of the templates. It never changes anything.
package infracheck

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"airlock/scripts/infracheck/bicep"
)

// Load reads and parses the templates of a folder.
func Load(ctx context.Context, infra fs.FS) (*bicep.Program, error) {
	sources, data, err := read(infra)
	if err != nil {
		return nil, err
	}
	files, err := bicep.Parse(ctx, sources)
	if err != nil {
		return nil, err
	}
	return &bicep.Program{Files: files, Data: data}, nil
}

// read returns the Bicep and the JSON beside it.
func read(infra fs.FS) (sources map[string]string, data map[string][]byte, err error) {
	sources, data = map[string]string{}, map[string][]byte{}
	for _, pattern := range []string{"*.bicep", "modules/*.bicep", "modules/*.json"} {
		names, err := fs.Glob(infra, pattern)
		if err != nil {
			return nil, nil, fmt.Errorf("read templates: %w", err)
		}
		for _, name := range names {
			content, err := fs.ReadFile(infra, name)
			if err != nil {
				return nil, nil, fmt.Errorf("read templates: %w", err)
			}
			if strings.HasSuffix(name, ".json") {
				data[name] = content
			} else {
				sources[name] = string(content)
			}
		}
	}
	return sources, data, nil
}

// Group is the resource group of the TRE in every plan.
const Group = "rg-airlock"

// Plan is a template with parameters, and what it deploys.
type Plan struct {
	Template   string
	Params     map[string]any
	Deployment *bicep.Deployment
}

func (p Plan) String() string { return fmt.Sprintf("%s %v", p.Template, p.Params) }

// Example returns parameters that a template can be deployed with: all that have no default.
func Example(template string) map[string]any {
	if template == "workspace" {
		return map[string]any{"treId": "tre1", "workspaceId": "0193f5c0-0000-7000-8000-00000000abcd", "treGroup": Group}
	}
	return map[string]any{"treId": "tre1", "apiAudiences": []any{"00000000-0000-0000-0000-00000000a001"}}
}

// together are the choices that depend on each other.
var together = choices{
	{"layout", []any{"default", "compact"}},
	{"eventDelivery", []any{"push", "queue"}},
	{"malwareScanning", []any{true, false}},
	{"codeDeployed", []any{false, true}},
}

// Plans deploys both templates: with every combination of the choices that depend on each other, and with each other
// choice on its own, among them the shortest and the longest ids.
func Plans(program *bicep.Program) ([]Plan, error) {
	all, err := deploy(program, "main", slices.Concat(together.all(Example("main")), choices{{"privateApp", []any{true}}}.onTop(together.all(Example("main")))))
	if err != nil {
		return nil, err
	}
	workspaces, err := deploy(program, "workspace", together.all(Example("workspace")))
	if err != nil {
		return nil, err
	}
	few, err := FewPlans(program)
	return slices.Concat(all, workspaces, few), err
}

// FewPlans deploys both templates with each choice on its own, which is enough to meet every line of them.
func FewPlans(program *bicep.Program) ([]Plan, error) {
	mail := map[string]any{"server": "mail.example.org", "port": "587", "username": "", "sender": "airlock@example.org",
		"language": "en", "timeZone": "UTC", "timeZoneLabel": "UTC"}
	login := maps.Clone(mail)
	login["username"] = "airlock"
	network := map[string]any{"appSubnetId": "/app", "notifierSubnetId": "/notifier", "endpointSubnetId": "/endpoints",
		"zones": map[string]any{"blob": "/blob", "table": "", "queue": "", "namespace": "", "vault": "", "sites": ""}}
	alone := map[string]choices{
		"main": {
			{"treId", []any{"a", "tre-9_ABCDE", "ABCDEFGHIJK"}},
			{"plan", []any{"premium"}},
			{"mail", []any{mail, login}},
			{"existingNetwork", []any{network}},
			{"alwaysReady", []any{0}},
			{"checkpointsLocked", []any{true}},
			{"privateApp", []any{true}},
		},
		"workspace": {
			{"treId", []any{"a", "ABCDEFGHIJK"}},
			{"suffix", []any{"1", "123456789"}},
			{"endpointSubnetId", []any{"/subnet"}},
		},
	}
	others := choices{{"layout", []any{"compact"}}, {"eventDelivery", []any{"queue"}}, {"malwareScanning", []any{false}}, {"codeDeployed", []any{false, true}}}
	office := maps.Clone(mail)
	for _, unused := range []string{"server", "port", "username"} {
		delete(office, unused)
	}
	plans, err := deploy(program, "main", choices{{"mail", []any{office}}, {"mailConnector", []any{"office365"}}}.all(Example("main")))
	if err != nil {
		return nil, err
	}
	for _, template := range []string{"main", "workspace"} {
		for _, c := range slices.Concat(others, alone[template]) {
			base := Example(template)
			base["codeDeployed"] = true
			some, err := deploy(program, template, choices{c}.all(base))
			if err != nil {
				return nil, err
			}
			plans = append(plans, some...)
		}
	}
	return plans, nil
}

func deploy(program *bicep.Program, template string, combinations []map[string]any) ([]Plan, error) {
	var plans []Plan
	for _, params := range combinations {
		d, err := program.Deploy(template+".bicep", groupOf(template), params)
		if err != nil {
			return nil, fmt.Errorf("%s with %v: %w", template, params, err)
		}
		plans = append(plans, Plan{template, params, d})
	}
	return plans, nil
}

func groupOf(template string) string {
	if template == "workspace" {
		return "rg-workspace"
	}
	return Group
}

// choice is a parameter with the values that it can have.
type choice struct {
	name   string
	values []any
}

type choices []choice

// all returns every combination on top of the given parameters.
func (c choices) all(base map[string]any) []map[string]any { return c.onTop([]map[string]any{base}) }

// onTop returns every combination on top of each of the given ones.
func (c choices) onTop(combinations []map[string]any) []map[string]any {
	for _, choice := range c {
		var next []map[string]any
		for _, params := range combinations {
			for _, value := range choice.values {
				p := maps.Clone(params)
				p[choice.name] = value
				next = append(next, p)
			}
		}
		combinations = next
	}
	return combinations
}

// decode reads JSON that was read once already, when the templates were worked out.
func decode[T any](raw []byte) T {
	var value T
	if err := json.Unmarshal(raw, &value); err != nil {
		panic("infracheck: " + err.Error())
	}
	return value
}
