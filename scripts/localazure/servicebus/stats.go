package servicebus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// Stats are the counts of each entity by its path: "queue", "topic", "topic/Subscriptions/subscription".
type Stats map[string]EntityStats

// EntityStats are the counts of one entity.
type EntityStats struct {
	Kind         string `json:"kind"`         // queue, topic or subscription
	Sent         int    `json:"sent"`         // accepted from senders ever since the data file, or else the broker, is new
	Duplicates   int    `json:"duplicates"`   // dropped by duplicate detection, not in Sent
	Active       int    `json:"active"`       // to be received, or being received
	Locked       int    `json:"locked"`       // of these and of Deferred, with a receiver now
	Scheduled    int    `json:"scheduled"`    // not yet due
	Deferred     int    `json:"deferred"`     // set aside by a receiver
	DeadLettered int    `json:"deadLettered"` // in the dead-letter queue
}

// Stats gives the counts now.
func (b *Broker) Stats(ctx context.Context) (Stats, error) {
	var stats Stats
	if err := b.ask(ctx, http.MethodGet, "/stats", &stats); err != nil {
		return nil, fmt.Errorf("get Service Bus stats: %w", err)
	}
	return stats, nil
}

// SetSendDisabled makes a queue or topic refuse what is sent to it, or take it again; what it holds is still delivered. It
// ends with the process of the broker. Azure: the entity's status SendDisabled.
func (b *Broker) SetSendDisabled(ctx context.Context, entity string, disabled bool) error {
	method := http.MethodDelete
	if disabled {
		method = http.MethodPut
	}
	if err := b.ask(ctx, method, "/send-disabled?entity="+url.QueryEscape(entity), &struct{}{}); err != nil {
		return fmt.Errorf("disable sending to %s: %w", entity, err)
	}
	return nil
}

// ask sends a request to the broker's control port and decodes the answer.
func (b *Broker) ask(ctx context.Context, method, path string, answer any) error {
	b.mu.Lock()
	running, control := b.process != nil, b.control
	b.mu.Unlock()
	if !running {
		return ErrStopped
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+strconv.Itoa(control)+path, nil)
	if err != nil {
		return err
	}
	// A connection of its own, since the next broker has another port.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the broker answered %s", resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
