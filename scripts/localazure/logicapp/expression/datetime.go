package expression

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var timeFunctions = map[string]function{
	"formatdatetime":  {arity{1, 2}, formatDateTime},
	"converttimezone": {arity{3, 4}, convertTimeZone},
	"addseconds":      {arity{2, 3}, addSeconds},
	"addtotime":       {arity{3, 4}, addToTime},
}

// roundTrip is the format of a time when none is given.
const roundTrip = "o"

// FormatTime writes a time in a .NET date format, as the functions on times do.
func FormatTime(t time.Time, format string) (string, error) { return formatTime(t, format, true) }

func formatDateTime(args []any) (any, error) {
	t, err := timeArg(args, 0)
	if err != nil {
		return nil, err
	}
	return formatted(t, args, 1, true)
}

// convertTimeZone takes the names of zones that Windows uses, which is what Logic Apps documents.
func convertTimeZone(args []any) (any, error) {
	t, err := timeArg(args, 0)
	if err != nil {
		return nil, err
	}
	from, err := zoneArg(args, 1)
	if err != nil {
		return nil, err
	}
	to, err := zoneArg(args, 2)
	if err != nil {
		return nil, err
	}
	if s, _ := args[0].(string); !hasZone(s) {
		t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), from)
	}
	return formatted(t.In(to), args, 3, to == time.UTC)
}

func addSeconds(args []any) (any, error) {
	t, err := timeArg(args, 0)
	if err != nil {
		return nil, err
	}
	n, err := intArg(args, 1)
	if err != nil {
		return nil, err
	}
	return shifted(t, 0, n, args, 2)
}

func addToTime(args []any) (any, error) {
	t, err := timeArg(args, 0)
	if err != nil {
		return nil, err
	}
	n, err := intArg(args, 1)
	if err != nil {
		return nil, err
	}
	unit, err := stringArg(args, 2)
	if err != nil {
		return nil, err
	}
	seconds := map[string]int64{"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
	if s, ok := seconds[strings.ToLower(unit)]; ok {
		if n > maxShift || n < -maxShift {
			return nil, errOutOfRange
		}
		return shifted(t, 0, n*s, args, 3)
	}
	switch strings.ToLower(unit) {
	case "month":
		return shifted(t, n, 0, args, 3)
	case "year":
		if n > maxShift || n < -maxShift {
			return nil, errOutOfRange
		}
		return shifted(t, 12*n, 0, args, 3)
	}
	return nil, fmt.Errorf("unknown unit of time %q", unit)
}

// maxShift keeps sums of times inside the years 1 to 9999, .NET's range, without overflow on the way.
const maxShift = 400_000_000_000

var errOutOfRange = errors.New("the time leaves the years 1 to 9999")

func shifted(t time.Time, months, seconds int64, args []any, format int) (any, error) {
	if seconds > maxShift || seconds < -maxShift || months > 120_000 || months < -120_000 {
		return nil, errOutOfRange
	}
	t = time.Unix(t.Unix()+seconds, int64(t.Nanosecond())).UTC()
	if months != 0 {
		t = addMonths(t, int(months))
	}
	if t.Year() < 1 || t.Year() > 9999 {
		return nil, errOutOfRange
	}
	return formatted(t, args, format, true)
}

// addMonths stays in the target month: a month after 31 January is the last of February, not a day in March.
func addMonths(t time.Time, months int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

func formatted(t time.Time, args []any, i int, utc bool) (any, error) {
	format := roundTrip
	if len(args) > i {
		var err error
		if format, err = stringArg(args, i); err != nil {
			return nil, err
		}
	}
	return formatTime(t, format, utc)
}

func hasZone(s string) bool {
	at := strings.IndexByte(s, 'T')
	return at >= 0 && strings.ContainsAny(s[at:], "Z+-")
}

func timeArg(args []any, i int) (time.Time, error) {
	s, err := stringArg(args, i)
	if err != nil {
		return time.Time{}, err
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("argument %d is not an ISO 8601 time", i+1)
}

// formatTime knows the standard formats o, s and u and the custom format letters d, f, h, H, K, m, M, s, t and y of .NET, with
// English names.
func formatTime(t time.Time, format string, utc bool) (string, error) {
	switch format {
	case "o", "O":
		format = "yyyy-MM-dd'T'HH:mm:ss.fffffff"
		if utc {
			format += "'Z'"
		}
	case "s":
		format = "yyyy-MM-dd'T'HH:mm:ss"
	case "u":
		format = "yyyy-MM-dd HH:mm:ss'Z'"
	}
	if len(format) < 2 {
		return "", fmt.Errorf("unknown time format %q", format)
	}
	var b strings.Builder
	for i := 0; i < len(format); {
		c := format[i]
		switch {
		case c == '\'' || c == '"':
			end := strings.IndexByte(format[i+1:], c)
			if end < 0 {
				return "", errors.New("a quote in the time format has no end")
			}
			b.WriteString(format[i+1 : i+1+end])
			i += end + 2
		case c == '\\':
			if i+1 == len(format) {
				return "", errors.New("the time format ends in a backslash")
			}
			b.WriteByte(format[i+1])
			i += 2
		case isLetter(c) && c != '_':
			n := i
			for n < len(format) && format[n] == c {
				n++
			}
			s, err := timeField(t, c, n-i, utc)
			if err != nil {
				return "", err
			}
			b.WriteString(s)
			i = n
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), nil
}

// timeField writes one run of n equal format letters.
func timeField(t time.Time, letter byte, n int, utc bool) (string, error) {
	two := func(v int) string { return fmt.Sprintf("%0*d", min(n, 2), v) }
	switch letter {
	case 'd':
		switch n {
		case 1, 2:
			return two(t.Day()), nil
		case 3:
			return t.Format("Mon"), nil
		}
		return t.Format("Monday"), nil
	case 'M':
		switch n {
		case 1, 2:
			return two(int(t.Month())), nil
		case 3:
			return t.Format("Jan"), nil
		}
		return t.Format("January"), nil
	case 'y':
		if n <= 2 {
			return two(t.Year() % 100), nil
		}
		return fmt.Sprintf("%0*d", n, t.Year()), nil
	case 'H':
		return two(t.Hour()), nil
	case 'h':
		return two((t.Hour()+11)%12 + 1), nil
	case 'm':
		return two(t.Minute()), nil
	case 's':
		return two(t.Second()), nil
	case 't':
		return t.Format("PM")[:min(n, 2)], nil
	case 'f':
		if n <= 7 {
			return fmt.Sprintf("%09d", t.Nanosecond())[:n], nil
		}
	case 'K':
		return strings.Repeat(map[bool]string{true: "Z"}[utc], n), nil
	case 'T':
		// .NET copies letters that mean nothing; this one is common, the rest are mistakes.
		return strings.Repeat("T", n), nil
	}
	return "", fmt.Errorf("unknown letters %q in the time format", strings.Repeat(string(letter), n))
}
