package tablestore_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/tablestore"
	"airlock/statemachine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// TestRequests counts the HTTP requests of every call, on a table that holds more than a page.
func TestRequests(t *testing.T) {
	store, tr := open(t)
	read := create(t, store)
	r := airlock.Record{What: "settings"}.Seal(0, "")
	if _, err := store.PutSettings(t.Context(), airlock.Settings{WorkspaceID: workspace, RecordSeq: 1, RecordHash: r.Hash}, r); err != nil {
		t.Fatal(err)
	}
	for op, want := range map[string]int64{
		"Request": 1, "Workspace": 1, "Requests": 1, "RequestsOf": 2, "Manifest": 1, "Notices": 1, "Records": 1, "Comments": 1, "Due": 1,
		"Settings": 1, "SettingsRecords": 1, "Workspaces": 1, "Ping": 1,
	} {
		tr.sent.Store(0)
		if err := calls(store)[op](t.Context()); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		if got := tr.sent.Load(); got != want {
			t.Errorf("%s sent %d requests, want %d", op, got, want)
		}
	}

	// The budget of a change: one read, one transaction. The ETag that comes back is good for the next.
	tr.sent.Store(0)
	for n := range int64(3) {
		c := next(read)
		c.Review = &airlock.Review{Round: 1, Reviewer: airlock.Person{ID: fmt.Sprint(n)}}
		c.Notices = []airlock.Notice{{ID: fmt.Sprint(n)}}
		c.After.Untold = []string{fmt.Sprint(n)}
		c.After.Due = time.Unix(n+1, 0)
		var err error
		if read, err = store.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if got := tr.sent.Load(); got != n+1 {
			t.Errorf("%d requests after %d commits", got, n+1)
		}
	}
	tr.sent.Store(0)
	c := made()
	c.After.ID = strings.Replace(request, "1", "2", 1)
	if _, err := store.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := tr.sent.Load(); got != 3 {
		t.Errorf("Create sent %d requests, want two lookups and a transaction", got)
	}
	set, err := store.Settings(t.Context(), workspace)
	if err != nil {
		t.Fatal(err)
	}
	r = airlock.Record{What: "settings"}.Seal(set.RecordSeq, set.RecordHash)
	set.RecordSeq, set.RecordHash = r.Seq, r.Hash
	tr.sent.Store(0)
	if _, err := store.PutSettings(t.Context(), set, r); err != nil || tr.sent.Load() != 1 {
		t.Errorf("PutSettings sent %d requests, %v", tr.sent.Load(), err)
	}
}

