package storage_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"airlock/scripts/localazure/storage"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

func body(s string) *bytes.Reader { return bytes.NewReader([]byte(s)) }

// theEvent is the one event that has been raised for a container since the first seen ones.
func theEvent(t *testing.T, containerName string, seen int) storage.Event {
	t.Helper()
	events := shared.eventsOf(containerName)
	if len(events) != seen+1 {
		t.Fatalf("%d events after %d, want one more", len(events), seen)
	}
	return events[seen]
}

func TestEventOfEachKindOfWrite(t *testing.T) {
	c, name := newContainer(t, accountA)
	csv := &blob.HTTPHeaders{BlobContentType: ptr("text/csv")}

	put, err := c.NewBlockBlobClient("a b/#1.csv").Upload(t.Context(), streaming.NopCloser(body("12345")), &blockblob.UploadOptions{HTTPHeaders: csv})
	if err != nil {
		t.Fatal(err)
	}
	check := func(e storage.Event, account, containerName, api, blobName string, length int64, etag azcore.ETag, requestID string) {
		t.Helper()
		if e.Topic != storage.TopicPrefix+account || e.EventType != storage.BlobCreated || e.ID == "" || e.EventTime.IsZero() {
			t.Errorf("event %+v", e)
		}
		if want := "/blobServices/default/containers/" + containerName + "/blobs/" + blobName; e.Subject != want {
			t.Errorf("subject %q, want %q", e.Subject, want)
		}
		if want := "https://" + account + ".blob." + shared.Suffix() + "/" + containerName + "/" + blobName; e.Data.URL != want {
			t.Errorf("url %q, want %q", e.Data.URL, want)
		}
		if e.Data.API != api || e.Data.ContentLength != length || e.Data.ContentType != "text/csv" || e.Data.BlobType != "BlockBlob" {
			t.Errorf("data %+v", e.Data)
		}
		if e.Data.ETag != strings.Trim(string(etag), `"`) || e.Data.RequestID != requestID {
			t.Errorf("data %+v, want ETag %s and request %s", e.Data, etag, requestID)
		}
	}
	first := theEvent(t, name, 0)
	check(first, accountA, name, "PutBlob", "a b/#1.csv", 5, *put.ETag, *put.RequestID)

	blocks := c.NewBlockBlobClient("blocks.csv")
	var ids []string
	for _, part := range []string{"first", "second"} {
		id := base64.StdEncoding.EncodeToString([]byte(part[:5]))
		if _, err := blocks.StageBlock(t.Context(), id, streaming.NopCloser(body(part)), nil); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if n := len(shared.eventsOf(name)); n != 1 {
		t.Fatalf("%d events after writing blocks, want still 1", n)
	}
	list, err := blocks.CommitBlockList(t.Context(), ids, &blockblob.CommitBlockListOptions{HTTPHeaders: csv})
	if err != nil {
		t.Fatal(err)
	}
	second := theEvent(t, name, 1)
	check(second, accountA, name, "PutBlockList", "blocks.csv", 11, *list.ETag, *list.RequestID)

	target, targetName := newContainer(t, accountB)
	from := blocks.URL() + "?" + signedQuery(t, accountA, name, "r", nil)
	copied, err := target.NewBlobClient("copy.csv").StartCopyFromURL(t.Context(), from, nil)
	if err != nil {
		t.Fatal(err)
	}
	third := theEvent(t, targetName, 0)
	check(third, accountB, targetName, "CopyBlob", "copy.csv", 11, *copied.ETag, *copied.RequestID)

	if first.Data.Sequencer >= second.Data.Sequencer || second.Data.Sequencer >= third.Data.Sequencer {
		t.Errorf("sequence %s, %s, %s", first.Data.Sequencer, second.Data.Sequencer, third.Data.Sequencer)
	}
	if first.ID == second.ID {
		t.Error("two events have one id")
	}
}

func TestNoEventForAnythingElse(t *testing.T) {
	c, name := newContainer(t, accountA)
	upload(t, c, "f", "content")
	b := c.NewBlockBlobClient("f")
	_, err := b.SetMetadata(t.Context(), map[string]*string{"k": ptr("v")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.SetHTTPHeaders(t.Context(), blob.HTTPHeaders{BlobContentType: ptr("text/plain")}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.SetTags(t.Context(), map[string]string{"k": "v"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetMetadata(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, err = b.UploadBuffer(t.Context(), []byte("again"), &blockblob.UploadBufferOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: ptr(azcore.ETagAny)},
	}})
	wantError(t, err, 409, string(bloberror.BlobAlreadyExists))
	if _, err := readAll(t, b.BlobClient()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := len(shared.eventsOf(name)); n != 1 {
		t.Errorf("%d events, want the one of the upload", n)
	}
}

func TestEventSchema(t *testing.T) {
	_, name := newContainer(t, accountA)
	link := shared.PlainURL(accountA) + "/" + name + "/f?" + signedQuery(t, accountA, name, "cw", nil)
	if resp, b := do(t, "PUT", link, "content", "x-ms-blob-type", "BlockBlob", "x-ms-client-request-id", "mine"); resp.StatusCode != 201 {
		t.Fatalf("PUT %d %s", resp.StatusCode, b)
	}
	b, err := json.Marshal(theEvent(t, name, 0))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	keys := func(m any) string { return strings.Join(slices.Sorted(maps.Keys(m.(map[string]any))), " ") }
	if want := "data dataVersion eventTime eventType id metadataVersion subject topic"; keys(got) != want {
		t.Errorf("fields %s, want %s", keys(got), want)
	}
	want := "api blobType clientRequestId contentLength contentType eTag requestId sequencer storageDiagnostics url"
	if keys(got["data"]) != want {
		t.Errorf("fields of data %s, want %s", keys(got["data"]), want)
	}
	if id := got["data"].(map[string]any)["clientRequestId"]; id != "mine" {
		t.Errorf("client request id %v", id)
	}
	if got["dataVersion"] != "" || got["metadataVersion"] != "1" {
		t.Errorf("versions %v %v", got["dataVersion"], got["metadataVersion"])
	}
}
