// Package defender is a Microsoft Defender for Storage on this machine: it reads each blob that is created in a watched
// account, looks for the EICAR test string, writes the result into the blob's index tags and publishes the result event.
//
// It promises events and tags with the names, values and quirks of Azure's (Azure: "Understand results from malware scanning
// and set up response": a blobUri with raw spaces, an unquoted eTag, no details for a clean blob), one result per event that
// it was given, and memory that does not grow with the size of a blob. It can be told to be slow, silent, unable, or to tell
// only half of it, for tests of those who wait for it.
//
// It knows one virus, which harms nobody, and must never stand between real files and real people.
package defender

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/rs/zerolog"
)

const (
	blobCreated = "Microsoft.Storage.BlobCreated"

	defaultTopic      = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.EventGrid/topics/malware-scanning"
	defaultWorkers    = 2
	defaultQueue      = 10_000
	defaultMaxArchive = 32 << 20
	defaultUnpacked   = 1 << 30
)

var (
	// ErrClosed is returned once the scanner has been closed.
	ErrClosed = errors.New("defender is closed")
	// ErrThrottled is returned while as many blobs wait as the queue holds. Azure's Defender likewise never scans some blobs
	// of an account that persistently takes in more than it can scan.
	ErrThrottled = errors.New("defender has too many blobs to scan")
)

// Blobs is the storage as Defender sees it. Errors for a blob that is not there hold an *azcore.ResponseError with status 404.
type Blobs interface {
	// Open reads a blob and gives the ETag of what is read, with or without quotes. The caller closes the reader.
	Open(ctx context.Context, account, container, blob string) (io.ReadCloser, azcore.ETag, error)
	// Tags returns the blob's index tags.
	Tags(ctx context.Context, account, container, blob string) (map[string]string, error)
	// SetTags replaces them, and leaves the ETag as it is.
	SetTags(ctx context.Context, account, container, blob string, tags map[string]string) error
}

// Blob is what an event says of the blob that was created.
type Blob struct {
	Account   string
	Container string
	Name      string // as it is, not escaped
	ETag      string // without quotes
	host      string // scheme and host of its address
}

// Options configure a Scanner.
type Options struct {
	// Blobs is the storage to read from.
	Blobs Blobs
	// Watch tells which blobs are scanned; nil means all.
	Watch func(Blob) bool
	// Publish takes each result event, one JSON object in the Event Grid schema, from several goroutines.
	Publish func(ctx context.Context, event json.RawMessage) error
	// Topic is the resource id of the custom topic that the events name; "" means one that does not exist.
	Topic string
	// Workers is how many blobs are read at once; 0 means 2.
	Workers int
	// Queue is how many blobs may wait or be delayed; 0 means 10,000.
	Queue int
	// MaxArchive is the largest zip file in bytes that is looked into, in memory; 0 means 32 MiB. Larger ones are searched
	// only as they are, compressed.
	MaxArchive int64
	// MaxUnpacked is how many bytes all archives in one blob may unpack to, or it is not scanned; 0 means 1 GiB.
	MaxUnpacked int64
	// Behavior to start with; see Scanner.Behave.
	Behavior Behavior
	// Now is the clock for what events and tags say; nil means time.Now.
	Now func() time.Time
	// Log gets one line per scan and per fault. Names of blobs stand in it at debug only.
	Log zerolog.Logger
}

// Stats counts what a scanner has done with the events it was given.
type Stats struct {
	Ignored    int // of another type, or of a blob that is not watched
	Throttled  int
	Clean      int
	Malicious  int
	NotScanned int
	Silenced   int // by Behavior.Silent
	Faults     int // tags or events that could not be written
}

// Scanner is a running Defender. Its methods may be called from many goroutines.
type Scanner struct {
	options Options
	ctx     context.Context // ends at Close
	cancel  context.CancelFunc
	workers chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	pending int
	idle    chan struct{} // closed when pending falls to zero
	stats   Stats
	general Behavior
	rules   []*rule // the last one that matches counts
}