// TestListReadsOnePage lists from a table with many rows in every order and with every filter.
func TestListReadsOnePage(t *testing.T) {
	store, tr := open(t)
	for n := range 30 {
		c := made()
		c.After.ID = fmt.Sprintf("%s%02d", request[:34], n)
		if _, err := store.Create(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []airlock.Query{
		{Order: airlock.NewestFirst}, {Order: airlock.LastChanged}, {Order: airlock.NewestFirst, Status: statemachine.Draft},
		{Order: airlock.LastChanged, Status: statemachine.Draft}, {Order: airlock.NewestFirst, Creator: "alice"},
		{Order: airlock.NewestFirst, Creator: "nobody"}, {Order: airlock.NewestFirst, Status: statemachine.Failed},
	} {
		q.Workspace, q.Limit = workspace, 7
		tr.sent.Store(0)
		tr.intercept = func(_ int64, req *http.Request, send send) (*http.Response, error) {
			if top := req.URL.Query().Get("$top"); top != "7" {
				t.Errorf("asked for %q rows", top)
			}
			return send()
		}
		page, err := store.Requests(t.Context(), q)
		tr.intercept = nil
		if err != nil || tr.sent.Load() != 1 || len(page.Requests) > 7 {
			t.Errorf("%d requests for a page of %d, %v", tr.sent.Load(), len(page.Requests), err)
		}
	}
}

// TestConditions looks at the operations of transactions: each that could touch a row of another version, or add one
// that should be there, says so.
func TestConditions(t *testing.T) {
	store, tr := open(t)
	before := create(t, store)
	var operations []string
	tr.intercept = func(_ int64, req *http.Request, send send) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		operations = readOperations(t, body)
		return send()
	}
	c := next(before)
	c.After.Status, c.After.UpdatedWhen, c.After.Due = statemachine.Submitted, before.UpdatedWhen.Add(time.Second), time.Unix(5, 0)
	r := airlock.Record{What: "submit", When: c.After.UpdatedWhen}.Seal(before.RecordSeq, before.RecordHash)
	c.Record, c.After.RecordSeq, c.After.RecordHash = &r, r.Seq, r.Hash
	c.Review = &airlock.Review{Round: 1, Reviewer: airlock.Person{ID: "bob"}}
	c.Notices, c.After.Untold = []airlock.Notice{{ID: "n"}}, []string{"n"}
	c.Manifest, c.Dirty = &airlock.Manifest{Round: 1, Files: make([]airlock.File, 51)}, []int{1, 0}
	second, err := store.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"PUT req " + before.ETag, "DELETE idx *", "POST idx ", "DELETE upd *", "POST upd ", "POST aud ", "POST rev ", "POST own ",
		"POST out ", "PUT fil ", "PUT fil ",
	}
	if !slices.Equal(operations, want) {
		t.Errorf("got  %q\nwant %q", operations, want)
	}
	c = next(second)
	c.After.Untold = nil
	c.After.Due = time.Unix(6, 0)
	third, err := store.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	want = []string{"PUT req " + second.ETag, "PUT idx *", "PUT upd *", "DELETE own *", "POST own ", "DELETE out *"}
	if !slices.Equal(operations, want) {
		t.Errorf("got  %q\nwant %q", operations, want)
	}
	c = next(third)
	c.After.Due = time.Time{}
	if _, err := store.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	want = []string{"PUT req " + third.ETag, "PUT idx *", "PUT upd *", "DELETE own *"}
	if !slices.Equal(operations, want) {
		t.Errorf("got  %q\nwant %q", operations, want)
	}
}

// readOperations lists the operations of a transaction: method, kind of row, If-Match.
func readOperations(t *testing.T, body []byte) (all []string) {
	t.Helper()
	for _, part := range bytes.Split(body, []byte("Content-Type: application/http\r\n"))[1:] {
		operation := bytes.TrimPrefix(part, []byte("\r\n"))
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(operation)))
		if err != nil {
			t.Fatal(err)
		}
		key := req.URL.Path
		if req.Method == http.MethodPost {
			_, content, _ := bytes.Cut(operation, []byte("\r\n\r\n"))
			var entity struct{ RowKey string }
			if err := json.NewDecoder(bytes.NewReader(content)).Decode(&entity); err != nil {
				t.Fatal(err)
			}
			key = "RowKey='" + entity.RowKey
		}
		_, row, _ := strings.Cut(key, "RowKey='")
		all = append(all, fmt.Sprintf("%s %s %s", req.Method, row[:3], req.Header.Get("If-Match")))
	}
	return all
}

