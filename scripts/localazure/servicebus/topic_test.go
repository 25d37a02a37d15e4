package servicebus

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestTopicFilters(t *testing.T) {
	t.Parallel()
	filters := map[string]*CorrelationFilter{
		"all":     nil,
		"empty":   {},
		"event":   {Properties: map[string]string{"event": "approved"}},
		"both":    {Properties: map[string]string{"event": "approved", "workspace": "w1"}},
		"subject": {Subject: "hello"},
		"mixed":   {Subject: "hello", CorrelationID: "c", MessageID: "m", To: "to", ReplyTo: "r", ContentType: "text/plain", Properties: map[string]string{"event": "approved"}},
	}
	messages := map[string]*azservicebus.Message{
		"none":       {},
		"approved":   {ApplicationProperties: map[string]any{"event": "approved"}},
		"case":       {ApplicationProperties: map[string]any{"event": "Approved"}},
		"not string": {ApplicationProperties: map[string]any{"event": int32(1)}},
		"w1":         {ApplicationProperties: map[string]any{"event": "approved", "workspace": "w1", "more": true}},
		"hello":      {Subject: ptr("hello")},
		"everything": {
			Subject: ptr("hello"), CorrelationID: ptr("c"), MessageID: ptr("m"), To: ptr("to"), ReplyTo: ptr("r"), ContentType: ptr("text/plain"),
			ApplicationProperties: map[string]any{"event": "approved"},
		},
	}
	want := map[string][]string{
		"all":     {"none", "approved", "case", "not string", "w1", "hello", "everything"},
		"empty":   {"none", "approved", "case", "not string", "w1", "hello", "everything"},
		"event":   {"approved", "w1", "everything"},
		"both":    {"w1"},
		"subject": {"hello", "everything"},
		"mixed":   {"everything"},
	}
	topic := Topic{Name: "t"}
	for name, filter := range filters {
		topic.Subscriptions = append(topic.Subscriptions, Subscription{Name: name, Filter: filter})
	}
	b := start(t, Options{Topics: []Topic{topic, {Name: "nobody"}}})
	c := connect(t, b)
	s := newSender(t, c, "t")
	for _, name := range want["all"] {
		messages[name].Body = []byte(name)
		send(t, s, messages[name])
	}
	for name := range filters {
		path := "t/Subscriptions/" + name
		r := newReceiver(t, c, path, nil)
		got := receive(t, r, len(want[name]))
		if have := bodies(got); fmt.Sprint(have) != fmt.Sprint(want[name]) {
			t.Errorf("%s: got %v, want %v", name, have, want[name])
		}
		complete(t, r, got...)
		eventually(t, b, path, EntityStats{Kind: "subscription", Sent: len(want[name])})
	}
	send(t, newSender(t, c, "nobody"), text("x"))
	eventually(t, b, "nobody", EntityStats{Kind: "topic", Sent: 1})
}

