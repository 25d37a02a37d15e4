package servicebus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestAbandonRedeliversAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: time.Hour}}})
	c := connect(t, b)
	r := newReceiver(t, c, "q", nil)
	send(t, newSender(t, c, "q"), text("x"))
	for n := uint32(1); n <= 3; n++ {
		m := receiveOne(t, r)
		if m.DeliveryCount != n || *m.SequenceNumber != 1 {
			t.Fatalf("delivery count %d, want %d, of sequence number %d", m.DeliveryCount, n, *m.SequenceNumber)
		}
		opts := &azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{"seen": int64(n)}}
		if err := r.AbandonMessage(within(t), m, opts); err != nil {
			t.Fatal(err)
		}
	}
	if m := receiveOne(t, r); m.ApplicationProperties["seen"] != int64(3) {
		t.Errorf("the property changed by abandon is %v", m.ApplicationProperties["seen"])
	}
}

func TestMaxDeliveryCount(t *testing.T) {
	t.Parallel()
	b := start(t, Options{
		Queues: []Queue{{Name: "q", MaxDeliveryCount: 3}},
		Topics: []Topic{{Name: "t", Subscriptions: []Subscription{{Name: "s", MaxDeliveryCount: 3}}}},
	})
	c := connect(t, b)
	for to, from := range map[string]string{"q": "q", "t": "t/Subscriptions/s"} {
		r, dead := newReceiver(t, c, from, nil), newReceiver(t, c, from, deadLetters())
		m := text("poison")
		m.ApplicationProperties = map[string]any{"kept": "yes"}
		send(t, newSender(t, c, to), m)
		for range 3 {
			if err := r.AbandonMessage(within(t), receiveOne(t, r), nil); err != nil {
				t.Fatal(err)
			}
		}
		receiveNone(t, r)
		got := receiveOne(t, dead)
		if string(got.Body) != "poison" || got.ApplicationProperties["kept"] != "yes" {
			t.Errorf("%s: the dead letter is %q, %v", from, got.Body, got.ApplicationProperties)
		}
		if got.DeadLetterReason == nil || *got.DeadLetterReason != "MaxDeliveryCountExceeded" || *got.DeadLetterErrorDescription == "" {
			t.Errorf("%s: reason %v, description %v", from, got.DeadLetterReason, got.DeadLetterErrorDescription)
		}
		complete(t, dead, got)
		receiveNone(t, dead)
	}
}

func TestDeadLetter(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	s, r, dead := newSender(t, c, "q"), newReceiver(t, c, "q", nil), newReceiver(t, c, "q", deadLetters())
	send(t, s, text("1"), text("2"), text("3"))
	for _, m := range receive(t, r, 3) {
		err := r.DeadLetterMessage(within(t), m, &azservicebus.DeadLetterOptions{
			Reason:             ptr("undecodable"),
			ErrorDescription:   ptr("because of " + string(m.Body)),
			PropertiesToModify: map[string]any{"number": int64(1)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 3, DeadLettered: 3})

	peeked, err := dead.PeekMessages(within(t), 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	more, err := dead.PeekMessages(within(t), 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if have := bodies(append(peeked, more...)); fmt.Sprint(have) != "[1 2 3]" {
		t.Errorf("peeked %v", have)
	}
	if again, err := dead.PeekMessages(within(t), 10, nil); err != nil || len(again) > 0 {
		t.Errorf("peeked %v past the end, error %v", bodies(again), err)
	}
	if p := peeked[0]; *p.DeadLetterReason != "undecodable" || *p.DeadLetterErrorDescription != "because of 1" || p.LockedUntil != nil {
		t.Errorf("peeked reason %q, description %q, locked until %v", *p.DeadLetterReason, *p.DeadLetterErrorDescription, p.LockedUntil)
	}

	got := receive(t, dead, 3)
	if got[2].ApplicationProperties["number"] != int64(1) {
		t.Errorf("the added property is %v", got[2].ApplicationProperties["number"])
	}
	// A dead-letter queue has no dead-letter queue, and never gives a message up.
	if err := dead.DeadLetterMessage(within(t), got[0], nil); err == nil {
		t.Error("a dead letter was dead-lettered again")
	}
	if err := dead.AbandonMessage(within(t), got[1], nil); err != nil {
		t.Error(err)
	}
	complete(t, dead, got[2])
	complete(t, dead, receiveOne(t, dead))
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 3, DeadLettered: 1})
}

func TestLockExpiry(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: 200 * time.Millisecond, MaxDeliveryCount: 2}}})
	c := connect(t, b)
	r := newReceiver(t, c, "q", nil)
	send(t, newSender(t, c, "q"), text("x"))
	first := receiveOne(t, r)
	second := receiveOne(t, r)
	if second.DeliveryCount != 2 || time.Now().Before(*first.LockedUntil) {
		t.Errorf("delivery %d came %v before the lock ended", second.DeliveryCount, time.Until(*first.LockedUntil))
	}
	var lost *azservicebus.Error
	if err := r.CompleteMessage(within(t), first, nil); !errors.As(err, &lost) || lost.Code != azservicebus.CodeLockLost {
		t.Errorf("complete after the lock expired: %v", err)
	}
	if err := r.RenewMessageLock(within(t), first, nil); !errors.As(err, &lost) || lost.Code != azservicebus.CodeLockLost {
		t.Errorf("renew after the lock expired: %v", err)
	}
	// The second lock expires, too, which is the last delivery.
	if got := receiveOne(t, newReceiver(t, c, "q", deadLetters())); *got.DeadLetterReason != "MaxDeliveryCountExceeded" {
		t.Errorf("reason %q", *got.DeadLetterReason)
	}
}

