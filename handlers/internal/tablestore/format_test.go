package tablestore_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/tablestore"
)

// release is what a program of one release knows about formats.
type release struct{ reads, writes, needs int }

func (r release) of(s *tablestore.Store) *tablestore.Store {
	return s.Release(r.reads, r.writes, r.needs)
}

// TestReleasesAfterEachOther starts the programs of several releases on one table, in an order that upgrades and
// roll-backs take, and says which of them may.
func TestReleasesAfterEachOther(t *testing.T) {
	var (
		first    = release{1, 1, 1}
		expand   = release{1, 2, 1} // writes something new that the first one keeps, or can do without
		require  = release{1, 3, 3} // writes something that an older one would break
		contract = release{3, 3, 3} // reads nothing older any more
	)
	for name, test := range map[string]struct {
		starts []release
		last   string // what the last start says; empty: it is fine. The ones before it are
	}{
		"again":                      {[]release{first, first}, ""},
		"forwards":                   {[]release{first, expand}, ""},
		"back from an expansion":     {[]release{first, expand, first}, ""},
		"side by side":               {[]release{first, expand, first, expand, first}, ""},
		"forwards over one":          {[]release{first, require}, ""},
		"back from what is required": {[]release{first, require, first}, "the table needs a program that knows format 3"},
		"back to what does not know": {[]release{first, require, expand}, "this one knows them up to 2; deploy a newer version"},
		"contracted too early":       {[]release{first, require, contract}, "the table may hold rows of format 1, and this program reads them from 3"},
		"contracted on a new table":  {[]release{contract}, ""},
		"then an old one":            {[]release{contract, first}, "the table needs a program that knows format 3"},
	} {
		t.Run(name, func(t *testing.T) {
			store, _ := open(t)
			for i, r := range test.starts {
				if i == 1 {
					create(t, store) // the table is not new any more
				}
				err := r.of(store).Adopt(t.Context())
				fit := r.of(store).Fit(t.Context())
				if says := test.last; i == len(test.starts)-1 && says != "" {
					if !errors.Is(err, tablestore.ErrUnfit) || !strings.Contains(err.Error(), says) || !errors.Is(fit, tablestore.ErrUnfit) {
						t.Errorf("start %d: %v (fit: %v), want %q", i, err, fit, says)
					}
				} else if err != nil || fit != nil {
					t.Errorf("start %d: %v (fit: %v)", i, err, fit)
				}
			}
		})
	}
}

// TestTablesFromBeforeFormats: rows without a word about formats are of the first one.
func TestTablesFromBeforeFormats(t *testing.T) {
	store, tr := open(t)
	create(t, store)
	if err := (release{2, 2, 2}).of(store).Adopt(t.Context()); !errors.Is(err, tablestore.ErrUnfit) {
		t.Errorf("a program that does not read them: %v", err)
	}
	if err := store.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr.sent.Store(0)
	if err := store.Adopt(t.Context()); err != nil || tr.sent.Load() != 1 {
		t.Errorf("the second start sent %d requests (%v), want one", tr.sent.Load(), err)
	}
}

// TestFitWritesNothing: a command only looks.
func TestFitWritesNothing(t *testing.T) {
	store, tr := open(t)
	tr.intercept = func(_ int64, req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if req.Method != http.MethodGet {
			t.Errorf("it sent %s", req.Method)
		}
		return send()
	}
	if err := store.Fit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAdoptAtOnce: instances start together, and whoever comes first wins over none.
func TestAdoptAtOnce(t *testing.T) {
	store, _ := open(t)
	errs := make(chan error, 8)
	for i := range cap(errs) {
		go func() { errs <- release{1, 1 + i%3, 1}.of(store).Adopt(t.Context()) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := (release{1, 1, 1}).of(store).Fit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAdoptWhereTheTableDoesNotAnswer: that says nothing about formats.
func TestAdoptWhereTheTableDoesNotAnswer(t *testing.T) {
	store, tr := open(t)
	tr.intercept = func(_ int64, req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(req, 503, "ServerBusy"), nil
	}
	for op, call := range map[string]func(context.Context) error{"Adopt": store.Adopt, "Fit": store.Fit} {
		if err := call(t.Context()); !errors.Is(err, airlock.ErrTransient) || errors.Is(err, tablestore.ErrUnfit) {
			t.Errorf("%s: %v", op, err)
		}
	}
}
