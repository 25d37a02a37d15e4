package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"
)

// texts are what a store is most likely to spoil.
var texts = []string{
	"plain", " spaces ", "tab\tand\nline\r\n", "\x00\x01\x1f\x7f", `quotes "double" 'single' back\slash`, "a/b#c?d%2f+e&f=g",
	"<tag attr=\"x\">&amp;</tag>", "Ärger über Größe", "请求文件", "ملف", "\u202eabc\u2028\u2029", "👩‍🔬🧬", "e\u0301", "\ufeffbom", "\ufffd\ufffe\uffff",
	"${x} {{y}} %s %!d", "null", "true", "0", "2025-01-01T00:00:00Z", "W/\"datetime'2025'\"", "--changeset_1--\r\n\r\nHTTP/1.1 204 No Content\r\n",
	strings.Repeat("long ", 2000),
}

// fill sets every field, element and key of a value to something that is not zero. It stops the test at a kind that
// it does not know, so that no new field can stay untested.
func (s *suite) fill(v reflect.Value, rng *rand.Rand) {
	s.Helper()
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(1+rng.Int64N(4e9), rng.Int64N(1e9)).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[rng.IntN(len(texts))])
	case reflect.Int, reflect.Int64:
		v.SetInt(1 + rng.Int64N(1<<62))
	case reflect.Uint8:
		v.SetUint(1 + uint64(rng.IntN(255)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Struct:
		for i := range v.NumField() {
			s.fill(v.Field(i), rng)
		}
	case reflect.Slice:
		n := 1 + rng.IntN(3)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			s.fill(v.Index(i), rng)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + rng.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			s.fill(key, rng)
			s.fill(value, rng)
			v.SetMapIndex(key, value)
		}
	default:
		s.Fatalf("a field of type %s cannot be filled", v.Type())
	}
}

// filled returns a value with every field set.
func filled[T any](s *suite, rng *rand.Rand) T {
	var v T
	s.fill(reflect.ValueOf(&v).Elem(), rng)
	return v
}

// scribble overwrites all that a copy of the value would share with it.
func scribble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				scribble(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			scribble(v.Index(i))
			v.Index(i).SetZero()
		}
	case reflect.Map:
		for key, value := range maps.Collect(v.Seq2()) {
			scribble(value)
			v.SetMapIndex(key, reflect.Value{})
		}
	}
}

// difference names the first place where two values differ; empty where they are equal.
func difference(path string, a, b reflect.Value) string {
	if a.IsValid() != b.IsValid() || (a.IsValid() && a.Type() != b.Type()) {
		return fmt.Sprintf("%s: %v, want %v", path, a, b)
	}
	if !a.IsValid() {
		return ""
	}
	if t, ok := a.Interface().(time.Time); ok {
		if u := b.Interface().(time.Time); !t.Equal(u) {
			return fmt.Sprintf("%s: %v, want %v", path, t, u)
		}
		return ""
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if d := difference(path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i)); d != "" {
				return d
			}
		}
	case reflect.Slice:
		if a.Len() != b.Len() {
			return fmt.Sprintf("%s: %d elements, want %d", path, a.Len(), b.Len())
		}
		for i := range a.Len() {
			if d := difference(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i)); d != "" {
				return d
			}
		}
	case reflect.Map:
		if a.Len() != b.Len() {
			return fmt.Sprintf("%s: %d entries, want %d", path, a.Len(), b.Len())
		}
		for key, value := range a.Seq2() {
			if d := difference(fmt.Sprintf("%s[%q]", path, key), value, b.MapIndex(key)); d != "" {
				return d
			}
		}
	default:
		if !a.Equal(b) {
			return fmt.Sprintf("%s: %.200q, want %.200q", path, fmt.Sprint(a), fmt.Sprint(b))
		}
	}
	return ""
}
