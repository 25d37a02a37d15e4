package defender_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"airlock/scripts/localazure/defender"
)

// azure is a storage with blobs in it, and everybody who listens to the scanner.
type azure struct {
	*defender.Scanner
	now time.Time

	mu      sync.Mutex
	blobs   map[string]string            // by account/container/name
	tags    map[string]map[string]string // by account/container/name
	events  []result
	order   []string // "tags" and "event" as they came
	open    int      // readers that are not closed
	asked   int      // calls of Open
	openErr error
	tagErr  error
	sendErr error
	hold    chan struct{} // when set, Open waits for it
}

// result is a result event as its receivers read it.
type result struct {
	ID, Subject, Topic, EventType, EventTime, DataVersion, MetadataVersion string
	Data                                                                   struct {
		CorrelationID, BlobURI, ETag, ScanFinishedTimeUTC, ScanResultType string
		ScanResultDetails                                                 *struct {
			MalwareNamesFound        []string
			SHA256, NotScannedReason string
		}
	}
	raw string
}

func newAzure(t *testing.T, o defender.Options) *azure {
	t.Helper()
	a := &azure{now: time.Date(2026, 11, 22, 9, 30, 0, 123456700, time.UTC), blobs: map[string]string{}, tags: map[string]map[string]string{}}
	o.Blobs, o.Publish, o.Now = a, a.publish, func() time.Time { return a.now }
	scanner, err := defender.New(o)
	if err != nil {
		t.Fatal(err)
	}
	a.Scanner = scanner
	t.Cleanup(scanner.Close)
	return a
}

func (a *azure) publish(_ context.Context, event json.RawMessage) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var r result
	if err := json.Unmarshal(event, &r); err != nil {
		return err
	}
	r.raw = string(event)
	a.events, a.order = append(a.events, r), append(a.order, "event")
	return a.sendErr
}

type reader struct {
	io.Reader
	close func()
}

func (r reader) Close() error { r.close(); return nil }

var errNotFound = &azcore.ResponseError{StatusCode: http.StatusNotFound}

func (a *azure) Open(ctx context.Context, account, container, blob string) (io.ReadCloser, azcore.ETag, error) {
	a.mu.Lock()
	a.asked++
	a.mu.Unlock()
	if a.hold != nil {
		select {
		case <-a.hold:
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	text, found := a.blobs[account+"/"+container+"/"+blob]
	if a.openErr != nil {
		return nil, "", a.openErr
	}
	if !found {
		return nil, "", fmt.Errorf("open: %w", errNotFound)
	}
	a.open++
	return reader{strings.NewReader(text), func() { a.mu.Lock(); a.open--; a.mu.Unlock() }}, azcore.ETag(`"` + etag(text) + `"`), nil
}

func (a *azure) Tags(_ context.Context, account, container, blob string) (map[string]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, found := a.blobs[account+"/"+container+"/"+blob]; !found {
		return nil, errNotFound
	}
	return maps.Clone(a.tags[account+"/"+container+"/"+blob]), a.tagErr
}

func (a *azure) SetTags(_ context.Context, account, container, blob string, tags map[string]string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tags[account+"/"+container+"/"+blob] = tags
	a.order = append(a.order, "tags")
	return nil
}

func etag(text string) string { return fmt.Sprintf("0x%X", sha256.Sum256([]byte(text)))[:16] }

// created is the event of a blob.
func created(account, container, name, tag string) []byte {
	raw, err := json.Marshal(map[string]any{
		"topic":   "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/" + account,
		"subject": "/blobServices/default/containers/" + container + "/blobs/" + name, "eventType": "Microsoft.Storage.BlobCreated",
		"data": map[string]any{"api": "PutBlob", "eTag": tag, "url": "https://" + account + ".blob.core.windows.net/" + container + "/" + name},
	})
	if err != nil {
		panic(err)
	}
	return raw
}

// put stores a blob in acct/c and hands its event to the scanner.
func (a *azure) put(t *testing.T, name, text string) {
	t.Helper()
	a.mu.Lock()
	a.blobs["acct/c/"+name] = text
	a.mu.Unlock()
	if err := a.Handle(created("acct", "c", name, etag(text))); err != nil {
		t.Fatal(err)
	}
}

// settle waits until nothing is left to scan.
func (a *azure) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := a.Idle(ctx); err != nil {
		t.Fatal(err)
	}
}

// scan puts one blob and returns its result event.
func (a *azure) scan(t *testing.T, name, text string) result {
	t.Helper()
	a.put(t, name, text)
	a.settle(t)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) == 0 {
		t.Fatal("no event was published")
	}
	return a.events[len(a.events)-1]
}

