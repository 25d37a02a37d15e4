package defender

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// The index tags. Azure: malware scanning, blob index tags.
const (
	TagResult = "Malware Scanning scan result"
	TagTime   = "Malware Scanning scan time UTC"
)

// ResultEvent is the type of the events that are published.
const ResultEvent = "Microsoft.Security.MalwareScanningResult"

const (
	malwareName = "DOS/EICAR_Test_File"
	timeOfEvent = "2006-01-02T15:04:05.0000000Z"
	timeOfTag   = "2006-01-02 15:04:05Z"
)

// event is the result event.
type event struct {
	ID              string    `json:"id"`
	Subject         string    `json:"subject"`
	Data            eventData `json:"data"`
	EventType       string    `json:"eventType"`
	DataVersion     string    `json:"dataVersion"`
	MetadataVersion string    `json:"metadataVersion"`
	EventTime       string    `json:"eventTime"`
	Topic           string    `json:"topic"`
}

type eventData struct {
	CorrelationID string `json:"correlationId"`
	// BlobURI has the name as it is: spaces, "#" and "%" too.
	BlobURI          string   `json:"blobUri"`
	ETag             string   `json:"eTag"`
	ScanFinishedTime string   `json:"scanFinishedTimeUtc"`
	ResultType       Result   `json:"scanResultType"`
	Details          *details `json:"scanResultDetails"` // null for a clean blob
}

type details struct {
	MalwareNames     []string `json:"malwareNamesFound,omitempty"`
	SHA256           string   `json:"sha256,omitempty"` // in capitals
	NotScannedReason string   `json:"notScannedReason,omitempty"`
}

// verdict is what is known about a blob after its scan.
type verdict struct {
	result Result
	sha256 string // of a blob that was read
	code   string // of one that was not scanned
}

// encode makes the event of a verdict.
func (s *Scanner) encode(blob Blob, v verdict, finished time.Time) (json.RawMessage, error) {
	e := event{
		ID:      uuid.NewString(),
		Subject: "storageAccounts/" + blob.Account + "/containers/" + blob.Container + "/blobs/" + blob.Name,
		Data: eventData{
			CorrelationID:    uuid.NewString(),
			BlobURI:          blob.host + "/" + blob.Container + "/" + blob.Name,
			ETag:             blob.ETag,
			ScanFinishedTime: finished.UTC().Format(timeOfEvent),
			ResultType:       v.result,
		},
		EventType:       ResultEvent,
		DataVersion:     "1.0",
		MetadataVersion: "1",
		EventTime:       finished.UTC().Format(timeOfEvent),
		Topic:           s.options.Topic,
	}
	switch v.result {
	case Malicious:
		e.Data.Details = &details{MalwareNames: []string{malwareName}, SHA256: v.sha256}
	case NotScanned:
		e.Data.Details = &details{NotScannedReason: reason(v.code)}
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode result event: %w", err)
	}
	return raw, nil
}

// tagged lays the result over the tags that a blob has.
func tagged(tags map[string]string, v verdict, finished time.Time) map[string]string {
	all := make(map[string]string, len(tags)+2)
	for key, value := range tags {
		all[key] = value
	}
	all[TagResult], all[TagTime] = v.result.tag(), finished.UTC().Format(timeOfTag)
	return all
}
