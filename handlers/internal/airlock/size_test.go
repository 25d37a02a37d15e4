package airlock

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// TestStoredSizeIsOfJSONInJSON encodes documents twice, and counts.
func TestStoredSizeIsOfJSONInJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`["\\<>&a]*`), rapid.SampledFrom([]string{"\u2028", "\x00", "\x7f", "\xff", "a\nb"})).Draw(t, "text")
		document := []File{{Name: text, MD5: []byte(text), Verdict: Verdict{Reason: text}}}
		once, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := json.Marshal(string(once))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := storedSize(document); n != len(twice) || err != nil {
			t.Errorf("%d bytes, %v; it is %d: %s", n, err, len(twice), twice)
		}
	})
}