// TestEmptyPages is a service that ends pages before the first row and says where to go on, which it may.
func TestEmptyPages(t *testing.T) {
	store, tr := open(t)
	c := made()
	c.After.Due = time.Unix(1, 0)
	c.Notices, c.After.Untold = []airlock.Notice{{ID: "n"}}, []string{"n"}
	c.Manifest, c.Dirty = &airlock.Manifest{Round: 1, Files: []airlock.File{{Name: "f"}}}, []int{0}
	if _, err := store.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	tr.intercept = func(_ int64, req *http.Request, send send) (*http.Response, error) {
		query := req.URL.Query()
		switch {
		case query.Get("$filter") == "":
			return send()
		case query.Get("NextPartitionKey") == "":
			resp := answer(req, 200, "")
			resp.Header = http.Header{"Content-Type": {"application/json"}, "X-Ms-Continuation-Nextpartitionkey": {"the partition"}, "X-Ms-Continuation-Nextrowkey": {"the row"}}
			resp.Body = io.NopCloser(strings.NewReader(`{"value":[]}`))
			return resp, nil
		case query.Get("NextPartitionKey") != "the partition" || query.Get("NextRowKey") != "the row":
			t.Errorf("goes on at %q", query)
		}
		query.Del("NextPartitionKey")
		query.Del("NextRowKey")
		req.URL.RawQuery = query.Encode()
		return send()
	}
	ctx := t.Context()
	page, err := store.Requests(ctx, airlock.Query{Workspace: workspace, Order: airlock.NewestFirst, Limit: 5})
	if err != nil || len(page.Requests) != 0 || page.Next == "" {
		t.Fatalf("%d requests, next %q, %v", len(page.Requests), page.Next, err)
	}
	page, err = store.Requests(ctx, airlock.Query{Workspace: workspace, Order: airlock.NewestFirst, Limit: 5, Cursor: page.Next})
	if err != nil || len(page.Requests) != 1 || page.Next != "" {
		t.Errorf("%d requests, next %q, %v", len(page.Requests), page.Next, err)
	}
	if m, err := store.Manifest(ctx, workspace, request, 1); err != nil || len(m.Files) != 1 {
		t.Errorf("%d files, %v", len(m.Files), err)
	}
	if n, err := store.Notices(ctx, workspace, request); err != nil || len(n) != 1 {
		t.Errorf("%d notices, %v", len(n), err)
	}
	if r, err := store.Records(ctx, workspace, request, 0, 5); err != nil || len(r) != 1 {
		t.Errorf("%d records, %v", len(r), err)
	}
	if d, err := store.Due(ctx, workspace, time.Unix(2, 0), 5); err != nil || len(d) != 1 {
		t.Errorf("%d due, %v", len(d), err)
	}
}

// TestCursorRefusedByTheService is a cursor with the right digest and a place that the service does not take.
func TestCursorRefusedByTheService(t *testing.T) {
	store, tr := open(t)
	for n := range 3 {
		c := made()
		c.After.ID = fmt.Sprintf("%s%d", request[:35], n)
		if _, err := store.Create(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	q := airlock.Query{Workspace: workspace, Order: airlock.NewestFirst, Limit: 2}
	page, err := store.Requests(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	tr.intercept = func(_ int64, req *http.Request, _ send) (*http.Response, error) {
		return answer(req, 400, "InvalidInput"), nil
	}
	q.Cursor = page.Next
	if _, err := store.Requests(t.Context(), q); !errors.Is(err, airlock.ErrCursor) {
		t.Errorf("%v, want ErrCursor", err)
	}
	q.Cursor = ""
	if _, err := store.Requests(t.Context(), q); err == nil || errors.Is(err, airlock.ErrCursor) {
		t.Errorf("%v: no cursor was given", err)
	}
}

// raw is a client of the same table, for changes by hand.
func raw(t *testing.T, tr *transport) *aztables.Client {
	t.Helper()
	service, err := aztables.NewServiceClient(fmt.Sprintf("https://%s.table.%s", account, shared(t).Suffix()), token{},
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: tr.next}})
	if err != nil {
		t.Fatal(err)
	}
	return service.NewClient(tr.table)
}

// row finds the only row of the workspace whose key begins so.
func row(t *testing.T, table *aztables.Client, prefix string) map[string]any {
	t.Helper()
	filter := fmt.Sprintf("PartitionKey eq '%s' and RowKey ge '%s' and RowKey lt '%s~'", workspace, prefix, prefix)
	page, err := table.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter}).NextPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Entities) != 1 {
		t.Fatalf("%d rows begin with %s", len(page.Entities), prefix)
	}
	var entity map[string]any
	if err := json.Unmarshal(page.Entities[0], &entity); err != nil {
		t.Fatal(err)
	}
	return entity
}