// The copies of a message lead lives of their own.
func TestSubscriptionsAreIndependent(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Topics: []Topic{{Name: "t", Subscriptions: []Subscription{{Name: "a"}, {Name: "b"}}}}})
	c := connect(t, b)
	s := newSender(t, c, "t")
	send(t, s, text("x"), text("y"))
	first, second := newReceiver(t, c, "t/Subscriptions/a", nil), newReceiver(t, c, "t/Subscriptions/b", nil)
	complete(t, first, receive(t, first, 2)...)
	got := receive(t, second, 2)
	if *got[1].EnqueuedSequenceNumber != 2 {
		t.Errorf("sequence number in the topic: %d", *got[1].EnqueuedSequenceNumber)
	}
	if err := second.DeadLetterMessage(within(t), got[0], nil); err != nil {
		t.Fatal(err)
	}
	if err := second.AbandonMessage(within(t), got[1], nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, b, "t/Subscriptions/a", EntityStats{Kind: "subscription", Sent: 2})
	eventually(t, b, "t/Subscriptions/b", EntityStats{Kind: "subscription", Sent: 2, Active: 1, DeadLettered: 1})
	eventually(t, b, "t", EntityStats{Kind: "topic", Sent: 2})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	b := start(t, Options{
		Queues: []Queue{{Name: "q"}},
		Topics: []Topic{{Name: "t", Subscriptions: []Subscription{{Name: "s"}}}},
	})
	c := connect(t, b)
	const notFound, notAllowed = "amqp:not-found", "amqp:not-allowed"
	for path, want := range map[string]string{"q": "", "T": "", "x": notFound, "t/Subscriptions/s": notAllowed, "q/$deadletterqueue": notAllowed} {
		err := newSender(t, c, path).SendMessage(within(t), text("x"), nil)
		checkCondition(t, "send to "+path, err, want)
	}
	for path, want := range map[string]string{"Q": "", "t/Subscriptions/S": "", "x": notFound, "t": notAllowed, "t/Subscriptions/x": notFound} {
		_, err := newReceiver(t, c, path, nil).PeekMessages(within(t), 1, nil)
		checkCondition(t, "receive from "+path, err, want)
	}
}

func checkCondition(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: got %v, want condition %q", what, err, want)
	}
}

func TestWrongKey(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}})
	for _, auth := range []string{
		"SharedAccessKeyName=" + keyName + ";SharedAccessKey=wrong",
		"SharedAccessKeyName=Other;SharedAccessKey=" + key,
		"SharedAccessSignature=SharedAccessSignature sr=x&sig=eA%3D%3D&se=9999999999&skn=" + keyName,
		"SharedAccessSignature=SharedAccessSignature sr=x&sig=%zz&se=9999999999&skn=" + keyName,
		"SharedAccessSignature=nothing",
	} {
		endpoint := fmt.Sprintf("Endpoint=sb://127.0.0.1:%d;UseDevelopmentEmulator=true;", b.port)
		c, err := azservicebus.NewClientFromConnectionString(endpoint+auth, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = newSender(t, c, "q").SendMessage(within(t), text("x"), nil)
		var refused *azservicebus.Error
		if !errors.As(err, &refused) || refused.Code != azservicebus.CodeUnauthorizedAccess {
			t.Errorf("%s: got %v", auth, err)
		}
		if err := c.Close(within(t)); err != nil {
			t.Error(err)
		}
	}
	if got := entityStats(t, b, "q"); got.Sent != 0 {
		t.Errorf("%+v", got)
	}
}

// A topic that takes nothing loses nothing that it has, and is as before afterwards, for the same sender.
func TestSendDisabled(t *testing.T) {
	t.Parallel()
	b := start(t, Options{Queues: []Queue{{Name: "q"}}, Topics: []Topic{{Name: "t", Subscriptions: []Subscription{{Name: "a"}}}}})
	c := connect(t, b)
	s := newSender(t, c, "t")
	send(t, s, text("before"))
	if err := b.SetSendDisabled(within(t), "T", true); err != nil {
		t.Fatal(err)
	}
	for name, sender := range map[string]*azservicebus.Sender{"open": s, "new": newSender(t, c, "t")} {
		if err := sender.SendMessage(within(t), text("refused"), nil); err == nil || !strings.Contains(err.Error(), "entity-disabled") {
			t.Errorf("%s link: %v", name, err)
		}
	}
	send(t, newSender(t, c, "q"), text("elsewhere"))
	r := newReceiver(t, c, "t/Subscriptions/a", nil)
	complete(t, r, receive(t, r, 1)...)
	if err := b.SetSendDisabled(within(t), "t", false); err != nil {
		t.Fatal(err)
	}
	send(t, s, text("after"))
	got := receive(t, r, 1)
	if fmt.Sprint(bodies(got)) != "[after]" {
		t.Errorf("got %v", bodies(got))
	}
	complete(t, r, got...)
	if err := b.SetSendDisabled(within(t), "nothing", true); err == nil {
		t.Error("a topic that does not exist was disabled")
	}
}
