package tablestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// formats are what this program knows about the formats of rows. A change that the programs of the last release read, and
// lose nothing of when they write, is no new format; infra/upgrade.md says how to tell.
type formats struct {
	reads  int // the oldest format that it still reads
	writes int // the newest format, which it writes
	needs  int // what another program must write at least to work beside this one
}

// known are the formats of this program.
var known = formats{reads: 1, writes: 1, needs: 1}

// ErrUnfit is the error of a table with which this program must not work.
var ErrUnfit = errors.New("this program and the table do not fit")

// The row that says of which formats the table is, and its columns.
const (
	formatPartition = "all_rows"
	formatRow       = "format"
	columnOldest    = "OldestFormat" // every row is of this format or a newer one
	columnNewest    = "NewestFormat" // no row is of a newer format
	columnNeeds     = "NeedsFormat"  // a program that does not know this format must not work with the table
	noFormat        = 1              // of rows that were written before the table said it
	adoptions       = 5              // how often a lost race for the row is tried again
)

// table is the content of that row.
type table struct {
	oldest, newest, needs int
	etag                  azcore.ETag // empty: there is no such row
}

// Fit reports whether this program may work with the table, and writes nothing. It is ErrUnfit when the table is of a
// newer format than the program knows, or may hold rows of an older one than it reads.
func (s *Store) Fit(ctx context.Context) error {
	_, err := s.fit(ctx)
	return err
}

// Adopt is Fit, and notes in the table that this program works with it, so that an older one that would do harm refuses
// to. Call it before the program serves.
func (s *Store) Adopt(ctx context.Context) error {
	for range adoptions {
		t, err := s.fit(ctx)
		if err != nil {
			return err
		}
		next := table{oldest: t.oldest, newest: max(t.newest, s.formats.writes), needs: max(t.needs, s.formats.needs), etag: t.etag}
		if next == t && t.etag != "" {
			return nil
		}
		done, err := s.putFormat(ctx, next)
		if err != nil || done {
			return err
		}
	}
	return errors.New("tablestore: adopt: others keep changing the format")
}

func (s *Store) fit(ctx context.Context) (table, error) {
	t, err := s.format(ctx)
	switch {
	case err != nil:
		return table{}, err
	case t.needs > s.formats.writes:
		return table{}, fmt.Errorf("tablestore: %w: the table needs a program that knows format %d of its rows, and this one knows them up to %d; deploy a newer version",
			ErrUnfit, t.needs, s.formats.writes)
	case t.oldest < s.formats.reads:
		return table{}, fmt.Errorf("tablestore: %w: the table may hold rows of format %d, and this program reads them from %d; deploy the version before it, and migrate the table with that",
			ErrUnfit, t.oldest, s.formats.reads)
	}
	return t, nil
}

// format reads the row. A table without it is new, or older than the row.
func (s *Store) format(ctx context.Context) (table, error) {
	e, etag, err := s.row(ctx, formatPartition, formatRow)
	if is(err, http.StatusNotFound, aztables.ResourceNotFound) {
		return s.unmarked(ctx)
	}
	if err != nil {
		return table{}, failed("format", "", err)
	}
	t := table{etag: azcore.ETag(etag)}
	for column, into := range map[string]*int{columnOldest: &t.oldest, columnNewest: &t.newest, columnNeeds: &t.needs} {
		if *into, err = strconv.Atoi(e.text(column)); err != nil {
			return table{}, fmt.Errorf("tablestore: format: the column %s of the row %s is no number", column, formatRow)
		}
	}
	return t, nil
}

// unmarked says of which formats a table without the row is.
func (s *Store) unmarked(ctx context.Context) (table, error) {
	one := int32(1)
	pager := s.table.NewListEntitiesPager(&aztables.ListEntitiesOptions{Top: &one})
	for pager.More() { // the service may end a page before the first row
		page, err := pager.NextPage(ctx)
		if err != nil {
			return table{}, failed("format", "", err)
		}
		if len(page.Entities) > 0 {
			return table{oldest: noFormat, newest: noFormat, needs: noFormat}, nil
		}
	}
	return table{oldest: s.formats.writes, newest: s.formats.writes, needs: s.formats.needs}, nil
}

// putFormat writes the row over the one that was read; false: somebody else was first.
func (s *Store) putFormat(ctx context.Context, t table) (done bool, err error) {
	properties := map[string]any{"PartitionKey": formatPartition, "RowKey": formatRow}
	for column, value := range map[string]int{columnOldest: t.oldest, columnNewest: t.newest, columnNeeds: t.needs} {
		properties[column], properties[column+"@odata.type"] = strconv.Itoa(value), "Edm.Int64"
	}
	encoded, err := json.Marshal(properties)
	if err != nil {
		return false, fmt.Errorf("tablestore: format: %w", err)
	}
	if t.etag == "" {
		_, err = s.table.AddEntity(ctx, encoded, nil)
	} else {
		_, err = s.table.UpdateEntity(ctx, encoded, &aztables.UpdateEntityOptions{IfMatch: &t.etag, UpdateMode: aztables.UpdateModeReplace})
	}
	if is(err, http.StatusConflict, aztables.EntityAlreadyExists) || is(err, http.StatusPreconditionFailed, aztables.UpdateConditionNotSatisfied) {
		return false, nil
	}
	return err == nil, failed("format", "", err)
}
