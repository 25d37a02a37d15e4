package expression

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// fixed is a scope with a few things in it.
type fixed map[string]any

func (f fixed) Refer(function string, args []any) (any, error) {
	key := function
	if len(args) > 0 {
		name, _ := args[0].(string)
		key += " " + name
	}
	v, ok := f[key]
	if !ok {
		return nil, errors.New("nothing of this name")
	}
	return v, nil
}

var world = fixed{
	"triggerBody":  map[string]any{"contentData": map[string]any{"n": int64(3)}},
	"parameters p": map[string]any{"en": "English", "list": []any{"a", "b"}, "null": nil, "yes": true, "half": 0.5, "at": "@{item()}"},
	"item":         "x",
}

type row struct {
	text string
	want any // an error text if it is a fail
}

type fail string

// check evaluates each row; a fail row must be refused, when compiled or when evaluated, with that text in the error.
func check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		got, err := func() (any, error) {
			c, err := Compile(r.text)
			if err != nil {
				return nil, err
			}
			return c.Eval(world)
		}()
		if f, bad := r.want.(fail); bad {
			if err == nil || !strings.Contains(err.Error(), string(f)) {
				t.Errorf("%s: got %#v and the error %v, want an error with %q", r.text, got, err, string(f))
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, r.want) {
			t.Errorf("%s: got %#v (%v), want %#v", r.text, got, err, r.want)
		}
	}
}

func TestStrings(t *testing.T) {
	check(t, []row{
		{"plain", "plain"}, {"", ""}, {"a@b.example", "a@b.example"},
		{"@@literal", "@literal"}, {"@@@{item()}", "@x"}, {"@@{item()}", "@{item()}"}, {"a@@{b", "a@{b"},
		{"@{item()}", "x"}, {"a @{item()} b @{parameters('p')['half']}", "a x b 0.5"},
		{"@{parameters('p')['null']}|@{parameters('p')['yes']}", "|True"},
		{"@{parameters('p')['list']}", `["a","b"]`},
		{"@parameters('p')['at']", "@{item()}"},
		{"@item()", "x"}, {"@ item ( ) ", "x"}, {"@'it''s'", "it's"},
		{"@{concat('}', '{')}", "}{"},
		{"@12", int64(12)}, {"@-1.5e2", -150.0}, {"@true", true}, {"@null", nil}, {"@False", false},
		{"@", fail("ends")}, {"@{", fail("ends")}, {"@{item()", fail("ends")}, {"@item() x", fail("the end")},
		{"@'open", fail("no end")}, {"@1.2.3", fail("not a number")}, {"@item", fail("neither a function")},
		{"@item()?", fail("after '?'")}, {"@item(", fail("ends")}, {"@concat('a'", fail("ends")}, {"@[1]", fail("expected")},
		{"@" + strings.Repeat("not(", 300) + "true" + strings.Repeat(")", 300), fail("nested")},
		{"@concat('" + strings.Repeat("a", MaxLength) + "')", fail("longer than 8192")},
		{strings.Repeat("a", MaxLength+1), strings.Repeat("a", MaxLength+1)},
	})
}

func TestUnknownFunctionsAreNamed(t *testing.T) {
	check(t, []row{
		{"@guid()", fail(`unknown function "guid"`)}, {"@xpath('a', 'b')", fail(`unknown function "xpath"`)},
		{"text @{createObject()}", fail(`unknown function "createObject"`)},
		{"@toLower()", fail("toLower() needs at least 1")}, {"@toLower('a', 'b')", fail("toLower() takes at most 1")},
		{"@parameters()", fail("parameters() needs at least 1")}, {"@item(1)", fail("item() takes at most 0")},
		{"@PARAMETERS('p')['en']", "English"}, {"@ToUpper('a')", "A"},
	})
}

func TestAccess(t *testing.T) {
	check(t, []row{
		{"@parameters('p')['en']", "English"}, {"@parameters('p').en", "English"}, {"@parameters('p')?.en", "English"},
		{"@parameters('p')['list'][1]", "b"}, {"@parameters('p')?['list']?[9]", nil}, {"@parameters('p')?['no']?['deep']?['er']", nil},
		{"@triggerBody()?['contentData']?['n']", int64(3)}, {"@parameters('p')[concat('e', 'n')]", "English"},
		{"@parameters('p')['no']", fail(`no property "no"`)}, {"@parameters('p')?['null']['x']", fail("null has no property")},
		{"@parameters('p')['list'][2]", fail("2 elements")}, {"@parameters('p')['list'][-1]", fail("no [-1]")},
		{"@parameters('p')['list']['a']", fail("an array has no property")}, {"@item()?['x']", fail("a string has no property")},
		{"@parameters('p')[0]", fail("an object has no element 0")}, {"@parameters('q')", fail("parameters()")},
	})
}

