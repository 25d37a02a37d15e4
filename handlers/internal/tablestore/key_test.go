package tablestore

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"

	"pgregory.net/rapid"
)

// anyUUID draws ids as requests have them.
func anyUUID() *rapid.Generator[string] {
	return rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
}

func TestEncodeIsSafeAndUnique(t *testing.T) {
	safe := regexp.MustCompile(`^[0-9A-Za-z.~-]*$`)
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOf(rapid.Byte()).Draw(t, "a")
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "b")
		if e := encode(string(a)); !safe.MatchString(e) {
			t.Fatalf("%q", e)
		}
		if (string(a) == string(b)) != (encode(string(a)) == encode(string(b))) {
			t.Fatalf("%q and %q", a, b)
		}
	})
	for text, want := range map[string]string{"aZ0.-": "aZ0.-", "a_b": "a~5fb", "~": "~7e", "'": "~27", "ä": "~c3~a4", "": ""} {
		if got := encode(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestInvertReversesTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyUUID().Draw(t, "a"), anyUUID().Draw(t, "b")
		if invert(invert(a)) != a || strings.Compare(a, b) != strings.Compare(invert(b), invert(a)) {
			t.Fatalf("%s and %s", invert(a), invert(b))
		}
	})
}

func TestKeysWithTimesSortAsTheyAreListed(t *testing.T) {
	when := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 7_200_000_000).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
	})
	rapid.Check(t, func(t *rapid.T) {
		t1, t2 := when.Draw(t, "t1"), when.Draw(t, "t2")
		a, b := anyUUID().Draw(t, "a"), anyUUID().Draw(t, "b")
		if rapid.Bool().Draw(t, "same") {
			t2 = t1
		}
		want := t2.Compare(t1)
		if want == 0 {
			want = strings.Compare(b, a)
		}
		if got := strings.Compare(changedRow(t1, a), changedRow(t2, b)); got != want {
			t.Fatalf("%s and %s: %d, want %d", changedRow(t1, a), changedRow(t2, b), got, want)
		}
		if strings.Compare(moment(t1), moment(t2)) != t1.Compare(t2) {
			t.Fatalf("%s and %s", moment(t1), moment(t2))
		}
		want = t1.Compare(t2)
		if want == 0 {
			want = strings.Compare(a, b)
		}
		if got := strings.Compare(dueRow(t1, a), dueRow(t2, b)); got != want {
			t.Fatalf("%s and %s: %d, want %d", dueRow(t1, a), dueRow(t2, b), got, want)
		}
	})
}

// TestStatusesDoNotOverlap compares the ranges of all statuses: no row of one is in the range of another.
func TestStatusesDoNotOverlap(t *testing.T) {
	id := "01990000-0000-7000-8000-000000000001"
	for _, a := range statemachine.Statuses() {
		if !regexp.MustCompile(`^[a-z_]+$`).MatchString(string(a.Status)) {
			t.Errorf("%s cannot be in a key", a.Status)
		}
		for _, b := range statemachine.Statuses() {
			if in := strings.HasPrefix(statusRow(a.Status, id), statusPrefix(b.Status)); in != (a.Status == b.Status) {
				t.Errorf("a row of %s in the range of %s: %t", a.Status, b.Status, in)
			}
		}
	}
}

// TestKeysFit makes the longest keys. Azure: 1 KiB, of two bytes a character, without / \ # ? and control characters.
func TestKeysFit(t *testing.T) {
	id, worst := "01990000-0000-7000-8000-000000000001", strings.Repeat("\xff", airlock.MaxID)
	for _, key := range []string{
		requestRow(id), statusRow(statemachine.RejectionInProgress, id), changedRow(time.Unix(0, 0), id), dueRow(endOfTime(), id), recordRow(recordPrefix(id), airlock.MaxRecords),
		reviewRow(id, 1<<62, worst), noticeRow(id, worst), manifestRow(id, 1<<62, 39), requesterPartition + encode(worst), idPartition + id,
		settingsRow, recordRow(settingsRecordPrefix, airlock.MaxRecords), workspacesPartition, strings.Repeat("a", 64),
	} {
		if len(key) > 512 || strings.ContainsAny(key, "/\\#?%'\"`") || regexp.MustCompile(`[^\x21-\x7e]`).MatchString(key) {
			t.Errorf("%d characters: %s", len(key), key)
		}
	}
	for _, partition := range []string{idPartition, requesterPartition, workspacesPartition, pingPartition} {
		if airlock.IsWorkspaceID(partition) {
			t.Errorf("%s could be a workspace", partition)
		}
	}
}
