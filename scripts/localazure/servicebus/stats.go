package servicebus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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
	b.mu.Lock()
	running, control := b.process != nil, b.control
	b.mu.Unlock()
	if !running {
		return nil, fmt.Errorf("get Service Bus stats: %w", ErrStopped)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(control)+"/stats", nil)
	if err != nil {
		return nil, fmt.Errorf("get Service Bus stats: %w", err)
	}
	// A connection of its own, since the next broker has another port.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("get Service Bus stats: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get Service Bus stats: the broker answered %s", resp.Status)
	}
	var stats Stats
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		return nil, fmt.Errorf("get Service Bus stats: %w", err)
	}
	return stats, nil
}
