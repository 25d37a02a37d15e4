package workflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// bench is an environment whose one operation, by two names, notes what it is called with, and fails on request.
type bench struct {
	calls  []map[string]any
	waited time.Duration
}

func (b *bench) environment() Environment {
	do := func(_ context.Context, p map[string]any) (any, error) {
		if p["fail"] == true {
			return nil, errors.New("on request")
		}
		b.calls = append(b.calls, p)
		return map[string]any{"done": p["what"]}, nil
	}
	return Environment{
		Parameters: map[string]any{"list": []any{"a", "b", "c"}, "none": []any{}, "n": int64(2), "name": "x"},
		Settings:   map[string]string{"TOPIC": "t"},
		Operations: map[string]Operation{Key("/serviceProviders/Test", "do"): do, Key(ManagedAPI+"mailer", "post /v2/Do"): do},
		Now:        func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
		Wait:       func(_ context.Context, d time.Duration) error { b.waited += d; return nil },
	}
}

// definition puts actions into a workflow.
func definition(actions string) []byte {
	return fmt.Appendf(nil, `{"definition": {"$schema": "s", "contentVersion": "1.0.0.0", "outputs": {}, "triggers": {"When": {"type": "ServiceProvider",
	 "inputs": {"parameters": {"topicName": "@appsetting('TOPIC')", "subscriptionName": "s"}, "serviceProviderConfiguration":
	 {"connectionName": "bus", "operationId": "receive", "serviceProviderId": "/serviceProviders/Bus"}}, "splitOn": "@triggerOutputs()?['body']"}},
	 "actions": {%s}}, "kind": "Stateful"}`, actions)
}

// call is an action that calls the operation of the bench.
func call(name, parameters, after string) string {
	return fmt.Sprintf(`"%s": {"type": "ServiceProvider", "inputs": {"parameters": {%s}, "serviceProviderConfiguration": {"connectionName": "c",
	 "operationId": "do", "serviceProviderId": "/serviceProviders/Test"}}, "runAfter": {%s}}`, name, parameters, after)
}

