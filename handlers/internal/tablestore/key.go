package tablestore

import (
	"fmt"
	"math"
	"strings"
	"time"

	"airlock/statemachine"
)

// Partitions beside those of workspaces. No id of a workspace has an underscore.
const (
	idPartition         = "id_" // and the request's id
	requesterPartition  = "by_" // and the requester's encoded id
	workspacesPartition = "all_workspaces"
	pingPartition       = "no_partition"
)

// Rows with one key only.
const (
	settingsRow = "set_"
	lookupRow   = "workspace"
	pingRow     = "ping"
)

// encode makes any text usable in a key or a filter: letters, digits, dots and hyphens stay, every other byte becomes a tilde
// and two hexadecimal digits, which takes up to three times as many. So neither a separator of keys nor a quote can come from
// outside. Azure: keys have no / \ # ? and no control characters.
func encode(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', c == '-', c == '.':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "~%02x", c)
		}
	}
	return b.String()
}

// invert complements the hexadecimal digits of an id, so that later ids sort first. It is its own inverse.
func invert(id string) string {
	const digits = "0123456789abcdef"
	return strings.Map(func(c rune) rune {
		if i := strings.IndexRune(digits, c); i >= 0 {
			return rune(digits[len(digits)-1-i])
		}
		return c
	}, id)
}

// moment writes a time so that text sorts as time does.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

func requestRow(id string) string { return "req_" + invert(id) }

// statusPrefix is where the index of a status begins. Statuses have underscores and no hyphens; in a key it is the other
// way round, so that no status can be the beginning of another.
func statusPrefix(s statemachine.Status) string {
	return "idx_" + strings.ReplaceAll(string(s), "_", "-") + "_"
}

func statusRow(s statemachine.Status, id string) string { return statusPrefix(s) + invert(id) }

func changedRow(when time.Time, id string) string {
	return fmt.Sprintf("upd_%019d_%s", math.MaxInt64-when.UnixNano(), invert(id))
}

const duePrefix = "own_"

// dueRow sorts by time: what has been due for longest comes first. Nineteen digits are enough for every time that a
// request can be due at.
func dueRow(when time.Time, id string) string { return duePrefix + dueKey(when) + "_" + id }

func dueKey(when time.Time) string { return fmt.Sprintf("%019d", when.UnixNano()) }

// endOfTime is later than any time that a request can be due at.
func endOfTime() time.Time { return time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC) }

func recordPrefix(id string) string { return "aud_" + id + "_" }

// commentPrefix is followed by the number of a record.
func commentPrefix(id string) string { return "com_" + id + "_" }

const settingsRecordPrefix = "sau_"

func recordRow(prefix string, seq int) string { return fmt.Sprintf("%s%010d", prefix, seq) }

func reviewPrefix(id string) string { return "rev_" + id + "_" }

func reviewRow(id string, round int, reviewer string) string {
	return fmt.Sprintf("%s%d_%s", reviewPrefix(id), round, encode(reviewer))
}

func noticePrefix(id string) string { return "out_" + id + "_" }

func noticeRow(id, notice string) string { return noticePrefix(id) + encode(notice) }

// manifestsPrefix is that of all rounds.
func manifestsPrefix(id string) string { return "fil_" + id + "_" }

func manifestPrefix(id string, round int) string {
	return fmt.Sprintf("%s%d_", manifestsPrefix(id), round)
}

func manifestRow(id string, round, page int) string {
	return fmt.Sprintf("%s%03d", manifestPrefix(id, round), page)
}

// within is the filter for the rows of a partition whose keys begin with the prefix, which ends in an underscore.
func within(partition, prefix string) string {
	end := strings.TrimSuffix(prefix, "_") + "`" // the character after the underscore
	return fmt.Sprintf("PartitionKey eq '%s' and RowKey ge '%s' and RowKey lt '%s'", partition, prefix, end)
}