func TestMalicious(t *testing.T) {
	a := newAzure(t, defender.Options{})
	text := "some text, then " + string(defender.EICAR()) + " and more"
	name := "a folder/ünï #1 100%+b.txt"
	a.tags["acct/c/"+name] = map[string]string{"project": "p-1"}
	got := a.scan(t, name, text)
	if got.EventType != "Microsoft.Security.MalwareScanningResult" || got.DataVersion != "1.0" || got.MetadataVersion != "1" || got.Topic == "" || got.ID == "" {
		t.Errorf("envelope %+v", got)
	}
	if got.Subject != "storageAccounts/acct/containers/c/blobs/"+name || got.Data.BlobURI != "https://acct.blob.core.windows.net/c/"+name {
		t.Errorf("names are not as they are: %q, %q", got.Subject, got.Data.BlobURI)
	}
	if got.Data.ETag != etag(text) || got.Data.CorrelationID == "" || got.Data.ScanResultType != "Malicious" {
		t.Errorf("data %+v", got.Data)
	}
	if want := "2026-11-22T09:30:00.1234567Z"; got.EventTime != want || got.Data.ScanFinishedTimeUTC != want {
		t.Errorf("times %q and %q, want %q", got.EventTime, got.Data.ScanFinishedTimeUTC, want)
	}
	details := got.Data.ScanResultDetails
	if details == nil || !slices.Equal(details.MalwareNamesFound, []string{"DOS/EICAR_Test_File"}) || details.SHA256 != fmt.Sprintf("%X", sha256.Sum256([]byte(text))) {
		t.Errorf("details %+v", details)
	}
	want := map[string]string{"project": "p-1", "Malware Scanning scan result": "Malicious", "Malware Scanning scan time UTC": "2026-11-22 09:30:00Z"}
	if !maps.Equal(a.tags["acct/c/"+name], want) {
		t.Errorf("tags %v, want %v", a.tags["acct/c/"+name], want)
	}
	if !slices.Equal(a.order, []string{"tags", "event"}) {
		t.Errorf("told in the order %v, want the tags first", a.order)
	}
}

func TestClean(t *testing.T) {
	a := newAzure(t, defender.Options{})
	got := a.scan(t, "f.csv", "a,b\n1,2\n")
	if got.Data.ScanResultType != "No threats found" || !strings.Contains(got.raw, `"scanResultDetails":null`) {
		t.Errorf("result %s", got.raw)
	}
	if tag := a.tags["acct/c/f.csv"]["Malware Scanning scan result"]; tag != "No threats found" {
		t.Errorf("tag %q", tag)
	}
	if a.open != 0 {
		t.Error("the blob was not closed")
	}
}

func TestBlobsThatCannotBeScanned(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(a *azure)
		code  string
	}{
		{"gone", func(a *azure) { delete(a.blobs, "acct/c/f") }, "SAM259204"},
		{"replaced", func(*azure) {}, "SAM259205"},
		{"unreadable", func(a *azure) { a.openErr = &azcore.ResponseError{StatusCode: http.StatusInternalServerError} }, "SAM259201"},
	} {
		a := newAzure(t, defender.Options{})
		a.blobs["acct/c/f"] = "not what had the ETag 0x1"
		tt.spoil(a)
		if err := a.Handle(created("acct", "c", "f", "0x1")); err != nil {
			t.Fatal(err)
		}
		a.settle(t)
		if len(a.events) != 1 {
			t.Fatalf("%s: %d events, want 1", tt.name, len(a.events))
		}
		got := a.events[0].Data
		if got.ScanResultType != "Not Scanned" || !strings.HasPrefix(got.ScanResultDetails.NotScannedReason, tt.code+": Not scanned - ") {
			t.Errorf("%s: %s", tt.name, a.events[0].raw)
		}
		if got.ETag != "0x1" {
			t.Errorf("%s: ETag %q, want the event's", tt.name, got.ETag)
		}
		if stats := a.Stats(); stats.NotScanned != 1 || stats.Faults != 0 {
			t.Errorf("%s: stats %+v", tt.name, stats)
		}
	}
}

