package servicebus

import (
	"cmp"
	"time"
)

// config is the argument of broker.mjs.
type config struct {
	Port     int           `json:"port"`
	DataFile string        `json:"dataFile"`
	KeyName  string        `json:"keyName"`
	Key      string        `json:"key"`
	Queues   []queueConfig `json:"queues"`
	Topics   []topicConfig `json:"topics"`
}

// queueConfig is a queue or a subscription.
type queueConfig struct {
	Name             string             `json:"name"`
	LockMS           int64              `json:"lockMs"`
	MaxDeliveryCount int                `json:"maxDeliveryCount"`
	DuplicateMS      int64              `json:"duplicateMs"`
	Filter           *CorrelationFilter `json:"filter,omitempty"`
}

type topicConfig struct {
	Name          string        `json:"name"`
	DuplicateMS   int64         `json:"duplicateMs"`
	Subscriptions []queueConfig `json:"subscriptions"`
}

func newConfig(o Options, port int) config {
	c := config{Port: port, DataFile: o.DataFile, KeyName: keyName, Key: key, Queues: []queueConfig{}, Topics: []topicConfig{}}
	for _, q := range o.Queues {
		c.Queues = append(c.Queues, queue(q.Name, q.LockDuration, q.MaxDeliveryCount, q.DuplicateDetectionWindow, nil))
	}
	for _, t := range o.Topics {
		topic := topicConfig{Name: t.Name, DuplicateMS: t.DuplicateDetectionWindow.Milliseconds(), Subscriptions: []queueConfig{}}
		for _, s := range t.Subscriptions {
			topic.Subscriptions = append(topic.Subscriptions, queue(s.Name, s.LockDuration, s.MaxDeliveryCount, 0, s.Filter))
		}
		c.Topics = append(c.Topics, topic)
	}
	return c
}

func queue(name string, lock time.Duration, deliveries int, window time.Duration, f *CorrelationFilter) queueConfig {
	return queueConfig{
		Name:             name,
		LockMS:           cmp.Or(lock, defaultLockDuration).Milliseconds(),
		MaxDeliveryCount: cmp.Or(deliveries, defaultMaxDeliveryCount),
		DuplicateMS:      window.Milliseconds(),
		Filter:           f,
	}
}
