package logicapp

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/rs/zerolog"

	"airlock/scripts/localazure/logicapp/mailbox"
	"airlock/scripts/localazure/servicebus"
)

const patience = 30 * time.Second

const (
	topic        = "airlock-notifications"
	subscription = topic + "/Subscriptions/mail"
	queue        = "notifications"
)

// bench is a bus, a mailbox and a running app.
type bench struct {
	bus    *servicebus.Broker
	box    *mailbox.Mailbox
	app    *App
	client *azservicebus.Client
	log    *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startBench(t *testing.T, o Options, refuse func(string) bool) *bench {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{log: new(logBuffer)}
	var err error
	b.bus, err = servicebus.Start(t.Context(), servicebus.Options{
		DataFile: filepath.Join(t.TempDir(), "messages"),
		Queues:   []servicebus.Queue{{Name: queue, MaxDeliveryCount: 3}},
		Topics:   []servicebus.Topic{{Name: topic, Subscriptions: []servicebus.Subscription{{Name: "mail", MaxDeliveryCount: 100}}}},
	})
	must(err)
	t.Cleanup(func() {
		if err := b.bus.Stop(); err != nil {
			t.Error(err)
		}
	})
	b.box, err = mailbox.Start(t.Context(), mailbox.Options{Refuse: refuse})
	must(err)
	t.Cleanup(func() {
		if err := b.box.Close(); err != nil {
			t.Error(err)
		}
	})
	o.ConnectionString, o.SMTPAddress, o.Log = b.bus.ConnectionString(), b.box.SMTPAddress(), zerolog.New(b.log)
	b.app, err = Start(t.Context(), o)
	must(err)
	t.Cleanup(func() {
		if err := b.app.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(b.log)
		}
	})
	b.client, err = azservicebus.NewClientFromConnectionString(o.ConnectionString, nil)
	must(err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.client.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) send(t *testing.T, entity string, m *azservicebus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := b.client.NewSender(entity, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(ctx)
	if err := s.SendMessage(ctx, m, nil); err != nil {
		t.Fatal(err)
	}
}

// message is a notice on its way.
func message(id, body string) *azservicebus.Message {
	kind := "application/json"
	return &azservicebus.Message{MessageID: &id, ContentType: &kind, Body: []byte(body), ApplicationProperties: map[string]any{"audience": "requester"}}
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}

func (b *bench) stats(t *testing.T, entity string) servicebus.EntityStats {
	t.Helper()
	all, err := b.bus.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all[entity]
}

func TestTopicToMailbox(t *testing.T) {
	b := startBench(t, notifier(nil), nil)
	const n = 20
	for i := range n {
		body := notice(t, func(data, request map[string]any) {
			request["title"] = fmt.Sprintf("Request %d – über", i)
			data["recipients"] = []string{fmt.Sprintf("r%d@tre.example", i), "second@tre.example"}
		})
		b.send(t, topic, message(fmt.Sprintf("notice-%d", i), body.(string)))
	}
	eventually(t, "all mails", func() bool { return len(b.box.Mails()) == 2*n })
	eventually(t, "an empty subscription", func() bool { return b.stats(t, subscription).Active == 0 })
	if s := b.stats(t, subscription); s.DeadLettered != 0 {
		t.Errorf("%d dead letters", s.DeadLettered)
	}
	seen := map[string]bool{}
	for _, m := range b.box.Mails() {
		if len(m.To) != 1 || m.From != "airlock@tre.example" || m.Text != "" || !strings.Contains(m.HTML, "was submitted.") {
			t.Fatalf("%+v", m)
		}
		seen[m.To[0]+" "+m.Subject] = true
	}
	if len(seen) != 2*n || !seen["r7@tre.example Submitted: Request 7 – über"] {
		t.Errorf("%d different mails: %v", len(seen), seen)
	}
	if strings.Contains(b.log.String(), "@tre.example") || strings.Contains(b.log.String(), "Request 7") {
		t.Error("the log holds an address or a title")
	}
}

// A mail server that is away delays a mail and loses none.
func TestMailServerAway(t *testing.T) {
	o := notifier(nil)
	waits := make(chan struct{})
	var once sync.Once
	o.Wait = func(context.Context, time.Duration) error { once.Do(func() { close(waits) }); return nil }
	b := startBench(t, o, nil)
	address := b.box.SMTPAddress()
	if err := b.box.Close(); err != nil {
		t.Fatal(err)
	}
	b.send(t, topic, message("late", notice(t, func(map[string]any, map[string]any) {}).(string)))
	select {
	case <-waits:
	case <-time.After(patience):
		t.Fatal("the run did not notice")
	}
	box, err := mailbox.Start(t.Context(), mailbox.Options{SMTPAddress: address})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	eventually(t, "the mail", func() bool { return len(box.Mails()) == 1 })
	eventually(t, "a settled message", func() bool { return b.stats(t, subscription).Active == 0 })
	if n := len(box.Mails()); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// A bus that is killed loses no notice, and the app finds it again by itself.
func TestBusAway(t *testing.T) {
	b := startBench(t, notifier(nil), nil)
	body := notice(t, func(map[string]any, map[string]any) {}).(string)
	b.send(t, topic, message("before", body))
	eventually(t, "the first mail", func() bool { return len(b.box.Mails()) == 1 && b.stats(t, subscription).Active == 0 })
	b.bus.Kill()
	eventually(t, "the loss in the log", func() bool { return strings.Contains(b.log.String(), "the service bus does not answer") })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.bus.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	b.send(t, topic, message("after", body))
	eventually(t, "the second mail", func() bool { return len(b.box.Mails()) == 2 })
	eventually(t, "the return in the log", func() bool { return strings.Contains(b.log.String(), "the service bus answers again") })
}

// What cannot be delivered goes to the dead-letter queue with the reason, and the people who were reached hear it once.
func TestDeadLetters(t *testing.T) {
	b := startBench(t, notifier(nil), func(to string) bool { return to == "gone@tre.example" })
	b.send(t, topic, message("partly", notice(t, func(data, _ map[string]any) {
		data["recipients"] = []string{"here@tre.example", "gone@tre.example"}
	}).(string)))
	b.send(t, topic, message("noise", "no notice"))
	eventually(t, "two dead letters", func() bool { return b.stats(t, subscription).DeadLettered == 2 })
	r, err := b.client.NewReceiverForSubscription(topic, "mail", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	defer r.Close(ctx)
	var reasons []string
	for len(reasons) < 2 {
		list, err := r.ReceiveMessages(ctx, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			reasons = append(reasons, m.MessageID+" "+*m.DeadLetterReason)
			if strings.Contains(*m.DeadLetterErrorDescription, "tre.example") {
				t.Errorf("%q holds an address", *m.DeadLetterErrorDescription)
			}
		}
	}
	slices.Sort(reasons)
	if !slices.Equal(reasons, []string{"noise NotANotice", "partly PartlySent"}) {
		t.Errorf("reasons %v", reasons)
	}
	if mails := b.box.Mails(); len(mails) != 1 || mails[0].To[0] != "here@tre.example" {
		t.Errorf("mails %+v", mails)
	}
}

// A workflow that does not settle: the app completes after success, also a cancelled run, and abandons after failure.
func TestQueueOfTheIncumbent(t *testing.T) {
	b := startBench(t, incumbent(), func(to string) bool { return to == "mara@tre.example" })
	edit := func(status string) string {
		return notice(t, func(_, request map[string]any) { request["status"] = status }).(string)
	}
	b.send(t, queue, message("good", edit("approved")))
	b.send(t, queue, message("nothing", edit("failed")))
	b.send(t, queue, message("bad", edit("in_review")))
	eventually(t, "an empty queue", func() bool {
		s := b.stats(t, queue)
		return s.Active == 0 && s.DeadLettered == 1
	})
	if mails := b.box.Mails(); len(mails) != 1 || mails[0].To[0] != "rita@tre.example" {
		t.Errorf("mails %+v", mails)
	}
	eventually(t, "five runs in the log", func() bool { return strings.Count(b.log.String(), `"message":"run"`) == 5 })
}

// A stop in the middle of a run gives the message back.
func TestStopGivesMessagesBack(t *testing.T) {
	o := notifier(nil)
	waiting := make(chan struct{})
	o.Wait = func(ctx context.Context, _ time.Duration) error {
		close(waiting)
		<-ctx.Done()
		return ctx.Err()
	}
	b := startBench(t, o, func(string) bool { return true })
	b.send(t, topic, message("held", notice(t, func(map[string]any, map[string]any) {}).(string)))
	select {
	case <-waiting:
	case <-time.After(patience):
		t.Fatal("no run")
	}
	b.app.stop()
	eventually(t, "the message given back", func() bool {
		s := b.stats(t, subscription)
		return s.Active == 1 && s.Locked == 0
	})
}

func TestMailsOverSMTP(t *testing.T) {
	box, err := mailbox.Start(t.Context(), mailbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	a := &App{options: Options{SMTPAddress: box.SMTPAddress(), Now: time.Now}}
	send := func(p map[string]any) error {
		_, err := a.sendEmail(t.Context(), p)
		return err
	}
	subjects := []string{"plain", "=?utf-8?B?bm8=?=", strings.Repeat("ü", 180), "a\r\nBcc: x@tre.example", ""}
	for _, s := range subjects {
		if err := send(map[string]any{"from": "Airlock <f@tre.example>", "to": "a@tre.example; b@tre.example", "bcc": "c@tre.example", "subject": s, "body": "line\r\n.\r\nö"}); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		m := box.Mails()[len(box.Mails())-1]
		if m.Subject != s || m.Text != "line\n.\nö" || !slices.Equal(m.To, []string{"a@tre.example", "b@tre.example", "c@tre.example"}) {
			t.Errorf("%q arrived as %+v", s, m)
		}
	}
	for name, p := range map[string]map[string]any{
		"nobody":            {"from": "f@tre.example", "to": ""},
		"malformed":         {"from": "f@tre.example", "to": "a b c"},
		"a break":           {"from": "f@tre.example", "to": "a@tre.example\r\nBcc: x@tre.example"},
		"two senders":       {"from": "f@tre.example;g@tre.example", "to": "a@tre.example"},
		"not a string":      {"from": "f@tre.example", "to": []any{"a@tre.example"}},
		"unknown parameter": {"from": "f@tre.example", "to": "a@tre.example", "attachment": []any{}},
	} {
		if err := send(p); err == nil || strings.Contains(err.Error(), "tre.example") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(box.Mails()); n != len(subjects) {
		t.Errorf("%d mails", n)
	}
}

// A server that takes the connection and says nothing must not hold a run for ever.
func TestSilentMailServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := &App{options: Options{SMTPAddress: l.Addr().String(), Now: time.Now}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.sendEmail(ctx, map[string]any{"from": "f@tre.example", "to": "a@tre.example", "subject": "s", "body": "b"}); err == nil {
		t.Error("the mail was sent to nobody")
	}
}
