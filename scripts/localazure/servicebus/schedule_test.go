package servicebus

import (
	"errors"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func at(body string, when time.Time) *azservicebus.Message {
	return &azservicebus.Message{Body: []byte(body), ScheduledEnqueueTime: &when}
}

func TestScheduled(t *testing.T) {
	t.Parallel()
	b := start(t, Options{
		Queues: []Queue{{Name: "q"}},
		Topics: []Topic{{Name: "t", Subscriptions: []Subscription{{Name: "s"}}}},
	})
	c := connect(t, b)
	for to, from := range map[string]string{"q": "q", "t": "t/Subscriptions/s"} {
		s, r := newSender(t, c, to), newReceiver(t, c, from, nil)
		begin := time.Now().Truncate(time.Millisecond) // the wire carries milliseconds
		due := map[string]time.Time{
			"past": begin.Add(-time.Hour), "1": begin.Add(250 * time.Millisecond), "2": begin.Add(500 * time.Millisecond), "3": begin.Add(750 * time.Millisecond),
		}
		send(t, s, at("2", due["2"]), at("1", due["1"]))
		numbers, err := s.ScheduleMessages(within(t), []*azservicebus.Message{text("3")}, due["3"], nil)
		if err != nil || len(numbers) != 1 {
			t.Fatalf("%s: got numbers %v, error %v", to, numbers, err)
		}
		send(t, s, at("past", due["past"]))
		got := receive(t, r, len(due))
		for i, m := range got {
			when := due[string(m.Body)]
			if m.EnqueuedTime.Before(when) || m.EnqueuedTime.Before(begin) || !m.ScheduledEnqueueTime.Equal(when) {
				t.Errorf("%s: %q was enqueued at %v, due at %v, told %v", from, m.Body, m.EnqueuedTime, when, m.ScheduledEnqueueTime)
			}
			if i > 0 && (*m.SequenceNumber <= *got[i-1].SequenceNumber || m.EnqueuedTime.Before(*got[i-1].EnqueuedTime)) {
				t.Errorf("%s: %q came after %q", from, m.Body, got[i-1].Body)
			}
			delete(due, string(m.Body))
		}
		if len(due) > 0 {
			t.Errorf("%s: %v did not come", from, due)
		}
	}
}

func TestScheduledDoesNotComeEarly(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	for i := range 20 {
		due := time.Now().Add(time.Duration(5+i) * time.Millisecond)
		send(t, s, at("x", due))
		m := receiveOne(t, r)
		// The wire carries milliseconds.
		if early := time.Until(due.Truncate(time.Millisecond)); early > 0 {
			t.Errorf("it came %v early", early)
		}
		complete(t, r, m)
	}
}

func TestScheduledFarAhead(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	b := start(t, Options{
		Queues: []Queue{{Name: "q"}},
		Topics: []Topic{{Name: "t", Subscriptions: []Subscription{{Name: "s"}}}},
	})
	c := connect(t, b)
	for to, from := range map[string]string{"q": "q", "t": "t/Subscriptions/s"} {
		s, r := newSender(t, c, to), newReceiver(t, c, from, nil)
		messages := []*azservicebus.Message{text("0"), text("1"), text("2")}
		numbers, err := s.ScheduleMessages(within(t), messages, time.Now().Add(time.Hour), nil)
		if err != nil || len(numbers) != 3 {
			t.Fatalf("%s: got numbers %v, error %v", to, numbers, err)
		}
		if err := s.CancelScheduledMessages(within(t), []int64{numbers[0], numbers[2]}, nil); err != nil {
			t.Fatal(err)
		}
		if got := entityStats(t, b, to).Scheduled; got != 1 {
			t.Errorf("%s: %d scheduled messages left", to, got)
		}
		due, err := s.ScheduleMessages(within(t), []*azservicebus.Message{text("due")}, time.Now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		complete(t, r, receiveOne(t, r))
		// A message that is cancelled, or no longer scheduled, cannot be cancelled.
		for _, gone := range [][]int64{numbers[:1], due} {
			var missing *azservicebus.Error
			err := s.CancelScheduledMessages(within(t), gone, nil)
			if !errors.As(err, &missing) || missing.Code != azservicebus.CodeNotFound {
				t.Errorf("%s: cancel %v: %v", to, gone, err)
			}
		}
	}
}

func TestTimeToLive(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	b := start(t, Options{Queues: []Queue{{Name: "q", LockDuration: time.Hour}}})
	c := connect(t, b)
	s, r := newSender(t, c, "q"), newReceiver(t, c, "q", nil)
	m := text("short")
	m.TimeToLive = ptr(ttl)
	send(t, s, m)
	// A lock outlasts the time to live.
	got := receiveOne(t, r)
	if got.TimeToLive == nil || *got.TimeToLive != ttl {
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
	t.Parallel()
	b := start(t, Options{
		Queues: []Queue{{Name: "q", DuplicateDetectionWindow: time.Hour}, {Name: "plain"}},
		Topics: []Topic{{Name: "t", DuplicateDetectionWindow: time.Hour, Subscriptions: []Subscription{{Name: "s"}}}},
	})
	c := connect(t, b)
	for to, from := range map[string]string{"q": "q", "t": "t/Subscriptions/s"} {
		s, r := newSender(t, c, to), newReceiver(t, c, from, nil)
		send(t, s, withID("same"))
		// Completing a message does not forget its id.
		complete(t, r, receiveOne(t, r))
		send(t, s, withID("same"), withID("other"))
		if _, err := s.ScheduleMessages(within(t), []*azservicebus.Message{withID("same")}, time.Now(), nil); err != nil {
			t.Fatal(err)
		}
		if m := receiveOne(t, r); m.MessageID != "other" {
			t.Errorf("%s: got %q", from, m.MessageID)
		}
		if got := entityStats(t, b, to); got.Sent != 2 || got.Duplicates != 2 || got.Scheduled != 0 {
			t.Errorf("%s: %+v", to, got)
		}
	}
	send(t, newSender(t, c, "plain"), withID("same"), withID("same"), text("no id"), text("no id"))
	eventually(t, b, "plain", EntityStats{Kind: "queue", Sent: 4, Active: 4})
}

func TestDuplicateDetectionWindowEnds(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q", DuplicateDetectionWindow: 200 * time.Millisecond}}})
	c := connect(t, b)
	s := newSender(t, c, "q")
	begin := time.Now()
	for entityStats(t, b, "q").Sent < 2 {
		if time.Since(begin) > patience {
			t.Fatal("the id is still known after the window")
		}
		send(t, s, withID("same"))
	}
	got := receive(t, newReceiver(t, c, "q", nil), 2)
	// The window begins when the id is noted, a moment before the message's own time. Times are in whole milliseconds.
	if d := got[1].EnqueuedTime.Sub(begin.Truncate(time.Millisecond)); d < 200*time.Millisecond {
		t.Errorf("the id was forgotten after %v", d)
	}
}

func withID(id string) *azservicebus.Message { return &azservicebus.Message{MessageID: &id} }
