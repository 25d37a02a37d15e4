package airlock

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The room for a request in a store. Azure: one entity group transaction takes 4 MiB. A change of the whole manifest is one,
// together with the request's three rows and the notices, which list the first files too.
const (
	maxChange  = 4 << 20
	rowsOfOne  = 3 + 2     // rows that hold the request's document or a list of its files
	roomBeside = 128 << 10 // bytes for the record, the keys and what surrounds each row
	roomToGrow = 512       // bytes that a file's entry gains: ETags, its SHA-256, and a verdict of ordinary length

	// A request holds all that ever became of it, and is one row of 1 MiB, in which a character takes two bytes. So what
	// can be done again and again has an end. Half of the row is for files, for a round of reviews and for the end.
	maxPast    = 128 << 10 // bytes of its history, its reviews and its policies with which another round begins
	maxChanges = 200       // in its history, after which nobody can claim it
)

// tooLong says that the request or the list of its files cannot be stored, now or with all that is to be noted about them;
// empty when they can. It is found out at submit, where whoever has the files can do something about it.
func tooLong(r Request, m *Manifest) (string, error) {
	list, err := storedSize(m.Files)
	if err != nil {
		return "", fmt.Errorf("size of the manifest of %s: %w", r.ID, err)
	}
	request, err := storedSize(r)
	if err != nil {
		return "", fmt.Errorf("size of %s: %w", r.ID, err)
	}
	past, err := storedSize([]any{r.History, r.Reviews, r.Policies})
	if err != nil {
		return "", fmt.Errorf("size of %s: %w", r.ID, err)
	}
	if past > maxPast {
		return "So much has become of this request that it cannot take another round. Make a new one for the files, and cancel this.", nil
	}
	list += roomToGrow * len(m.Files)
	if limit := maxChange - roomBeside - rowsOfOne*request; list > limit {
		return fmt.Sprintf("The list of the %d files takes %d KiB because their names are long; the limit is %d KiB. Use shorter names or fewer files.",
			len(m.Files), list>>10, limit>>10), nil
	}
	return "", nil
}

// storedSize is how many bytes a document takes in a table, at most: as text in a property, that is as JSON in JSON. Of what
// encoding/json writes, only quotation marks and backslashes are escaped when it is encoded again.
func storedSize(document any) (int, error) {
	text, err := json.Marshal(document)
	if err != nil {
		return 0, err
	}
	return len(text) + bytes.Count(text, []byte{'"'}) + bytes.Count(text, []byte{'\\'}) + len(`""`), nil
}
