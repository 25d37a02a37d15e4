// Package infracheck holds the deployment in infra/ against the rules that it promises to keep and against the code that it
// is for, without Azure.
//
// It promises that every rule looks at what would be deployed, worked out from the templates for each combination of
// parameters that matters, and not at the text of the templates. It never changes anything.
package infracheck

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
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

// Plans deploys both templates with every combination of the choices that change what is deployed, and with the shortest
// and the longest ids.
func Plans(program *bicep.Program) ([]Plan, error) {
	mail := map[string]any{"server": "mail.example.org", "port": "587", "username": "", "sender": "airlock@example.org",
		"language": "en", "timeZone": "UTC", "timeZoneLabel": "UTC"}
	login := maps.Clone(mail)
	login["username"] = "airlock"
	network := map[string]any{"appSubnetId": "/app", "notifierSubnetId": "/notifier", "endpointSubnetId": "/endpoints",
		"zones": map[string]any{"blob": "/blob", "table": "", "queue": "", "namespace": "", "vault": "", "sites": ""}}
	tre := choices{
		{"treId", []any{"a", "tre-9_ABCDE"}},
		{"layout", []any{"default", "compact"}},
		{"eventDelivery", []any{"push", "queue"}},
		{"privateApp", []any{false, true}},
		{"plan", []any{"flex", "premium"}},
		{"malwareScanning", []any{true, false}},
		{"codeDeployed", []any{false, true}},
		{"mail", []any{map[string]any{}, mail, login}},
		{"existingNetwork", []any{map[string]any{}, network}},
	}
	workspace := choices{
		{"treId", []any{"a", "tre-9_ABCDE"}},
		{"suffix", []any{"1", "123456789"}},
		{"layout", []any{"default", "compact"}},
		{"eventDelivery", []any{"push", "queue"}},
		{"malwareScanning", []any{true, false}},
		{"codeDeployed", []any{false, true}},
		{"endpointSubnetId", []any{"", "/subnet"}},
	}
	var plans []Plan
	for template, c := range map[string]choices{"main": tre, "workspace": workspace} {
		for _, params := range c.all(Example(template)) {
			d, err := program.Deploy(template+".bicep", groupOf(template), params)
			if err != nil {
				return nil, fmt.Errorf("%s with %v: %w", template, params, err)
			}
			plans = append(plans, Plan{template, params, d})
		}
	}
	return plans, nil
}

func groupOf(template string) string {
	if template == "workspace" {
		return "rg-workspace"
	}
	return Group
}

// choices are the values that parameters can have.
type choices []struct {
	name   string
	values []any
}

// all returns every combination on top of the given parameters.
func (c choices) all(base map[string]any) []map[string]any {
	combinations := []map[string]any{base}
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
