package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"airlock/scripts/localazure"
)

// notices hears what people are told, for many who wait at the same time.
type notices struct {
	reader *azservicebus.Receiver
	bus    *azservicebus.Client
	stop   context.CancelFunc
	ended  chan struct{}

	mu   sync.Mutex
	said map[string]chan string // the statuses of a request, in order
	err  error                  // why nothing more is heard
}

// manyStatuses is more than a request has in its life.
const manyStatuses = 32

// hear begins to listen. The caller must close it.
func hear(ctx context.Context, a *localazure.Azure) (*notices, error) {
	n := &notices{ended: make(chan struct{}), said: map[string]chan string{}}
	var err error
	if n.bus, err = azservicebus.NewClientFromConnectionString(a.Bus.ConnectionString(), nil); err != nil {
		return nil, errors.New("the bus cannot be reached") // the SDK's text can hold the connection string
	}
	if n.reader, err = n.bus.NewReceiverForSubscription(localazure.NoticeTopic, localazure.WatchList,
		&azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete}); err != nil {
		return nil, errors.Join(err, n.bus.Close(ctx))
	}
	ctx, n.stop = context.WithCancel(ctx)
	go n.listen(ctx)
	return n, nil
}

// close ends the listening.
func (n *notices) close(ctx context.Context) error {
	n.stop()
	<-n.ended
	return n.bus.Close(ctx)
}

func (n *notices) listen(ctx context.Context) {
	defer close(n.ended)
	for {
		got, err := n.reader.ReceiveMessages(ctx, 100, &azservicebus.ReceiveMessagesOptions{TimeAfterFirstMessage: 1})
		for _, m := range got {
			if m.Subject == nil {
				continue
			}
			id, _, _ := strings.Cut(*m.Subject, "/")
			status, _ := m.ApplicationProperties["status"].(string)
			select {
			case n.of(id) <- status:
			default: // nobody waits for so many
			}
		}
		if err != nil {
			n.mu.Lock()
			n.err = err
			n.mu.Unlock()
			return
		}
	}
}

// of is what is said of a request.
func (n *notices) of(id string) chan string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.said[id] == nil {
		n.said[id] = make(chan string, manyStatuses)
	}
	return n.said[id]
}

// await waits until the request is said to have the status. It is false when ctx ends before that.
func (n *notices) await(ctx context.Context, id, status string) (bool, error) {
	said := n.of(id)
	for {
		select {
		case s := <-said:
			switch s {
			case status:
				return true, nil
			case "failed":
				return false, fmt.Errorf("request %s failed before it was %s", id, status)
			}
		case <-n.ended:
			return false, n.err
		case <-ctx.Done():
			return false, nil
		}
	}
}

// told is await with an end to its patience. Polling would take part in what is measured: Azurite answers one call at a time.
func (n *notices) told(ctx context.Context, id, status string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if done, err := n.await(ctx, id, status); err != nil || done {
		return err
	}
	return fmt.Errorf("nobody is told that %s is %s: %w", id, status, context.Cause(ctx))
}
