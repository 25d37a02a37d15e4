// Package watch is a subscriber to the airlock's notices: an example for an organisation that wants to hear of requests in
// a system of its own. Copy it, and do in Heard what your system needs.
//
// A subscriber has a subscription of its own on the topic, whose filter lets through what it wants to hear: the notices'
// application properties are eventType, status, audience, type and workspaceId. The body is described by the JSON schemas in
// handlers/internal/busqueue/schema.
//
// It promises what a good subscriber does. A notice is completed only after Heard took it, so that none is lost when the
// program dies in between. A notice that comes again is not heard again: its message id is the same each time. What is no
// notice goes to the dead-letter queue, where a person can look at it. A bus that is away is waited for.
//
// It never keeps or prints a notice's body: it can hold a link to files.
package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// Notice is what this subscriber reads of a message. There is more in it: take what you need.
type Notice struct {
	ID   string    `json:"id"`
	Time time.Time `json:"eventTime"`
	Data struct {
		EventType   string   `json:"event_type"`
		Audience    string   `json:"audience"`
		Recipients  []string `json:"recipients"`
		Unaddressed int      `json:"recipients_without_address"`
		Request     struct {
			ID       string  `json:"id"`
			Title    string  `json:"title"`
			Status   string  `json:"status"`
			Previous *string `json:"previous_status"`
		} `json:"request"`
		Workspace struct {
			ID   string `json:"id"`
			Name string `json:"display_name"`
		} `json:"workspace"`
	} `json:"data"`

	Body []byte `json:"-"` // the message as it came
}

// What is the status that a request has come to, or what else is told of it.
func (n Notice) What() string {
	if n.Data.EventType != "status_changed" {
		return n.Data.EventType
	}
	return n.Data.Request.Status
}

const (
	remembered = 10_000          // ids of notices; a real subscriber keeps them where it keeps its results
	atOnce     = 1               // messages taken together: with more, the SDK gives some back, and the order is lost
	pause      = time.Second     // before a bus that is away is asked again
	settling   = 5 * time.Second // longest time to settle a message
)

// Subscriber hears the notices of one subscription.
type Subscriber struct {
	Client       *azservicebus.Client
	Topic        string
	Subscription string
	Heard        func(context.Context, Notice) error // an error: the notice comes again
	Problem      func(error)                         // what went wrong on the way; may be nil

	seen []string // ids, the latest last
}

// Run hears notices until the context ends.
func (s *Subscriber) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.receive(ctx); ctx.Err() == nil {
			s.problem(fmt.Errorf("subscription %s: %w", s.Subscription, err))
			wait, stop := context.WithTimeout(ctx, pause)
			<-wait.Done()
			stop()
		}
	}
}

// receive takes messages over one link until it breaks.
func (s *Subscriber) receive(ctx context.Context) error {
	// Peek-lock is the default: a message that is not settled comes again.
	receiver, err := s.Client.NewReceiverForSubscription(s.Topic, s.Subscription, nil)
	if err != nil {
		return err
	}
	defer func() {
		closing, stop := context.WithTimeout(context.WithoutCancel(ctx), settling)
		defer stop()
		s.problem(receiver.Close(closing))
	}()
	for {
		messages, err := receiver.ReceiveMessages(ctx, atOnce, nil)
		if err != nil {
			return err
		}
		for _, m := range messages {
			if err := s.handle(ctx, receiver, m); err != nil {
				return err
			}
		}
	}
}

// handle deals with one message and settles it.
func (s *Subscriber) handle(ctx context.Context, receiver *azservicebus.Receiver, m *azservicebus.ReceivedMessage) error {
	n := Notice{Body: m.Body}
	// What was heard is settled also when the program is told to end meanwhile.
	settle, stop := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer stop()
	if err := json.Unmarshal(m.Body, &n); err != nil || n.ID == "" {
		return receiver.DeadLetterMessage(settle, m, &azservicebus.DeadLetterOptions{Reason: to.Ptr("NotANotice")})
	}
	if !slices.Contains(s.seen, n.ID) {
		if err := s.Heard(ctx, n); err != nil {
			s.problem(fmt.Errorf("notice %s: %w", n.ID, err))
			return receiver.AbandonMessage(settle, m, nil)
		}
		s.seen = append(s.seen[max(0, len(s.seen)-remembered+1):], n.ID)
	}
	return receiver.CompleteMessage(settle, m, nil)
}

func (s *Subscriber) problem(err error) {
	var known *azservicebus.Error
	switch {
	case err == nil || s.Problem == nil:
	case errors.As(err, &known):
		s.Problem(fmt.Errorf("subscription %s: Service Bus says %s", s.Subscription, known.Code))
	default:
		s.Problem(err)
	}
}
