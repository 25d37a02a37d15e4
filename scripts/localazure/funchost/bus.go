package funchost

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/rs/zerolog"
)

const (
	// settleTimeout bounds completing or abandoning a message. The client does not notice by itself that the
	// connection over which the message came is gone; the broker then delivers the message again.
	settleTimeout = 3 * time.Second
	// brokerPause and brokerPauseMax bound the growing pause between attempts to reach the broker.
	brokerPause    = 100 * time.Millisecond
	brokerPauseMax = 2 * time.Second
	// minRenewal keeps a broker with a very short lock from being asked all the time.
	minRenewal = 50 * time.Millisecond
)

// atOnce has a receiver return the messages that are there, as the real host handles each as it comes. The SDK would wait 20 ms
// for further ones.
const atOnce = time.Nanosecond

// receiver is the part of an azservicebus.Receiver that the pump needs.
type receiver interface {
	ReceiveMessages(ctx context.Context, maxMessages int, options *azservicebus.ReceiveMessagesOptions) ([]*azservicebus.ReceivedMessage, error)
	RenewMessageLock(ctx context.Context, m *azservicebus.ReceivedMessage, options *azservicebus.RenewMessageLockOptions) error
	CompleteMessage(ctx context.Context, m *azservicebus.ReceivedMessage, options *azservicebus.CompleteMessageOptions) error
	AbandonMessage(ctx context.Context, m *azservicebus.ReceivedMessage, options *azservicebus.AbandonMessageOptions) error
	Close(ctx context.Context) error
}

// pump hands the messages of one queue or subscription to one function: complete after success, abandon after
// failure, which the broker answers by delivering again at once.
type pump struct {
	open     func() (receiver, error)
	close    func() // ends the connection
	invoke   func(m *azservicebus.ReceivedMessage) error
	limit    int           // messages in hand at the same time
	renewFor time.Duration // how long a message's lock is kept up
	log      zerolog.Logger
}

// newPumps makes a pump for every Service Bus function.
func (h *Host) newPumps() ([]*pump, error) {
	var pumps []*pump
	for _, f := range h.functions {
		if f.trigger.Type != serviceBusTrigger {
			continue
		}
		client, err := azservicebus.NewClientFromConnectionString(f.bus, &azservicebus.ClientOptions{
			RetryOptions: azservicebus.RetryOptions{MaxRetries: 1, RetryDelay: brokerPause, MaxRetryDelay: brokerPauseMax},
		})
		if err != nil {
			// The SDK's error may quote the connection string.
			return nil, fmt.Errorf("function %s: the connection string for %s is malformed", f.name, f.entity())
		}
		pumps = append(pumps, &pump{
			open: func() (receiver, error) { return openReceiver(client, f.trigger) },
			close: func() {
				ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
				defer cancel()
				if err := client.Close(ctx); err != nil {
					h.log.Debug().Err(err).Str("function", f.name).Msg("close connection to the broker")
				}
			},
			invoke:   func(m *azservicebus.ReceivedMessage) error { return h.invoke(h.live, f, h.messageEnvelope(f, m)) },
			limit:    h.config.concurrency,
			renewFor: h.config.lockRenewal,
			log:      logger(h.opts.Log, "Host.ServiceBus").With().Str("function", f.name).Str("entity", f.entity()).Logger(),
		})
	}
	return pumps, nil
}

func openReceiver(client *azservicebus.Client, b binding) (receiver, error) {
	if b.QueueName != "" {
		r, err := client.NewReceiverForQueue(b.QueueName, nil)
		if err != nil {
			return nil, fmt.Errorf("open receiver: %w", err)
		}
		return r, nil
	}
	r, err := client.NewReceiverForSubscription(b.TopicName, b.SubscriptionName, nil)
	if err != nil {
		return nil, fmt.Errorf("open receiver: %w", err)
	}
	return r, nil
}

// run receives until ctx ends and then waits for the messages in hand. When the broker is away it keeps trying;
// the receiver finds the way back by itself.
func (p *pump) run(ctx context.Context) {
	r, err := p.open()
	if err != nil {
		p.log.Error().Err(err).Msg("cannot receive at all")
		return
	}
	slots := make(chan struct{}, p.limit)
	var inHand sync.WaitGroup
	pause := brokerPause
	for {
		free, err := takeSlots(ctx, slots)
		if err != nil {
			break
		}
		messages, err := r.ReceiveMessages(ctx, free, &azservicebus.ReceiveMessagesOptions{TimeAfterFirstMessage: atOnce})
		for range free - len(messages) {
			<-slots
		}
		for _, m := range messages {
			inHand.Go(func() {
				defer func() { <-slots }()
				p.handle(r, m)
			})
		}
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			pause = brokerPause
			continue
		}
		p.log.Warn().Err(err).Dur("pause", pause).Msg("cannot receive, trying again")
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, brokerPauseMax)
	}
	inHand.Wait()
	closing, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if err := r.Close(closing); err != nil {
		p.log.Debug().Err(err).Msg("close receiver")
	}
}

// takeSlots waits for one free slot and takes every other one that is free as well.
func takeSlots(ctx context.Context, slots chan struct{}) (int, error) {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for n := 1; ; n++ {
		select {
		case slots <- struct{}{}:
		default:
			return n, nil
		}
	}
}

// handle invokes the function with one message, keeps its lock meanwhile, and settles it.
func (p *pump) handle(r receiver, m *azservicebus.ReceivedMessage) {
	renewing, stop := context.WithCancel(context.Background())
	var renewal sync.WaitGroup
	renewal.Go(func() { p.renew(renewing, r, m) })
	failure := p.invoke(m)
	stop()
	renewal.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	verb, err := "complete", error(nil)
	if failure == nil {
		err = r.CompleteMessage(ctx, m, nil)
	} else {
		verb, err = "abandon", r.AbandonMessage(ctx, m, nil)
	}
	if err != nil {
		// The broker delivers it again when the lock expires; the function must live with that.
		p.log.Warn().Err(err).Str("messageId", m.MessageID).Msg("cannot " + verb + " message")
	}
}

// renew keeps the lock of a message up, for renewFor at most, until ctx ends.
func (p *pump) renew(ctx context.Context, r receiver, m *azservicebus.ReceivedMessage) {
	end := time.After(p.renewFor)
	for m.LockedUntil != nil {
		half := time.Until(*m.LockedUntil) / 2
		select {
		case <-ctx.Done():
			return
		case <-end:
			return
		case <-time.After(max(half, minRenewal)):
		}
		if err := r.RenewMessageLock(ctx, m, nil); err != nil {
			if ctx.Err() == nil {
				p.log.Warn().Err(err).Str("messageId", m.MessageID).Msg("cannot renew the lock of a message")
			}
			return
		}
	}
}
