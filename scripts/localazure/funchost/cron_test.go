package funchost

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestScheduleNext(t *testing.T) {
	tests := []struct{ schedule, from, want string }{
		{"0 * * * * *", "2026-11-22T09:00:00Z", "2026-11-22T09:01:00Z"},
		{"0 * * * * *", "2026-11-22T09:00:59.999Z", "2026-11-22T09:01:00Z"},
		{"0 * * * * *", "2026-12-31T23:59:00Z", "2027-01-01T00:00:00Z"},
		{"*/15 * * * * *", "2026-11-22T09:00:15Z", "2026-11-22T09:00:30Z"},
		{"0 */5 * * * *", "2026-11-22T09:58:00Z", "2026-11-22T10:00:00Z"},
		{"0 3/20 * * * *", "2026-11-22T09:04:00Z", "2026-11-22T09:23:00Z"},
		{"30 15,45 9-11 * * *", "2026-11-22T11:45:30Z", "2026-11-23T09:15:30Z"},
		{"0 0 0 1 */3 *", "2026-11-22T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"0 0 0 29 2 *", "2026-11-22T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 0 9 * * 1-5", "2026-11-20T09:00:00Z", "2026-11-23T09:00:00Z"},    // a Friday
		{"0 0 0 13 * 5", "2026-11-22T00:00:00Z", "2027-08-13T00:00:00Z"},     // day and weekday must both match
		{"0 0 0 * * 0", "2026-11-22T01:00:00+02:00", "2026-11-22T00:00:00Z"}, // still Saturday in UTC
	}
	for _, tt := range tests {
		s, err := parseSchedule(tt.schedule)
		if err != nil {
			t.Fatalf("%s: %v", tt.schedule, err)
		}
		from, err := time.Parse(time.RFC3339, tt.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.next(from).Format(time.RFC3339); got != tt.want {
			t.Errorf("%s after %s is %s, want %s", tt.schedule, tt.from, got, tt.want)
		}
	}
}

func TestScheduleRefused(t *testing.T) {
	for _, text := range []string{
		"", "* * * * *", "* * * * * * *", "60 * * * * *", "* 60 * * * *", "* * 24 * * *", "* * * 0 * *", "* * * 32 * *",
		"* * * * 13 *", "* * * * * 7", "x * * * * *", "*/0 * * * * *", "*/x * * * * *", "5-1 * * * * *", "1- * * * * *",
		"-1 * * * * *", "1,,2 * * * * *", "* * * * JAN *", "0 0 0 30 2 *", "00:05:00",
	} {
		if s, err := parseSchedule(text); err == nil {
			t.Errorf("%q was accepted as %+v", text, s)
		}
	}
}

// The next occurrence matches, and nothing between then and now does.
func TestScheduleNextIsTheFirst(t *testing.T) {
	item := func(t *rapid.T, low, top int, name string) string {
		if rapid.Bool().Draw(t, name+" any") {
			return "*"
		}
		return strconv.Itoa(rapid.IntRange(low, top).Draw(t, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		text := item(t, 0, 59, "second") + " " + item(t, 0, 59, "minute") + " " + item(t, 0, 23, "hour") + " * * *"
		s, err := parseSchedule(text)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "from"), 0).UTC()
		next := s.next(from)
		if !next.After(from) || next.Sub(from) > 24*time.Hour {
			t.Fatalf("%s after %v is %v", text, from, next)
		}
		for at := from.Add(time.Second); at.Before(next); at = at.Add(time.Second) {
			if has(s.second, at.Second()) && has(s.minute, at.Minute()) && has(s.hour, at.Hour()) {
				t.Fatalf("%s after %v is %v, but %v matches", text, from, next, at)
			}
		}
		if !has(s.second, next.Second()) || !has(s.minute, next.Minute()) || !has(s.hour, next.Hour()) {
			t.Fatalf("%s: %v does not match", text, next)
		}
	})
}
