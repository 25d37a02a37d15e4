package busqueue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/busqueue"
)

const mailing = topicName + "/" + mails

// bury sends messages and gives them up. Those of the topic are given up by its subscription.
func (b *bus) bury(t *testing.T, queue string, messages ...*azservicebus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	entity, subscription, isTopic := strings.Cut(queue, "/")
	s, err := b.client.NewSender(entity, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(ctx)
	r, err := b.client.NewReceiverForQueue(queue, nil)
	if isTopic {
		r, err = b.client.NewReceiverForSubscription(entity, subscription, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(ctx)
	for _, m := range messages {
		if err := s.SendMessage(ctx, m, nil); err != nil {
			t.Fatal(err)
		}
		got, err := r.ReceiveMessages(ctx, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.DeadLetterMessage(ctx, got[0], &azservicebus.DeadLetterOptions{
			Reason: to.Ptr("NotANotice"), ErrorDescription: to.Ptr("because"),
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// dead lists the dead letters of a queue.
func dead(t *testing.T, d *busqueue.DeadLetters, queue string) []airlock.DeadLetter {
	t.Helper()
	var all []airlock.DeadLetter
	for letter, err := range d.List(t.Context(), queue) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, letter)
	}
	return all
}

func numbers(letters []airlock.DeadLetter) []int64 {
	var all []int64
	for _, l := range letters {
		all = append(all, l.Number)
	}
	return all
}

func TestListDeadLetters(t *testing.T) {
	b := start(t)
	d := b.DeadLetters(queueName, mailing)
	nudge := fmt.Sprintf(`{"workspaceId":"ws-1","requestId":%q}`, aRequest)
	b.bury(t, queueName,
		&azservicebus.Message{Body: []byte(nudge), MessageID: to.Ptr("first")},
		&azservicebus.Message{Body: []byte("nonsense"), MessageID: to.Ptr("second")})
	b.bury(t, mailing, &azservicebus.Message{Body: []byte("{}"), MessageID: to.Ptr("third"), Subject: to.Ptr(aRequest + "/airlockNotification")})
	for range 2 { // looking changes nothing
		queue, topic := dead(t, d, queueName), dead(t, d, mailing)
		if len(queue) != 2 || len(topic) != 1 {
			t.Fatalf("%+v, %+v", queue, topic)
		}
		for i, want := range []struct {
			got     airlock.DeadLetter
			id, of  string
			request string
			bytes   int
		}{{queue[0], "first", queueName, aRequest, len(nudge)}, {queue[1], "second", queueName, "", 8}, {topic[0], "third", mailing, aRequest, 2}} {
			g := want.got
			if g.ID != want.id || g.Queue != want.of || g.Request != want.request || g.Bytes != want.bytes || g.Number == 0 ||
				g.SentAt.IsZero() || g.Reason != "NotANotice" || g.Description != "because" {
				t.Errorf("%d: %+v", i, g)
			}
		}
	}
	if got := d.Queues(); len(got) != 2 || got[0] != queueName || got[1] != mailing {
		t.Errorf("queues %v", got)
	}
}

func TestDeadLettersOfNoQueue(t *testing.T) {
	d := start(t).DeadLetters()
	for _, queue := range []string{"nowhere", topicName + "/nobody"} {
		for _, err := range d.List(t.Context(), queue) {
			if !errors.Is(err, airlock.ErrNotFound) {
				t.Errorf("%s: %v", queue, err)
			}
		}
	}
}

// TestReplay sends a message again as it was, under another id, and leaves the others alone.
func TestReplay(t *testing.T) {
	for _, queue := range []string{queueName, mailing} {
		t.Run(queue, func(t *testing.T) {
			b := start(t)
			d := b.DeadLetters(queue)
			var messages []*azservicebus.Message
			for i := range 3 {
				messages = append(messages, &azservicebus.Message{
					Body: fmt.Appendf(nil, "content %d", i), MessageID: to.Ptr(fmt.Sprintf("id-%d", i)), Subject: to.Ptr("subject"),
					ContentType: to.Ptr("text/plain"), CorrelationID: to.Ptr("c"), ApplicationProperties: map[string]any{"status": "approved", "n": int64(i)},
				})
			}
			b.bury(t, queue, messages...)
			before := dead(t, d, queue)
			replayed := 0
			for letter, err := range d.Replay(t.Context(), queue, []int64{before[1].Number}) {
				if err != nil || letter.ID != "id-1" {
					t.Errorf("%+v, %v", letter, err)
				}
				replayed++
			}
			m := b.receive(t, queue == mailing)
			if replayed != 1 || string(m.Body) != "content 1" || m.MessageID == "id-1" || !strings.HasPrefix(m.MessageID, "id-1-") || *m.Subject != "subject" ||
				*m.ContentType != "text/plain" || *m.CorrelationID != "c" || len(m.ApplicationProperties) != 2 || m.ApplicationProperties["n"] != int64(1) {
				t.Errorf("%d, %+v", replayed, m)
			}
			if after := dead(t, d, queue); len(after) != 2 || after[0].ID != "id-0" || after[1].ID != "id-2" {
				t.Errorf("left: %+v", after)
			}
			for _, err := range d.Replay(t.Context(), queue, numbers(dead(t, d, queue))) { // what was passed over can be taken at once
				if err != nil {
					t.Error(err)
				}
			}
			if after := dead(t, d, queue); len(after) != 0 {
				t.Errorf("left at the end: %+v", after)
			}
		})
	}
}

// TestReplayOfMany goes on over pages, and ends although what it replays is given up on again.
func TestReplayOfMany(t *testing.T) {
	b := start(t)
	d := b.DeadLetters(queueName)
	const many = 130
	var messages []*azservicebus.Message
	for i := range many {
		messages = append(messages, &azservicebus.Message{Body: []byte("x"), MessageID: to.Ptr(fmt.Sprint(i))})
	}
	b.bury(t, queueName, messages...)
	replayed := 0
	for _, err := range d.Replay(t.Context(), queueName, numbers(dead(t, d, queueName))) {
		if err != nil {
			t.Fatal(err)
		}
		if replayed++; replayed == 1 {
			b.receiveAndBury(t)
		}
	}
	if left := dead(t, d, queueName); replayed != many || len(left) != 1 {
		t.Errorf("%d replayed, %d left", replayed, len(left))
	}
}

// receiveAndBury gives the next message up.
func (b *bus) receiveAndBury(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := b.client.NewReceiverForQueue(queueName, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(ctx)
	got, err := r.ReceiveMessages(ctx, 1, nil)
	if err == nil {
		err = r.DeadLetterMessage(ctx, got[0], nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestReplayTwiceIsOneMessage: where a replay ended after it had sent and before it had deleted, the next sends the same.
func TestReplayTwiceIsOneMessage(t *testing.T) {
	b := start(t)
	d := b.DeadLetters(queueName)
	b.bury(t, queueName, &azservicebus.Message{Body: []byte("x"), MessageID: to.Ptr(strings.Repeat("ü", 64))})
	letter := dead(t, d, queueName)[0]
	if err := b.sendAgain(t, letter); err != nil {
		t.Fatal(err)
	}
	sent := b.stats(t, queueName).Sent
	for _, err := range d.Replay(t.Context(), queueName, []int64{letter.Number}) {
		if err != nil {
			t.Error(err)
		}
	}
	s := b.stats(t, queueName)
	if s.Sent != sent || s.Duplicates != 1 || s.Active != 1 || s.DeadLettered != 0 {
		t.Errorf("%d sent before, then %+v", sent, s)
	}
}

// sendAgain is the first half of a replay.
func (b *bus) sendAgain(t *testing.T, letter airlock.DeadLetter) error {
	t.Helper()
	s, err := b.client.NewSender(queueName, nil)
	if err != nil {
		return err
	}
	defer s.Close(t.Context())
	id := busqueue.AgainID(letter.ID, letter.Number)
	return s.SendMessage(t.Context(), &azservicebus.Message{Body: []byte("x"), MessageID: &id}, nil)
}

func TestReplayOfWhatIsGone(t *testing.T) {
	b := start(t)
	d := b.DeadLetters(queueName)
	b.bury(t, queueName, &azservicebus.Message{Body: []byte("x")})
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var errs []error
	for _, err := range d.Replay(ctx, queueName, []int64{4711}) {
		errs = append(errs, err)
	}
	if len(errs) != 1 || !errors.Is(errs[0], airlock.ErrTransient) || !strings.Contains(errs[0].Error(), "1 were not replayed") {
		t.Errorf("%v", errs)
	}
	if left := dead(t, d, queueName); len(left) != 1 {
		t.Errorf("left: %+v", left)
	}
}
