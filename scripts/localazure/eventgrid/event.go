package eventgrid

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Event is one event in the Event Grid schema, as subscribers receive it.
type Event struct {
	// ID is unique within a topic. A repeated delivery carries the same ID.
	ID string `json:"id"`
	// Topic is the resource that raised the event, for example a storage account.
	Topic string `json:"topic"`
	// Subject names the thing the event is about, for example a blob.
	Subject string `json:"subject"`
	// EventType is for example Microsoft.Storage.BlobCreated.
	EventType string `json:"eventType"`
	// EventTime is when it happened, in UTC. It says nothing about when it arrives.
	EventTime time.Time `json:"eventTime"`
	// Data is the type's own payload, passed on byte for byte.
	Data json.RawMessage `json:"data"`
	// DataVersion is the version of Data's schema, chosen by the publisher; it may be empty.
	DataVersion string `json:"dataVersion"`
	// MetadataVersion is "1"; Publish fills it in when it is empty.
	MetadataVersion string `json:"metadataVersion"`
}

// validate reports what the service would refuse about an event.
func (e Event) validate() error {
	switch {
	case e.ID == "":
		return errors.New("event has no id")
	case e.Subject == "":
		return fmt.Errorf("event %s has no subject", e.ID)
	case e.EventType == "":
		return fmt.Errorf("event %s has no eventType", e.ID)
	case e.EventTime.IsZero():
		return fmt.Errorf("event %s has no eventTime", e.ID)
	case len(e.Data) > 0 && !json.Valid(e.Data):
		return fmt.Errorf("event %s has data that is not JSON", e.ID)
	}
	return nil
}

// DeadLetter is an event that was given up for one subscription, with the reason.
// The JSON names are those of the blobs the service writes.
type DeadLetter struct {
	Event
	// Subscription is the name of the subscription that did not take the event.
	Subscription string `json:"-"`
	// Reason is MaxDeliveryAttemptsExceeded, TimeToLiveExceeded or UndeliverableDueToHttp<status>.
	Reason string `json:"deadLetterReason"`
	// Attempts is how often the delivery was tried.
	Attempts int `json:"deliveryAttempts"`
	// LastOutcome is the text of the last HTTP status, TimedOut, or ConnectionFailed.
	LastOutcome string `json:"lastDeliveryOutcome"`
	// LastStatus is the last HTTP status, 0 when there was no answer.
	LastStatus int `json:"lastHttpStatusCode"`
	// Published is when the event came in.
	Published time.Time `json:"publishTime"`
	// LastAttempt is when it was tried last.
	LastAttempt time.Time `json:"lastDeliveryAttemptTime"`
}
