package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"airlock/scripts/apiclient"
)

// walk is one request's way through the airlock.
type walk struct {
	*apiclient.Client
	wait  time.Duration // for the review
	out   io.Writer
	began time.Time
}

const (
	pollEvery = 500 * time.Millisecond
	callTime  = time.Minute
	fileName  = "airlock smoke test.txt"
	user      = "the user" // whose token there is
)

func (w *walk) say(format string, args ...any) {
	fmt.Fprintf(w.out, "%7.2f s  %s\n", time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
}

// walk goes through all steps, and withdraws the request if one fails.
func (w *walk) walk(ctx context.Context) (err error) {
	if err := w.Health(ctx); err != nil {
		return fmt.Errorf("health: %w", err)
	}
	w.say("the app is well")
	r, err := w.Create(ctx, user, apiclient.NewRequest{
		Type: "import", Title: "Smoke test", Justification: "To see that the airlock works. It withdraws itself.",
	})
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	w.say("request %s: %s", r.ID, r.Status)
	withdrawn := false
	defer func() {
		if !withdrawn {
			err = errors.Join(err, w.withdraw(context.WithoutCancel(ctx), r.ID))
		}
	}()
	link, err := w.Link(ctx, user, r.ID)
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	if err := put(ctx, link); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	w.say("uploaded a file")
	if r, err = w.Act(ctx, user, r.ID, "submit", nil); err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	w.say("submitted: %s", r.Status)
	if _, err := w.Await(ctx, user, r.ID, "in_review", pollEvery, w.wait); err != nil {
		return fmt.Errorf("%w (are events delivered, and does the scanner report?)", err)
	}
	w.say("in review: sealed, and every check passed")
	if err := dead(ctx, link); err != nil {
		return err
	}
	w.say("the link for uploads is dead")
	if err := w.withdraw(ctx, r.ID); err != nil {
		return err
	}
	withdrawn = true
	return w.audit(ctx, r.ID)
}

// dead waits until a link opens nothing any more. Its container is deleted once the request is in review.
func dead(ctx context.Context, link string) error {
	return apiclient.Eventually(ctx, pollEvery, callTime, func() error {
		err := put(ctx, link)
		var answer *apiclient.StorageError
		if errors.As(err, &answer) && (answer.Status == http.StatusNotFound || answer.Status == http.StatusForbidden || answer.Status == http.StatusConflict) {
			return nil
		}
		if err == nil {
			return errors.New("the link for uploads still works")
		}
		return fmt.Errorf("nobody knows whether the link for uploads still works: %w", err)
	})
}

func (w *walk) withdraw(ctx context.Context, id string) error {
	r, err := w.Act(ctx, user, id, "cancel", nil)
	if err != nil {
		// While the checks go on nobody can withdraw it; at their deadline it fails, and an owner can.
		return fmt.Errorf("request %s is left behind, because it cannot be withdrawn now: %w", id, err)
	}
	w.say("withdrawn: %s", r.Status)
	return nil
}

func (w *walk) audit(ctx context.Context, id string) error {
	records, intact, err := w.Trail(ctx, user, id)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if !intact || len(records) < 4 {
		return fmt.Errorf("the audit trail has %d records, intact: %v", len(records), intact)
	}
	w.say("%d audit records, and their chain holds", len(records))
	return nil
}

// put uploads a small file through a link.
func put(ctx context.Context, link string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	folder, err := apiclient.Open(link, nil)
	if err != nil {
		return err
	}
	_, err = folder.NewBlockBlobClient(fileName).UploadBuffer(ctx, []byte("This file shows that the airlock works.\n"), nil)
	return apiclient.WithoutLink(err)
}