func (b *bench) run(t *testing.T, actions string) *Result {
	t.Helper()
	w, err := Load(definition(actions), b.environment())
	if err != nil {
		t.Fatal(err)
	}
	result, err := w.Run(t.Context(), map[string]any{"body": map[string]any{"contentData": map[string]any{"n": int64(7)}}})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// callManaged is an action that calls the managed operation of the bench.
func callManaged(name, body string) string {
	return fmt.Sprintf(`"%s": {"type": "ApiConnection", "inputs": {"host": {"connection": {"referenceName": "mailer"}}, "method": "post", "path": "/v2/Do",
	 "body": {%s}}}`, name, body)
}

const broken = `"Broken": {"type": "Compose", "inputs": "@int('x')"}`

// TestActions runs one definition per kind of action and more, and looks at the status of the run, the outputs of one action, and
// the calls of the operation.
func TestActions(t *testing.T) {
	tests := []struct {
		name, actions string
		status        Status
		action        string
		outputs       any
		calls         []any // the parameter "what" of each
	}{
		{name: "Compose", actions: `"A": {"type": "Compose", "inputs": {"n": "@triggerBody()['contentData']['n']", "s": ["@{parameters('name')}!", 1, null]}}`,
			status: Succeeded, action: "A", outputs: map[string]any{"n": int64(7), "s": []any{"x!", int64(1), nil}}},
		{name: "clock", actions: `"A": {"type": "Compose", "inputs": "@utcNow('yyyy-MM-dd')"}`, status: Succeeded, action: "A", outputs: "2026-01-02"},
		{name: "ParseJson", actions: `"A": {"type": "ParseJson", "inputs": {"content": "{\"a\": 1}", "schema": {"type": "object", "required": ["a"]}}},
			"B": {"type": "Compose", "inputs": "@body('A')['a']", "runAfter": {"A": ["Succeeded"]}}`, status: Succeeded, action: "B", outputs: int64(1)},
		{name: "ParseJson of bytes", actions: `"A": {"type": "ParseJson", "inputs": {"content": {"$content-type": "x/y", "$content": "WzFd"}, "schema": {}}}`,
			status: Succeeded, action: "A", outputs: map[string]any{"body": []any{int64(1)}}},
		{name: "ParseJson refuses", actions: `"A": {"type": "ParseJson", "inputs": {"content": {"a": "1"}, "schema": {"properties": {"a": {"type": "integer"}}}}}`, status: Failed},
		{name: "Select", actions: `"A": {"type": "Select", "inputs": {"from": "@parameters('list')", "select": {"v": "@item()"}}}`,
			status: Succeeded, action: "A", outputs: map[string]any{"body": []any{map[string]any{"v": "a"}, map[string]any{"v": "b"}, map[string]any{"v": "c"}}}},
		{name: "Query", actions: `"A": {"type": "Query", "inputs": {"from": "@parameters('list')", "where": "@greater(item(), 'a')"}}`,
			status: Succeeded, action: "A", outputs: map[string]any{"body": []any{"b", "c"}}},
		{name: "Query needs a boolean", actions: `"A": {"type": "Query", "inputs": {"from": "@parameters('list')", "where": "@item()"}}`, status: Failed},
		{name: "variables", actions: `"I": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "v", "type": "array"}]}},
			"P": {"type": "AppendToArrayVariable", "inputs": {"name": "v", "value": "@parameters('n')"}, "runAfter": {"I": ["Succeeded"]}},
			"J": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "w", "type": "string", "value": "old"}]}},
			"S": {"type": "SetVariable", "inputs": {"name": "w", "value": "new @{variables('w')}"}, "runAfter": {"J": ["Succeeded"]}},
			"A": {"type": "Compose", "inputs": "@createArray(variables('v'), variables('w'))", "runAfter": {"P": ["Succeeded"], "S": ["Succeeded"]}}`,
			status: Succeeded, action: "A", outputs: []any{[]any{int64(2)}, "new old"}},
		{name: "If", actions: `"If": {"type": "If", "expression": {"and": [{"equals": ["@parameters('n')", 2]}, {"not": {"contains": ["@parameters('name')", "y"]}},
			{"or": [{"greater": [1, 2]}, {"lessOrEquals": [1, 2]}]}]}, "actions": {` + call("Yes", `"what": 1`, "") + `}, "else": {"actions": {` + call("No", `"what": 2`, "") + `}}}`,
			status: Succeeded, action: "No", calls: []any{int64(1)}},
		{name: "If with text", actions: `"If": {"type": "If", "expression": "@equals(1, 2)", "actions": {` + call("Yes", `"what": 1`, "") + `}, "else": {"actions": {` + call("No", `"what": 2`, "") + `}}}`,
			status: Succeeded, action: "Yes", calls: []any{int64(2)}},
		{name: "If fails inside", actions: `"If": {"type": "If", "expression": "@equals(1, 1)", "actions": {` + broken + `}}`, status: Failed},
		{name: "Switch", actions: `"Sw": {"type": "Switch", "expression": "@parameters('name')", "cases": {"A": {"case": "w", "actions": {` + call("W", `"what": 1`, "") + `}},
			"B": {"case": "x", "actions": {` + call("X", `"what": 2`, "") + `}}}, "default": {"actions": {` + call("D", `"what": 3`, "") + `}}}`,
			status: Succeeded, action: "D", calls: []any{int64(2)}},
		{name: "Switch default", actions: `"Sw": {"type": "Switch", "expression": "@parameters('list')", "cases": {}, "default": {"actions": {` + call("D", `"what": 3`, "") + `}}}`,
			status: Succeeded, calls: []any{int64(3)}},
		{name: "Foreach", actions: `"Each": {"type": "Foreach", "foreach": "@parameters('list')", "operationOptions": "Sequential", "actions": {
			"Inner": {"type": "Foreach", "foreach": "@createArray(1, 2)", "actions": {` +
			call("Do", `"what": "@concat(items('Each'), item(), outputs('Up'))"`, "") + `}, "runAfter": {"Up": ["Succeeded"]}}, "Up": {"type": "Compose", "inputs": "@toUpper(item())"}}}`,
			status: Succeeded, calls: []any{"a1A", "a2A", "b1B", "b2B", "c1C", "c2C"}},
		{name: "Foreach of nothing", actions: `"Each": {"type": "Foreach", "foreach": "@parameters('none')", "actions": {` + call("Do", `"what": 1`, "") + `}}`, status: Succeeded},
		{name: "Foreach goes on after a failure", actions: `"Each": {"type": "Foreach", "foreach": "@parameters('list')", "actions": {` +
			call("Do", `"what": "@item()", "fail": "@equals(item(), 'b')"`, "") + `}}`, status: Failed, calls: []any{"a", "c"}},
		{name: "Foreach of no list", actions: `"Each": {"type": "Foreach", "foreach": "@parameters('name')", "actions": {}}`, status: Failed},
		{name: "Scope", actions: `"S": {"type": "Scope", "actions": {"A": {"type": "Compose", "inputs": 1}}}, "B": {"type": "Compose", "inputs": "@outputs('A')", "runAfter": {"S": ["Succeeded"]}}`,
			status: Succeeded, action: "B", outputs: int64(1)},
		{name: "Wait", actions: `"W": {"type": "Wait", "inputs": {"interval": {"count": "@parameters('n')", "unit": "Minute"}}}`, status: Succeeded},
		{name: "ServiceProvider", actions: call("C", `"what": "it"`, "") + `, "A": {"type": "Compose", "inputs": "@body('C')['done']", "runAfter": {"C": ["Succeeded"]}}`,
			status: Succeeded, action: "A", outputs: "it", calls: []any{"it"}},
		{name: "ApiConnection", actions: callManaged("C", `"what": "it"`) + `, "A": {"type": "Compose", "inputs": "@body('C')['done']", "runAfter": {"C": ["Succeeded"]}}`,
			status: Succeeded, action: "A", outputs: "it", calls: []any{"it"}},
		{name: "ApiConnection fails", actions: callManaged("C", `"what": "it", "fail": true`), status: Failed},
		{name: "Terminate", actions: `"T": {"type": "Terminate", "inputs": {"runStatus": "Cancelled"}}, ` + call("C", `"what": 1`, `"T": ["Succeeded"]`), status: Cancelled},
		{name: "Terminate inside", actions: `"S": {"type": "Scope", "actions": {"T": {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {"code": "C", "message": "@parameters('name')"}}}}}, ` +
			call("C", `"what": 1`, `"S": ["Succeeded"]`), status: Failed},
		{name: "a failure is handled", actions: broken + `, ` + call("C", `"what": 1`, `"Broken": ["Failed"]`), status: Succeeded, calls: []any{int64(1)}},
		{name: "a failure skips what follows", actions: broken + `, ` + call("C", `"what": 1`, `"Broken": ["Succeeded"]`) + `, ` + call("D", `"what": 2`, `"C": ["Succeeded"]`), status: Failed, action: "D"},
		{name: "a skipped action can be waited for", actions: broken + `, ` + call("C", `"what": 1`, `"Broken": ["Succeeded"]`) + `, ` + call("D", `"what": 2`, `"C": ["Skipped"]`), status: Succeeded, calls: []any{int64(2)}},
		{name: "one of two branches fails", actions: broken + `, ` + call("C", `"what": 1`, ""), status: Failed, calls: []any{int64(1)}},
		{name: "order as declared", actions: call("Z", `"what": 1`, "") + `, ` + call("A", `"what": 2`, "") + `, ` + call("M", `"what": 0`, ""), status: Succeeded, calls: []any{int64(1), int64(2), int64(0)}},
	}
	tested := map[string]bool{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for kind := range kinds() {
				if strings.Contains(test.actions, `"type": "`+kind+`"`) {
					tested[kind] = true
				}
			}
			var b bench
			r := b.run(t, test.actions)
			if r.Status != test.status || (r.Err != nil) != (test.status == Failed) {
				t.Errorf("status %s (%v), want %s", r.Status, r.Err, test.status)
			}
			if got := r.Actions[test.action].Outputs; !reflect.DeepEqual(got, test.outputs) {
				t.Errorf("outputs %#v, want %#v", got, test.outputs)
			}
			var calls []any
			for _, c := range b.calls {
				calls = append(calls, c["what"])
			}
			if !reflect.DeepEqual(calls, test.calls) {
				t.Errorf("calls %v, want %v", calls, test.calls)
			}
			if test.name == "Wait" && b.waited != 2*time.Minute {
				t.Errorf("waited %s", b.waited)
			}
		})
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds())) {
		if !tested[kind] {
			t.Errorf("no test has an action of the kind %s", kind)
		}
	}
}

