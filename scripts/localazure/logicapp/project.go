package logicapp

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"airlock/scripts/localazure/logicapp/expression"
	"airlock/scripts/localazure/logicapp/workflow"
)

// load reads a project and checks it whole.
func load(o Options, operations map[string]workflow.Operation) (*workflow.Workflow, error) {
	parameters, err := readParameters(filepath.Join(o.Dir, "parameters.json"), o.Settings)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(o.Parameters)) {
		if _, ok := parameters[name]; !ok {
			return nil, fmt.Errorf("parameters.json has no parameter %q", name)
		}
		parameters[name] = o.Parameters[name]
	}
	definition, err := os.ReadFile(filepath.Join(o.Dir, o.Workflow, "workflow.json"))
	if err != nil {
		return nil, err
	}
	w, err := workflow.Load(definition, workflow.Environment{
		Parameters: parameters, Settings: o.Settings, Operations: operations, Now: o.Now, Wait: o.Wait,
	})
	if err != nil {
		return nil, err
	}
	return w, checkConnections(filepath.Join(o.Dir, "connections.json"), w.Connections(), o.Settings)
}

func readObject(path string) (map[string]any, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	v, err := expression.ParseJSON(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is not a JSON object", filepath.Base(path))
	}
	return m, nil
}

// readParameters reads the values of parameters.json. Azure: a value may be @appsetting('NAME') and no other expression.
func readParameters(path string, settings map[string]string) (map[string]any, error) {
	file, err := readObject(path)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(file)) {
		entry, _ := file[name].(map[string]any)
		kind, _ := entry["type"].(string)
		v := entry["value"]
		if s, ok := v.(string); ok && strings.HasPrefix(s, "@") {
			if v, err = setting(s, settings); err != nil {
				return nil, fmt.Errorf("parameter %s: %w", name, err)
			}
		}
		if !isKind(kind, v) {
			return nil, fmt.Errorf("parameter %s: the value is not of the type %q", name, kind)
		}
		values[name] = v
	}
	return values, nil
}

func isKind(kind string, v any) bool {
	switch v.(type) {
	case string:
		return kind == "String" || kind == "SecureString"
	case int64:
		return kind == "Int" || kind == "Float"
	case float64:
		return kind == "Float"
	case bool:
		return kind == "Bool"
	case []any:
		return kind == "Array"
	case map[string]any:
		return kind == "Object"
	}
	return false
}

// settings answers appsetting() and nothing else.
type settings map[string]string

func (s settings) Refer(function string, args []any) (any, error) {
	if function != "appsetting" {
		return nil, errors.New("only appsetting() has a meaning here")
	}
	name, _ := args[0].(string)
	if v, ok := s[name]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("there is no setting %q", name)
}

func setting(text string, values map[string]string) (any, error) {
	t, err := expression.Compile(text)
	if err != nil {
		return nil, err
	}
	return t.Eval(settings(values))
}

// checkConnections makes sure that connections.json has each connection that the workflow uses, with the same provider.
func checkConnections(path string, used, settings map[string]string) error {
	file, err := readObject(path)
	if err != nil {
		return err
	}
	known, _ := file["serviceProviderConnections"].(map[string]any)
	managed, _ := file["managedApiConnections"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if strings.HasPrefix(used[name], workflow.ManagedAPI) {
			if err := checkManaged(name, used[name], managed[name], settings); err != nil {
				return err
			}
			continue
		}
		connection, ok := known[name].(map[string]any)
		if !ok {
			return fmt.Errorf("connections.json has no connection %q", name)
		}
		provider, _ := connection["serviceProvider"].(map[string]any)
		if id, _ := provider["id"].(string); !strings.EqualFold(id, used[name]) {
			return fmt.Errorf("connection %q is to %q, not to %q", name, id, used[name])
		}
	}
	return nil
}

// checkManaged checks a connection to a managed connector. Azure: it has the id of the API, which the location and the
// subscription are in, the id of the connection, where it answers, and the identity that may use it; the first three come
// from the settings of the app.
func checkManaged(name, provider string, entry any, values map[string]string) error {
	connection, ok := entry.(map[string]any)
	if !ok {
		return fmt.Errorf("connections.json has no managed connection %q", name)
	}
	text := func(keys ...string) (string, error) {
		var at any = connection
		for _, key := range keys {
			m, _ := at.(map[string]any)
			at = m[key]
		}
		s, _ := at.(string)
		if !strings.HasPrefix(s, "@") {
			return s, nil
		}
		v, err := setting(s, values)
		s, _ = v.(string)
		return s, err
	}
	api, err := text("api", "id")
	if err != nil {
		return fmt.Errorf("connection %q: %w", name, err)
	}
	if !strings.HasSuffix(strings.ToLower(api), strings.ToLower(provider)) {
		return fmt.Errorf("connection %q is to %q, not to %q", name, api, provider)
	}
	for _, keys := range [][]string{{"connection", "id"}, {"connectionRuntimeUrl"}} {
		if _, err := text(keys...); err != nil {
			return fmt.Errorf("connection %q: %w", name, err)
		}
	}
	kind, err := text("authentication", "type")
	if err == nil && kind != "ManagedServiceIdentity" {
		err = fmt.Errorf("it is used as %q, not with the identity of the app", kind)
	}
	if err != nil {
		return fmt.Errorf("connection %q: %w", name, err)
	}
	return nil
}
