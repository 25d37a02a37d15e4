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

// TestQueriesOfOnePartition asks for one partition among others, whose names hold what a filter is made of.
func TestQueriesOfOnePartition(t *testing.T) {
	c := newTable(t)
	for _, partition := range []string{"a", "b", "it's", "x' or PartitionKey eq 'a"} {
		for _, row := range []string{"1", "2"} {
			b, err := json.Marshal(map[string]string{"PartitionKey": partition, "RowKey": row, "Value": partition + "/" + row})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.AddEntity(t.Context(), b, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for filter, want := range map[string]string{
		"PartitionKey eq 'a'":                                                 "a/1 a/2",
		"PartitionKey eq 'a' and RowKey ge '2'":                               "a/2",
		"PartitionKey eq 'a' and RowKey ge '1' and RowKey lt '2'":             "a/1",
		"PartitionKey eq 'it''s' and RowKey eq '1'":                           "it's/1",
		"PartitionKey eq 'x'' or PartitionKey eq ''a' and RowKey eq '1'":      "x' or PartitionKey eq 'a/1",
		"PartitionKey eq 'a' and RowKey eq '1' or PartitionKey eq 'b'":        "a/1 b/1 b/2",
		"PartitionKey eq 'a' or PartitionKey eq 'b' and RowKey eq '2'":        "a/1 a/2 b/2",
		"PartitionKey eq 'a' and (RowKey eq '1' or Value eq 'a/2')":           "a/1 a/2",
		"RowKey eq '1' and PartitionKey eq 'b'":                               "b/1",
		"PartitionKey eq 'a' and Value eq ' or '":                             "",
		"PartitionKey eq 'nobody'":                                            "",
		"PartitionKey ge 'a' and PartitionKey le 'b' and RowKey eq '2'":       "a/2 b/2",
		"not (PartitionKey eq 'a') and RowKey eq '1' and PartitionKey lt 'c'": "b/1",
	} {
		var got []string
		for p := c.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Top: ptr(int32(1))}); p.More(); {
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
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
}