// What happens in a loop stays in its iteration: neither the next one nor what follows sees it.
func TestLoopsKeepTheirOutcomes(t *testing.T) {
	var b bench
	r := b.run(t, `"Each": {"type": "Foreach", "foreach": "@parameters('list')", "actions": {
		"Only_a": {"type": "If", "expression": "@equals(item(), 'a')", "actions": {"In": {"type": "Compose", "inputs": "@item()"}}},
		`+call("Do", `"what": "@coalesce(outputs('In'), 'nothing')"`, `"Only_a": ["Succeeded"]`)+`}},
		"After": {"type": "Compose", "inputs": "@outputs('Do')", "runAfter": {"Each": ["Succeeded", "Failed"]}}`)
	if len(b.calls) != 3 || b.calls[0]["what"] != "a" || b.calls[1]["what"] != "nothing" || b.calls[2]["what"] != "nothing" {
		t.Errorf("calls %v", b.calls)
	}
	if _, seen := r.Actions["Do"]; seen || r.Err == nil || !strings.Contains(r.Err.Error(), `action "Do" has not run before`) {
		t.Errorf("run %s (%v), actions %v", r.Status, r.Err, r.Actions)
	}
}

func TestTerminateSaysWhy(t *testing.T) {
	var b bench
	r := b.run(t, `"T": {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {"code": "C", "message": "because"}}}`)
	if !errors.Is(r.Err, ErrTerminated) || !strings.Contains(r.Err.Error(), "C: because") {
		t.Error(r.Err)
	}
}

