package servicebus

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

const delay = 400 * time.Millisecond

func at(body string, when time.Time) *azservicebus.Message {
	return &azservicebus.Message{Body: []byte(body), ScheduledEnqueueTime: &when}
}

func TestScheduled(t *testing.T) {
	b := start(t, Options{
		Queues: []Queue{{Name: "q"}},
		Topics: []Topic{{Name: "t", Subscriptions: []Subscription{{Name: "s"}}}},
	})
	c := connect(t, b)
	for to, from := range map[string]string{"q": "q", "t": "t/Subscriptions/s"} {
		s, r := newSender(t, c, to), newReceiver(t, c, from, nil)
		due := time.Now().Add(delay).Truncate(time.Millisecond)
		send(t, s, at("second", due.Add(delay)), at("first", due))
		numbers, err := s.ScheduleMessages(within(t), []*azservicebus.Message{text("third")}, due.Add(2*delay), nil)
		if err != nil || len(numbers) != 1 {
			t.Fatalf("%s: got numbers %v, error %v", to, numbers, err)
		}
		send(t, s, text("now"), at("long ago", due.Add(-time.Hour)))
		if got := entityStats(t, b, to); got.Scheduled != 3 || got.Sent != 5 {
			t.Errorf("%s: %+v", to, got)
		}
		want := map[string]time.Time{"first": due, "second": due.Add(delay), "third": due.Add(2 * delay)}
		got := receive(t, r, 5)
		if have := bodies(got); fmt.Sprint(have) != "[now long ago first second third]" {
			t.Fatalf("%s: got %v", from, have)
		}
		for i, m := range got {
			if when, ok := want[string(m.Body)]; ok && (m.EnqueuedTime.Before(when) || !m.ScheduledEnqueueTime.Equal(when)) {
				t.Errorf("%s: %s was enqueued at %v, due at %v, told %v", from, m.Body, m.EnqueuedTime, when, m.ScheduledEnqueueTime)
			}
			if i > 0 && *m.SequenceNumber <= *got[i-1].SequenceNumber {
				t.Errorf("%s: sequence number %d after %d", from, *m.SequenceNumber, *got[i-1].SequenceNumber)
			}
		}
	}
}

func TestScheduledDoesNotComeEarly(t *testing.T) {
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	for i := range 20 {
		due := time.Now().Add(time.Duration(5+i) * time.Millisecond)
		send(t, s, at("x", due))
		m := receiveOne(t, r)
		// The wire carries milliseconds.
		if early := due.Truncate(time.Millisecond).Sub(time.Now()); early > 0 {
			t.Errorf("it came %v early", early)
		}
		complete(t, r, m)
	}
}

func TestScheduledFarAhead(t *testing.T) {
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	send(t, s, at("x", time.Now().AddDate(1, 0, 0)))
	receiveNone(t, r)
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 1, Scheduled: 1})
	peeked, err := r.PeekMessages(within(t), 10, nil)
	if err != nil || len(peeked) != 1 || peeked[0].State != azservicebus.MessageStateScheduled {
		t.Errorf("peeked %v, error %v", peeked, err)
	}
}

func TestCancelScheduled(t *testing.T) {
	b := start(t, Options{
		Queues: []Queue{{Name: "q"}},
		Topics: []Topic{{Name: "t", Subscriptions: []Subscription{{Name: "s"}}}},
	})
	c := connect(t, b)
	for to, from := range map[string]string{"q": "q", "t": "t/Subscriptions/s"} {
		s, r := newSender(t, c, to), newReceiver(t, c, from, nil)
		messages := []*azservicebus.Message{text("0"), text("1"), text("2")}
		numbers, err := s.ScheduleMessages(within(t), messages, time.Now().Add(time.Second), nil)
		if err != nil || len(numbers) != 3 {
			t.Fatalf("%s: got numbers %v, error %v", to, numbers, err)
		}
		if err := s.CancelScheduledMessages(within(t), []int64{numbers[0], numbers[2]}, nil); err != nil {
			t.Fatal(err)
		}
		if got := entityStats(t, b, to).Scheduled; got != 1 {
			t.Errorf("%s: %d scheduled messages left", to, got)
		}
		m := receiveOne(t, r)
		if string(m.Body) != "1" {
			t.Errorf("%s: got %q", to, m.Body)
		}
		receiveNone(t, r)
		var missing *azservicebus.Error
		err = s.CancelScheduledMessages(within(t), numbers[1:2], nil)
		if !errors.As(err, &missing) || missing.Code != azservicebus.CodeNotFound {
			t.Errorf("%s: cancel after delivery: %v", to, err)
		}
	}
}

func TestTimeToLive(t *testing.T) {
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: time.Hour}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	m := text("short")
	m.TimeToLive = ptr(delay)
	send(t, s, m)
	// A lock outlasts the time to live.
	got := receiveOne(t, r)
	if got.TimeToLive == nil || *got.TimeToLive != delay {
		t.Errorf("time to live %v", got.TimeToLive)
	}
	send(t, s, m, text("long"))
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 3, Active: 2, Locked: 1})
	if have := receiveOne(t, r); string(have.Body) != "long" {
		t.Errorf("got %q", have.Body)
	}
	if err := r.AbandonMessage(within(t), got, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, b, "q", EntityStats{Kind: "queue", Sent: 3, Active: 1, Locked: 1})
}

func TestDuplicateDetection(t *testing.T) {
	const window = time.Second
	b := start(t, Options{
		Queues: []Queue{{Name: "q", DuplicateDetectionWindow: window}, {Name: "plain"}},
		Topics: []Topic{{Name: "t", DuplicateDetectionWindow: window, Subscriptions: []Subscription{{Name: "s"}}}},
	})
	c := connect(t, b)
	for to, from := range map[string]string{"q": "q", "t": "t/Subscriptions/s"} {
		s, r := newSender(t, c, to), newReceiver(t, c, from, nil)
		same := func(body string) *azservicebus.Message {
			return &azservicebus.Message{Body: []byte(body), MessageID: ptr("same")}
		}
		send(t, s, same("1"))
		// Completing a message does not forget its id.
		complete(t, r, receiveOne(t, r))
		send(t, s, same("2"))
		if _, err := s.ScheduleMessages(within(t), []*azservicebus.Message{same("3")}, time.Now(), nil); err != nil {
			t.Fatal(err)
		}
		receiveNone(t, r)
		if got := entityStats(t, b, to); got.Sent != 1 || got.Duplicates != 2 {
			t.Errorf("%s: %+v", to, got)
		}
		tick := time.NewTicker(window / 4)
		defer tick.Stop()
		deadline := time.After(patience)
		for entityStats(t, b, to).Sent == 1 {
			send(t, s, same("4"))
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("%s: the id is still known after the window", to)
			}
		}
		complete(t, r, receiveOne(t, r))
	}
	s := newSender(t, c, "plain")
	send(t, s, &azservicebus.Message{MessageID: ptr("same")}, &azservicebus.Message{MessageID: ptr("same")}, text("no id"), text("no id"))
	eventually(t, b, "plain", EntityStats{Kind: "queue", Sent: 4, Active: 4})
}
