package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// walk is one request's way through the airlock.
type walk struct {
	app, workspace, token string
	wait                  time.Duration // for the review
	out                   io.Writer
	began                 time.Time
}

const (
	pollEvery = 500 * time.Millisecond
	callTime  = time.Minute
	fileName  = "airlock smoke test.txt"
	maxAnswer = 4 << 20
)

// request is what the walk reads of a request.
type request struct {
	ID            string `json:"id"`
	Status        string `json:"status"`
	StatusMessage string `json:"statusMessage"`
}

func (w *walk) say(format string, args ...any) {
	fmt.Fprintf(w.out, "%7.2f s  %s\n", time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
}

// walk goes through all steps, and withdraws the request if one fails.
func (w *walk) walk(ctx context.Context) (err error) {
	if err := w.call(ctx, http.MethodGet, "/api/health", nil, nil); err != nil {
		return fmt.Errorf("health: %w", err)
	}
	w.say("the app is well")
	r, err := w.act(ctx, "", map[string]string{"type": "import", "title": "Smoke test", "businessJustification": "To see that the airlock works. It withdraws itself."})
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
	link, err := w.link(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	if status, err := w.put(ctx, link); err != nil || status != http.StatusCreated {
		return fmt.Errorf("upload: status %d, %w", status, err)
	}
	w.say("uploaded a file")
	if r, err = w.act(ctx, r.ID+"/submit", nil); err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	w.say("submitted: %s", r.Status)
	if err := w.await(ctx, r.ID); err != nil {
		return err
	}
	if err := w.dead(ctx, link); err != nil {
		return err
	}
	w.say("the link for uploads is dead")
	if err := w.withdraw(ctx, r.ID); err != nil {
		return err
	}
	withdrawn = true
	return w.audit(ctx, r.ID)
}

// await waits until the request is in review: the files are sealed, and the scanner has spoken.
func (w *walk) await(ctx context.Context, id string) error {
	end := time.Now().Add(w.wait)
	for {
		r, err := w.read(ctx, id)
		switch {
		case err != nil:
			return fmt.Errorf("wait for the review: %w", err)
		case r.Status == "in_review":
			w.say("in review: sealed, and every check passed")
			return nil
		case r.Status != "submitted":
			return fmt.Errorf("it became %s: %s", r.Status, r.StatusMessage)
		case time.Now().After(end):
			return fmt.Errorf("still %s after %v: are events delivered, and does the scanner report?", r.Status, w.wait)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// dead waits until a link opens nothing any more. Its container is deleted once the request is in review.
func (w *walk) dead(ctx context.Context, link string) error {
	end := time.Now().Add(callTime)
	for {
		status, err := w.put(ctx, link)
		if err == nil && (status == http.StatusNotFound || status == http.StatusForbidden || status == http.StatusConflict) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the link for uploads still works: status %d", status)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func (w *walk) withdraw(ctx context.Context, id string) error {
	r, err := w.act(ctx, id+"/cancel", nil)
	if err != nil {
		// While the checks go on nobody can withdraw it; at their deadline it fails, and an owner can.
		return fmt.Errorf("request %s is left behind, because it cannot be withdrawn now: %w", id, err)
	}
	w.say("withdrawn: %s", r.Status)
	return nil
}

func (w *walk) audit(ctx context.Context, id string) error {
	var trail struct {
		Records []json.RawMessage `json:"records"`
		Intact  bool              `json:"intact"`
	}
	if err := w.call(ctx, http.MethodGet, w.path(id+"/audit"), nil, &trail); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if !trail.Intact || len(trail.Records) < 4 {
		return fmt.Errorf("the audit trail has %d records, intact: %v", len(trail.Records), trail.Intact)
	}
	w.say("%d audit records, and their chain holds", len(trail.Records))
	return nil
}

func (w *walk) path(rest string) string {
	return strings.TrimSuffix("/api/workspaces/"+url.PathEscape(w.workspace)+"/requests/"+rest, "/")
}

// act does something to a request, and returns it.
func (w *walk) act(ctx context.Context, path string, body any) (request, error) {
	var answer struct {
		Request request `json:"airlockRequest"`
	}
	err := w.call(ctx, http.MethodPost, w.path(path), body, &answer)
	return answer.Request, err
}

func (w *walk) read(ctx context.Context, id string) (request, error) {
	var answer struct {
		Request request `json:"airlockRequest"`
	}
	err := w.call(ctx, http.MethodGet, w.path(id), nil, &answer)
	return answer.Request, err
}

func (w *walk) link(ctx context.Context, id string) (string, error) {
	var answer struct {
		URL string `json:"containerUrl"`
	}
	err := w.call(ctx, http.MethodPost, w.path(id+"/link"), nil, &answer)
	return answer.URL, err
}

// call asks the API. An answer that is none of success is an error with what the API says.
func (w *walk) call(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, w.app+path, content)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("status %d: %s", response.StatusCode, bytes.TrimSpace(text))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// put uploads a small file through a link, and returns the status. Its errors do not hold the link.
func (w *walk) put(ctx context.Context, link string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	container, signature, _ := strings.Cut(link, "?")
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, container+"/"+url.PathEscape(fileName)+"?"+signature, strings.NewReader("This file shows that the airlock works.\n"))
	if err != nil {
		return 0, errors.New("the link is no address")
	}
	r.Header.Set("x-ms-blob-type", "BlockBlob")
	response, err := http.DefaultClient.Do(r)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, err
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pollEvery):
		return nil
	}
}