func TestRenewLock(t *testing.T) {
	t.Parallel()
	const lock = 1500 * time.Millisecond
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: lock}}})
	c := connect(t, b)
	r, other := newReceiver(t, c, "q", nil), newReceiver(t, c, "q", nil)
	send(t, newSender(t, c, "q"), text("x"))
	m := receiveOne(t, r)
	begin, end := time.Now(), *m.LockedUntil
	tick := time.NewTicker(lock / 4)
	defer tick.Stop()
	for time.Since(begin) < 2*lock {
		<-tick.C
		if err := r.RenewMessageLock(within(t), m, nil); err != nil {
			t.Fatal(err)
		}
		if !m.LockedUntil.After(end) {
			t.Fatalf("the lock ends %v, it ended %v before", m.LockedUntil, end)
		}
		end = *m.LockedUntil
	}
	receiveNone(t, other)
	complete(t, r, m)
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 1})
}

// Outcomes that are sent in one burst must not be answered with one another's result.
func TestSettlementsOfOneBurst(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: time.Hour}}})
	c := connect(t, b)
	s, r, other := newSender(t, c, "q"), newReceiver(t, c, "q", nil), newReceiver(t, c, "q", nil)
	const n = 60
	for i := range n {
		send(t, s, text(fmt.Sprint(i)))
	}
	got := receive(t, r, n)
	for i := 0; i < n; i += 3 {
		complete(t, other, &azservicebus.ReceivedMessage{LockToken: got[i].LockToken})
	}
	// Each goroutine lets the next one go just before its own call, so that most calls leave in the order of their deliveries.
	results := make([]error, n)
	turn := make([]chan struct{}, n+1)
	for i := range turn {
		turn[i] = make(chan struct{})
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-turn[i]
			close(turn[i+1])
			results[i] = r.CompleteMessage(t.Context(), got[i], nil)
		})
	}
	close(turn[0])
	wg.Wait()
	for i, err := range results {
		var lost *azservicebus.Error
		isLost := errors.As(err, &lost) && lost.Code == azservicebus.CodeLockLost
		if isLost != (i%3 == 0) || (err != nil && !isLost) {
			t.Errorf("message %d: %v", i, err)
		}
	}
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: n})
}

// A receiver gets what it asked for; the rest stays free for others.
func TestCredit(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: time.Hour}}})
	c := connect(t, b)
	s := newSender(t, c, "q")
	for i := range 5 {
		send(t, s, text(fmt.Sprint(i)))
	}
	first, second := newReceiver(t, c, "q", nil), newReceiver(t, c, "q", nil)
	got := receiveBulk(t, first, 2, 2)
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 5, Active: 5, Locked: 2})
	have := bodies(append(got, receiveBulk(t, second, 3, 3)...))
	if slices.Sort(have); fmt.Sprint(have) != "[0 1 2 3 4]" {
		t.Errorf("got %v", have)
	}
}

