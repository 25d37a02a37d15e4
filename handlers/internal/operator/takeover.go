package operator

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"airlock/handlers/internal/airlock"
)

// importAzureTRE is the command with its flags.
type importAzureTRE struct {
	json, dry bool
}

func defineImportAzureTRE(flags *flag.FlagSet) run {
	c := &importAzureTRE{}
	flags.BoolVar(&c.json, "json", false, "print one JSON object")
	flags.BoolVar(&c.dry, "dry-run", false, "store nothing; say what would be done")
	return c.run
}

// taking is what became of one request.
type taking struct {
	Number    int            `json:"number"` // in the file, from 1
	Workspace string         `json:"workspaceId,omitempty"`
	Request   string         `json:"requestId,omitempty"`
	Type      string         `json:"type,omitempty"`
	Status    string         `json:"status,omitempty"`
	Outcome   airlock.Taking `json:"outcome"`
	Reason    string         `json:"reason,omitempty"`
}

// String is a line of the report.
func (t taking) String() string {
	line := fmt.Sprintf("%-10s  %s/%s  %s %s", t.Outcome, t.Workspace, t.Request, t.Status, t.Type)
	if t.Request == "" {
		line = fmt.Sprintf("%-10s  document %d", t.Outcome, t.Number)
	}
	if t.Reason != "" {
		line += ": " + t.Reason
	}
	return line
}

// takings is the report. With -json it is printed at its end, else line by line.
type takings struct {
	Requests []taking               `json:"requests"`
	Counts   map[airlock.Taking]int `json:"counts"`
	Problems []string               `json:"problems,omitempty"`
}

func (c *importAzureTRE) run(ctx context.Context, t Tools, args []string, out io.Writer) (int, error) {
	if len(args) != 1 {
		return Unclear, errors.New("it takes one file: the requests of AzureTRE, as Cosmos DB exports them")
	}
	source, err := os.Open(args[0])
	if err != nil {
		return Unclear, err
	}
	defer source.Close() // it was only read
	r := takings{Requests: []taking{}, Counts: map[airlock.Taking]int{}}
	number := 0
	err = eachElement(source, func(raw []byte) error {
		number++
		done, err := c.take(ctx, t, number, raw)
		if err != nil {
			r.Problems = append(r.Problems, err.Error())
			return ctx.Err()
		}
		r.Counts[done.Outcome]++
		if c.json {
			r.Requests = append(r.Requests, done)
			return nil
		}
		_, err = fmt.Fprintln(out, done)
		return err
	})
	if err != nil {
		r.Problems = append(r.Problems, fmt.Sprintf("after document %d: %v", number, err))
	}
	if c.json {
		return r.code(), encode(out, r)
	}
	return r.code(), r.print(out, number)
}

// take takes one element of the file.
func (c *importAzureTRE) take(ctx context.Context, t Tools, number int, raw []byte) (taking, error) {
	l, err := legacyOf(raw)
	done := taking{Number: number, Workspace: l.Request.WorkspaceID, Request: l.Request.ID, Type: string(l.Request.Type), Status: string(l.Request.Status)}
	if err != nil {
		done.Outcome, done.Reason = airlock.NotTaken, "it is not a request of AzureTRE: "+err.Error()
		return done, nil
	}
	done.Outcome, done.Reason, err = airlock.TakeOver(ctx, t.Checker.Store, l, t.Now(), c.dry)
	return done, err
}

func (r takings) code() int {
	switch {
	case len(r.Problems) > 0:
		return Unclear
	case r.Counts[airlock.NotTaken]+r.Counts[airlock.NotAtRest]+r.Counts[airlock.TakenOther] > 0:
		return Found
	default:
		return Well
	}
}

// print writes the end of the report for people.
func (r takings) print(out io.Writer, documents int) error {
	var errs []error
	for _, p := range r.Problems {
		_, err := fmt.Fprintln(out, "not known:", p)
		errs = append(errs, err)
	}
	counts := []string{fmt.Sprintf("%d documents", documents)}
	for _, kind := range []airlock.Taking{airlock.Taken, airlock.TakenSoon, airlock.TakenThen, airlock.TakenOther, airlock.NotAtRest, airlock.NotTaken} {
		if n := r.Counts[kind]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	_, err := fmt.Fprintf(out, "import-azuretre: %s\n", strings.Join(counts, ", "))
	return errors.Join(append(errs, err)...)
}

// eachElement reads a JSON array, or one value after the other, and holds no more than one element of it.
func eachElement(source io.Reader, use func(raw []byte) error) error {
	text := bufio.NewReader(source)
	if mark, err := text.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
		_, _ = text.Discard(len(byteOrderMark)) // of what was just seen
	}
	d := json.NewDecoder(text)
	array, err := isArray(text)
	if err == nil && array {
		_, err = d.Token()
	}
	for err == nil && (!array || d.More()) {
		var raw json.RawMessage
		if err = d.Decode(&raw); err == nil {
			err = use(raw)
		}
	}
	if err == nil {
		_, err = d.Token() // the end of the array, without which the file is not whole
	} else if !array && errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// byteOrderMark is what some tools on Windows begin a text with.
const byteOrderMark = "\ufeff"

// isArray looks for the first character that is no space, and leaves it where it is.
func isArray(text *bufio.Reader) (bool, error) {
	for {
		c, err := text.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, err
		case !strings.ContainsRune(" \t\r\n", rune(c)):
			return c == '[', text.UnreadByte()
		}
	}
}
