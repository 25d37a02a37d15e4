package funchost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/rs/zerolog"
)

// broker is a queue in memory, with the locks and nothing else of a real one.
type broker struct {
	lock time.Duration

	mu      sync.Mutex
	ready   []*azservicebus.ReceivedMessage
	locked  map[string]time.Time
	log     []string
	away    bool
	arrived chan struct{}
}

func newBroker(ids ...string) *broker {
	b := &broker{lock: time.Minute, locked: map[string]time.Time{}, arrived: make(chan struct{}, 100)}
	for _, id := range ids {
		b.send(id)
	}
	return b
}

func (b *broker) send(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = append(b.ready, &azservicebus.ReceivedMessage{MessageID: id})
	b.arrived <- struct{}{}
}

func (b *broker) note(format string, args ...any) {
	b.log = append(b.log, fmt.Sprintf(format, args...))
}

func (b *broker) setAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
	b.arrived <- struct{}{}
}

// notes are what happened, without order.
func (b *broker) notes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(slices.Values(b.log))
}

var errAway = errors.New("the broker is away")

func (b *broker) ReceiveMessages(ctx context.Context, n int, _ *azservicebus.ReceiveMessagesOptions) ([]*azservicebus.ReceivedMessage, error) {
	for {
		b.mu.Lock()
		if b.away {
			b.mu.Unlock()
			return nil, errAway
		}
		if len(b.ready) > 0 {
			out := slices.Clone(b.ready[:min(n, len(b.ready))])
			b.ready = b.ready[len(out):]
			for _, m := range out {
				until := time.Now().Add(b.lock)
				m.DeliveryCount++
				m.LockedUntil = &until
				b.locked[m.MessageID] = until
			}
			b.mu.Unlock()
			return out, nil
		}
		b.mu.Unlock()
		select {
		case <-b.arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *broker) settle(m *azservicebus.ReceivedMessage, verb string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	until, ok := b.locked[m.MessageID]
	if !ok || time.Now().After(until) {
		b.note("%s %s: lock lost", verb, m.MessageID)
		return errors.New("lock lost")
	}
	delete(b.locked, m.MessageID)
	b.note("%s %s", verb, m.MessageID)
	return nil
}

func (b *broker) CompleteMessage(_ context.Context, m *azservicebus.ReceivedMessage, _ *azservicebus.CompleteMessageOptions) error {
	return b.settle(m, "complete")
}

func (b *broker) AbandonMessage(_ context.Context, m *azservicebus.ReceivedMessage, _ *azservicebus.AbandonMessageOptions) error {
	if err := b.settle(m, "abandon"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = append(b.ready, m)
	b.arrived <- struct{}{}
	return nil
}

func (b *broker) RenewMessageLock(_ context.Context, m *azservicebus.ReceivedMessage, _ *azservicebus.RenewMessageLockOptions) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().After(b.locked[m.MessageID]) {
		return errors.New("lock lost")
	}
	until := time.Now().Add(b.lock)
	m.LockedUntil = &until
	b.locked[m.MessageID] = until
	return nil
}

func (b *broker) Close(context.Context) error { return nil }

func (b *broker) open() (receiver, error) { return b, nil }

// pumping runs a pump in fake time until body returns.
func pumping(t *testing.T, b *broker, p *pump, body func(t *testing.T)) {
	t.Helper()
	p.open = b.open
	p.log = zerolog.Nop()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		p.run(ctx)
		close(ended)
	}()
	body(t)
	cancel()
	<-ended
}

func TestPumpSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker("good", "bad", "worse")
		var mu sync.Mutex
		tries := map[string]int{}
		p := &pump{limit: 4, renewFor: time.Hour, invoke: func(m *azservicebus.ReceivedMessage) error {
			mu.Lock()
			defer mu.Unlock()
			tries[m.MessageID]++
			if strings.HasPrefix(m.MessageID, "bad") && tries["bad"] < 3 || m.MessageID == "worse" && tries["worse"] < 2 {
				return errors.New("no")
			}
			return nil
		}}
		pumping(t, b, p, func(t *testing.T) {
			synctest.Wait()
			want := []string{"abandon bad", "abandon bad", "abandon worse", "complete bad", "complete good", "complete worse"}
			if got := b.notes(); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	})
}

func TestPumpConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker("1", "2", "3", "4", "5", "6", "7")
		var mu sync.Mutex
		running, most := 0, 0
		p := &pump{limit: 3, renewFor: time.Hour, invoke: func(*azservicebus.ReceivedMessage) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		}}
		start := time.Now()
		pumping(t, b, p, func(t *testing.T) {
			for len(b.notes()) < 7 {
				<-time.After(100 * time.Millisecond)
			}
			if took := time.Since(start); most != 3 || took > 3500*time.Millisecond {
				t.Errorf("%d at once, %v for 7 of a second each; want 3 at once", most, took)
			}
		})
	})
}

func TestPumpRenewsLocks(t *testing.T) {
	tests := []struct {
		name     string
		renewFor time.Duration
		want     string
	}{
		{"long enough", 10 * time.Minute, "complete m"},
		{"not long enough", 2 * time.Minute, "complete m: lock lost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker("m")
				p := &pump{limit: 1, renewFor: tt.renewFor, invoke: func(*azservicebus.ReceivedMessage) error {
					<-time.After(8 * time.Minute) // eight times the lock
					return nil
				}}
				pumping(t, b, p, func(t *testing.T) {
					<-time.After(9 * time.Minute)
					if got := b.notes(); !slices.Equal(got, []string{tt.want}) {
						t.Errorf("got %q, want %q", got, tt.want)
					}
				})
			})
		})
	}
}

func TestPumpWaitsForTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker("early")
		b.away = true
		p := &pump{limit: 2, renewFor: time.Hour, invoke: func(*azservicebus.ReceivedMessage) error { return nil }}
		pumping(t, b, p, func(t *testing.T) {
			<-time.After(10 * time.Minute)
			b.setAway(false)
			<-time.After(brokerPauseMax)
			synctest.Wait()
			if got := b.notes(); !slices.Equal(got, []string{"complete early"}) {
				t.Errorf("after the first absence: %q", got)
			}
			b.setAway(true)
			<-time.After(time.Minute)
			b.setAway(false)
			b.send("late")
			<-time.After(brokerPauseMax)
			synctest.Wait()
			if got := b.notes(); !slices.Equal(got, []string{"complete early", "complete late"}) {
				t.Errorf("after the second absence: %q", got)
			}
		})
	})
}

// When the host stops, a message in hand is still settled.
func TestPumpEndsWithItsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker("m")
		p := &pump{limit: 1, renewFor: time.Hour, invoke: func(*azservicebus.ReceivedMessage) error {
			<-time.After(time.Minute)
			return errors.New("the handler was killed")
		}}
		pumping(t, b, p, func(*testing.T) { synctest.Wait() })
		if got := b.notes(); !slices.Equal(got, []string{"abandon m"}) {
			t.Errorf("got %q", got)
		}
	})
}
