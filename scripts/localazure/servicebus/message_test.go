package servicebus

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestBinaryBodies(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, body := range [][]byte{{}, {0}, all, bytes.Repeat(all, 800)} { // the last needs several frames
		send(t, s, &azservicebus.Message{Body: body})
		got := receiveOne(t, r)
		if !bytes.Equal(got.Body, body) {
			t.Errorf("a body of %d bytes came back with %d, or changed", len(body), len(got.Body))
		}
		complete(t, r, got)
	}
}

// What is in a message besides one block of data comes through unchanged, too.
func TestBodyKinds(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	for _, body := range []azservicebus.AMQPAnnotatedMessageBody{
		{Data: [][]byte{{1}, {2, 3}, {}}},
		{Value: map[string]any{"list": []any{int64(1), "two"}}},
		{Sequence: [][]any{{int32(1), "a"}, {true}}},
	} {
		sent := &azservicebus.AMQPAnnotatedMessage{
			Body:                body,
			Header:              &azservicebus.AMQPAnnotatedMessageHeader{Durable: true, Priority: 7},
			Properties:          &azservicebus.AMQPAnnotatedMessageProperties{MessageID: uint64(5), GroupID: ptr("group"), UserID: []byte("me")},
			Footer:              map[any]any{"foot": int64(1)},
			MessageAnnotations:  map[any]any{"mine": int64(-1), "x-opt-sequence-number": int64(77), "x-opt-locked-until": time.Now()},
			DeliveryAnnotations: map[any]any{"hop": "one"},
		}
		if err := s.SendAMQPAnnotatedMessage(within(t), sent, nil); err != nil {
			t.Fatal(err)
		}
		peeked, err := r.PeekMessages(within(t), 1, nil)
		if err != nil || len(peeked) != 1 || peeked[0].LockedUntil != nil {
			t.Errorf("peeked %v, error %v", peeked, err)
		}
		m := receiveOne(t, r)
		got := m.RawAMQPMessage
		if fmt.Sprint(got.Body) != fmt.Sprint(body) || fmt.Sprint(got.Footer) != fmt.Sprint(sent.Footer) {
			t.Errorf("sent %v, %v; got %v, %v", body, sent.Footer, got.Body, got.Footer)
		}
		if !got.Header.Durable || got.Header.Priority != 7 || got.Properties.MessageID != uint64(5) || *got.Properties.GroupID != "group" {
			t.Errorf("header %+v, properties %+v", got.Header, got.Properties)
		}
		if got.MessageAnnotations["mine"] != int64(-1) || *m.SequenceNumber == 77 || got.DeliveryAnnotations["hop"] != nil {
			t.Errorf("annotations %v, delivery annotations %v", got.MessageAnnotations, got.DeliveryAnnotations)
		}
		complete(t, r, m)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	s := newSender(t, connect(t, b), "q")
	if err := s.SendMessage(within(t), &azservicebus.Message{Body: make([]byte, 256<<10)}, nil); err == nil {
		t.Fatal("a message over 256 KiB was accepted")
	}
	send(t, s, text("the link still works"))
}

func TestBatch(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	batch, err := s.NewMessageBatch(within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 100 {
		m := text(fmt.Sprint(i))
		m.ApplicationProperties = map[string]any{"n": int64(i)}
		if err := batch.AddMessage(m, nil); err != nil {
			t.Fatal(err)
		}
		want = append(want, string(m.Body))
	}
	if err := s.SendMessageBatch(within(t), batch, nil); err != nil {
		t.Fatal(err)
	}
	got := receive(t, r, 100)
	if have := bodies(got); fmt.Sprint(have) != fmt.Sprint(want) {
		t.Fatalf("got %v", have)
	}
	if n := got[99].ApplicationProperties["n"]; n != int64(99) {
		t.Errorf("property n is %T %v", n, n)
	}
	complete(t, r, got...)
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 100})
}
