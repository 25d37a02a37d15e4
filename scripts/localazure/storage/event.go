package storage

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// BlobCreated is the type of every event that this package raises.
const BlobCreated = "Microsoft.Storage.BlobCreated"

// TopicPrefix, followed by the name of an account, is the topic of its events.
const TopicPrefix = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/"

// Event is an event of a storage account in the Event Grid schema. Azure: "Azure Blob Storage as an Event Grid source".
type Event struct {
	Topic           string    `json:"topic"`
	Subject         string    `json:"subject"` // the name of the blob stands in it as it is, not escaped
	EventType       string    `json:"eventType"`
	EventTime       time.Time `json:"eventTime"`
	ID              string    `json:"id"`
	Data            EventData `json:"data"`
	DataVersion     string    `json:"dataVersion"`
	MetadataVersion string    `json:"metadataVersion"`
}

// EventData says what was written.
type EventData struct {
	API                string             `json:"api"` // PutBlob, PutBlockList or CopyBlob
	ClientRequestID    string             `json:"clientRequestId"`
	RequestID          string             `json:"requestId"`
	ETag               string             `json:"eTag"` // without quotes
	ContentType        string             `json:"contentType"`
	ContentLength      int64              `json:"contentLength"` // bytes
	BlobType           string             `json:"blobType"`
	URL                string             `json:"url"`       // as Azure gives it: the name is not escaped
	Sequencer          string             `json:"sequencer"` // later events of a blob compare greater as strings
	StorageDiagnostics StorageDiagnostics `json:"storageDiagnostics"`
}

// StorageDiagnostics is of no use to a receiver; Azure sends it.
type StorageDiagnostics struct {
	BatchID string `json:"batchId"`
}

// properties are those of a blob that an event tells.
type properties struct {
	etag, contentType, blobType string
	contentLength               int64
}

// raiser turns successful writes into events.
type raiser struct {
	suffix string
	now    func() time.Time
	head   func(context.Context, resource) (properties, error)
	sink   func(Event)
	epoch  uint64
	count  atomic.Uint64
}

func newRaiser(suffix string, now func() time.Time, head func(context.Context, resource) (properties, error), sink func(Event)) *raiser {
	// Counting from the time of the start keeps the sequence growing when the storage is started again on the same data.
	return &raiser{suffix: suffix, now: now, head: head, sink: sink, epoch: uint64(now().UnixNano())}
}

// writeAPI is the name that events give to the operation of a request, or "" if it is none that creates a blob. Writing a block,
// metadata, tags or properties creates none.
func writeAPI(r *http.Request, res resource) string {
	if r.Method != http.MethodPut || res.blob == "" {
		return ""
	}
	switch query := r.URL.Query(); {
	case query.Get("comp") == "blocklist":
		return "PutBlockList"
	case query.Get("comp") != "":
		return ""
	case r.Header.Get("X-Ms-Copy-Source") != "":
		return "CopyBlob"
	default:
		return "PutBlob"
	}
}

// raise hands over the event of a write that has succeeded. It is called before the client gets the answer, so the client
// cannot have replaced or deleted the blob yet. If another client has, there is nothing true to tell about what was written,
// and nobody could read it any more: the write that replaced it raises its own event.
func (e *raiser) raise(ctx context.Context, api string, res resource, resp *http.Response) error {
	if api == "CopyBlob" && resp.Header.Get("X-Ms-Copy-Status") != "success" {
		return nil
	}
	p, err := e.head(ctx, res)
	if err != nil {
		return fmt.Errorf("raise event of %s in %s/%s: %w", api, res.account, res.container, err)
	}
	if p.etag != resp.Header.Get("Etag") {
		return nil
	}
	e.sink(Event{
		Topic:     TopicPrefix + res.account,
		Subject:   "/blobServices/default/containers/" + res.container + "/blobs/" + res.blob,
		EventType: BlobCreated,
		EventTime: e.now().UTC(),
		ID:        uuid.NewString(),
		Data: EventData{
			API:                api,
			ClientRequestID:    resp.Request.Header.Get("X-Ms-Client-Request-Id"),
			RequestID:          resp.Header.Get("X-Ms-Request-Id"),
			ETag:               strings.Trim(p.etag, `"`),
			ContentType:        p.contentType,
			ContentLength:      p.contentLength,
			BlobType:           p.blobType,
			URL:                "https://" + res.account + "." + string(blobService) + "." + e.suffix + "/" + res.container + "/" + res.blob,
			Sequencer:          fmt.Sprintf("%016X%016X", e.epoch, e.count.Add(1)),
			StorageDiagnostics: StorageDiagnostics{BatchID: uuid.NewString()},
		},
		MetadataVersion: "1",
	})
	return nil
}
