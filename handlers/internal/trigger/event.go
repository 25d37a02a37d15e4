package trigger

import (
	"encoding/json"
	"errors"
	"strings"

	"airlock/handlers/internal/airlock"
)

// The event types that concern the airlock.
const (
	typeBlobCreated = "Microsoft.Storage.BlobCreated"
	typeScanResult  = "Microsoft.Security.MalwareScanningResult"
)

// The longest values that are taken over from a scanner's report, which goes into a stored row.
const (
	maxDetail  = 300 // characters of a reason, a name or a digest
	maxMalware = 5   // names
)

// event is an Event Grid event, in the Event Grid or the CloudEvents schema: a host passes on either.
type event struct {
	EventType string          `json:"eventType"`
	Type      string          `json:"type"`
	Topic     string          `json:"topic"`
	Source    string          `json:"source"`
	Subject   string          `json:"subject"`
	Data      json.RawMessage `json:"data"`
}

func decodeEvent(raw json.RawMessage, wanted string) (e event, relevant bool, err error) {
	if err := json.Unmarshal(raw, &e); err != nil {
		return event{}, false, errors.New("event: it is not the JSON of one") // the library's text could quote a value
	}
	if e.EventType == "" {
		e.EventType = e.Type
	}
	if e.Topic == "" {
		e.Topic = e.Source
	}
	if e.EventType == "" {
		return event{}, false, errors.New("event: it has no type")
	}
	return e, e.EventType == wanted, nil
}

// DecodeBlobCreated reads which container a storage event is about. relevant is false for other event types.
// The account stands in the topic (.../storageAccounts/{account}), container and blob in the subject
// (/blobServices/default/containers/{container}/blobs/{blob}). Source: Microsoft, "Blob Storage as Event Grid source".
func DecodeBlobCreated(raw json.RawMessage) (p airlock.Place, relevant bool, err error) {
	e, relevant, err := decodeEvent(raw, typeBlobCreated)
	if err != nil || !relevant {
		return airlock.Place{}, false, err
	}
	account := after(e.Topic, "/storageAccounts/")
	container, blob, ok := containerAndBlob(e.Subject)
	if !ok || account == "" || strings.Contains(account, "/") || blob == "" {
		return airlock.Place{}, false, errors.New("event: it names no account, container and blob")
	}
	return airlock.Place{Account: account, Container: container}, true, nil
}

// scanData is the data of a scan result. blobUri is not percent-encoded and may hold raw spaces, so that nothing is
// parsed as a URL here. Source: Microsoft, "Set up response to malware scanning".
type scanData struct {
	BlobURI  string `json:"blobUri"`
	ETag     string `json:"eTag"`
	Finished string `json:"scanFinishedTimeUtc"`
	Result   string `json:"scanResultType"`
	Details  *struct {
		Malware   []string `json:"malwareNamesFound"`
		SHA256    string   `json:"sha256"`
		NotReason string   `json:"notScannedReason"`
	} `json:"scanResultDetails"`
}

// DecodeScanResult reads a verdict. relevant is false for other event types. Any result but the two that Defender
// documents as final counts as not scanned.
func DecodeScanResult(raw json.RawMessage) (r airlock.ScanReport, relevant bool, err error) {
	e, relevant, err := decodeEvent(raw, typeScanResult)
	if err != nil || !relevant {
		return airlock.ScanReport{}, false, err
	}
	var d scanData
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return airlock.ScanReport{}, false, errors.New("scan result: its data is not the JSON of one")
	}
	host, path, _ := strings.Cut(strings.TrimPrefix(d.BlobURI, "https://"), "/")
	account, _, _ := strings.Cut(host, ".")
	container, name, _ := strings.Cut(path, "/")
	etag := strings.Trim(d.ETag, `"`)
	if !strings.HasPrefix(d.BlobURI, "https://") || account == "" || container == "" || name == "" || etag == "" || d.Result == "" {
		return airlock.ScanReport{}, false, errors.New("scan result: it names no blob, version and result")
	}
	r = airlock.ScanReport{Place: airlock.Place{Account: account, Container: container}, Name: name, ETag: etag,
		Verdict: airlock.Verdict{Result: airlock.ScanResult(d.Result), At: shorten(d.Finished)}}
	if d.Details != nil {
		r.Verdict.Reason, r.Verdict.SHA256 = shorten(d.Details.NotReason), shorten(d.Details.SHA256)
		for _, m := range d.Details.Malware[:min(len(d.Details.Malware), maxMalware)] {
			r.Verdict.Malware = append(r.Verdict.Malware, shorten(m))
		}
	}
	if r.Verdict.Result != airlock.Clean && r.Verdict.Result != airlock.Malicious {
		if r.Verdict.Reason == "" {
			r.Verdict.Reason = shorten(d.Result)
		}
		r.Verdict.Result = airlock.NotScanned
	}
	return r, true, nil
}

func containerAndBlob(subject string) (container, blob string, ok bool) {
	container, blob, ok = strings.Cut(after(subject, "/containers/"), "/blobs/")
	return container, blob, ok && container != "" && !strings.Contains(container, "/")
}

// after returns what follows the first mark; empty when the mark is absent.
func after(s, mark string) string {
	_, rest, _ := strings.Cut(s, mark)
	return rest
}

func shorten(s string) string {
	runes := []rune(strings.ToValidUTF8(s, "�"))
	if len(runes) > maxDetail {
		return string(runes[:maxDetail]) + "…"
	}
	return string(runes)
}
