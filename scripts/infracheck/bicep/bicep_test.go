package bicep_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"airlock/scripts/infracheck/bicep"
)

func parse(t *testing.T, sources map[string]string) bicep.Files {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	files, err := bicep.Parse(ctx, sources)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// run parses files and deploys main.bicep.
func run(t *testing.T, files map[string]string, params map[string]any) (*bicep.Deployment, error) {
	t.Helper()
	program := &bicep.Program{Files: parse(t, files), Data: map[string][]byte{"data.json": []byte(`{"list": [1, 2], "text": "x"}`)}}
	return program.Deploy("main.bicep", "rg", params)
}

// One file has an output for each expression.
func TestExpressions(t *testing.T) {
	tests := []struct {
		expression string
		want       any
	}{
		{`'a'`, "a"},
		{`'it\'s ${n} ${yes} ${'in${n}'}'`, "it's 7 true in7"},
		{`'''plain ${n}'''`, "plain ${n}"},
		{`-3`, -3},
		{`n + 2 * 3`, 13},
		{`n > 6 && !(n < 6)`, true},
		{`n == 7 ? 'seven' : nobody`, "seven"},
		{`n == 8 || yes`, true},
		{`null ?? 'else'`, "else"},
		{`['a', n]`, []any{"a", 7}},
		{`{ a: 1, 'b-c': [], '${'d'}': null }`, map[string]any{"a": 1, "b-c": []any{}, "d": nil}},
		{`object.list[1]`, 2},
		{`object['text']`, "x"},
		{`[for item in object.list: item + 1]`, []any{2, 3}},
		{`[for (item, i) in ['x', 'y']: '${item}${i}']`, []any{"x0", "y1"}},
		{`toLower(replace('A-B', '-', ''))`, "ab"},
		{`substring('abcdef', 2, 3)`, "cde"},
		{`take('ab', 9)`, "ab"},
		{`join(split('a,b', ','), ';')`, "a;b"},
		{`length('abc') + length([1])`, 4},
		{`empty('') && empty([]) && empty({}) && !empty('x')`, true},
		{`contains(['a'], 'a') && contains('abc', 'b') && contains({ k: 1 }, 'k')`, true},
		{`union({ a: 1, b: 1 }, { b: 2 })`, map[string]any{"a": 1, "b": 2}},
		{`concat([1], [2])`, []any{1, 2}},
		{`range(3, 2)`, []any{3, 4}},
		{`items({ b: 2, a: 1 })[0].key`, "a"},
		{`cidrSubnet('10.1.2.0/24', 26, 2)`, "10.1.2.128/26"},
		{`resourceId('A/b/c', 'x', 'y')`, "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/A/b/x/c/y"},
		{`resourceId('other', 'A/b', 'x')`, "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/other/providers/A/b/x"},
		{`guid('a') == guid('a') && guid('a') != guid('b')`, true},
		{`thing.name`, "one"},
		{`thing.properties.secret`, bicep.Unknown("A/b/one.properties.secret")},
		{`thing.location`, "here"},
		{`'${thing.properties.x}!'`, "«A/b/one.properties.x»!"},
		{`toLower(thing.properties.x)`, bicep.Unknown("toLower(A/b/one.properties.x)")},
		{`thing.listKeys()`, bicep.Unknown("listKeys()")},
	}
	source := "param n int = 7\nparam yes bool = true\nvar object = loadJsonContent('data.json')\nresource thing 'A/b@2024-01-01' = {\n  name: 'one'\n  location: 'here'\n}\n"
	var names []string
	for i, test := range tests {
		names = append(names, "o"+strings.Repeat("o", i))
		source += "output " + names[i] + " string = " + test.expression + "\n"
	}
	d, err := run(t, map[string]string{"main.bicep": source}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		if got := d.Outputs[names[i]]; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s is %#v, want %#v", test.expression, got, test.want)
		}
	}
}

const module = `@minLength(2)
param name string
param on bool = true
resource parent 'A/b@2024-01-01' = if (on) {
  name: name
}
resource child 'A/b/c@2024-01-01' = [for i in range(0, 2): if (on) {
  parent: parent
  name: 'c${i}'
}]
resource extension 'X/y@2024-01-01' = if (on) {
  name: 'e'
  scope: parent
}
output id string = on ? parent.id : ''
`