func TestEvents(t *testing.T) {
	a := newAzure(t, defender.Options{Watch: func(b defender.Blob) bool { return b.Account == "acct" && b.Container != "other" }})
	good := string(created("acct", "c", "f", "0x1"))
	for _, tt := range []struct {
		event string
		fails bool
	}{
		{string(created("elsewhere", "c", "f", "0x1")), false},
		{string(created("acct", "other", "f", "0x1")), false},
		{strings.Replace(good, "BlobCreated", "BlobDeleted", 1), false},
		{`{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent"}`, false},
		{"", true}, {"[]", true}, {"[" + good + "]", true},
		{strings.Replace(good, "/blobServices/default", "", 1), true},
		{strings.Replace(good, "/blobs/", "/", 1), true},
		{strings.Replace(good, "0x1", "", 1), true},
		{strings.Replace(good, "https://", "", 1), true},
		{strings.Replace(good, "storageAccounts/acct", "", 1), true},
	} {
		if err := a.Handle([]byte(tt.event)); (err != nil) != tt.fails {
			t.Errorf("%s: %v, want error: %v", tt.event, err, tt.fails)
		}
	}
	a.settle(t)
	if len(a.events) != 0 || a.Stats().Ignored != 4 {
		t.Errorf("%d events were published, stats %+v; want none, and 4 ignored", len(a.events), a.Stats())
	}
	a.blobs["acct/c/f"] = "text"
	if err := a.Handle(created("acct", "c", "f", `"`+etag("text")+`"`)); err != nil { // an ETag with quotes is the same
		t.Fatal(err)
	}
	a.settle(t)
	if a.Stats().Clean != 1 || a.events[0].Data.ETag != etag("text") {
		t.Errorf("stats %+v, ETag %q", a.Stats(), a.events[0].Data.ETag)
	}
}

func TestFaultsAreCountedAndDoNotSpread(t *testing.T) {
	a := newAzure(t, defender.Options{})
	a.tagErr = errors.New("no tags today")
	if got := a.scan(t, "f", "x"); got.Data.ScanResultType != "No threats found" || a.tags["acct/c/f"] != nil {
		t.Errorf("event %s, tags %v; want the event without tags", got.raw, a.tags)
	}
	a.tagErr, a.sendErr = nil, errors.New("no events today")
	a.scan(t, "g", "x")
	if a.tags["acct/c/g"] == nil || a.Stats().Faults != 2 {
		t.Errorf("tags %v, stats %+v; want tags, and two faults", a.tags, a.Stats())
	}
}

func TestWorkersAndQueueAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAzure(t, defender.Options{Workers: 3, Queue: 10})
		a.hold = make(chan struct{})
		for n := range 10 {
			a.put(t, fmt.Sprint(n), "x")
		}
		if err := a.Handle(created("acct", "c", "one more", "0x1")); !errors.Is(err, defender.ErrThrottled) {
			t.Errorf("the 11th of 10: %v, want ErrThrottled", err)
		}
		synctest.Wait()
		if a.asked != 3 {
			t.Errorf("%d blobs are read at once, want 3", a.asked)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if a.Idle(short) == nil {
			t.Error("idle with 10 waiting")
		}
		close(a.hold)
		a.settle(t)
		if stats := a.Stats(); stats.Clean != 10 || stats.Throttled != 1 {
			t.Errorf("stats %+v, want 10 clean and 1 throttled", stats)
		}
		a.put(t, "later", "x")
		a.settle(t)
		if a.Stats().Clean != 11 {
			t.Error("nothing is scanned after the queue was full")
		}
	})
}

func TestClose(t *testing.T) {
	a := newAzure(t, defender.Options{Workers: 1})
	a.hold = make(chan struct{})
	a.put(t, "reading", "x")
	a.put(t, "waiting", "x")
	a.Behave(defender.Behavior{Delay: time.Hour})
	a.put(t, "delayed", "x")
	a.Close()
	a.Close()
	if len(a.events)+len(a.order) != 0 {
		t.Errorf("told %v after it was closed", a.order)
	}
	if err := a.Handle(created("acct", "c", "f", "0x1")); !errors.Is(err, defender.ErrClosed) {
		t.Errorf("an event after Close: %v, want ErrClosed", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	publish := func(context.Context, json.RawMessage) error { return nil }
	for name, o := range map[string]defender.Options{
		"no blobs": {Publish: publish}, "no publish": {Blobs: new(azure)}, "workers": {Blobs: new(azure), Publish: publish, Workers: -1},
		"queue": {Blobs: new(azure), Publish: publish, Queue: -1}, "archive": {Blobs: new(azure), Publish: publish, MaxArchive: -1},
	} {
		if _, err := defender.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if !bytes.HasPrefix(defender.EICAR(), []byte("X5O!")) {
		t.Error("the test string does not start as it should")
	}
}
