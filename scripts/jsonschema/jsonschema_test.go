package jsonschema_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"airlock/scripts/jsonschema"
)

func load(t *testing.T, files map[string]string) (jsonschema.Folder, error) {
	t.Helper()
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return jsonschema.Load(folder)
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name, schema string
		good, bad    []string
	}{
		{"types", `{"type":["string","null"]}`, []string{`"a"`, `null`}, []string{`1`, `true`, `[]`, `{}`}},
		{"every type", `{"type":["array","boolean","object"]}`, []string{`[]`, `true`, `{}`}, []string{`1`, `"a"`, `null`}},
		{"integer", `{"type":"integer"}`, []string{`1`, `-1`, `1.0`, `1e3`, `99999999999999999999`}, []string{`1.5`, `"1"`, `1e-1`}},
		{"number", `{"type":"number"}`, []string{`1.5`, `1`}, []string{`"1"`}},
		{"const", `{"const":"a"}`, []string{`"a"`}, []string{`"b"`, `null`, `["a"]`}},
		{"enum", `{"enum":["a",1,null,[1]]}`, []string{`"a"`, `1.0`, `null`, `[1]`}, []string{`"b"`, `2`, `false`}},
		{"required", `{"required":["a"]}`, []string{`{"a":null}`, `1`}, []string{`{}`, `{"b":1}`}},
		{"properties", `{"properties":{"a":{"type":"string"}}}`, []string{`{}`, `{"a":"x","b":1}`}, []string{`{"a":1}`}},
		{"no others", `{"properties":{"a":true},"additionalProperties":false}`, []string{`{"a":1}`}, []string{`{"b":1}`}},
		{"others", `{"additionalProperties":{"type":"string"}}`, []string{`{"a":"x"}`}, []string{`{"a":1}`}},
		{"items", `{"items":{"type":"string"},"minItems":1,"maxItems":2}`, []string{`["a"]`, `"x"`}, []string{`[]`, `["a","b","c"]`, `[1]`}},
		{"allOf", `{"allOf":[{"minLength":2},{"maxLength":3}]}`, []string{`"ab"`, `"äöü"`}, []string{`"a"`, `"abcd"`}},
		{"pattern", `{"pattern":"^[a-f]+$"}`, []string{`"abc"`, `1`}, []string{`"abx"`, `""`}},
		{"range", `{"minimum":1,"maximum":2}`, []string{`1`, `2`, `"x"`}, []string{`0.9`, `2.1`, `1e999`}},
		{"time", `{"format":"date-time"}`, []string{`"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05.678+01:00"`}, []string{`"2026-01-02"`, `"now"`}},
		{"uri", `{"format":"uri"}`, []string{`"https://a.example/b"`}, []string{`"/b"`, `"::"`}},
		{"in itself", `{"$ref":"#/$defs/list","$defs":{"list":{"type":["object","null"],"properties":{"next":{"$ref":"#/$defs/list"}}}}}`,
			[]string{`{"next":{"next":null}}`}, []string{`{"next":{"next":1}}`}},
		{"another file", `{"$ref":"other.json#/$defs/x"}`, []string{`"a"`}, []string{`1`}},
		{"whole file", `{"$ref":"other.json"}`, []string{`{"a":1}`}, []string{`{}`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder, err := load(t, map[string]string{"s.json": test.schema, "other.json": `{"required":["a"],"type":"object","$defs":{"x":{"type":"string"}}}`})
			if err != nil {
				t.Fatal(err)
			}
			for _, document := range test.good {
				if err := folder["s.json"].Validate([]byte(document)); err != nil {
					t.Errorf("%s is refused: %v", document, err)
				}
			}
			for _, document := range append(test.bad, `{`, ``, `1 2`) {
				if folder["s.json"].Validate([]byte(document)) == nil {
					t.Errorf("%s is accepted", document)
				}
			}
		})
	}
}

func TestSchemasThatCannotBe(t *testing.T) {
	for name, schema := range map[string]string{
		"not JSON": `{`, "not a schema": `1`, "keyword": `{"minProperties":1}`, "type": `{"type":"text"}`, "types": `{"type":1}`, "no such file": `{"$ref":"x.json"}`,
		"no such definition": `{"$ref":"#/$defs/x"}`, "format": `{"format":"email"}`, "pattern": `{"pattern":"("}`, "limit": `{"minimum":"1"}`,
		"deep": `{"properties":{"a":{"items":{"not":{}}}}}`, "enum": `{"enum":1}`, "required": `{"required":[1]}`, "part": `{"allOf":[{"type":1}]}`,
	} {
		if _, err := load(t, map[string]string{"s.json": schema}); err == nil || !strings.Contains(err.Error(), "s.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUndescribed(t *testing.T) {
	folder, err := load(t, map[string]string{
		"base.json": `{"properties":{"a":true,"list":{"items":{"properties":{"b":true}}},"map":{"additionalProperties":{"type":"string"}}}}`,
		"s.json":    `{"$ref":"base.json","properties":{"more":{"properties":{"c":true}}}}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := folder["s.json"].Undescribed([]byte(`{"a":1,"list":[{"b":1},{"x":1}],"map":{"k":"v"},"more":{"c":1,"d":2},"new":{"e":1}}`))
	if want := []string{".list[1].x", ".more.d", ".new"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// TestErrorsNameThePlace and no value: documents hold what is private.
func TestErrorsNameThePlace(t *testing.T) {
	folder, err := load(t, map[string]string{"s.json": `{"properties":{"a":{"items":{"type":"integer"}},"b":{"pattern":"x"}}}`})
	if err != nil {
		t.Fatal(err)
	}
	err = folder["s.json"].Validate([]byte(`{"a":[1,"secret"],"b":"secret"}`))
	if err == nil || !strings.Contains(err.Error(), ".a[1]") || !strings.Contains(err.Error(), ".b") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
