// Package trigger is where the Functions host calls the airlock: it decodes a queue message, a storage event, a scan
// result or a tick, hands it to the domain, and says whether the host may forget it.
//
// It promises that a message which cannot be understood is given back to the host, and so ends in the dead-letter queue
// with a reason in the log, and that nothing else blocks a queue. It believes nothing of what arrives: a nudge only
// names a request to look at, and a verdict counts only for the bytes that the domain has sealed.
//
// It never looks at host metadata, and never decides about a request.
package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"airlock/functions"
	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/customhandler"
)

// Service is what the triggers need of the domain.
type Service interface {
	Reconcile(ctx context.Context, workspace, id string) error
	Stored(ctx context.Context, p airlock.Place) (airlock.Heard, error)
	Scanned(ctx context.Context, report airlock.ScanReport) (airlock.Heard, error)
	Sweep(ctx context.Context) (airlock.Swept, error)
}

// DecodeNudge reads the body of a queue message.
type DecodeNudge func(body []byte) (airlock.Nudge, error)

// errUndecodable marks what can never be understood, however often it comes.
var errUndecodable = errors.New("cannot be understood")

// New returns the triggers by function name.
func New(s Service, decode DecodeNudge) map[string]customhandler.Trigger {
	return map[string]customhandler.Trigger{
		functions.StatusChanged: func(ctx context.Context, inv customhandler.Invocation) error {
			return acknowledge(inv, func() (string, error) { return nudged(ctx, inv, s, decode) })
		},
		functions.BlobCreated: func(ctx context.Context, inv customhandler.Invocation) error {
			return acknowledge(inv, func() (string, error) { return stored(ctx, inv, s) })
		},
		functions.ScanResult: func(ctx context.Context, inv customhandler.Invocation) error {
			return acknowledge(inv, func() (string, error) { return scanned(ctx, inv, s) })
		},
		functions.Sweep: func(ctx context.Context, inv customhandler.Invocation) error {
			return acknowledge(inv, func() (string, error) { return swept(ctx, inv, s) })
		},
	}
}

// acknowledge is the one place that decides whether the host may forget an invocation. It must not when nobody could
// read it (its queue then dead-letters it), and when the domain could neither do the work nor arrange to come back to
// it. Everything else is done, stored as owed, or old news.
func acknowledge(inv customhandler.Invocation, handle func() (string, error)) error {
	became, err := handle()
	if err != nil {
		return err
	}
	inv.Log(became)
	return nil
}

func nudged(ctx context.Context, inv customhandler.Invocation, s Service, decode DecodeNudge) (string, error) {
	body, err := inv.Binary(functions.MessageBinding)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUndecodable, err)
	}
	n, err := decode(body)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUndecodable, err)
	}
	if err := s.Reconcile(ctx, n.Workspace, n.Request); err != nil {
		return "", err
	}
	return string(airlock.HeardNudge), nil
}

// eventOf returns the event of an invocation. An eventGridTrigger brings it as an object. Where the app has no public
// address Event Grid puts the same JSON into a Service Bus queue, one event to a message, and a serviceBusTrigger brings
// it as bytes (Azure: "Service Bus queues and topics as event handlers").
func eventOf(inv customhandler.Invocation) (json.RawMessage, error) {
	raw, err := inv.Object(functions.EventBinding)
	if err == nil {
		return raw, nil
	}
	body, notBytes := inv.Binary(functions.EventBinding)
	if notBytes != nil {
		return nil, err
	}
	return body, nil
}

func stored(ctx context.Context, inv customhandler.Invocation, s Service) (string, error) {
	raw, err := eventOf(inv)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUndecodable, err)
	}
	place, relevant, err := DecodeBlobCreated(raw)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUndecodable, err)
	}
	if !relevant {
		return "another event type", nil
	}
	heard, err := s.Stored(ctx, place)
	return string(heard), err
}

func scanned(ctx context.Context, inv customhandler.Invocation, s Service) (string, error) {
	raw, err := eventOf(inv)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUndecodable, err)
	}
	report, relevant, err := DecodeScanResult(raw)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUndecodable, err)
	}
	if !relevant {
		return "another event type", nil
	}
	heard, err := s.Scanned(ctx, report)
	return string(heard), err
}

func swept(ctx context.Context, inv customhandler.Invocation, s Service) (string, error) {
	if _, err := inv.Timer(functions.TimerBinding); err != nil {
		return "", fmt.Errorf("%w: %w", errUndecodable, err)
	}
	swept, err := s.Sweep(ctx)
	return fmt.Sprintf("workspaces %d, due %d, failed %d", swept.Workspaces, swept.Due, swept.Failed), err
}
