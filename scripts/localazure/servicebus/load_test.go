package servicebus

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestConcurrentSenders(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	const senders, each = 64, 10
	shared := newSender(t, c, "q")
	var wg sync.WaitGroup
	for n := range senders {
		wg.Go(func() {
			s := shared
			if n%2 == 0 {
				s = newSender(t, c, "q")
			}
			for i := range each {
				if err := s.SendMessage(t.Context(), text(fmt.Sprintf("%d-%d", n, i)), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	last := make(map[int]int)
	for _, m := range receive(t, newReceiver(t, c, "q", nil), senders*each) {
		var n, i int
		if _, err := fmt.Sscanf(string(m.Body), "%d-%d", &n, &i); err != nil {
			t.Fatal(err)
		}
		if seen[string(m.Body)] || i != last[n] {
			t.Errorf("%s came twice or out of order", m.Body)
		}
		seen[string(m.Body)] = true
		last[n] = i + 1
	}
}

// Several receivers share a queue; each message goes to one of them.
func TestCompetingReceivers(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: time.Hour}}})
	const receivers, messages = 4, 1000
	c := connect(t, b)
	s := newSender(t, c, "q")
	begin := time.Now()
	for i := range messages {
		send(t, s, text(fmt.Sprint(i)))
	}
	sent := time.Since(begin)
	ctx := within(t)
	got := make(chan string, 2*messages)
	var wg sync.WaitGroup
	for range receivers {
		r := newReceiver(t, connect(t, b), "q", nil)
		wg.Go(func() {
			for {
				batch, err := r.ReceiveMessages(ctx, 20, nil)
				if err != nil {
					return // the client was closed, or time is up
				}
				for _, m := range batch {
					if err := r.CompleteMessage(ctx, m, nil); err != nil {
						t.Error(err)
					}
					got <- string(m.Body)
				}
			}
		})
	}
	seen := make(map[string]bool)
	for len(seen) < messages {
		select {
		case body := <-got:
			if seen[body] {
				t.Errorf("%s came twice", body)
			}
			seen[body] = true
		case <-ctx.Done():
			t.Fatalf("%d of %d messages", len(seen), messages)
		}
	}
	t.Logf("%d messages sent one by one in %v, received and completed by %d receivers in %v", messages, sent, receivers, time.Since(begin)-sent)
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: messages})
}

// A client that takes everything and settles it in any order does not get stuck.
func TestManyUnsettled(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: time.Hour}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	const messages = 4000
	for range messages / 500 {
		batch, err := s.NewMessageBatch(within(t), nil)
		settle(t, err)
		for range 500 {
			settle(t, batch.AddMessage(&azservicebus.Message{}, nil))
		}
		settle(t, s.SendMessageBatch(within(t), batch, nil))
	}
	got := receiveBulk(t, r, messages, messages)
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: messages, Active: messages, Locked: messages})
	for i := len(got) - 1; i >= 0; i -= 100 {
		complete(t, r, got[i])
	}
	send(t, s, text("after"))
	if m := receiveOne(t, r); string(m.Body) != "after" {
		t.Errorf("got %q", m.Body)
	}
}