// TestLoadRefuses holds one definition per thing that is not understood; each error names it.
func TestLoadRefuses(t *testing.T) {
	compose := func(expression string) string {
		return `"A": {"type": "Compose", "inputs": "` + expression + `"}`
	}
	tests := map[string]struct{ actions, want string }{
		"kind":               {`"A": {"type": "Http", "inputs": {}}`, `unknown kind "Http"`},
		"nested kind":        {`"S": {"type": "Scope", "actions": {"A": {"type": "Until"}}}`, `action S: action A: unknown kind "Until"`},
		"function":           {compose("@rand(1, 2)"), `unknown function "rand"`},
		"key":                {`"A": {"type": "Compose", "inputs": 1, "limit": {}}`, `unknown key "limit"`},
		"input":              {`"A": {"type": "Query", "inputs": {"from": [], "where": "@true", "limit": 1}}`, `unknown key "limit"`},
		"operation":          {strings.Replace(call("A", "", ""), `"do"`, `"undo"`, 1), "unknown operation undo"},
		"provider":           {strings.Replace(call("A", "", ""), "Providers/Test", "Providers/Sql", 1), "unknown operation"},
		"managed operation":  {strings.Replace(callManaged("A", ""), "/v2/Do", "/v3/Do", 1), "unknown operation post /v3/Do of /managedApis/mailer"},
		"managed connection": {strings.Replace(callManaged("A", ""), `"referenceName": "mailer"`, `"name": "mailer"`, 1), `unknown key "name"`},
		"queries":            {strings.Replace(callManaged("A", ""), `"method"`, `"queries": {}, "method"`, 1), `unknown key "queries"`},
		"parameter":          {compose("@parameters('p')"), "parameters('p'): there is none"},
		"setting":            {compose("@appsetting('p')"), "appsetting('p'): there is none"},
		"variable":           {compose("@variables('p')"), "variables('p'): there is none"},
		"set variable":       {`"A": {"type": "SetVariable", "inputs": {"name": "p", "value": 1}}`, `no variable "p"`},
		"variable's type":    {`"A": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "p", "type": "date"}]}}`, `unknown type "date"`},
		"action":             {compose("@outputs('B')"), "outputs('B'): there is none"},
		"loop":               {compose("@items('B')"), "items('B'): there is none"},
		"runAfter":           {`"A": {"type": "Compose", "inputs": 1, "runAfter": {"B": ["Succeeded"]}}`, "runs after B"},
		"runAfter status":    {`"A": {"type": "Compose", "inputs": 1, "runAfter": {"A": ["Done"]}}`, "unknown status Done"},
		"circle":             {`"A": {"type": "Compose", "inputs": 1, "runAfter": {"A": ["Succeeded"]}}`, "circle"},
		"twice":              {`"A": {"type": "Compose", "inputs": 1}, "S": {"type": "Scope", "actions": {"A": {"type": "Compose", "inputs": 1}}}`, "two actions are called A"},
		"same key":           {`"A": {"type": "Compose", "inputs": 1, "inputs": 2}`, `"inputs" stands twice`},
		"condition":          {`"A": {"type": "If", "expression": {"matches": [1, 2]}}`, `unknown condition "matches"`},
		"condition's values": {`"A": {"type": "If", "expression": {"equals": [1]}}`, "two values"},
		"two cases":          {`"A": {"type": "Switch", "expression": "a", "cases": {"x": {"case": "a", "actions": {}}, "y": {"case": "a", "actions": {}}}}`, "two cases for a"},
		"schema":             {`"A": {"type": "ParseJson", "inputs": {"content": 1, "schema": {"properties": {"a": {"minLength": 3}}}}}`, `a: unknown keyword "minLength"`},
		"schema's type":      {`"A": {"type": "ParseJson", "inputs": {"content": 1, "schema": {"type": "date"}}}`, `unknown type "date"`},
		"run status":         {`"A": {"type": "Terminate", "inputs": {"runStatus": "Done"}}`, `unknown runStatus "Done"`},
		"unit":               {`"A": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Fortnight"}}}`, "unknown unit Fortnight"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(definition(test.actions), new(bench).environment())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	text := string(definition(compose("a")))
	for name, edit := range map[string][3]string{
		"stateless":    {`"Stateful"`, `"Stateless"`, "kind Stateless"},
		"trigger kind": {`"type": "ServiceProvider"`, `"type": "Recurrence"`, "unknown kind Recurrence"},
		"split":        {`@triggerOutputs()?['body']`, `@triggerBody()?['value']`, "splitOn"},
		"not JSON":     {`"definition": {`, `"definition": `, "load workflow"},
		"top level":    {`"outputs": {}`, `"staticResults": {}`, `unknown key "staticResults"`},
	} {
		_, err := Load([]byte(strings.Replace(text, edit[0], edit[1], 1)), new(bench).environment())
		if err == nil || !strings.Contains(err.Error(), edit[2]) {
			t.Errorf("%s: got %v, want %q", name, err, edit[2])
		}
	}
}

func TestTrigger(t *testing.T) {
	w, err := Load(definition(""), new(bench).environment())
	if err != nil {
		t.Fatal(err)
	}
	want := Trigger{Name: "When", Provider: "/serviceProviders/Bus", Operation: "receive", Connection: "bus", SplitOn: true,
		Parameters: map[string]any{"topicName": "t", "subscriptionName": "s"}}
	if got := w.Trigger(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := w.Connections(); !maps.Equal(got, map[string]string{"bus": "/serviceProviders/Bus"}) {
		t.Errorf("connections %v", got)
	}
}

func TestSchema(t *testing.T) {
	s, err := compileSchema(map[string]any{
		"type": "object", "required": []any{"a"}, "title": "a comment",
		"properties": map[string]any{
			"a": map[string]any{"type": []any{"string", "null"}, "enum": []any{"x", "y"}},
			"b": map[string]any{"type": "array", "items": map[string]any{"type": "number"}},
			"c": map[string]any{"type": "boolean"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		value any
		want  string
	}{
		{map[string]any{"a": "x"}, ""}, {map[string]any{"a": nil, "b": []any{1.5, int64(2)}, "c": true, "more": 1}, ""},
		{[]any{}, "the content must be object"}, {map[string]any{}, "has no a"}, {map[string]any{"a": "z"}, "a is not one of x, y"},
		{map[string]any{"a": int64(1)}, "a must be string or null"}, {map[string]any{"a": "x", "b": []any{1.5, "2"}}, "b[1] must be number"},
		{map[string]any{"a": "x", "c": "true"}, "c must be boolean"},
	} {
		err := s.validate("", test.value)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v: %v, want %q", test.value, err, test.want)
		}
	}
}

func TestContextEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("stopped")
	var b bench
	env := b.environment()
	env.Wait = func(context.Context, time.Duration) error { cancel(cause); return cause }
	w, err := Load(definition(`"W": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Second"}}}, `+call("C", `"what": 1`, `"W": ["Failed", "Succeeded"]`)), env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Run(ctx, map[string]any{}); !errors.Is(err, cause) || len(b.calls) != 0 {
		t.Errorf("error %v, %d calls", err, len(b.calls))
	}
}

// FuzzLoad looks for panics in definitions of any form, and runs those that load.
func FuzzLoad(f *testing.F) {
	for _, actions := range []string{
		broken, call("C", `"what": 1`, ""), `"A": {"type": "ParseJson", "inputs": {"content": "{}", "schema": {"required": ["a"]}}}`,
		`"E": {"type": "Foreach", "foreach": "@parameters('list')", "actions": {"A": {"type": "Compose", "inputs": "@items('E')"}}}`,
		`"I": {"type": "If", "expression": {"not": {"equals": [1, "@item()"]}}, "actions": {"T": {"type": "Terminate", "inputs": {"runStatus": "Failed"}}}}`,
		`"S": {"type": "Switch", "expression": "a", "cases": {"x": {"case": "a", "actions": {}}}, "default": {"actions": {}}}`,
		`"V": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "v", "type": "array"}]}}, "W": {"type": "AppendToArrayVariable", "inputs": {"name": "v", "value": 1}}`,
	} {
		f.Add(definition(actions))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b bench
		w, err := Load(data, b.environment())
		if err != nil {
			return
		}
		if _, err := w.Run(t.Context(), map[string]any{}); err != nil {
			t.Fatal(err)
		}
	})
}
