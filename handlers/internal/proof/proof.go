// Package proof proves audit trails that were exported, with nothing but the files: that each holds in itself, and that each
// goes on from what the signed checkpoints know of it.
//
// It promises to believe no export: every line is hashed as it stands, and has to be just what the airlock writes, so that
// nothing in it can be left out of the hash. What does not fit is named with its trail, its record and the reason. It holds
// a hash and a time for each record in memory, and no record.
//
// It never asks a network, a store or a clock, and never shows what a record says: names and texts stay in the files.
package proof

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"airlock/handlers/internal/airlock"
)

// maxLine is how long a line may be. The longest text that a record can have is far shorter, however it is escaped.
const maxLine = 1 << 20

// Trail is what is known of one trail.
type Trail struct {
	Name    string    `json:"chain"`          // the workspace, or the workspace and the request
	File    string    `json:"file"`           // where it was found
	Records int       `json:"records"`        // that are whole and in order
	Head    string    `json:"head"`           // hash of the last of these
	Began   time.Time `json:"began"`          // time of the first
	Ended   time.Time `json:"ended"`          // time of the last of these
	Covered int       `json:"covered"`        // records that the newest checkpoint vouches for
	Broken  int       `json:"broken"`         // number of the record that does not fit; 0: all do
	Why     string    `json:"why,omitempty"`  // it does not
	Line    int       `json:"line,omitempty"` // where that record stands in its file
	marks   []mark    // of each record
	gone    []deleted // requests that it tells of as deleted
}

// mark is what is kept of a record.
type mark struct {
	hash string
	when time.Time
}

// deleted is a trail that was deleted with its request, as the trail of the workspace tells.
type deleted struct {
	name string
	last int
	head string
}

// Proof gathers trails from any number of files. The zero value is ready.
type Proof struct {
	trails map[string]*Trail
	order  []string
}

// Trails returns all trails, in the order of their names.
func (p *Proof) Trails() []Trail {
	all := make([]Trail, 0, len(p.trails))
	for _, name := range p.order {
		all = append(all, *p.trails[name])
	}
	slices.SortFunc(all, func(a, b Trail) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Read takes a file of JSON Lines: the trail of a request or a workspace as it was exported, or several, one after the other.
// A trail that is broken is no error: it says so itself. The error is for what cannot be read.
func (p *Proof) Read(file string, from io.Reader) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	number, current := 0, ""
	for lines.Scan() {
		number++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		record, why := decode(lines.Bytes())
		if why == "" && record.Chain == "" {
			why = "does not say to which trail it belongs"
		}
		if record.Chain != "" {
			current = record.Chain
		}
		t := p.trail(cmp.Or(current, file), file)
		if t.Broken > 0 {
			continue
		}
		if t.File != file {
			why = "is in another file than the records before it"
		}
		t.add(record, why, number)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%s: line %d is longer than a record can be: it is no export as JSON Lines", file, number+1)
	} else if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if number == 0 {
		return fmt.Errorf("%s: it is empty", file)
	}
	return nil
}

// trail returns the trail of that name, a new one where there is none.
func (p *Proof) trail(name, file string) *Trail {
	if t, ok := p.trails[name]; ok {
		return t
	}
	if p.trails == nil {
		p.trails = map[string]*Trail{}
	}
	p.trails[name] = &Trail{Name: name, File: file}
	p.order = append(p.order, name)
	return p.trails[name]
}

// add takes the next record of the trail.
func (t *Trail) add(r airlock.Record, why string, line int) {
	if why == "" {
		if _, _, err := airlock.VerifyChain([]airlock.Record{r}, t.Records, t.Head); err != nil {
			_, why, _ = strings.Cut(err.Error(), ": ")
		}
	}
	if why != "" {
		t.Broken, t.Why, t.Line = t.Records+1, why, line
		return
	}
	if t.Records == 0 {
		t.Began = r.When
	}
	t.Records, t.Head, t.Ended = r.Seq, r.Hash, r.When
	t.marks = append(t.marks, mark{r.Hash, r.When})
	if r.What == airlock.RecordForget {
		t.gone = append(t.gone, deleted{airlock.Chain(r.Chain, r.Subject), r.Last, r.Digest})
	}
}

// decode reads a line that has to be just what the airlock writes. The hash is over the line: were any other writing of the
// same record taken, something in the line could be left out of it.
func decode(line []byte) (r airlock.Record, why string) {
	for _, other := range []string{`{"records":`, "seq,chain,"} { // as a request's trail begins in the other formats
		if bytes.HasPrefix(line, []byte(other)) {
			return r, "is an export in another format: export the trail as JSON Lines (format=jsonl), whose lines are what was hashed"
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		if strings.Contains(err.Error(), "unknown field") {
			return r, "has a member that this version does not know: prove it with the version that wrote it, or a newer one"
		}
		return r, "is no audit record"
	}
	again, err := json.Marshal(r)
	if err != nil || !bytes.Equal(again, line) {
		return r, "is not written as the airlock writes it"
	}
	return r, ""
}