// functionRows hold at least one row per function: what it gives, and what it refuses.
var functionRows = map[string][]row{
	"concat":  {{"@concat('a', 1, null, true)", "a1True"}},
	"string":  {{"@string(5)", "5"}, {"@string(json('{\"a\":\"<&>\"}'))", `{"a":"<&>"}`}, {"@string(1663848137.123456)", "1663848137.123456"}, {"@string(1e21)", "1E+21"}},
	"replace": {{"@replace('a.b.c', '.', '-')", "a-b-c"}, {"@replace('a', '', 'b')", fail("must not be empty")}, {"@replace(null, 'a', 'b')", fail("argument 1 must be a string, not null")}},
	"tolower": {{"@toLower('ÄB')", "äb"}, {"@toLower(1)", fail("must be a string")}},
	"toupper": {{"@toUpper('äb')", "ÄB"}},
	"trim":    {{"@trim('  a ')", "a"}},
	"substring": {{"@substring('hello', 1, 3)", "ell"}, {"@substring('häl', 1)", "äl"}, {"@substring('a', 2)", fail("has 1 characters")},
		{"@substring('abc', 1, 5)", fail("2 characters are left")}, {"@substring('abc', -1)", fail("argument 2")}},
	"indexof":            {{"@indexOf('Hällo', 'LL')", int64(2)}, {"@indexOf('a', 'b')", int64(-1)}},
	"startswith":         {{"@startsWith('Hello', 'hE')", true}, {"@startsWith('a', 'b')", false}, {"@startsWith(null, 'b')", fail("must be a string")}},
	"endswith":           {{"@endsWith('Hello', 'LO')", true}},
	"split":              {{"@split('a;b', ';')", []any{"a", "b"}}, {"@split('a', '')", fail("must not be empty")}},
	"base64":             {{"@base64('hé')", "aMOp"}},
	"base64tostring":     {{"@base64ToString('aMOp')", "hé"}, {"@base64ToString('?')", fail("not base64")}},
	"uricomponent":       {{"@uriComponent('a b&é')", "a%20b%26%C3%A9"}},
	"encodeuricomponent": {{"@encodeUriComponent('/')", "%2F"}},
	"decodeuricomponent": {{"@decodeUriComponent('%0D%0Aa+b')", "\r\na+b"}, {"@decodeUriComponent('%zz')", fail("wrong %-escape")}},
	"array":              {{"@array('a')", []any{"a"}}},
	"createarray":        {{"@createArray(1, 'b')", []any{int64(1), "b"}}},
	"empty":              {{"@empty('')", true}, {"@empty(null)", true}, {"@empty(json('[]'))", true}, {"@empty(json('{\"a\":1}'))", false}, {"@empty(1)", fail("neither text nor")}},
	"length":             {{"@length('hé')", int64(2)}, {"@length(createArray(1, 2))", int64(2)}, {"@length(null)", fail("null has no length")}},
	"first":              {{"@first('é1')", "é"}, {"@first(json('[]'))", nil}, {"@first('')", ""}, {"@first(1)", fail("no first or last")}},
	"last":               {{"@last(createArray(1, 2))", int64(2)}},
	"take":               {{"@take('héllo', 2)", "hé"}, {"@take(createArray(1, 2), 9)", []any{int64(1), int64(2)}}, {"@take('a', -1)", ""}, {"@take('a', 'b')", fail("must be an integer")}},
	"skip":               {{"@skip('héllo', 2)", "llo"}, {"@skip(createArray(1), 2)", []any{}}, {"@skip(1, 1)", fail("no elements")}},
	"contains": {{"@contains('abc', 'b')", true}, {"@contains('abc', 'B')", false}, {"@contains(createArray('a'), 'a')", true}, {"@contains(createArray(1), '1')", false},
		{"@contains(parameters('p'), 'en')", true}, {"@contains(null, 'a')", fail("null contains nothing")}},
	"join":            {{"@join(createArray('a', 1), ';')", "a;1"}, {"@join(null, ';')", fail("must be an array, not null")}},
	"union":           {{"@union(createArray('a', 'b', 'a'), createArray('c', 'b'))", []any{"a", "b", "c"}}, {"@union(createArray(1), 'b')", fail("argument 2 must be an array")}},
	"json":            {{"@json('{\"a\":[1,1.5]}')", map[string]any{"a": []any{int64(1), 1.5}}}, {"@json('{')", fail("parse JSON")}, {"@json('1 2')", fail("more follows")}},
	"setproperty":     {{"@setProperty(json('{\"a\":1}'), 'b', 2)", map[string]any{"a": int64(1), "b": int64(2)}}, {"@setProperty(1, 'b', 2)", fail("must be an object")}},
	"if":              {{"@if(true, 1, 2)", int64(1)}, {"@if(false, 1, 2)", int64(2)}, {"@if('true', 1, 2)", fail("must be a boolean")}, {"@if(true, 1, length(null))", fail("null has no length")}},
	"and":             {{"@and(true, true, false)", false}, {"@and(true, true)", true}, {"@and(false, null)", fail("argument 2 must be a boolean")}},
	"or":              {{"@or(false, true)", true}, {"@or(true, 1)", fail("argument 2")}},
	"not":             {{"@not(false)", true}, {"@not(null)", fail("must be a boolean")}},
	"equals":          {{"@equals(1, 1.0)", true}, {"@equals('a', 'A')", false}, {"@equals(1, '1')", false}, {"@equals(null, null)", true}, {"@equals(createArray(1), createArray(1))", true}, {"@equals(json('{\"a\":1}'), json('{\"a\":2}'))", false}},
	"greater":         {{"@greater(2, 1.5)", true}, {"@greater('b', 'a')", true}, {"@greater('b', 1)", fail("must be a string")}},
	"greaterorequals": {{"@greaterOrEquals(2, 2)", true}},
	"less":            {{"@less(1, 2)", true}, {"@less(null, 2)", fail("must be a number")}},
	"lessorequals":    {{"@lessOrEquals(3, 2)", false}},
	"coalesce":        {{"@coalesce(null, 'a', 'b')", "a"}, {"@coalesce(null)", nil}, {"@coalesce('', 'a')", ""}},
	"bool":            {{"@bool('TRUE')", true}, {"@bool(0)", false}, {"@bool('maybe')", fail("not a boolean")}},
	"int":             {{"@int('42')", int64(42)}, {"@int('4.2')", fail("not an integer")}},
	"float":           {{"@float('4.5')", 4.5}, {"@float(4)", 4.0}, {"@float('NaN')", fail("not a number")}},
	"add":             {{"@add(1, 2)", int64(3)}, {"@add(1, 0.5)", 1.5}},
	"sub":             {{"@sub(1, 2)", int64(-1)}},
	"mul":             {{"@mul(3, 2)", int64(6)}, {"@mul(1e300, 1e300)", fail("not a number")}},
	"div":             {{"@div(7, 2)", int64(3)}, {"@div(7, 2.0)", 3.5}, {"@div(1, 0)", fail("division by zero")}},
	"mod":             {{"@mod(7, 2)", int64(1)}, {"@mod(7.5, 2)", 1.5}},
	"formatnumber": {{"@formatNumber(1663848137.5, 'F0')", "1663848138"}, {"@formatNumber(1234567.891, 'N2')", "1,234,567.89"}, {"@formatNumber(-1234, 'n0')", "-1,234"},
		{"@formatNumber(1, 'C2')", fail(`unknown number format "C2"`)}, {"@formatNumber(1, 'Fx')", fail("unknown number format")}, {"@formatNumber('1', 'F0')", fail("must be a number")}},
	"formatdatetime": {{"@formatDateTime('2026-07-01T09:05:03.25Z', 'dddd d MMMM yyyy h:mm tt')", "Wednesday 1 July 2026 9:05 AM"},
		{"@formatDateTime('2026-07-01T09:05:03.25Z')", "2026-07-01T09:05:03.2500000Z"}, {"@formatDateTime('2026-07-01', 'ddd dd MMM yy HH''h''mm:ss.ff')", "Wed 01 Jul 26 00h00:00.00"},
		{"@formatDateTime('2026-07-01T00:00:00Z', 's')", "2026-07-01T00:00:00"}, {"@formatDateTime('2026-07-01T00:30:00+02:00', 'u')", "2026-06-30 22:30:00Z"},
		{"@formatDateTime('soon', 's')", fail("not an ISO 8601 time")}, {"@formatDateTime('2026-07-01', 'gg')", fail("unknown letters")}, {"@formatDateTime('2026-07-01', 'x')", fail("unknown time format")}},
	"converttimezone": {{"@convertTimeZone('2026-07-01T09:00:00Z', 'UTC', 'GMT Standard Time', 'yyyy-MM-dd HH:mm')", "2026-07-01 10:00"},
		{"@convertTimeZone('2026-01-01T09:00:00Z', 'UTC', 'GMT Standard Time', 'HH:mm')", "09:00"},
		{"@convertTimeZone('2026-01-01T09:00:00', 'Tokyo Standard Time', 'UTC')", "2026-01-01T00:00:00.0000000Z"},
		{"@convertTimeZone('2026-01-01T09:00:00Z', 'UTC', 'Tokyo Standard Time')", "2026-01-01T18:00:00.0000000"},
		{"@convertTimeZone('2026-01-01T09:00:00Z', 'UTC', 'Europe/London')", fail("not the name of a Windows time zone")}},
	"addseconds": {{"@addSeconds('1970-01-01T00:00:00Z', 1663848137)", "2022-09-22T12:02:17.0000000Z"}, {"@addSeconds('1970-01-01', -1, 's')", "1969-12-31T23:59:59"},
		{"@addSeconds('1970-01-01', 9000000000000000000)", fail("years 1 to 9999")}, {"@addSeconds('1970-01-01', 1.5)", fail("must be an integer")}},
	"addtotime": {{"@addToTime('2026-01-31', 1, 'Month', 'yyyy-MM-dd')", "2026-02-28"}, {"@addToTime('2026-01-31', 2, 'day', 'dd MM')", "02 02"},
		{"@addToTime('2024-02-29', 1, 'year', 'yyyy-MM-dd')", "2025-02-28"}, {"@addToTime('2026-01-31', -1, 'week', 'dd')", "24"},
		{"@addToTime('2026-01-31', 1, 'moon')", fail(`unknown unit of time "moon"`)}, {"@addToTime('2026-01-31', 9000000000000000000, 'day')", fail("years 1 to 9999")}},
}

