package servicebus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

const (
	patience = 30 * time.Second       // for what must happen
	quiet    = 300 * time.Millisecond // for what must not
)

func start(t *testing.T, opts Options) *Broker {
	t.Helper()
	if opts.Output == nil {
		opts.Output = func(line string) {
			if !strings.HasPrefix(line, `{"amqp":`) {
				t.Error("broker: " + line)
			}
		}
	}
	b, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// within gives a context for one step of a test.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, b *Broker) *azservicebus.Client {
	t.Helper()
	client, err := azservicebus.NewClientFromConnectionString(b.ConnectionString(), &azservicebus.ClientOptions{
		RetryOptions: azservicebus.RetryOptions{MaxRetries: 50, RetryDelay: 20 * time.Millisecond, MaxRetryDelay: 200 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		// The broker may be gone by now, so an error says nothing.
		_ = client.Close(ctx)
	})
	return client
}

func newSender(t *testing.T, c *azservicebus.Client, entity string) *azservicebus.Sender {
	t.Helper()
	s, err := c.NewSender(entity, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newReceiver(t *testing.T, c *azservicebus.Client, path string, opts *azservicebus.ReceiverOptions) *azservicebus.Receiver {
	t.Helper()
	var r *azservicebus.Receiver
	var err error
	if topic, subscription, ok := strings.Cut(path, "/Subscriptions/"); ok {
		r, err = c.NewReceiverForSubscription(topic, subscription, opts)
	} else {
		r, err = c.NewReceiverForQueue(path, opts)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func deadLetters() *azservicebus.ReceiverOptions {
	return &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter}
}

func text(body string) *azservicebus.Message { return &azservicebus.Message{Body: []byte(body)} }

func send(t *testing.T, s *azservicebus.Sender, messages ...*azservicebus.Message) {
	t.Helper()
	for _, m := range messages {
		if err := s.SendMessage(within(t), m, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// receive waits for n messages, in the order of their delivery. It asks for one at a time: the client sends back what comes between
// two calls, and then the order is lost.
func receive(t *testing.T, r *azservicebus.Receiver, n int) []*azservicebus.ReceivedMessage {
	t.Helper()
	return receiveBulk(t, r, n, 1)
}

// receiveBulk waits for n messages, up to most at a time, in any order.
func receiveBulk(t *testing.T, r *azservicebus.Receiver, n, most int) []*azservicebus.ReceivedMessage {
	t.Helper()
	ctx := within(t)
	var all []*azservicebus.ReceivedMessage
	for len(all) < n {
		got, err := r.ReceiveMessages(ctx, min(n-len(all), most), nil)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(all), n, err)
		}
		all = append(all, got...)
	}
	return all
}

func receiveOne(t *testing.T, r *azservicebus.Receiver) *azservicebus.ReceivedMessage {
	t.Helper()
	return receive(t, r, 1)[0]
}

// receiveNone fails the test when a message comes.
func receiveNone(t *testing.T, r *azservicebus.Receiver) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), quiet)
	defer cancel()
	got, err := r.ReceiveMessages(ctx, 1, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("want no message, got %d, error %v", len(got), err)
	}
}

func complete(t *testing.T, r *azservicebus.Receiver, messages ...*azservicebus.ReceivedMessage) {
	t.Helper()
	for _, m := range messages {
		if err := r.CompleteMessage(within(t), m, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func bodies(messages []*azservicebus.ReceivedMessage) []string {
	var all []string
	for _, m := range messages {
		all = append(all, string(m.Body))
	}
	return all
}

func entityStats(t *testing.T, b *Broker, path string) EntityStats {
	t.Helper()
	all, err := b.Stats(within(t))
	if err != nil {
		t.Fatal(err)
	}
	one, ok := all[path]
	if !ok {
		t.Fatalf("no entity %q in %v", path, all)
	}
	return one
}

// eventually polls until the counts of an entity are as wanted.
func eventually(t *testing.T, b *Broker, path string, want EntityStats) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		got := entityStats(t, b, path)
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("stats of %s: got %+v, want %+v", path, got, want)
		}
	}
}

func TestSendReceiveComplete(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "Q", nil)
	before := time.Now()
	sent := &azservicebus.Message{
		Body:          []byte("hello"),
		MessageID:     ptr("id-1"),
		CorrelationID: ptr("correlation"),
		Subject:       ptr("subject"),
		ContentType:   ptr("text/plain"),
		To:            ptr("to"),
		ReplyTo:       ptr("reply"),
		ApplicationProperties: map[string]any{
			"string": "ü", "true": true, "int64": int64(5), "int32": int32(-5), "uint32": uint32(7), "float64": 1.5,
			"time": before.UTC().Truncate(time.Millisecond), "bytes": []byte{0, 255}, "big": int64(1) << 60,
		},
	}
	send(t, s, sent)
	got := receiveOne(t, r)
	if string(got.Body) != "hello" || got.MessageID != "id-1" || *got.CorrelationID != "correlation" || *got.Subject != "subject" ||
		*got.ContentType != "text/plain" || *got.To != "to" || *got.ReplyTo != "reply" {
		t.Errorf("message changed on its way: %+v", got)
	}
	for name, want := range sent.ApplicationProperties {
		if have := got.ApplicationProperties[name]; fmt.Sprintf("%T %v", have, have) != fmt.Sprintf("%T %v", want, want) {
			t.Errorf("property %s: got %T %v, want %T %v", name, have, have, want, want)
		}
	}
	if got.DeliveryCount != 1 || *got.SequenceNumber != 1 || got.State != azservicebus.MessageStateActive {
		t.Errorf("delivery count %d, sequence number %d, state %v", got.DeliveryCount, *got.SequenceNumber, got.State)
	}
	if d := got.EnqueuedTime.Sub(before); d < -time.Second || d > patience {
		t.Errorf("enqueued %v after the send", d)
	}
	if d := got.LockedUntil.Sub(*got.EnqueuedTime); d < defaultLockDuration || d > defaultLockDuration+patience {
		t.Errorf("locked for %v", d)
	}
	complete(t, r, got)
	receiveNone(t, r)
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 1})
	if err := r.CompleteMessage(within(t), got, nil); err != nil {
		t.Errorf("the client settles a message twice without asking the broker, got %v", err)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprint(i))
		send(t, s, text(fmt.Sprint(i)))
	}
	got := receive(t, r, 50)
	if have := bodies(got); fmt.Sprint(have) != fmt.Sprint(want) {
		t.Fatalf("got %v", have)
	}
	// Given back in another order, they come in the first one.
	for i := range got {
		if err := r.AbandonMessage(within(t), got[len(got)-1-i], nil); err != nil {
			t.Fatal(err)
		}
	}
	if have := bodies(receive(t, r, 50)); fmt.Sprint(have) != fmt.Sprint(want) {
		t.Fatalf("after abandon got %v", have)
	}
}

func TestReceiveAndDelete(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	send(t, newSender(t, c, "q"), text("1"), text("2"))
	r := newReceiver(t, c, "q", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	if got := bodies(receive(t, r, 2)); fmt.Sprint(got) != "[1 2]" {
		t.Fatalf("got %v", got)
	}
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 2})
}

// A peer that does not speak AMQP disturbs nobody else.
func TestGarbage(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}, Output: func(line string) { t.Log("broker: " + line) }})
	c := connect(t, b)
	s := newSender(t, c, "q")
	send(t, s, text("before"))
	for _, garbage := range []string{"GET / HTTP/1.1\r\n\r\n", "AMQP\x00\x01\x00\x00\x00\x00\x00\x0c\x02\x00\x00\x00\xff\xff\xff\xff", "AMQP"} {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(garbage)); err != nil {
			t.Error(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	send(t, s, text("after"))
	receive(t, newReceiver(t, c, "q", nil), 2)
}

func ptr[T any](v T) *T { return &v }
