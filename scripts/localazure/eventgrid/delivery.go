package eventgrid

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// delivery is one event on its way to one subscription.
type delivery struct {
	sub       *subscription
	event     Event
	seq       int // order of publication, the same for both copies of a doubled event
	published time.Time
	attempts  int
}

// outcome is what one attempt came to.
type outcome struct {
	status int    // HTTP status, 0 when there was no answer
	text   string // for people and for the dead letter
}

// retryWait is the pause after the nth failed attempt, n from 1.
// Azure: Event Grid message delivery and retry, "Retry schedule". The service adds a small random part.
func retryWait(attempt, status int) time.Duration {
	schedule := [...]time.Duration{
		10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	}
	wait := schedule[min(attempt, len(schedule))-1]
	switch status { // these say that the subscriber needs time
	case http.StatusRequestTimeout:
		return max(wait, 2*time.Minute)
	case http.StatusServiceUnavailable:
		return max(wait, 30*time.Second)
	}
	return wait
}

// final tells which answers of a webhook end the delivery at once, because trying again cannot help.
// Azure: Event Grid message delivery and retry, error codes for which a webhook is not retried.
func final(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}

// enqueue makes a delivery ready to be tried.
func (g *Grid) enqueue(d *delivery) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d.sub.queue = append(d.sub.queue, d)
	g.dispatch(d.sub)
}

// release ends the wait of a reordered delivery for which no later one came.
func (g *Grid) release(s *subscription, d *delivery) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(s.held, d)
	if i < 0 {
		return
	}
	s.held = slices.Delete(s.held, i, i+1)
	s.queue = append(s.queue, d)
	g.dispatch(s)
}

// dispatch starts as many ready deliveries as the subscription may have in flight. g.mu is held.
func (g *Grid) dispatch(s *subscription) {
	for !g.closed && len(s.queue) > 0 && s.running < s.Concurrency {
		d := s.queue[0]
		s.queue = s.queue[1:]
		s.running++
		g.wg.Go(func() {
			out := g.attempt(d)
			g.settle(d, out)
		})
	}
}

// attempt sends the event once and waits for the answer.
func (g *Grid) attempt(d *delivery) outcome {
	ctx, cancel := context.WithTimeout(g.ctx, g.opts.ResponseTimeout)
	defer cancel()
	res, err := g.post(ctx, d.sub.Subscription, d.event, "Notification", d.attempts)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return outcome{text: "TimedOut"}
		}
		return outcome{text: "ConnectionFailed"}
	}
	defer res.Body.Close()
	// Reading to the end lets the connection be used again; the text itself means nothing to the service.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	return outcome{status: res.StatusCode, text: http.StatusText(res.StatusCode)}
}

// settle records an attempt: done, tried again later, or given up.
func (g *Grid) settle(d *delivery, out outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := d.sub
	s.running--
	d.attempts++
	// A later event has now been tried, which is what the reordered ones before it were waiting for.
	s.held = slices.DeleteFunc(s.held, func(h *delivery) bool {
		if h.seq < d.seq {
			s.queue = append(s.queue, h)
		}
		return h.seq < d.seq
	})
	defer g.dispatch(s)
	if g.closed {
		return
	}
	now := g.opts.Now()
	log := g.opts.Log.With().Str("subscription", s.Name).Str("event", d.event.ID).
		Str("type", d.event.EventType).Int("attempt", d.attempts).Str("outcome", out.text).Logger()
	wait := time.Duration(float64(retryWait(d.attempts, out.status)) * g.opts.RetryScale)
	reason := ""
	switch {
	case out.status >= 200 && out.status <= 204:
		g.stats.Delivered++
		g.done()
		return
	case final(out.status):
		reason = "UndeliverableDueToHttp" + strings.ReplaceAll(out.text, " ", "")
	case d.attempts >= g.opts.MaxDeliveryAttempts:
		reason = "MaxDeliveryAttemptsExceeded"
	case now.Add(wait).Sub(d.published) > g.opts.TimeToLive:
		reason = "TimeToLiveExceeded"
	default:
		g.stats.Retried++
		log.Warn().Dur("wait", wait).Msg("event not taken, trying again")
		g.after(wait, func() { g.enqueue(d) })
		return
	}
	g.stats.DeadLettered++
	g.dead = append(g.dead, DeadLetter{
		Event: d.event, Subscription: s.Name, Reason: reason, Attempts: d.attempts,
		LastOutcome: out.text, LastStatus: out.status, Published: d.published, LastAttempt: now,
	})
	log.Error().Str("reason", reason).Msg("event given up")
	g.done()
}

// done counts a delivery off. g.mu is held.
func (g *Grid) done() {
	g.outstanding--
	if g.outstanding == 0 {
		close(g.quiet)
		g.quiet = make(chan struct{})
	}
}

// post sends one event with the headers of the service. Its errors do not hold the address.
func (g *Grid) post(ctx context.Context, sub Subscription, e Event, kind string, attempts int) (*http.Response, error) {
	body, err := json.Marshal([]Event{e})
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sub.Endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the endpoint is not a URL")
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("aeg-event-type", kind)
	req.Header.Set("aeg-subscription-name", strings.ToUpper(sub.Name))
	req.Header.Set("aeg-delivery-count", strconv.Itoa(attempts))
	req.Header.Set("aeg-data-version", e.DataVersion)
	req.Header.Set("aeg-metadata-version", e.MetadataVersion)
	res, err := g.client.Do(req)
	if err != nil {
		var withURL *url.Error
		if errors.As(err, &withURL) {
			err = withURL.Err
		}
		return nil, fmt.Errorf("post event %s: %w", e.ID, err)
	}
	return res, nil
}
