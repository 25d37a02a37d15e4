package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure"
)

// TestAnApprovedRequestCostsWhatItMust plays an import and an export from creation to approval, with the real handler on
// the local Azure, and counts everything that costs money. The counts are the same in both directions.
func TestAnApprovedRequestCostsWhatItMust(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	azure, err := localazure.Start(ctx, options("", nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(azure.Stop)
	p, err := newPeople(azure, azure.Workspaces[0])
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]counts{
		"create": {
			Storage: map[string]int{
				"InsertEntity": 1, "InsertOrReplaceEntity": 1, "QueryEntity": 1, "QueryEntities": 2, "EntityGroupTransaction": 2,
				"CreateContainer": 2, // once in the call, and once by whoever cannot know that
			},
			Messages:    map[string]int{localazure.NoticeTopic: 1, localazure.StatusQueue: 1},
			Invocations: map[string]int{"Api": 1, "StatusChanged": 1},
		},
		"link and upload": {
			Storage:     map[string]int{"QueryEntity": 1, "EntityGroupTransaction": 1},
			Invocations: map[string]int{"Api": 1},
		},
		"submit": {
			Storage: map[string]int{
				"QueryEntity": 6, "QueryEntities": 3, "EntityGroupTransaction": 4,
				"CreateContainer": 1, "ListBlobs": 3, "CopyBlob": 1, "DeleteContainer": 1,
				"GetBlob": 1, // a small file is hashed in one piece
			},
			// Two notices, the nudge, and one for the moment at which the scanner has been silent for too long.
			Messages:    map[string]int{localazure.NoticeTopic: 2, localazure.StatusQueue: 2},
			Events:      map[string]int{"BlobCreated": 1, "ScanResult": 1},
			Invocations: map[string]int{"Api": 1, "StatusChanged": 1, "BlobCreated": 1, "ScanResult": 1},
		},
		"approve": {
			Storage: map[string]int{
				"QueryEntity": 4, "QueryEntities": 2, "EntityGroupTransaction": 3,
				"CreateContainer": 1, "ListBlobs": 1, "CopyBlob": 1, "GetBlob": 1, "DeleteContainer": 1,
			},
			Messages:    map[string]int{localazure.NoticeTopic: 2, localazure.StatusQueue: 1},
			Events:      map[string]int{"BlobCreated": 1},
			Invocations: map[string]int{"Api": 1, "StatusChanged": 1, "BlobCreated": 1},
		},
		"download link": {
			Storage:     map[string]int{"QueryEntity": 1, "EntityGroupTransaction": 1},
			Invocations: map[string]int{"Api": 1},
		},
	}
	for _, direction := range []string{"import", "export"} {
		t.Run(direction, func(t *testing.T) {
			parts, err := lifeCounts(ctx, p, direction, 1)
			if err != nil {
				t.Fatal(err)
			}
			for name, got := range parts {
				check(t, name+": storage", got.Storage, want[name].Storage)
				check(t, name+": messages", got.Messages, want[name].Messages)
				check(t, name+": events", got.Events, want[name].Events)
				check(t, name+": invocations", got.Invocations, want[name].Invocations)
			}
			all := total(parts)
			scheduled := all.Messages[localazure.StatusQueue] - all.Invocations["StatusChanged"]
			if n := all.triggered() + scheduled; n != maxInvocations {
				t.Errorf("%d invocations; it must take %d", n, maxInvocations)
			}
			checkPage(t, all, scheduled)
			if n := sum(all.Messages); n != maxMessages-1 {
				t.Errorf("%d messages; it must take 9, and %d at the most", n, maxMessages)
			}
		})
	}
	t.Run("ten files", func(t *testing.T) {
		const files = 10
		parts, err := lifeCounts(ctx, p, "import", files)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"submit", "approve"} {
			got, one := parts[name].Storage, want[name].Storage
			// Each file is copied and read once more, and nothing else of the blobs is done more often. How often the table is
			// asked depends on how many of the events that come at once find something to do.
			check(t, name+": calls to blobs", blobCalls(got), map[string]int{
				"CopyBlob": files, "GetBlob": files, "ListBlobs": one["ListBlobs"], "CreateContainer": 1, "DeleteContainer": 1,
			})
			if n, most := sum(got), sum(one)*files/2; n > most {
				t.Errorf("%s: %d storage calls for %d files, where %d would be half of what as many requests take: %s", name, n, files, most, listed(got))
			}
		}
	})
}

// blobCalls leaves the calls to the table out.
func blobCalls(storage map[string]int) map[string]int {
	blobs := maps.Clone(storage)
	maps.DeleteFunc(blobs, func(operation string, _ int) bool { return strings.Contains(operation, "Entit") })
	return blobs
}

// checkPage holds the page on costs, and what README says of it, against what was counted.
func checkPage(t *testing.T, all counts, scheduled int) {
	t.Helper()
	page, err := os.ReadFile("../../infra/cost.md")
	if err != nil {
		t.Fatal(err)
	}
	of := func(operations ...string) int {
		n := 0
		for _, o := range operations {
			n += all.Storage[o]
		}
		return n
	}
	writes := of("InsertEntity", "InsertOrReplaceEntity", "EntityGroupTransaction")
	reads := of("QueryEntity", "QueryEntities")
	blobCalls := sum(all.Storage) - writes - reads
	for row, n := range map[string]int{
		"invocations that no person waits for": all.triggered() + scheduled, "calls of the API": all.Invocations["Api"],
		"messages sent": sum(all.Messages), "events delivered": sum(all.Events),
		"writes to the table": writes, "reads of the table": reads, "calls to blob storage": blobCalls,
	} {
		if want := fmt.Sprintf("| %s | %d | %d,000 |", row, n, n); !strings.Contains(string(page), want) {
			t.Errorf("the page on costs does not say %q", want)
		}
	}
	for _, want := range []string{
		fmt.Sprintf("%d writes and %d reads a request", writes, reads),
		fmt.Sprintf("%d transactions with at most", of("EntityGroupTransaction")),
		fmt.Sprintf("%d messages are sent and %d received", sum(all.Messages), sum(all.Messages)),
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page on costs does not say %q", want)
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("takes %d invocations besides the calls of people, %d messages, %d writes to the table and %d calls to blob storage",
		all.triggered()+scheduled, sum(all.Messages), writes, blobCalls)
	if !strings.Contains(strings.Join(strings.Fields(string(readme)), " "), want) {
		t.Errorf("README does not say that an approved request %s", want)
	}
}

func check(t *testing.T, what string, got, want map[string]int) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: %s; it must be %s", what, listed(got), listed(want))
	}
}
