package servicebus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func durable(t *testing.T) Options {
	return Options{
		Queues:   []Queue{{Name: "q", LockDuration: time.Hour, DuplicateDetectionWindow: time.Hour, MaxDeliveryCount: 3}},
		Topics:   []Topic{{Name: "t", DuplicateDetectionWindow: time.Hour, Subscriptions: []Subscription{{Name: "s"}}}},
		DataFile: filepath.Join(t.TempDir(), "messages"),
	}
}

// The same client goes on after the broker was restarted or killed, and everything is as it was.
func TestRestartKeepsMessages(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Broker){
		"stop": func(b *Broker) { b.Stop() },
		"kill": func(b *Broker) { b.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, durable(t))
			c := connect(t, b)
			s, r, dead := newSender(t, c, "q"), newReceiver(t, c, "q", nil), newReceiver(t, c, "q", deadLetters())
			for i := range 7 {
				send(t, s, &azservicebus.Message{Body: []byte{'0' + byte(i), 0xff}, MessageID: ptr(fmt.Sprint(i)), ApplicationProperties: map[string]any{"n": int64(i)}})
			}
			got := receive(t, r, 6)
			complete(t, r, got[0])
			settle(t, r.DeadLetterMessage(within(t), got[1], &azservicebus.DeadLetterOptions{Reason: ptr("why")}))
			settle(t, r.DeferMessage(within(t), got[2], nil))
			settle(t, r.AbandonMessage(within(t), got[3], &azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{"n": int64(33)}}))
			send(t, s, at("later", time.Now().Add(time.Hour)))
			numbers, err := s.ScheduleMessages(within(t), []*azservicebus.Message{text("cancelled")}, time.Now().Add(time.Hour), nil)
			settle(t, err)
			settle(t, s.CancelScheduledMessages(within(t), numbers, nil))
			toTopic, fromTopic := newSender(t, c, "t"), newReceiver(t, c, "t/Subscriptions/s", nil)
			send(t, toTopic, at("topic", time.Now().Add(time.Second)), text("past"))
			past := receiveOne(t, fromTopic)
			complete(t, fromTopic, past)
			want, err := b.Stats(within(t))
			settle(t, err)
			q := want["q"]
			q.Locked = 0 // locks end with the broker

			address := b.ConnectionString()
			end(b)
			settle(t, b.Restart(within(t)))
			if b.ConnectionString() != address {
				t.Error("the address has changed")
			}
			if have := entityStats(t, b, "q"); have != q {
				t.Errorf("got %+v, want %+v", have, q)
			}

			send(t, s, withID("0")) // still known, dropped
			again := receive(t, r, 4)
			for i, m := range again {
				if want := []byte{'3' + byte(i), 0xff}; string(m.Body) != string(want) {
					t.Errorf("got %q, want %q", m.Body, want)
				}
			}
			if again[0].DeliveryCount != 2 || again[0].ApplicationProperties["n"] != int64(33) || again[1].ApplicationProperties["n"] != int64(4) {
				t.Errorf("delivery %d, properties %v and %v", again[0].DeliveryCount, again[0].ApplicationProperties, again[1].ApplicationProperties)
			}
			if *again[0].SequenceNumber != *got[3].SequenceNumber || !again[0].EnqueuedTime.Equal(*got[3].EnqueuedTime) {
				t.Errorf("sequence number or time has changed")
			}
			if m := receiveOne(t, dead); *m.DeadLetterReason != "why" || m.Body[0] != '1' {
				t.Errorf("the dead letter is %q: %q", m.Body, *m.DeadLetterReason)
			}
			deferred, err := r.ReceiveDeferredMessages(within(t), []int64{*got[2].SequenceNumber}, nil)
			settle(t, err)
			if len(deferred) != 1 || deferred[0].Body[0] != '2' {
				t.Errorf("deferred: %v", bodies(deferred))
			}
			if m := receiveOne(t, fromTopic); string(m.Body) != "topic" {
				t.Errorf("got %q", m.Body)
			}
			send(t, toTopic, text("new"))
			if m := receiveOne(t, fromTopic); *m.EnqueuedSequenceNumber <= *past.EnqueuedSequenceNumber {
				t.Errorf("the topic gave number %d after %d", *m.EnqueuedSequenceNumber, *past.EnqueuedSequenceNumber)
			}
			send(t, s, text("new"))
			if m := receiveOne(t, r); string(m.Body) != "new" || *m.SequenceNumber <= numbers[0] {
				t.Errorf("got %q with sequence number %d", m.Body, *m.SequenceNumber)
			}
		})
	}
}