// New starts a scanner. The caller must Close it.
func New(o Options) (*Scanner, error) {
	switch {
	case o.Blobs == nil || o.Publish == nil:
		return nil, errors.New("start defender: no Blobs or no Publish")
	case o.Workers < 0 || o.Queue < 0 || o.MaxArchive < 0 || o.MaxUnpacked < 0:
		return nil, errors.New("start defender: a negative count or size in the options")
	}
	o.Topic = cmp.Or(o.Topic, defaultTopic)
	o.Workers = cmp.Or(o.Workers, defaultWorkers)
	o.Queue = cmp.Or(o.Queue, defaultQueue)
	o.MaxUnpacked = cmp.Or(o.MaxUnpacked, defaultUnpacked)
	o.MaxArchive = cmp.Or(o.MaxArchive, defaultMaxArchive)
	if o.Watch == nil {
		o.Watch = func(Blob) bool { return true }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Scanner{options: o, ctx: ctx, cancel: cancel, workers: make(chan struct{}, o.Workers), general: o.Behavior}, nil
}

// Handle takes one event of a storage account, in the Event Grid schema, and returns at once. Events of other types and of
// blobs that are not watched are none of its business. Errors: ErrClosed, ErrThrottled, or what is wrong with the event.
func (s *Scanner) Handle(event []byte) error {
	blob, created, err := parse(event)
	if err != nil {
		return fmt.Errorf("defender: %w", err)
	}
	watched := created && s.options.Watch(blob)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case !watched:
		s.stats.Ignored++
		return nil
	case s.pending >= s.options.Queue:
		s.stats.Throttled++
		return ErrThrottled
	}
	behavior := s.behaviorFor(blob)
	if s.pending == 0 {
		s.idle = make(chan struct{})
	}
	s.pending++
	s.wg.Go(func() {
		defer s.done()
		s.process(blob, behavior)
	})
	return nil
}

func (s *Scanner) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending--
	if s.pending == 0 {
		close(s.idle)
	}
}

// Idle waits until every event so far has been dealt with.
func (s *Scanner) Idle(ctx context.Context) error {
	s.mu.Lock()
	pending, idle := s.pending, s.idle
	s.mu.Unlock()
	if pending == 0 {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for defender: %w", ctx.Err())
	}
}

// Stats returns what has been counted so far.
func (s *Scanner) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Close gives up what waits and what is being read, and returns when nothing runs any more.
func (s *Scanner) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
}

// parse reads an event, and tells whether it is of a blob that was created.
func parse(event []byte) (blob Blob, created bool, err error) {
	var e struct {
		Topic     string `json:"topic"`
		Subject   string `json:"subject"`
		EventType string `json:"eventType"`
		Data      struct {
			ETag string `json:"eTag"`
			URL  string `json:"url"`
		} `json:"data"`
	}
	err = json.Unmarshal(event, &e)
	if err != nil {
		return Blob{}, false, fmt.Errorf("event is not JSON: %w", err)
	}
	if e.EventType != blobCreated {
		return Blob{}, false, nil
	}
	// The subject has the name as it is; the URL may be escaped or not.
	rest, found := strings.CutPrefix(e.Subject, "/blobServices/default/containers/")
	container, name, cut := strings.Cut(rest, "/blobs/")
	account := e.Topic[strings.LastIndexByte(e.Topic, '/')+1:]
	scheme, address, _ := strings.Cut(e.Data.URL, "://")
	host, _, _ := strings.Cut(address, "/")
	etag := unquoted(e.Data.ETag)
	if !found || !cut || slices.Contains([]string{container, name, account, host, etag}, "") {
		return Blob{}, false, errors.New("event does not name an account, container, blob, address and ETag")
	}
	return Blob{Account: account, Container: container, Name: name, ETag: etag, host: scheme + "://" + host}, true, nil
}

func unquoted(etag string) string { return strings.Trim(etag, `"`) }
