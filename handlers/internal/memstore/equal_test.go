package memstore

import (
	"reflect"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
)

// TestEqualRequestsSeeEveryField changes a copy of a request in every place that there is, one after the other. It is then
// another request, and what it was copied from is as it was.
func TestEqualRequestsSeeEveryField(t *testing.T) {
	var r, untouched airlock.Request
	fill(reflect.ValueOf(&r).Elem())
	fill(reflect.ValueOf(&untouched).Elem())
	places := 0
	for n := 0; ; n++ {
		c := cloneRequest(r)
		if !equalRequests(&r, &c) || !reflect.DeepEqual(r, c) {
			t.Fatal("a copy is not equal")
		}
		left := n
		where, found := spoil(reflect.ValueOf(&c).Elem(), "Request", &left)
		if !found {
			places = n
			break
		}
		if equalRequests(&r, &c) {
			t.Errorf("another %s is not seen", where)
		}
		if !reflect.DeepEqual(r, untouched) {
			t.Fatalf("%s is shared with the copy", where)
		}
	}
	if places < 100 {
		t.Errorf("only %d places", places)
	}
}

// fill gives everything in a value something, and every list one entry.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString("some")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(1)
	}
}

// spoil changes the value in the place with the number that is left, and names it: a field becomes another, a list first nil,
// then empty. found is false where there are fewer places.
func spoil(v reflect.Value, name string, left *int) (where string, found bool) {
	here := func() bool { *left--; return *left < 0 }
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			if here() {
				v.Set(reflect.ValueOf(time.Unix(2, 0).UTC()))
				return name, true
			}
			return "", false
		}
		for i := range v.NumField() {
			if where, found := spoil(v.Field(i), name+"."+v.Type().Field(i).Name, left); found {
				return where, true
			}
		}
		return "", false
	case reflect.Slice:
		if here() {
			v.SetZero()
			return name, true
		}
		if here() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			return name, true
		}
		return spoil(v.Index(0), name+"[0]", left)
	}
	if !here() {
		return "", false
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("another")
	case reflect.Bool:
		v.SetBool(false)
	default:
		v.SetInt(2)
	}
	return name, true
}
