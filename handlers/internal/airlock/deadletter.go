package airlock

import (
	"context"
	"iter"
	"time"
)

// DeadLetters is the messages that a queue has given up on: nobody could read them, or nobody could handle them as often as
// they came. They wait, apart from the queue, for a person to decide.
type DeadLetters interface {
	// Queues names where there can be any: queues, and subscriptions as topic/subscription. Not all need to exist.
	Queues() []string

	// List yields the dead letters of a queue, those that came first first, and leaves them where they are. It reads page by
	// page and holds no more than one. The last pair holds the error, if any: ErrNotFound when there is no such queue.
	List(ctx context.Context, queue string) iter.Seq2[DeadLetter, error]

	// Replay sends the dead letters with these numbers to their queue again, each as it was, and deletes each once it is known
	// that its successor is stored. Where that ends in between, the next Replay sends the same message, under the same id. It
	// yields each that was replayed. An error is about one of them, or about all that were not replayed. A subscription's
	// goes to its topic, and so to every subscription.
	Replay(ctx context.Context, queue string, numbers []int64) iter.Seq2[DeadLetter, error]
}

// DeadLetter tells of a message what a person has to know to decide about it. It holds nothing of the content.
type DeadLetter struct {
	Queue       string    `json:"queue"`
	Number      int64     `json:"number"` // in its queue
	ID          string    `json:"messageId"`
	Request     string    `json:"requestId,omitempty"` // that it is about, where it names one
	SentAt      time.Time `json:"sentAt"`
	Deliveries  int       `json:"deliveries"`            // before it was given up on
	Reason      string    `json:"reason,omitempty"`      // a word
	Description string    `json:"description,omitempty"` // more words, of whoever gave it up
	Bytes       int       `json:"bytes"`                 // of the content
}