func TestResourcesAndModules(t *testing.T) {
	main := `module m 'sub/m.bicep' = [for name in ['aa', 'bb']: {
  name: 'm-${name}'
  scope: resourceGroup('other')
  params: { name: name, on: name == 'aa' }
}]
resource there 'A/b@2024-01-01' existing = {
  name: 'zz'
}
resource last 'A/b@2024-01-01' = {
  name: 'last'
  properties: { uses: m[0].outputs.id, sees: there.id }
}
resource alone 'A/b@2024-01-01' = {
  name: 'alone'
}
`
	d, err := run(t, map[string]string{"main.bicep": main, "sub/m.bicep": module}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const other = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/other/providers/A/b/aa"
	want := []string{other, other + "/c/c0", other + "/c/c1", other + "/providers/X/y/e"}
	byName := map[string]*bicep.Resource{}
	for i, r := range d.Resources {
		byName[r.Name] = r
		if i < len(want) && r.ID != want[i] {
			t.Errorf("resource %d is %s, want %s", i, r.ID, want[i])
		}
	}
	if len(d.Resources) != 6 || byName["last"] == nil || byName["last"].Text("properties", "uses") != other {
		t.Fatalf("%d resources, %+v", len(d.Resources), byName["last"])
	}
	for _, order := range []struct {
		later, earlier string
		want           bool
	}{{"aa/c0", "aa", true}, {"aa", "aa/c0", false}, {"e", "aa", true}, {"last", "aa", true}, {"last", "aa/c0", true}, {"alone", "aa", false}, {"last", "alone", false}} {
		if got := d.Follows(byName[order.later], byName[order.earlier]); got != order.want {
			t.Errorf("%s follows %s: %v", order.later, order.earlier, got)
		}
	}
}

func TestMistakes(t *testing.T) {
	resource := "resource a 'A/b@2024-01-01' = if (on) {\n  name: 'a'\n}\n"
	tests := map[string]struct{ main, want string }{
		"an unknown name":               {"output x string = nobody", "nobody declares nobody"},
		"a circle":                      {"var a = b\nvar b = a\noutput x string = a", "depends on itself"},
		"a missing property":            {"var a = { b: 1 }\noutput x int = a.c", "there is no c"},
		"a list that is too short":      {"var a = [1]\noutput x int = a[1]", "has no element 1"},
		"a key twice":                   {"var a = { b: 1, b: 2 }\noutput x object = a", "twice"},
		"what is not deployed":          {"param on bool = false\n" + resource + "output x string = a.id", "not deployed"},
		"a condition on the future":     {"param on bool = true\n" + resource + "output x string = a.properties.x == '1' ? 'a' : 'b'", "not known before"},
		"a name from the future":        {"param on bool = true\n" + resource + "resource b 'A/b@2024-01-01' = {\n  name: a.properties.x\n}", "not known before"},
		"the same resource twice":       {"param on bool = true\n" + resource + strings.Replace(resource, "resource a", "resource b", 1), "deployed twice"},
		"too many names":                {"resource b 'A/b@2024-01-01' = {\n  name: 'x/y'\n}", "has 2 names"},
		"a module that is not there":    {"module m 'n.bicep' = {\n  name: 'm'\n}", "n.bicep"},
		"a parameter too few":           {"module m 'm.bicep' = {\n  name: 'm'\n}", "needs the parameter name"},
		"a parameter too many":          {"module m 'm.bicep' = {\n  name: 'm'\n  params: { name: 'xx', more: 1 }\n}", "has no parameter more"},
		"a parameter that is too short": {"module m 'm.bicep' = {\n  name: 'm'\n  params: { name: 'x' }\n}", "too short"},
		"a default that is not allowed": {"@allowed(['a'])\nparam x string = 'b'\noutput y string = x", "not allowed"},
		"a file that is not there":      {"output x object = loadJsonContent('no.json')", "there is no no.json"},
		"a function that nobody knows":  {"output x string = magic('x')", "magic is not supported"},
		"a subnet that does not fit":    {"output x string = cidrSubnet('10.0.0.0/26', 26, 1)", "has no subnet"},
	}
	sources := map[string]string{}
	for name, test := range tests {
		sources[name+"/main.bicep"], sources[name+"/m.bicep"] = test.main+"\n", module
	}
	files := parse(t, sources) // all at once: a parser for each would take most of the time
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := (&bicep.Program{Files: files}).Deploy(name+"/main.bicep", "rg", nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestWhatIsNoBicep(t *testing.T) {
	_, err := bicep.Parse(t.Context(), map[string]string{"a.bicep": "param = 1\n", "b.bicep": "type t = string\n", "c.bicep": "param x string\n"})
	for _, want := range []string{"a.bicep:1: syntax error", "b.bicep:1: type_declaration is not supported"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
