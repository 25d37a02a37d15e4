// Package busqueue is airlock.Queue and airlock.Announcer on Azure Service Bus: nudges go to a queue that comes back to
// this program, notices to a topic for whoever subscribes.
//
// It promises one send for each call, on connections that are kept and repaired; that every call ends, whatever the
// namespace does; that a message is the same each time it is sent, with the same id, so that duplicate detection finds
// it; and that no notice is too large to send. It receives dead letters only, for operators, and never puts a secret or an
// address into an error.
package busqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"

	"airlock/handlers/internal/airlock"
)

// Options say which namespace it is. Either Namespace and Credential are given or ConnectionString.
type Options struct {
	Namespace  string // host name, such as name.servicebus.windows.net
	Credential azcore.TokenCredential

	// ConnectionString is that of a development emulator on this machine; a key of a real namespace is refused.
	ConnectionString string

	Queue string // of the nudges
	Topic string // of the notices

	// Timeout is how long a call may take, if the caller's deadline is not earlier. 0: 10 s.
	Timeout time.Duration

	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

const (
	defaultTimeout = 10 * time.Second
	contentType    = "application/json"

	// maxMessageID is Service Bus's limit for the id of a message, in characters.
	maxMessageID = 128
)

// Bus sends to Service Bus. Its methods may be called concurrently.
type Bus struct {
	options Options
	client  *azservicebus.Client
	queue   *azservicebus.Sender
	topic   *azservicebus.Sender
}

var hostName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$`)

// New checks the options. It connects to nothing: the first call does.
func New(o Options) (*Bus, error) {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Queue == "" || o.Topic == "" {
		return nil, errors.New("set up Service Bus: the names of a queue and a topic are needed")
	}
	client, err := connect(o)
	if err != nil {
		return nil, fmt.Errorf("set up Service Bus: %w", err)
	}
	b := &Bus{options: o, client: client}
	if b.queue, err = client.NewSender(o.Queue, nil); err != nil {
		return nil, fmt.Errorf("set up Service Bus: sender for the queue: %s", plain(err))
	}
	if b.topic, err = client.NewSender(o.Topic, nil); err != nil {
		return nil, fmt.Errorf("set up Service Bus: sender for the topic: %s", plain(err))
	}
	return b, nil
}

// connect makes the client that the options ask for.
func connect(o Options) (*azservicebus.Client, error) {
	options := &azservicebus.ClientOptions{
		// Little patience: whoever calls tries again later, and an invocation has a deadline.
		RetryOptions: azservicebus.RetryOptions{MaxRetries: 2, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 2 * time.Second},
	}
	var client *azservicebus.Client
	var err error
	switch {
	case o.ConnectionString != "" && (o.Namespace != "" || o.Credential != nil):
		return nil, errors.New("a connection string and a namespace are given; one is enough")
	case o.ConnectionString != "":
		if !isEmulator(o.ConnectionString) {
			return nil, errors.New("a connection string is for a development emulator on this machine only; use a namespace and an identity")
		}
		client, err = azservicebus.NewClientFromConnectionString(o.ConnectionString, options)
	case !hostName.MatchString(o.Namespace):
		return nil, errors.New("the namespace is not the name of a host")
	case o.Credential == nil:
		return nil, errors.New("no credential")
	default:
		client, err = azservicebus.NewClient(o.Namespace, o.Credential, options)
	}
	if err != nil {
		return nil, errors.New("the connection cannot be set up") // the SDK's own text can hold the connection string
	}
	return client, nil
}

// isEmulator reports whether a connection string is that of an emulator on this machine.
func isEmulator(connectionString string) bool {
	emulator, local := false, false
	for part := range strings.SplitSeq(connectionString, ";") {
		key, value, _ := strings.Cut(part, "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "usedevelopmentemulator":
			on, err := strconv.ParseBool(value)
			emulator = err == nil && on
		case "endpoint":
			u, err := url.Parse(value)
			local = err == nil && isLoopback(u.Hostname())
		}
	}
	return emulator && local
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Close ends the connections.
func (b *Bus) Close(ctx context.Context) error {
	return b.within(ctx, "close", b.client.Close)
}

// Nudge implements airlock.Queue.
func (b *Bus) Nudge(ctx context.Context, n airlock.Nudge, after time.Duration) error {
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("nudge %s: %w", n.Request, err)
	}
	if _, err := Decode(body); err != nil {
		return fmt.Errorf("nudge %s: it could not be read again: %w", n.Request, err)
	}
	id := n.Key
	if id == "" {
		id = uuid.NewString() // it must differ from every other, or duplicate detection would drop it
	}
	if len(id) > maxMessageID {
		return fmt.Errorf("nudge %s: a key of %d characters; Service Bus takes %d", n.Request, len(id), maxMessageID)
	}
	m := &azservicebus.Message{Body: body, MessageID: &id, ContentType: to.Ptr(contentType)}
	if after > 0 {
		m.ScheduledEnqueueTime = to.Ptr(b.options.Now().Add(after).UTC())
	}
	return b.within(ctx, "nudge "+n.Request, func(ctx context.Context) error { return b.queue.SendMessage(ctx, m, nil) })
}

// Announce implements airlock.Announcer.
func (b *Bus) Announce(ctx context.Context, n airlock.Notice) error {
	if n.ID == "" || len(n.ID) > maxMessageID {
		return fmt.Errorf("announce: an id of %d characters; Service Bus takes 1 to %d", len(n.ID), maxMessageID)
	}
	body, err := encodeNotice(n)
	if err != nil {
		return fmt.Errorf("announce %s: %w", n.ID, err)
	}
	m := &azservicebus.Message{
		Body: body, MessageID: &n.ID, ContentType: to.Ptr(contentType), Subject: to.Ptr(n.RequestID + subjectSuffix),
		ApplicationProperties: map[string]any{
			"status": string(n.Status), "type": string(n.Type), "workspaceId": n.WorkspaceID, "audience": string(n.Audience),
			"eventType": string(n.Occasion),
		},
	}
	return b.within(ctx, "announce "+n.ID, func(ctx context.Context) error { return b.topic.SendMessage(ctx, m, nil) })
}

// Ping implements airlock.Queue. It opens a link to the queue and closes it: that takes the network, the namespace, the
// queue and the right to send, and leaves no message.
func (b *Bus) Ping(ctx context.Context) error {
	return b.within(ctx, "ping the queue", func(ctx context.Context) error { return b.attach(ctx, b.options.Queue) })
}

// PingTopic is Ping for the topic.
func (b *Bus) PingTopic(ctx context.Context) error {
	return b.within(ctx, "ping the topic", func(ctx context.Context) error { return b.attach(ctx, b.options.Topic) })
}

func (b *Bus) attach(ctx context.Context, entity string) error {
	// A link that is open says nothing about now.
	sender, err := b.client.NewSender(entity, nil)
	if err != nil {
		return err
	}
	_, err = sender.NewMessageBatch(ctx, nil)
	return errors.Join(err, sender.Close(ctx))
}

// within does something in the time that there is, and explains what it failed with.
func (b *Bus) within(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	err := do(ctx)
	if err == nil {
		return nil
	}
	said, final := describe(err)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w: %w", what, airlock.ErrTransient, context.Cause(ctx))
	case final:
		return fmt.Errorf("%s: %s", what, said)
	default:
		return fmt.Errorf("%s: %w: %s", what, airlock.ErrTransient, said)
	}
}
