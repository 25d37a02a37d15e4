package busqueue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"airlock/handlers/internal/airlock"
)

const (
	// deadLetterPage is how many dead letters are read at a time.
	deadLetterPage = 50

	// maxPassedOver is how many dead letters that nobody asked for a replay holds back while it looks for the others.
	maxPassedOver = 200

	// Service Bus says in these properties why a message was given up on.
	propertyReason      = "DeadLetterReason"
	propertyDescription = "DeadLetterErrorDescription"
)

// DeadLetters is airlock.DeadLetters on Service Bus. Its user needs to receive from the queues and to send to them.
type DeadLetters struct {
	bus    *Bus
	queues []string
}

var _ airlock.DeadLetters = (*DeadLetters)(nil)

// DeadLetters looks after those of these queues and subscriptions (topic/subscription).
func (b *Bus) DeadLetters(queues ...string) *DeadLetters { return &DeadLetters{b, queues} }

// Queues implements airlock.DeadLetters.
func (d *DeadLetters) Queues() []string { return d.queues }

// List implements airlock.DeadLetters.
func (d *DeadLetters) List(ctx context.Context, queue string) iter.Seq2[airlock.DeadLetter, error] {
	return func(yield func(airlock.DeadLetter, error) bool) {
		r, err := d.receiver(queue)
		if err != nil {
			yield(airlock.DeadLetter{}, err)
			return
		}
		defer d.close(ctx, r)
		for {
			var page []*azservicebus.ReceivedMessage
			err := d.within(ctx, "dead letters of "+queue, func(ctx context.Context) (err error) {
				page, err = r.PeekMessages(ctx, deadLetterPage, nil)
				return err
			})
			if err != nil {
				yield(airlock.DeadLetter{}, err)
				return
			}
			for _, m := range page {
				if !yield(told(queue, m), nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
		}
	}
}

// Replay implements airlock.DeadLetters.
func (d *DeadLetters) Replay(ctx context.Context, queue string, numbers []int64) iter.Seq2[airlock.DeadLetter, error] {
	return func(yield func(airlock.DeadLetter, error) bool) {
		receiver, err := d.receiver(queue)
		if err != nil {
			yield(airlock.DeadLetter{}, err)
			return
		}
		defer d.close(ctx, receiver)
		entity, _, _ := strings.Cut(queue, "/")
		sender, err := d.bus.client.NewSender(entity, nil)
		if err != nil {
			yield(airlock.DeadLetter{}, fmt.Errorf("replay to %s: %s", entity, plain(err)))
			return
		}
		defer d.close(ctx, sender)
		p := &replay{DeadLetters: d, queue: queue, receiver: receiver, sender: sender, wanted: map[int64]bool{}}
		for _, n := range numbers {
			p.wanted[n] = true
		}
		defer p.giveBack(ctx)
		for len(p.wanted) > 0 {
			if !p.next(ctx, yield) {
				return
			}
		}
	}
}

// replay is one call of Replay.
type replay struct {
	*DeadLetters
	queue    string
	receiver *azservicebus.Receiver
	sender   *azservicebus.Sender
	wanted   map[int64]bool                  // what is still to be replayed
	passed   []*azservicebus.ReceivedMessage // what nobody asked for, held so that it does not come again
}

// next takes the next dead letter, and replays it if it is wanted. It reports whether to go on. It takes one at a time: the
// link asks for no more than that, so that what is given back does not come to it again.
func (p *replay) next(ctx context.Context, yield func(airlock.DeadLetter, error) bool) bool {
	if len(p.passed) > maxPassedOver {
		yield(airlock.DeadLetter{}, fmt.Errorf("replay from %s: %d were not replayed: they stand behind more than %d others, which have to go first",
			p.queue, len(p.wanted), maxPassedOver))
		return false
	}
	var m *azservicebus.ReceivedMessage
	err := p.within(ctx, "replay from "+p.queue, func(ctx context.Context) error {
		got, err := p.receiver.ReceiveMessages(ctx, 1, nil)
		if err == nil {
			m = got[0]
		}
		return err
	})
	if err != nil {
		yield(airlock.DeadLetter{}, fmt.Errorf("%w: %d were not replayed: they are gone, or somebody else is at them", err, len(p.wanted)))
		return false
	}
	number := numberOf(m)
	if !p.wanted[number] {
		p.passed = append(p.passed, m)
		return true
	}
	delete(p.wanted, number)
	if err = p.one(ctx, m); err != nil {
		p.passed = append(p.passed, m)
	}
	return yield(told(p.queue, m), err)
}

// one sends a dead letter again, and deletes it only then.
func (p *replay) one(ctx context.Context, m *azservicebus.ReceivedMessage) error {
	successor, err := again(m)
	if err != nil {
		return fmt.Errorf("replay %d from %s: %w", numberOf(m), p.queue, err)
	}
	what := fmt.Sprintf("replay %d from %s", numberOf(m), p.queue)
	if err := p.within(ctx, what, func(ctx context.Context) error { return p.sender.SendMessage(ctx, successor, nil) }); err != nil {
		return err
	}
	return p.within(ctx, what+": it was sent, and could not be deleted", func(ctx context.Context) error {
		return p.receiver.CompleteMessage(ctx, m, nil)
	})
}

// giveBack lets others have what was held. What cannot be given back comes free when its lock ends.
func (p *replay) giveBack(ctx context.Context) {
	for _, m := range p.passed {
		if p.within(context.WithoutCancel(ctx), "give back", func(ctx context.Context) error { return p.receiver.AbandonMessage(ctx, m, nil) }) != nil {
			return
		}
	}
}

// again is the message that a dead letter was.
func again(m *azservicebus.ReceivedMessage) (*azservicebus.Message, error) {
	if m.Body == nil && m.RawAMQPMessage != nil && (m.RawAMQPMessage.Body.Value != nil || len(m.RawAMQPMessage.Body.Sequence) > 0) {
		return nil, errors.New("its content is not bytes, which this program never sends")
	}
	copied, id := m.Message(), againID(m.MessageID, numberOf(m))
	copied.MessageID, copied.ScheduledEnqueueTime = &id, nil
	copied.ApplicationProperties = maps.Clone(copied.ApplicationProperties)
	delete(copied.ApplicationProperties, propertyReason)
	delete(copied.ApplicationProperties, propertyDescription)
	return copied, nil
}

// againID is the id of a message that is sent again. It is not the predecessor's, for which duplicate detection would take it;
// and it is made of the predecessor's, so that duplicate detection finds a second replay of the same.
func againID(id string, number int64) string {
	suffix := "-again-" + strconv.FormatInt(number, 10)
	if longest := maxMessageID - len(suffix); len(id) > longest {
		id = strings.ToValidUTF8(id[:longest], "")
	}
	return id + suffix
}

// told is what is said of a message.
func told(queue string, m *azservicebus.ReceivedMessage) airlock.DeadLetter {
	d := airlock.DeadLetter{Queue: queue, Number: numberOf(m), ID: m.MessageID, Deliveries: int(m.DeliveryCount), Bytes: len(m.Body)}
	if m.EnqueuedTime != nil {
		d.SentAt = m.EnqueuedTime.UTC()
	}
	if m.DeadLetterReason != nil {
		d.Reason = *m.DeadLetterReason
	}
	if m.DeadLetterErrorDescription != nil {
		d.Description = *m.DeadLetterErrorDescription
	}
	if n, err := Decode(m.Body); err == nil {
		d.Request = n.Request
	} else if m.Subject != nil && strings.HasSuffix(*m.Subject, subjectSuffix) {
		d.Request = strings.TrimSuffix(*m.Subject, subjectSuffix)
	}
	return d
}

func numberOf(m *azservicebus.ReceivedMessage) int64 {
	if m.SequenceNumber == nil {
		return 0
	}
	return *m.SequenceNumber
}

// receiver receives the dead letters of a queue or a subscription.
func (d *DeadLetters) receiver(queue string) (*azservicebus.Receiver, error) {
	options := &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter}
	topic, subscription, isTopic := strings.Cut(queue, "/")
	var r *azservicebus.Receiver
	var err error
	if isTopic {
		r, err = d.bus.client.NewReceiverForSubscription(topic, subscription, options)
	} else {
		r, err = d.bus.client.NewReceiverForQueue(queue, options)
	}
	if err != nil {
		return nil, fmt.Errorf("dead letters of %s: %s", queue, plain(err))
	}
	return r, nil
}

// within is that of the bus, where a queue may be missing.
func (d *DeadLetters) within(ctx context.Context, what string, do func(context.Context) error) error {
	var cause error
	err := d.bus.within(ctx, what, func(ctx context.Context) error { cause = do(ctx); return cause })
	if err != nil && isMissing(cause) {
		return fmt.Errorf("%s: %w", what, airlock.ErrNotFound)
	}
	return err
}

// close ends a link. One that cannot be closed ends with the connection.
func (d *DeadLetters) close(ctx context.Context, link interface{ Close(context.Context) error }) {
	_ = d.bus.within(context.WithoutCancel(ctx), "close", link.Close)
}
