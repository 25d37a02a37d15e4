package watch_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"airlock/scripts/localazure/servicebus"
	"airlock/scripts/watch"
)

const (
	topic    = "t"
	path     = topic + "/Subscriptions/s"
	patience = 30 * time.Second
)

// bench is a topic with one subscriber, that notes what it heard.
type bench struct {
	t      *testing.T
	broker *servicebus.Broker
	client *azservicebus.Client

	mu       sync.Mutex
	heard    []string
	refuse   map[string]int // how often a notice is not taken
	problems []error
}

func start(t *testing.T) *bench {
	t.Helper()
	broker, err := servicebus.Start(t.Context(), servicebus.Options{
		DataFile: filepath.Join(t.TempDir(), "messages"),
		Topics:   []servicebus.Topic{{Name: topic, Subscriptions: []servicebus.Subscription{{Name: "s", MaxDeliveryCount: 10}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Stop(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{t: t, broker: broker, refuse: map[string]int{}}
	if b.client, err = azservicebus.NewClientFromConnectionString(broker.ConnectionString(), nil); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &watch.Subscriber{Client: b.client, Topic: topic, Subscription: "s", Heard: b.hear, Problem: b.problem}
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		closing, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.client.Close(closing); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) hear(_ context.Context, n watch.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse[n.ID] > 0 {
		b.refuse[n.ID]--
		return errors.New("not now")
	}
	b.heard = append(b.heard, n.ID+" "+n.What())
	return nil
}

func (b *bench) problem(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, err)
}

func (b *bench) send(bodies ...string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	sender, err := b.client.NewSender(topic, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer sender.Close(ctx)
	for _, body := range bodies {
		if err := sender.SendMessage(ctx, &azservicebus.Message{Body: []byte(body), ContentType: to.Ptr("application/json")}, nil); err != nil {
			b.t.Fatal(err)
		}
	}
}

// hears waits until nothing is left to hear, and compares.
func (b *bench) hears(deadLetters int, want ...string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		stats, err := b.broker.Stats(ctx)
		b.mu.Lock()
		heard := slices.Clone(b.heard)
		b.mu.Unlock()
		if err == nil && stats[path].Active == 0 && len(heard) >= len(want) {
			if !slices.Equal(heard, want) || stats[path].DeadLettered != deadLetters {
				b.t.Errorf("heard %v, %d dead letters; want %v, %d", heard, stats[path].DeadLettered, want, deadLetters)
			}
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("heard %v, want %v; %+v, problems %v", heard, want, stats[path], b.problems)
		}
	}
}

func notice(id, status string) string {
	return fmt.Sprintf(`{"id":%q,"eventTime":"2026-01-02T03:04:05Z","data":{"event_type":"status_changed","request":{"status":%q}}}`, id, status)
}

func TestEachIsHeardOnceInOrder(t *testing.T) {
	b := start(t)
	b.send(notice("1", "draft"), notice("2", "submitted"), notice("1", "draft"), `{"id":"3","data":{"event_type":"review_reminder"}}`, notice("2", "submitted"))
	b.hears(0, "1 draft", "2 submitted", "3 review_reminder")
}

func TestWhatIsNotTakenComesAgain(t *testing.T) {
	b := start(t)
	b.refuse["1"] = 2
	b.send(notice("1", "draft"))
	b.hears(0, "1 draft")
	if !slices.ContainsFunc(b.problems, func(err error) bool { return strings.Contains(err.Error(), "notice 1: not now") }) {
		t.Errorf("problems: %v", b.problems)
	}
}

func TestWhatIsNoNoticeIsPutAside(t *testing.T) {
	b := start(t)
	b.send("", "hello", "[]", `{"id":7}`, `{"data":{}}`, notice("1", "draft"))
	b.hears(5, "1 draft")
}

func TestABusThatWasAway(t *testing.T) {
	b := start(t)
	b.send(notice("1", "draft"))
	b.hears(0, "1 draft")
	b.broker.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.broker.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	b.send(notice("2", "submitted"), notice("1", "draft"))
	b.hears(0, "1 draft", "2 submitted")
}
