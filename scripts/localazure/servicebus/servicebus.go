// Package servicebus is a local Azure Service Bus: an AMQP 1.0 broker for the azservicebus client with the connection string of
// a development emulator. It runs broker.mjs, which is built on rhea, as a child process.
//
// It promises queues, topics with subscriptions, and their dead-letter queues; peek-lock with renewal, complete, abandon,
// dead-letter, defer and lock expiry; delivery counts and dead-lettering at the maximum; scheduled messages; duplicate detection;
// time to live; peek; batches. With Options.DataFile no accepted message is lost and no completed one comes back, even when the
// broker is killed. It listens on 127.0.0.1 only and ends with its parent process.
//
// It never speaks TLS, and has no sessions, transactions, auto-forwarding, partitions, SQL filters, rule actions or
// administration client. It differs from Azure in these ways on purpose: messages that were held by a connection which broke
// without a goodbye are given back at once, with their delivery counted, where Azure waits for the lock to expire (as this
// broker does for links and connections that are closed in order); locks may be shorter than 5 seconds; a claim is checked when
// it is put, and opens every entity until the connection ends.
package servicebus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"airlock/scripts/localazure/nodejs"
)

const (
	defaultMaxDeliveryCount = 10          // Azure: maxDeliveryCount
	defaultLockDuration     = time.Minute // Azure: lockDuration, PT1M

	// The key of Microsoft's own emulator. It guards nothing: the broker is reachable from this machine only.
	keyName = "RootManageSharedAccessKey"
	key     = "SAS_KEY_VALUE"
)

// ErrStopped says that the broker does not run.
var ErrStopped = errors.New("the local Service Bus is stopped")

// Options say which entities there are. Names are not case sensitive.
type Options struct {
	Queues []Queue
	Topics []Topic
	// DataFile keeps all messages, so that they survive a stop, a kill and a new Start. Empty: they end with the broker.
	DataFile string
	// Port to listen on; 0 takes a free one.
	Port int
	// Output, if set, is called with each line that the broker prints.
	Output func(line string)
}

// Queue is a queue. Zero values mean Azure's defaults: 10 deliveries, locks of one minute, no duplicate detection.
type Queue struct {
	Name                     string
	MaxDeliveryCount         int
	LockDuration             time.Duration
	DuplicateDetectionWindow time.Duration
}

// Topic is a topic. A DuplicateDetectionWindow of zero means no duplicate detection.
type Topic struct {
	Name                     string
	DuplicateDetectionWindow time.Duration
	Subscriptions            []Subscription
}

// Subscription is a subscription with at most one rule. Zero values mean as in Queue; a nil Filter lets every message pass.
type Subscription struct {
	Name             string
	MaxDeliveryCount int
	LockDuration     time.Duration
	Filter           *CorrelationFilter
}

// CorrelationFilter lets a message pass when each property that is set here has the same value there.
// Azure: the correlationFilter of a rule; application properties are compared as strings, with case.
type CorrelationFilter struct {
	CorrelationID string            `json:"correlationId,omitempty"`
	MessageID     string            `json:"messageId,omitempty"`
	Subject       string            `json:"subject,omitempty"` // label
	To            string            `json:"to,omitempty"`
	ReplyTo       string            `json:"replyTo,omitempty"`
	ContentType   string            `json:"contentType,omitempty"`
	Properties    map[string]string `json:"properties,omitempty"`
}

// Broker is a local Service Bus. Its methods may be called from several goroutines.
type Broker struct {
	opts Options

	mu      sync.Mutex
	process *nodejs.Process // nil when stopped
	port    int             // kept over a restart
	control int
}

// Start starts a broker and returns when it accepts connections. The context bounds only the start.
func Start(ctx context.Context, opts Options) (*Broker, error) {
	b := &Broker{opts: opts, port: opts.Port}
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// ConnectionString is for azservicebus.NewClientFromConnectionString. It stays the same over a restart.
func (b *Broker) ConnectionString() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("Endpoint=sb://127.0.0.1:%d;SharedAccessKeyName=%s;SharedAccessKey=%s;UseDevelopmentEmulator=true",
		b.port, keyName, key)
}

// Stop ends the broker and its connections. Stopping a stopped broker does nothing.
func (b *Broker) Stop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stop()
}

// Kill ends the broker as a crash would. It can be started again with Restart.
func (b *Broker) Kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process != nil {
		b.process.Kill()
		b.process = nil
	}
}

// Restart stops the broker if it runs, and starts it again on the same port. Messages survive when Options.DataFile is set;
// their locks do not.
func (b *Broker) Restart(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.stop(); err != nil {
		return err
	}
	return b.start(ctx)
}

// stop and start are called with mu held, or before anyone else knows the broker.

func (b *Broker) stop() error {
	if b.process == nil {
		return nil
	}
	err := b.process.Stop()
	b.process = nil
	if err != nil {
		return fmt.Errorf("stop local Service Bus: %w", err)
	}
	return nil
}

func (b *Broker) start(ctx context.Context) error {
	dir, err := nodejs.Modules(ctx)
	if err != nil {
		return fmt.Errorf("start local Service Bus: %w", err)
	}
	config, err := json.Marshal(newConfig(b.opts, b.port))
	if err != nil {
		return fmt.Errorf("start local Service Bus: %w", err)
	}
	var ports struct {
		AMQP int `json:"amqp"`
		HTTP int `json:"http"`
	}
	process, err := nodejs.Start(ctx, nodejs.Options{
		Script: filepath.Join(dir, "servicebus", "broker.mjs"),
		Args:   []string{string(config)},
		Ready:  func(line string) bool { return json.Unmarshal([]byte(line), &ports) == nil && ports.HTTP != 0 },
		Output: b.opts.Output,
	})
	if err != nil {
		return fmt.Errorf("start local Service Bus: %w", err)
	}
	b.process, b.port, b.control = process, ports.AMQP, ports.HTTP
	return nil
}
