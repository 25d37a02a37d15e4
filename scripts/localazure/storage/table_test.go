package storage_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

func newTable(t *testing.T) *aztables.Client {
	t.Helper()
	client := tables(t, shared.Storage, accountA).NewClient(fmt.Sprintf("table%d", shared.names.Add(1)))
	if _, err := client.CreateTable(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return client
}

func entity(t *testing.T, row, value string) []byte {
	t.Helper()
	b, err := json.Marshal(aztables.EDMEntity{
		Entity:     aztables.Entity{PartitionKey: "ws 1", RowKey: row},
		Properties: map[string]any{"Value": value, "Number": aztables.EDMInt64(1 << 60)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rows lists what the table holds, as row key to value.
func rows(t *testing.T, c *aztables.Client) map[string]string {
	t.Helper()
	out := map[string]string{}
	for p := c.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: ptr("PartitionKey eq 'ws 1'"), Top: ptr(int32(2))}); p.More(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.Entities {
			var e aztables.EDMEntity
			if err := json.Unmarshal(b, &e); err != nil {
				t.Fatal(err)
			}
			if e.Properties["Number"] != aztables.EDMInt64(1<<60) {
				t.Errorf("number %v", e.Properties["Number"])
			}
			out[e.RowKey] = e.Properties["Value"].(string)
		}
	}
	return out
}

func wantRows(t *testing.T, c *aztables.Client, want map[string]string) {
	t.Helper()
	if got := rows(t, c); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// wantRefused checks a refused transaction. Its answer is 202, with the error of the failed part in the body, which is as far as
// the SDK takes it.
func wantRefused(t *testing.T, err error, code aztables.TableErrorCode) {
	t.Helper()
	wantError(t, err, 202, "")
	if !strings.Contains(err.Error(), `"code":"`+string(code)+`"`) {
		t.Fatalf("want %s, got %v", code, err)
	}
}

func TestTransactionIsAllOrNothing(t *testing.T) {
	c := newTable(t)
	added, err := c.AddEntity(t.Context(), entity(t, "req_1", "draft"), nil)
	if err != nil {
		t.Fatal(err)
	}
	etag := added.ETag
	commit := func(etag *azcore.ETag, audit string) error {
		_, err := c.SubmitTransaction(t.Context(), []aztables.TransactionAction{
			{ActionType: aztables.TransactionTypeUpdateReplace, Entity: entity(t, "req_1", "submitted"), IfMatch: etag},
			{ActionType: aztables.TransactionTypeAdd, Entity: entity(t, "aud_1", audit)},
			{ActionType: aztables.TransactionTypeInsertReplace, Entity: entity(t, "own_1", "move")},
		}, nil)
		return err
	}
	if err := commit(&etag, "first"); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"req_1": "submitted", "aud_1": "first", "own_1": "move"}
	wantRows(t, c, want)

	wantRefused(t, commit(&etag, "stale"), aztables.UpdateConditionNotSatisfied)
	wantRows(t, c, want)

	now, err := c.GetEntity(t.Context(), "ws 1", "req_1", nil)
	if err != nil {
		t.Fatal(err)
	}
	// The request could be written, the record is there already: neither must happen.
	wantRefused(t, commit(&now.ETag, "again"), aztables.EntityAlreadyExists)
	wantRows(t, c, want)
	if after, err := c.GetEntity(t.Context(), "ws 1", "req_1", nil); err != nil || after.ETag != now.ETag {
		t.Errorf("a refused transaction touched an entity: %v", err)
	}
}

func TestEntityConditions(t *testing.T) {
	c := newTable(t)
	added, err := c.AddEntity(t.Context(), entity(t, "r", "1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.AddEntity(t.Context(), entity(t, "r", "2"), nil)
	wantError(t, err, 409, string(aztables.EntityAlreadyExists))
	update := func() error {
		_, err := c.UpdateEntity(t.Context(), entity(t, "r", "3"),
			&aztables.UpdateEntityOptions{IfMatch: &added.ETag, UpdateMode: aztables.UpdateModeReplace})
		return err
	}
	if err := update(); err != nil {
		t.Fatal(err)
	}
	wantError(t, update(), 412, string(aztables.UpdateConditionNotSatisfied))
	_, err = c.GetEntity(t.Context(), "ws 1", "absent", nil)
	wantError(t, err, 404, string(aztables.ResourceNotFound))
	wantRows(t, c, map[string]string{"r": "3"})
}

func TestTablesOfAccountsAreApart(t *testing.T) {
	c := newTable(t)
	for p := tables(t, shared.Storage, accountB).NewListTablesPager(nil); p.More(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Tables) != 0 {
			t.Errorf("the other account has tables")
		}
	}
	if _, err := c.Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// TestQueriesOfOnePartition asks for one partition, and for ranges of it, among others whose keys hold what a filter is made of.
func TestQueriesOfOnePartition(t *testing.T) {
	c := newTable(t)
	for _, partition := range []string{"a", "b", "it's", "x' or PartitionKey eq 'a"} {
		for _, row := range []string{"10", "9", "r_1", "r_10", "r_9", "s"} {
			b, err := json.Marshal(map[string]string{"PartitionKey": partition, "RowKey": row, "Value": partition + "/" + row})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.AddEntity(t.Context(), b, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	ranges := map[string]string{
		"RowKey ge 'r_' and RowKey lt 'r`'":                                         "r_1 r_10 r_9",
		"RowKey ge 'r_10' and RowKey lt 'r_9'":                                      "r_10",
		"RowKey ge 'r_1' and RowKey lt 'r_1'":                                       "",
		"RowKey ge 'r_9' and RowKey lt 's'":                                         "r_9",
		"RowKey ge 'r_a' and RowKey lt 'rz'":                                        "",
		"RowKey ge 'z' and RowKey lt 'zz'":                                          "",
		"RowKey ge '1' and RowKey lt '9'":                                           "10",
		"RowKey ge '1' and RowKey lt 's'":                                           "10 9 r_1 r_10 r_9",
		"RowKey ge 'r_' and RowKey lt 'r`' and RowKey gt 'r_1'":                     "r_10 r_9",
		"RowKey ge 'r_' and RowKey lt 'r`' and RowKey lt 'r_9'":                     "r_1 r_10",
		"RowKey ge 'r_' and RowKey lt 'r`' and (Value eq 'a/r_9' or RowKey eq 's')": "r_9",
		"RowKey ge '2'":                    "9 r_1 r_10 r_9 s",
		"RowKey eq 's'":                    "s",
		"(RowKey eq 's' or RowKey eq '9')": "9 s",
		"Value eq ' or '":                  "",
		"RowKey ge 'r_10' and RowKey lt 's' and Value ne 'it''s or it is not'": "r_10 r_9",
	}
	for condition, want := range ranges {
		wantQuery(t, c, "PartitionKey eq 'a' and "+condition, "a", want)
	}
	all := "10 9 r_1 r_10 r_9 s"
	wantQuery(t, c, "PartitionKey eq 'a'", "a", all)
	wantQuery(t, c, "PartitionKey eq 'it''s'", "it's", all)
	wantQuery(t, c, "PartitionKey eq 'it''s' and RowKey ge 'r_' and RowKey lt 'r`'", "it's", "r_1 r_10 r_9")
	wantQuery(t, c, "PartitionKey eq 'x'' or PartitionKey eq ''a' and RowKey ge 'r_9' and RowKey lt 's'", "x' or PartitionKey eq 'a", "r_9")
	wantQuery(t, c, "RowKey eq 's' and PartitionKey eq 'b'", "b", "s")
	wantQuery(t, c, "PartitionKey eq 'nobody'", "nobody", "")
	wantQuery(t, c, "PartitionKey eq 'nobody' and RowKey ge 'r_' and RowKey lt 'r`'", "nobody", "")
	for filter, want := range map[string]string{
		"PartitionKey eq 'a' and RowKey eq 's' or PartitionKey eq 'b' and RowKey lt 'r'":                       "a/s b/10 b/9",
		"PartitionKey eq 'a' and RowKey ge 'r_9' and RowKey lt 's' or PartitionKey eq 'b' and RowKey eq 'r_1'": "a/r_9 b/r_1",
		"PartitionKey ge 'a' and PartitionKey le 'b' and RowKey eq 's'":                                        "a/s b/s",
	} {
		if got := values(t, c, filter); got != want {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
	// What was found goes on being found when rows come, change and go.
	if _, err := c.DeleteEntity(t.Context(), "a", "r_10", nil); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"r_5", "r_1"} {
		b := []byte(`{"PartitionKey":"a","RowKey":"` + row + `","Value":"a/` + row + `"}`)
		if _, err := c.UpsertEntity(t.Context(), b, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace}); err != nil {
			t.Fatal(err)
		}
	}
	wantQuery(t, c, "PartitionKey eq 'a' and RowKey ge 'r_' and RowKey lt 'r`'", "a", "r_1 r_5 r_9")
}

// wantQuery checks which rows of the partition a query finds, in their order.
func wantQuery(t *testing.T, c *aztables.Client, filter, partition, want string) {
	t.Helper()
	var expected []string
	for row := range strings.FieldsSeq(want) {
		expected = append(expected, partition+"/"+row)
	}
	if got := values(t, c, filter); got != strings.Join(expected, " ") {
		t.Errorf("%s: %q, want %q", filter, got, expected)
	}
}

// values lists what a query finds, in pages of two.
func values(t *testing.T, c *aztables.Client, filter string) string {
	t.Helper()
	var got []string
	for p := c.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Top: ptr(int32(2))}); p.More(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", filter, err)
		}
		for _, b := range page.Entities {
			var e struct{ Value string }
			if err := json.Unmarshal(b, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Value)
		}
	}
	return strings.Join(got, " ")
}
