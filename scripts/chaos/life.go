package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"airlock/scripts/apiclient"
	"airlock/scripts/localazure/defender"
)

// How long people wait before they try again or look again.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 1500 * time.Millisecond
)

// life is one request as the people see it who bring it to its end: its requester, mia who reviews, and olga who owns the
// workspace. Like real people they look at the request, do what is next, and look again; whatever goes wrong is tried
// again after a pause.
type life struct {
	role
	desk   *desk
	chance *rand.Rand

	mu     sync.Mutex
	id     string
	last   string // status last seen
	failed string // what went wrong last
	ended  bool

	links []string // handed out in a status that was left since
	speak func()   // lets the scanner speak again
}

func newLife(r role, d *desk) *life {
	return &life{role: r, desk: d, chance: rand.New(rand.NewPCG(r.seed, 7)), speak: func() {}}
}

// state tells where a life is, for whoever watches it.
func (l *life) state() (id, last, failed string, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id, l.last, l.failed, l.ended
}

func (l *life) note(set func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	set()
}

// play lives until the end that the people want, or any other, or until ctx ends.
func (l *life) play(ctx context.Context) {
	if l.silenced {
		l.speak = l.desk.azure.Defender.BehaveFor(func(b defender.Blob) bool { return b.Name == l.silentName() }, defender.Behavior{Silent: true})
		defer func() { l.speak() }()
	}
	pause := shortestPause
	for ctx.Err() == nil {
		before := l.last
		ended, err := l.step(ctx)
		l.note(func() {
			l.ended = ended
			if err != nil {
				l.failed = err.Error()
			}
		})
		if ended {
			return
		}
		if pause = min(pause*3/2, longestPause); l.last != before && err == nil {
			pause = shortestPause
		}
		wait(ctx, pause/2+time.Duration(l.chance.Int64N(int64(pause))))
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// step looks at the request and does what is next.
func (l *life) step(ctx context.Context) (ended bool, err error) {
	if l.id == "" {
		return false, l.create(ctx)
	}
	r, err := l.desk.api.Get(ctx, "olga", l.id)
	if err != nil {
		return false, fmt.Errorf("read: %w", err)
	}
	l.note(func() { l.last = r.Status })
	switch r.Status {
	case "draft":
		return l.draft(ctx, r)
	case "in_review":
		return false, l.review(ctx, r)
	case "approved":
		if l.revoked {
			return false, l.revoke(ctx)
		}
		return true, nil
	case "failed":
		l.speak()
		return false, l.act(ctx, "olga", "retry", nil)
	case "rejected", "blocked_by_scan", "cancelled", "revoked":
		return true, nil
	default:
		return false, nil // the system's turn
	}
}

func (l *life) create(ctx context.Context) error {
	r, err := l.desk.create(ctx, l.requester, apiclient.NewRequest{
		Type: l.direction, Title: l.title(), Justification: "To see whether it survives",
	})
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	l.note(func() { l.id, l.last = r.ID, r.Status })
	return nil
}

func (l *life) act(ctx context.Context, who, action string, body any) error {
	_, err := l.desk.act(ctx, who, l.id, action, body)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}

// draft fills the request and hands it over. A draft with a review was handed back: then the changes that were asked for
// are made.
func (l *life) draft(ctx context.Context, r apiclient.Request) (ended bool, err error) {
	if l.cancelled == r.Status {
		return false, l.cancel(ctx)
	}
	version := 1
	if len(r.Reviews) > 0 {
		version = 2
	}
	if err := l.desk.upload(ctx, l.requester, l.id, l.files(version)); err != nil {
		return false, err
	}
	if l.abandoned {
		return true, nil
	}
	return false, l.act(ctx, l.requester, "submit", nil)
}

func (l *life) review(ctx context.Context, r apiclient.Request) error {
	decision, explanation := l.decision, "It is as it should be"
	switch {
	case l.cancelled == r.Status:
		return l.cancel(ctx)
	case l.returned && len(r.Reviews) == 0:
		decision, explanation = "changes_requested", "The first file is not right"
	case l.decision == "":
		return errors.New("this should never have come to review")
	}
	return l.act(ctx, "mia", "review", apiclient.Review{Decision: decision, Explanation: explanation})
}

func (l *life) cancel(ctx context.Context) error {
	if err := l.remember(ctx, "olga"); err != nil {
		return err
	}
	return l.act(ctx, l.requester, "cancel", nil)
}

func (l *life) revoke(ctx context.Context) error {
	if err := l.remember(ctx, l.requester); err != nil {
		return err
	}
	return l.act(ctx, "mia", "revoke", map[string]string{"reason": "Sent to the wrong project"})
}

// remember keeps a link to files that are about to go, to see that it dies with them.
func (l *life) remember(ctx context.Context, who string) error {
	link, err := l.desk.link(ctx, who, l.id)
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	l.links = append(l.links, link)
	return nil
}
