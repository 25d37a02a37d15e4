package funchost

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// schedule is a six-field NCRONTAB expression: second, minute, hour, day, month, day of the week (0 is Sunday).
// Each field is a bit set. Unlike in other crons, a day must match both the day and the day of the week.
type schedule struct {
	second, minute, hour, day, month, weekday uint64
}

// searchLimit ends the search for the next occurrence: February 29 comes at least every eight years.
const searchLimit = 9 * 366

// parseSchedule reads the subset of NCRONTAB that uses numbers: *, n, a-b, each with an optional /step, and lists.
func parseSchedule(text string) (schedule, error) {
	var s schedule
	fields := strings.Fields(text)
	if len(fields) != 6 {
		return s, fmt.Errorf("has %d fields, want 6: second minute hour day month weekday", len(fields))
	}
	for i, f := range []struct {
		name     string
		into     *uint64
		low, top int
	}{
		{"second", &s.second, 0, 59}, {"minute", &s.minute, 0, 59}, {"hour", &s.hour, 0, 23},
		{"day", &s.day, 1, 31}, {"month", &s.month, 1, 12}, {"weekday", &s.weekday, 0, 6},
	} {
		for item := range strings.SplitSeq(fields[i], ",") {
			bits, err := parseItem(item, f.low, f.top)
			if err != nil {
				return s, fmt.Errorf("%s %q: %w", f.name, item, err)
			}
			*f.into |= bits
		}
	}
	if s.next(time.Unix(0, 0)).IsZero() {
		return s, errors.New("never comes")
	}
	return s, nil
}

// parseItem reads one element of a list as the bits of its values.
func parseItem(item string, low, top int) (uint64, error) {
	span, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		n, err := strconv.Atoi(stepText)
		if err != nil || n < 1 {
			return 0, errors.New("the step is not a number above 0")
		}
		step = n
	}
	first, last := low, top
	if span != "*" {
		from, to, ranged := strings.Cut(span, "-")
		a, err := strconv.Atoi(from)
		if err != nil {
			return 0, errors.New("is neither * nor a number")
		}
		first, last = a, a
		if stepped {
			last = top // n/step runs to the end of the field
		}
		if ranged {
			b, err := strconv.Atoi(to)
			if err != nil {
				return 0, errors.New("the range has no end")
			}
			last = b
		}
		if first < low || last > top || first > last {
			return 0, fmt.Errorf("is not within %d-%d", low, top)
		}
	}
	var bits uint64
	for n := first; n <= last; n += step {
		bits |= 1 << n
	}
	return bits, nil
}

// next is the first occurrence after t, in UTC, or zero if there is none.
func (s schedule) next(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Second).Add(time.Second)
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	for range searchLimit {
		if has(s.day, day.Day()) && has(s.month, int(day.Month())) && has(s.weekday, int(day.Weekday())) {
			if found, ok := s.within(day, t); ok {
				return found
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return time.Time{}
}

// within is the first occurrence on a day that matches, not before t.
func (s schedule) within(day, t time.Time) (time.Time, bool) {
	for hour := range 24 {
		if !has(s.hour, hour) || day.Add(time.Duration(hour+1)*time.Hour).Compare(t) <= 0 {
			continue
		}
		for minute := range 60 {
			if !has(s.minute, minute) {
				continue
			}
			for second := range 60 {
				at := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, second, 0, time.UTC)
				if has(s.second, second) && !at.Before(t) {
					return at, true
				}
			}
		}
	}
	return time.Time{}, false
}

func has(bits uint64, n int) bool { return bits&(1<<n) != 0 }
