package airlock

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestCanonicalIsJSON holds the canonical encoding, which is written by hand, against encoding/json: any field, with any
// content, alone and together with all others. A field that is added is among them.
func TestCanonicalIsJSON(t *testing.T) {
	text := rapid.OneOf(
		rapid.Just(""), rapid.StringMatching(`[ -~]{0,20}`), rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"<", ">", "&", `"`, `\`, "\u2028", "a\u2029b", "\x00", "\x1f", "\x7f", "\xff", "\ufffd", "é", "😀", "a\nb"}),
	)
	number := rapid.OneOf(rapid.Just(0), rapid.IntRange(-3, 3), rapid.Int())
	when := rapid.Custom(func(t *rapid.T) time.Time {
		// A digit less of a second, and a zone, are what RFC 3339 can differ in.
		at := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "second"), rapid.SampledFrom([]int64{0, 1, 120_000_000, 999_999_999}).Draw(t, "nanosecond"))
		return at.In(rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("", 5400)}).Draw(t, "zone"))
	})
	rapid.Check(t, func(t *rapid.T) {
		var r Record
		v := reflect.ValueOf(&r).Elem()
		only := rapid.IntRange(-1, v.NumField()-1).Draw(t, "field") // -1: all of them
		for i := range v.NumField() {
			if only >= 0 && only != i {
				continue
			}
			switch f := v.Field(i); f.Interface().(type) {
			case string:
				f.SetString(text.Draw(t, v.Type().Field(i).Name))
			case int:
				f.SetInt(int64(number.Draw(t, v.Type().Field(i).Name)))
			case time.Time:
				if at := when.Draw(t, v.Type().Field(i).Name); at.Year() >= 0 && at.Year() <= 9999 {
					f.Set(reflect.ValueOf(at))
				}
			default:
				t.Fatalf("nothing is known of a %s, as %s is", f.Type(), v.Type().Field(i).Name)
			}
		}
		got := string(r.canonical(nil))
		r.Hash = ""
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}
