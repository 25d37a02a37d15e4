package eventgrid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// defaultConcurrency is how many deliveries one subscription has in flight unless it says otherwise.
const defaultConcurrency = 8

// maxAnswer bounds how much of a subscriber's answer is read; only the handshake looks at it.
const maxAnswer = 64 << 10

// Subscription says which events go where. All filters must match; an empty filter matches everything.
// Comparisons of topic and subject ignore case, as the service's do by default.
type Subscription struct {
	// Name is unique in the grid; subscribers see it in aeg-subscription-name.
	Name string
	// Endpoint is the webhook, with its key. It never leaves this package.
	Endpoint string
	// EventTypes are the wanted types.
	EventTypes []string
	// Topics are the wanted publishers, for example the storage accounts' resource ids.
	Topics []string
	// SubjectBeginsWith and SubjectEndsWith select by subject.
	SubjectBeginsWith, SubjectEndsWith string
	// Filter is a last word in code. It must be quick and safe for concurrent use; nil accepts.
	Filter func(Event) bool
	// Concurrency bounds the deliveries in flight. Zero means 8; 1 delivers in order of publication
	// as long as no fault and no retry interferes.
	Concurrency int
}

// subscription is a Subscription with its deliveries. Everything but Subscription is guarded by Grid.mu.
type subscription struct {
	Subscription
	queue   []*delivery // ready to be tried
	held    []*delivery // reordered: wait for a later one
	running int
}

// Subscribe validates the endpoint with the service's handshake and then delivers to it.
// The endpoint must be up: like the service, the grid refuses one that does not echo the code.
func (g *Grid) Subscribe(ctx context.Context, sub Subscription) error {
	if err := g.check(sub); err != nil {
		return fmt.Errorf("subscribe %q: %w", sub.Name, err)
	}
	if err := g.handshake(ctx, sub); err != nil {
		return fmt.Errorf("subscribe %q: validation handshake: %w", sub.Name, err)
	}
	if sub.Concurrency == 0 {
		sub.Concurrency = defaultConcurrency
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return fmt.Errorf("subscribe %q: %w", sub.Name, ErrClosed)
	}
	if slices.ContainsFunc(g.subs, func(s *subscription) bool { return s.Name == sub.Name }) {
		return fmt.Errorf("subscribe %q: the name is taken", sub.Name)
	}
	g.subs = append(g.subs, &subscription{Subscription: sub})
	return nil
}

// check reports what is wrong with a subscription, without repeating its endpoint.
func (g *Grid) check(sub Subscription) error {
	if sub.Name == "" {
		return errors.New("no name")
	}
	if sub.Concurrency < 0 {
		return fmt.Errorf("concurrency %d is negative", sub.Concurrency)
	}
	u, err := url.Parse(sub.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("the endpoint is not an http or https URL")
	}
	return nil
}

// handshake proves that the endpoint wants events: it must send back a code that only it was given.
func (g *Grid) handshake(ctx context.Context, sub Subscription) error {
	g.mu.Lock()
	code := fmt.Sprintf("%016X%016X", g.opts.Rand.Uint64(), g.opts.Rand.Uint64())
	g.mu.Unlock()
	data, err := json.Marshal(map[string]string{"validationCode": code})
	if err != nil {
		return fmt.Errorf("encode validation code: %w", err)
	}
	event := Event{
		ID:              code,
		EventType:       "Microsoft.EventGrid.SubscriptionValidationEvent",
		EventTime:       g.opts.Now().UTC(),
		Data:            data,
		DataVersion:     "1",
		MetadataVersion: "1",
	}
	ctx, cancel := context.WithTimeout(ctx, g.opts.ResponseTimeout)
	defer cancel()
	res, err := g.post(ctx, sub, event, "SubscriptionValidation", 0)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the endpoint answered %d, want 200", res.StatusCode)
	}
	var answer struct {
		ValidationResponse string `json:"validationResponse"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&answer); err != nil {
		return fmt.Errorf("decode the endpoint's answer: %w", err)
	}
	if answer.ValidationResponse != code {
		return errors.New("the endpoint did not send the validation code back")
	}
	return nil
}

// matches tells whether the subscription wants an event.
func (s *subscription) matches(e Event) bool {
	if len(s.EventTypes) > 0 && !slices.Contains(s.EventTypes, e.EventType) {
		return false
	}
	sameTopic := func(t string) bool { return strings.EqualFold(t, e.Topic) }
	if len(s.Topics) > 0 && !slices.ContainsFunc(s.Topics, sameTopic) {
		return false
	}
	subject := strings.ToLower(e.Subject)
	if !strings.HasPrefix(subject, strings.ToLower(s.SubjectBeginsWith)) {
		return false
	}
	if !strings.HasSuffix(subject, strings.ToLower(s.SubjectEndsWith)) {
		return false
	}
	return s.Filter == nil || s.Filter(e)
}
