package funchost

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"airlock/scripts/localazure/servicebus"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// busApp is an app with a function on queue q, on a real broker with short locks.
type busApp struct {
	*app
	broker *servicebus.Broker
	sender *azservicebus.Sender
}

func newBusApp(t *testing.T, dataType string, hostJSON map[string]any) *busApp {
	t.Helper()
	broker, err := servicebus.Start(t.Context(), servicebus.Options{
		Queues: []servicebus.Queue{{Name: "q", MaxDeliveryCount: 3, LockDuration: time.Second}},
		Topics: []servicebus.Topic{{Name: "t", Subscriptions: []servicebus.Subscription{{Name: "s", MaxDeliveryCount: 3}}}},

		DataFile: filepath.Join(t.TempDir(), "messages"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Stop(); err != nil {
			t.Error(err)
		}
	})
	a := newApp(t, map[string]string{
		"StatusChanged": busBinding(dataType),
		"Notified": `{"type":"serviceBusTrigger","direction":"in","name":"m","topicName":"t","subscriptionName":"s",` +
			`"connection":"ServiceBus","cardinality":"one","dataType":"string"}`,
	}, hostJSON)
	a.opts.Env = append(a.opts.Env, "QUEUE=q", "ServiceBus="+broker.ConnectionString())
	a.opts.RestartLimit = 1000
	return &busApp{app: a, broker: broker, sender: newSender(t, broker, "q")}
}

func newSender(t *testing.T, broker *servicebus.Broker, entity string) *azservicebus.Sender {
	t.Helper()
	client, err := azservicebus.NewClientFromConnectionString(broker.ConnectionString(), &azservicebus.ClientOptions{
		RetryOptions: azservicebus.RetryOptions{MaxRetries: 50, RetryDelay: 20 * time.Millisecond, MaxRetryDelay: 200 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := client.Close(ctx); err != nil {
			t.Logf("close client: %v", err)
		}
	})
	sender, err := client.NewSender(entity, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

func send(t *testing.T, s *azservicebus.Sender, m *azservicebus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.SendMessage(ctx, m, nil); err != nil {
		t.Fatal(err)
	}
}

// queue waits until the queue's counts are as wanted.
func (b *busApp) queue(what string, holds func(servicebus.EntityStats) bool) {
	b.t.Helper()
	eventually(b.t, what, func() bool {
		stats, err := b.broker.Stats(b.t.Context())
		return err == nil && holds(stats["q"])
	})
}

func empty(s servicebus.EntityStats) bool {
	return s.Active == 0 && s.Locked == 0 && s.DeadLettered == 0
}

func TestMessageArrivesAndIsCompleted(t *testing.T) {
	b := newBusApp(t, dataBinary, nil)
	h := b.start()
	body := []byte(`{"DeliveryCount":99,"x":"` + "\xff" + `"}`) // not even UTF-8
	send(t, b.sender, &azservicebus.Message{
		Body: body, MessageID: to.Ptr("m-1"), Subject: to.Ptr("status"), ContentType: to.Ptr("application/json"),
		CorrelationID: to.Ptr("c-1"), ApplicationProperties: map[string]any{"schema": int64(1)},
	})
	b.queue("an empty queue", func(s servicebus.EntityStats) bool { return s.Sent == 1 && empty(s) })
	calls := b.got("/StatusChanged")
	if len(calls) != 1 {
		t.Fatalf("%d calls, want 1", len(calls))
	}
	data, meta := envelopeOf(t, calls[0])
	var got []byte
	if err := json.Unmarshal(data["message"], &got); err != nil || string(got) != string(body) {
		t.Errorf("message is %s, want base64 of the body: %v", data["message"], err)
	}
	for name, want := range map[string]string{
		"DeliveryCount": `"1"`, "MessageId": `"\"m-1\""`, "Subject": `"\"status\""`, "Label": `"\"status\""`,
		"ContentType": `"\"application/json\""`, "CorrelationId": `"\"c-1\""`, "ApplicationProperties": `{"schema":1}`,
	} {
		if string(meta[name]) != want {
			t.Errorf("%s is %s, want %s", name, meta[name], want)
		}
	}
	if _, err := time.Parse(`"`+dateTime+`"`, string(meta["EnqueuedTimeUtc"])); err != nil {
		t.Errorf("EnqueuedTimeUtc is %s: %v", meta["EnqueuedTimeUtc"], err)
	}
	checkSystem(t, "StatusChanged", meta["sys"])
	if s := h.Stats()["StatusChanged"]; s.Invocations != 1 || s.Failures != 0 {
		t.Errorf("stats are %+v", s)
	}
}

func TestSubscriptionAndPollution(t *testing.T) {
	b := newBusApp(t, dataBinary, nil)
	b.start()
	send(t, newSender(t, b.broker, "t"), &azservicebus.Message{Body: []byte(`{"messageId":"spoof","id":7}`), MessageID: to.Ptr("true")})
	eventually(t, "the message", func() bool { return len(b.got("/Notified")) == 1 })
	data, meta := envelopeOf(t, b.got("/Notified")[0])
	if got := string(data["m"]); got != `"\"{\\\"messageId\\\":\\\"spoof\\\",\\\"id\\\":7}\""` {
		t.Errorf("data is %s", got)
	}
	if string(meta["MessageId"]) != `"\"spoof\""` || string(meta["id"]) != `"\"7\""` {
		t.Errorf("MessageId is %s, id %s", meta["MessageId"], meta["id"])
	}
}

func TestFailedMessageIsDeadLettered(t *testing.T) {
	b := newBusApp(t, dataBinary, nil)
	b.reply(func(c call) reply {
		if len(b.got("/StatusChanged"))%2 == 0 {
			return reply{Status: 200, ContentType: "text/plain", Body: "{}"} // as wrong as 500
		}
		return reply{Status: 500, ContentType: "application/json", Body: "{}"}
	})
	b.start()
	send(t, b.sender, &azservicebus.Message{Body: []byte("x")})
	b.queue("a dead letter", func(s servicebus.EntityStats) bool { return s.DeadLettered == 1 && s.Active == 0 })
	calls := b.got("/StatusChanged")
	if len(calls) != 3 {
		t.Fatalf("%d calls, want one per delivery that the queue allows", len(calls))
	}
	for i, c := range calls {
		if _, meta := envelopeOf(t, c); string(meta["DeliveryCount"]) != fmt.Sprintf(`"%d"`, i+1) {
			t.Errorf("call %d has DeliveryCount %s", i+1, meta["DeliveryCount"])
		}
	}
}

// A message whose handling takes longer than its lock is renewed and comes only once.
func TestSlowMessageKeepsItsLock(t *testing.T) {
	b := newBusApp(t, dataBinary, nil)
	b.reply(func(call) reply {
		<-time.After(2500 * time.Millisecond) // locks last one second
		return done()
	})
	b.start()
	send(t, b.sender, &azservicebus.Message{Body: []byte("x")})
	b.queue("an empty queue", func(s servicebus.EntityStats) bool { return s.Sent == 1 && empty(s) })
	if n := len(b.got("/StatusChanged")); n != 1 {
		t.Errorf("%d deliveries, want 1", n)
	}
}

// Crashes of the handler, the broker or both cost no message.
func TestNothingIsLostInCrashes(t *testing.T) {
	tests := []struct {
		name  string
		crash func(*busApp, *Host) error
	}{
		{"handler", func(_ *busApp, h *Host) error { h.Kill(); return nil }},
		{"broker", func(b *busApp, _ *Host) error { b.broker.Kill(); return b.broker.Restart(b.t.Context()) }},
		{"both", func(b *busApp, h *Host) error { b.broker.Kill(); h.Kill(); return b.broker.Restart(b.t.Context()) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBusApp(t, dataBinary, map[string]any{
				"extensions": map[string]any{"serviceBus": map[string]any{"maxConcurrentCalls": 2}},
			})
			entered, release := make(chan struct{}, 100), make(chan struct{})
			b.reply(func(call) reply {
				entered <- struct{}{}
				<-release
				return done()
			})
			h := b.start()
			for i := range 5 {
				send(t, b.sender, &azservicebus.Message{Body: fmt.Appendf(nil, "%d", i)})
			}
			for range 2 {
				select {
				case <-entered:
				case <-time.After(patience):
					t.Fatal("the messages do not come")
				}
			}
			if err := tt.crash(b, h); err != nil {
				t.Fatal(err)
			}
			close(release)
			b.queue("an empty queue", func(s servicebus.EntityStats) bool { return s.Sent == 5 && empty(s) })
			seen := map[string]bool{}
			for _, c := range b.got("/StatusChanged") {
				data, _ := envelopeOf(t, c)
				seen[string(data["message"])] = true
			}
			if len(seen) != 5 {
				t.Errorf("%d different messages were handled, want 5", len(seen))
			}
		})
	}
}

// The broker may come later than the host.
func TestHostWaitsForTheBroker(t *testing.T) {
	b := newBusApp(t, dataBinary, nil)
	send(t, b.sender, &azservicebus.Message{Body: []byte("x")})
	b.broker.Kill()
	b.start()
	eventually(t, "an attempt", func() bool { return strings.Contains(b.log.String(), "cannot receive") })
	if err := b.broker.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.queue("an empty queue", func(s servicebus.EntityStats) bool { return s.Sent == 1 && empty(s) })
	if strings.Contains(b.log.String(), "SharedAccessKey") {
		t.Error("the log tells the connection string")
	}
}

// Stop gives back what the handler had in hand, and another host gets it.
func TestStopGivesMessagesBack(t *testing.T) {
	b := newBusApp(t, dataBinary, nil)
	entered, release := make(chan struct{}, 10), make(chan struct{})
	b.reply(func(call) reply {
		entered <- struct{}{}
		<-release
		return done()
	})
	h := b.start()
	send(t, b.sender, &azservicebus.Message{Body: []byte("x")})
	<-entered
	h.Stop()
	b.queue("the message back in the queue", func(s servicebus.EntityStats) bool { return s.Active == 1 && s.Locked == 0 })
	close(release)
	b.start()
	b.queue("an empty queue", func(s servicebus.EntityStats) bool { return s.Sent == 1 && empty(s) })
	if n := len(b.got("/StatusChanged")); n != 2 {
		t.Errorf("%d deliveries, want 2", n)
	}
}

func TestMalformedConnectionString(t *testing.T) {
	a := newApp(t, map[string]string{"F": busBinding("binary")}, nil)
	a.opts.Env = append(a.opts.Env, "QUEUE=q", "ServiceBus=Endpoint=nonsense;SharedAccessKey=sesame")
	h, err := Start(t.Context(), a.opts)
	if err == nil {
		h.Stop()
		t.Fatal("the host started")
	}
	if !strings.Contains(err.Error(), "connection string") || strings.Contains(err.Error(), "sesame") {
		t.Errorf("error is %v", err)
	}
}