func settle(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// While clients send and complete all the time the broker is killed again and again: what was accepted comes, and what was
// completed does not come back.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	opts := durable(t)
	// The client closes connections while it recovers, which leaves locks to expire.
	opts.Queues[0].LockDuration, opts.Queues[0].MaxDeliveryCount = time.Second, 1000
	b := start(t, opts)
	c := connect(t, b)
	const senders, each, kills = 4, 150, 4
	ctx := within(t)

	var wg sync.WaitGroup
	for n := range senders {
		wg.Go(func() {
			s := newSender(t, c, "q")
			for i := range each {
				id := fmt.Sprintf("%d-%d", n, i)
				// Sent until it is accepted: duplicate detection makes this exactly once.
				for s.SendMessage(ctx, &azservicebus.Message{MessageID: &id}, nil) != nil && ctx.Err() == nil {
				}
			}
		})
	}
	var completed sync.Map
	twice := make(chan string, senders*each)
	var count int
	received := make(chan struct{}, senders*each)
	recvCtx, stop := context.WithCancel(ctx)
	defer stop()
	var recv sync.WaitGroup
	recv.Go(func() {
		r := newReceiver(t, c, "q", nil)
		for recvCtx.Err() == nil {
			got, err := r.ReceiveMessages(recvCtx, 10, nil)
			if err != nil {
				continue
			}
			for _, m := range got {
				if _, known := completed.Load(m.MessageID); known {
					twice <- m.MessageID
				}
				// The client retries a settlement for half a minute with pauses of its own; the message comes again before.
				settleCtx, cancel := context.WithTimeout(recvCtx, time.Second)
				if r.CompleteMessage(settleCtx, m, nil) == nil {
					completed.Store(m.MessageID, true)
					received <- struct{}{}
				}
				cancel()
			}
		}
	})
	for k := range kills {
		for count < (k+1)*senders*each/(kills+2) {
			select {
			case <-received:
				count++
			case <-ctx.Done():
				t.Fatalf("only %d messages", count)
			}
		}
		b.Kill()
		settle(t, b.Restart(ctx))
	}
	wg.Wait()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for entityStats(t, b, "q").Active > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the queue does not get empty")
		}
	}
	stop()
	recv.Wait()
	close(twice)
	for id := range twice {
		t.Errorf("%s came back after it was completed", id)
	}
	if got := entityStats(t, b, "q"); got.Sent != senders*each || got.DeadLettered != 0 {
		t.Errorf("%+v", got)
	}
}

func TestRestartWithoutDataFileForgets(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	s := newSender(t, connect(t, b), "q")
	send(t, s, text("x"))
	settle(t, b.Restart(within(t)))
	eventually(t, b, "q", EntityStats{Kind: "queue"})
	send(t, s, text("y"))
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 1, Active: 1})
}

func TestDataFile(t *testing.T) {
	t.Parallel()
	opts := durable(t)
	b := start(t, opts)
	s := newSender(t, connect(t, b), "q")
	send(t, s, text("kept"))
	settle(t, b.Stop())
	whole, err := os.ReadFile(opts.DataFile)
	settle(t, err)

	// A line that was being written when the broker ended was never answered for.
	settle(t, os.WriteFile(opts.DataFile, append(slices.Clone(whole), `{"op":"put","ent`...), 0o600))
	settle(t, b.Restart(within(t)))
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 1, Active: 1})
	settle(t, b.Stop())

	for name, c := range map[string]struct {
		file string
		opts func(*Options)
		want string
	}{
		"damaged": {"{}\n" + string(whole), func(*Options) {}, "line 1"},
		"renamed": {string(whole), func(o *Options) { o.Queues[0].Name = "other" }, "1 messages of q"},
		"twice":   {"", func(o *Options) { o.Queues = append(o.Queues, Queue{Name: "Q"}) }, "two entities"},
	} {
		o := durable(t)
		c.opts(&o)
		settle(t, os.WriteFile(o.DataFile, []byte(c.file), 0o600))
		if broken, err := Start(within(t), o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
			if err == nil {
				settle(t, broken.Stop())
			}
		}
		// What is there is left as it is.
		if now, err := os.ReadFile(o.DataFile); name == "damaged" && (err != nil || string(now) != c.file) {
			t.Errorf("%s: the file was changed, error %v", name, err)
		}
	}
}

func TestDataFileStaysSmall(t *testing.T) {
	t.Parallel()
	opts := durable(t)
	opts.Queues[0].DuplicateDetectionWindow = 0
	b := start(t, opts)
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	for range 20 {
		send(t, s, &azservicebus.Message{Body: make([]byte, 10<<10)})
		complete(t, r, receiveOne(t, r))
	}
	for range 2 {
		settle(t, b.Restart(within(t)))
	}
	info, err := os.Stat(opts.DataFile)
	settle(t, err)
	if info.Size() > 10<<10 {
		t.Errorf("%d bytes for no message", info.Size())
	}
	send(t, s, text("next"))
	if m := receiveOne(t, r); *m.SequenceNumber != 21 {
		t.Errorf("sequence number %d", *m.SequenceNumber)
	}
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 21, Active: 1, Locked: 1})
}

func TestStopped(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	settle(t, b.Stop())
	settle(t, b.Stop())
	b.Kill()
	if _, err := b.Stats(within(t)); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v", err)
	}
	settle(t, b.Restart(within(t)))
	all, err := b.Stats(within(t))
	if err != nil || !slices.Equal(slices.Collect(maps.Keys(all)), []string{"q"}) {
		t.Errorf("got %v, error %v", all, err)
	}
	// The port is taken: the error says what the broker said.
	if _, err := Start(within(t), Options{Port: b.port}); err == nil || !strings.Contains(err.Error(), "EADDRINUSE") {
		t.Errorf("got %v", err)
	}
}