// TestTampered is a table that somebody changed by hand: what does not belong where it is found is an error, and none that
// callers would take for an ordinary answer.
func TestTampered(t *testing.T) {
	files := &airlock.Manifest{Round: 1, Files: make([]airlock.File, 120)}
	prepare := func(t *testing.T) (*tablestore.Store, *aztables.Client, airlock.Request) {
		store, tr := open(t)
		c := made()
		c.Manifest, c.Dirty = files, []int{0, 1, 2}
		read, err := store.Create(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return store, raw(t, tr), read
	}
	newest := airlock.Query{Workspace: workspace, Order: airlock.NewestFirst, Limit: 5}
	changed := airlock.Query{Workspace: workspace, Order: airlock.LastChanged, Limit: 5}
	for name, test := range map[string]struct {
		prefix string
		change func(entity map[string]any) // nil: delete the row
		call   func(*tablestore.Store, airlock.Request) error
	}{
		"request of another workspace": {"req_", swap(workspace, "another"),
			func(s *tablestore.Store, _ airlock.Request) error {
				_, err := s.Request(t.Context(), workspace, request)
				return err
			}},
		"request with another id": {"req_", swap(request, request[1:]+"0"),
			func(s *tablestore.Store, _ airlock.Request) error {
				_, err := s.Request(t.Context(), workspace, request)
				return err
			}},
		"listed request of another workspace": {"req_", swap(workspace, "another"),
			func(s *tablestore.Store, _ airlock.Request) error {
				_, err := s.Requests(t.Context(), newest)
				return err
			}},
		"last changed of another workspace": {"upd_", swap(workspace, "another"),
			func(s *tablestore.Store, _ airlock.Request) error {
				_, err := s.Requests(t.Context(), changed)
				return err
			}},
		"no document": {"req_", func(e map[string]any) { delete(e, "D0") },
			func(s *tablestore.Store, _ airlock.Request) error {
				_, err := s.Request(t.Context(), workspace, request)
				return err
			}},
		"a page is gone": {"fil_" + request + "_1_001", nil,
			func(s *tablestore.Store, _ airlock.Request) error {
				_, err := s.Manifest(t.Context(), workspace, request, 1)
				return err
			}},
		"an index row is gone": {"idx_", nil,
			func(s *tablestore.Store, r airlock.Request) error {
				_, err := s.Commit(t.Context(), next(r))
				return err
			}},
		"a record is there already": {"aud_", func(e map[string]any) { e["RowKey"] = "aud_" + request + "_0000000002" },
			func(s *tablestore.Store, r airlock.Request) error {
				c := next(r)
				record := airlock.Record{What: "x"}.Seal(r.RecordSeq, r.RecordHash)
				c.Record, c.After.RecordSeq, c.After.RecordHash = &record, record.Seq, record.Hash
				_, err := s.Commit(t.Context(), c)
				return err
			}},
	} {
		t.Run(name, func(t *testing.T) {
			store, table, read := prepare(t)
			entity := row(t, table, test.prefix)
			if test.change == nil {
				if _, err := table.DeleteEntity(t.Context(), workspace, entity["RowKey"].(string), nil); err != nil {
					t.Fatal(err)
				}
			} else {
				test.change(entity)
				encoded, err := json.Marshal(entity)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := table.UpsertEntity(t.Context(), encoded, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace}); err != nil {
					t.Fatal(err)
				}
			}
			err := test.call(store, read)
			if err == nil {
				t.Fatal("no error")
			}
			for _, kind := range []error{airlock.ErrTransient, airlock.ErrNotFound, airlock.ErrLost, airlock.ErrExists, airlock.ErrCursor} {
				if errors.Is(err, kind) {
					t.Errorf("%v is taken for %v", err, kind)
				}
			}
			isClean(t, err)
		})
	}
}

// swap changes a text in a row's document.
func swap(from, to string) func(map[string]any) {
	return func(e map[string]any) { e["D0"] = strings.Replace(e["D0"].(string), from, to, 1) }
}