func TestFunctions(t *testing.T) {
	for name := range functions {
		if len(functionRows[name]) == 0 {
			t.Errorf("no row tests %s()", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(functionRows)) {
		if _, ok := functions[name]; !ok {
			t.Errorf("rows test %s(), which does not exist", name)
		}
		check(t, functionRows[name])
	}
}

func TestEveryZoneIsKnown(t *testing.T) {
	for name := range windowsZones {
		if _, err := zoneArg([]any{name}, 0); err != nil {
			t.Error(err)
		}
	}
	if len(windowsZones) < 130 {
		t.Errorf("%d zones", len(windowsZones))
	}
}

func TestTextsStayBounded(t *testing.T) {
	text := "'aaaaaaaaaaaaaaaa'"
	for range 12 {
		text = "replace(" + text + ", 'a', 'aaaaaaaa')"
	}
	check(t, []row{{"@" + text, fail("grows over the limit")}})
}

func TestReferences(t *testing.T) {
	c, err := Compile("a @{body('B')?['x']} @{Outputs(concat('a', 'b'))} @{item()}")
	if err != nil {
		t.Fatal(err)
	}
	want := []Reference{{"body", "B"}, {"outputs", ""}, {"item", ""}}
	if got := c.References(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := len(References()); got != len(references) {
		t.Errorf("%d names", got)
	}
}

func TestErrorsDoNotQuoteTexts(t *testing.T) {
	for _, text := range []string{"@int('secret')", "@if('secret', 1, 2)", "@add('secret', 1)", "@formatDateTime('secret')", "@json('secret')", "@base64ToString('secret?')"} {
		c, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Eval(world); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFormatTime(t *testing.T) {
	at := time.Date(2026, 1, 2, 13, 4, 5, 0, time.UTC)
	for format, want := range map[string]string{"hh tt": "01 PM", "H\\h": "13h", "yyyyMMddTHHmmssK": "20260102T130405Z", `"at" HH`: "at 13"} {
		if got, err := FormatTime(at, format); got != want || err != nil {
			t.Errorf("%s: %q (%v), want %q", format, got, err, want)
		}
	}
	for _, format := range []string{"HH'", `HH\`, "ffffffff", "zzz"} {
		if got, err := FormatTime(at, format); err == nil {
			t.Errorf("%s: %q", format, got)
		}
	}
}

// FuzzCompile looks for panics, for errors of a second kind, and for values outside the few types that a workflow knows.
func FuzzCompile(f *testing.F) {
	for _, rows := range functionRows {
		for _, r := range rows {
			f.Add(r.text)
		}
	}
	f.Add("a @{parameters('p')?['list']?[0]} @@{ b")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Compile(text)
		if err != nil {
			return
		}
		v, err := c.Eval(world)
		if err != nil {
			return
		}
		switch v.(type) {
		case nil, bool, int64, float64, string, []any, map[string]any:
		default:
			t.Fatalf("%q gives a %T", text, v)
		}
		if _, err := Text(v); err != nil {
			t.Fatalf("%q gives a value without text: %v", text, err)
		}
	})
}