func TestDefer(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	r := newReceiver(t, c, "q", nil)
	send(t, newSender(t, c, "q"), text("later"))
	m := receiveOne(t, r)
	if err := r.DeferMessage(within(t), m, nil); err != nil {
		t.Fatal(err)
	}
	receiveNone(t, r)
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 1, Deferred: 1})
	for _, settle := range []func(*azservicebus.ReceivedMessage) error{
		func(m *azservicebus.ReceivedMessage) error { return r.AbandonMessage(within(t), m, nil) },
		func(m *azservicebus.ReceivedMessage) error { return r.CompleteMessage(within(t), m, nil) },
	} {
		got, err := r.ReceiveDeferredMessages(within(t), []int64{*m.SequenceNumber}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || string(got[0].Body) != "later" || got[0].State != azservicebus.MessageStateDeferred {
			t.Fatalf("got %v", bodies(got))
		}
		_, err = r.ReceiveDeferredMessages(within(t), []int64{*m.SequenceNumber}, nil)
		if missing := new(azservicebus.Error); !errors.As(err, &missing) || missing.Code != azservicebus.CodeNotFound {
			t.Errorf("a locked message was received again: %v", err)
		}
		if err := settle(got[0]); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 1})
	var missing *azservicebus.Error
	_, err := r.ReceiveDeferredMessages(within(t), []int64{*m.SequenceNumber}, nil)
	if !errors.As(err, &missing) || missing.Code != azservicebus.CodeNotFound {
		t.Errorf("a completed message was received again: %v", err)
	}
}

// relay forwards connections to the broker until cut, which breaks them off as the death of the client would.
func relay(t *testing.T, b *Broker) (address string, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	cut = func() {
		cancel()
		l.Close()
		wg.Wait()
	}
	t.Cleanup(cut)
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // cut
			}
			broker, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.port))
			if err != nil {
				t.Error(err)
				client.Close()
				return
			}
			context.AfterFunc(ctx, func() {
				client.Close()
				broker.Close()
			})
			wg.Go(func() { io.Copy(client, broker) })
			wg.Go(func() { io.Copy(broker, client) })
		}
	})
	return l.Addr().String(), cut
}

func TestBrokenConnectionGivesBackItsMessages(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: time.Hour}}})
	c := connect(t, b)
	send(t, newSender(t, c, "q"), text("1"), text("2"))
	address, cut := relay(t, b)
	dying, err := azservicebus.NewClientFromConnectionString(b.ConnectionString(), &azservicebus.ClientOptions{CustomEndpoint: address})
	if err != nil {
		t.Fatal(err)
	}
	receive(t, newReceiver(t, dying, "q", nil), 2)
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 2, Active: 2, Locked: 2})
	cut()
	r := newReceiver(t, c, "q", nil)
	got := receive(t, r, 2)
	if have := bodies(got); fmt.Sprint(have) != "[1 2]" || got[0].DeliveryCount != 2 {
		t.Errorf("got %v, delivery count %d", have, got[0].DeliveryCount)
	}
}

func TestClosedConnectionKeepsItsLocks(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: time.Hour}}})
	closing, c := connect(t, b), connect(t, b)
	send(t, newSender(t, c, "q"), text("1"))
	m := receiveOne(t, newReceiver(t, closing, "q", nil))
	if err := closing.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t, c, "q", nil)
	receiveNone(t, r)
	complete(t, r, &azservicebus.ReceivedMessage{LockToken: m.LockToken})
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 1})
}

// A link that closes leaves its locks alone: the message is settled by its token through $management.
func TestClosedReceiverKeepsItsLocks(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: time.Hour}}})
	c := connect(t, b)
	r, other := newReceiver(t, c, "q", nil), newReceiver(t, c, "q", nil)
	send(t, newSender(t, c, "q"), text("1"), text("2"), text("3"))
	got := receive(t, r, 3)
	if err := r.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	receiveNone(t, other)
	detached := func(m *azservicebus.ReceivedMessage) *azservicebus.ReceivedMessage {
		return &azservicebus.ReceivedMessage{LockToken: m.LockToken}
	}
	complete(t, other, detached(got[0]))
	opts := &azservicebus.DeadLetterOptions{Reason: ptr("told"), ErrorDescription: ptr("why")}
	if err := other.DeadLetterMessage(within(t), detached(got[1]), opts); err != nil {
		t.Fatal(err)
	}
	if err := other.AbandonMessage(within(t), detached(got[2]), nil); err != nil {
		t.Fatal(err)
	}
	if m := receiveOne(t, other); string(m.Body) != "3" || m.DeliveryCount != 2 {
		t.Errorf("got %q, delivery %d", m.Body, m.DeliveryCount)
	}
	if m := receiveOne(t, newReceiver(t, c, "q", deadLetters())); string(m.Body) != "2" || *m.DeadLetterReason != "told" {
		t.Errorf("the dead letter is %q: %q", m.Body, *m.DeadLetterReason)
	}
	var lost *azservicebus.Error
	if err := other.CompleteMessage(within(t), detached(got[0]), nil); !errors.As(err, &lost) || lost.Code != azservicebus.CodeLockLost {
		t.Errorf("complete twice: %v", err)
	}
}
