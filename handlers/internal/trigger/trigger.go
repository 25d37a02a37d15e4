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
	"slices"

	"airlock/functions"
	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/customhandler"
)

// Service is what the triggers need of the domain.
type Service interface {
	Reconcile(ctx context.Context, workspace, id string) error
	Stored(ctx context.Context, p airlock.Place) (airlock.Heard, error)
	// ScannedAll takes reports on blobs of one place. The error is for those of which nothing was heard.
	ScannedAll(ctx context.Context, reports []airlock.ScanReport) ([]airlock.Heard, error)
	Sweep(ctx context.Context) (airlock.Swept, error)
}

// DecodeNudge reads the body of a queue message.
type DecodeNudge func(body []byte) (airlock.Nudge, error)

// errUndecodable marks what can never be understood, however often it comes.
var errUndecodable = errors.New("cannot be understood")

// New returns the triggers by function name.
func New(s Service, decode DecodeNudge) map[string]customhandler.Trigger {
	l := &listener{service: s, decode: decode}
	return map[string]customhandler.Trigger{
		functions.StatusChanged: func(ctx context.Context, inv customhandler.Invocation) error {
			return acknowledge(inv, func() (string, error) { return l.nudged(ctx, inv) })
		},
		functions.BlobCreated: func(ctx context.Context, inv customhandler.Invocation) error {
			return acknowledge(inv, func() (string, error) { return l.stored(ctx, inv) })
		},
		functions.ScanResult: func(ctx context.Context, inv customhandler.Invocation) error {
			return acknowledge(inv, func() (string, error) { return l.scanned(ctx, inv) })
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

// listener hears what concerns requests.
type listener struct {
	service Service
	decode  DecodeNudge
	turns   turns
}

// hear takes what has come together about one request to the domain: verdicts in one piece, and all that says no more than
// "look at it" once.
func (l *listener) hear(ctx context.Context, items []news) ([]airlock.Heard, error) {
	heard := make([]airlock.Heard, len(items))
	var errs []error
	for i, n := range items {
		if slices.ContainsFunc(items[:i], n.with) {
			continue // an earlier one has taken it along
		}
		var together []int
		for k := i; k < len(items); k++ {
			if n.with(items[k]) {
				together = append(together, k)
			}
		}
		got, err := l.tell(ctx, n, items, together)
		if err != nil {
			errs = append(errs, err)
		}
		for at, k := range together {
			heard[k] = got[at]
		}
	}
	return heard, errors.Join(errs...)
}

// with reports whether the domain takes both in one call.
func (n news) with(o news) bool {
	return n.nudge.Workspace == o.nudge.Workspace && n.place == o.place && n.report.Place == o.report.Place
}

// tell tells the domain of those items that go together with n.
func (l *listener) tell(ctx context.Context, n news, items []news, together []int) (heard []airlock.Heard, err error) {
	one := airlock.HeardNudge
	switch {
	case n.report.Name != "":
		reports := make([]airlock.ScanReport, len(together))
		for at, k := range together {
			reports[at] = items[k].report
		}
		return l.service.ScannedAll(ctx, reports)
	case n.place != airlock.Place{}:
		one, err = l.service.Stored(ctx, n.place)
	default:
		err = l.service.Reconcile(ctx, n.nudge.Workspace, n.nudge.Request)
	}
	if err != nil {
		one = ""
	}
	return slices.Repeat([]airlock.Heard{one}, len(together)), err
}

func (l *listener) nudged(ctx context.Context, inv customhandler.Invocation) (string, error) {
	body, err := inv.Binary(functions.MessageBinding)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUndecodable, err)
	}
	n, err := l.decode(body)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUndecodable, err)
	}
	heard, err := l.turns.take(ctx, n.Request, news{nudge: n}, l.hear)
	return string(heard), err
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

func (l *listener) stored(ctx context.Context, inv customhandler.Invocation) (string, error) {
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
	heard, err := l.turns.take(ctx, airlock.RequestID(place.Container), news{place: place}, l.hear)
	return string(heard), err
}

func (l *listener) scanned(ctx context.Context, inv customhandler.Invocation) (string, error) {
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
	heard, err := l.turns.take(ctx, airlock.RequestID(report.Place.Container), news{report: report}, l.hear)
	return string(heard), err
}

func swept(ctx context.Context, inv customhandler.Invocation, s Service) (string, error) {
	if _, err := inv.Timer(functions.TimerBinding); err != nil {
		return "", fmt.Errorf("%w: %w", errUndecodable, err)
	}
	swept, err := s.Sweep(ctx)
	return fmt.Sprintf("workspaces %d, due %d, failed %d, left %d, late %s", swept.Workspaces, swept.Due, swept.Failed, swept.Left, swept.Late), err
}
