package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// webPage plays the list of a workspace, and what the buttons send.
func (s *session) webPage(ctx context.Context) error {
	if err := s.preflight(ctx); err != nil {
		return err
	}
	for _, query := range []string{
		"?order_by=updatedWhen&order_ascending=false", "?order_by=createdTime&order_ascending=false", "?order_by=status&order_ascending=true",
		"?type=import&status=blocked&order_by=updatedWhen&order_ascending=false", "?type=&status=&order_by=updatedWhen&order_ascending=false",
	} {
		entries, err := s.list(ctx, query)
		if err != nil {
			return fmt.Errorf("list %s: %w", query, err)
		}
		if err := checkList(query, entries); err != nil {
			return err
		}
	}
	return s.buttons(ctx)
}

// checkList checks what a query asked for.
func checkList(query string, entries []entry) error {
	newest := func(a, b entry) int { return int((b.Request.Created - a.Request.Created) * 1e6) }
	switch {
	case strings.Contains(query, "createdTime") && !slices.IsSortedFunc(entries, newest):
		return errors.New("the list is not newest first")
	case strings.Contains(query, "blocked") && slices.ContainsFunc(entries, func(e entry) bool { return e.Request.Status != "blocked_by_scan" || e.Request.Type != "import" }):
		return errors.New("the list of what was blocked holds something else")
	case !strings.Contains(query, "blocked") && len(entries) < 3:
		return errors.New("the list is too short")
	}
	return nil
}

// headers are those of every request of the page.
func (s *session) headers() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Etag": {""}, "Origin": {s.page}}
}

// preflight asks whether the page may call, as browsers do before its first call.
func (s *session) preflight(ctx context.Context) error {
	a, err := s.send(ctx, call{method: http.MethodOptions, url: s.path(""), headers: http.Header{
		"Origin": {s.page}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,content-type,etag"},
	}})
	if err := errors.Join(err, a.is(http.StatusNoContent), expect("the allowed origin", a.header.Get("Access-Control-Allow-Origin"), s.page)); err != nil {
		return fmt.Errorf("preflight: %w", err)
	}
	for _, name := range []string{"authorization", "content-type", "etag"} {
		if !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), name) {
			return fmt.Errorf("preflight: the page may not send the header %s", name)
		}
	}
	if !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") {
		return errors.New("preflight: the page may not POST")
	}
	return nil
}

// buttons presses submit, which sends a content type and no content, looks at the page of all requests, and approves.
func (s *session) buttons(ctx context.Context) error {
	id, _, err := s.draft(ctx, "import")
	if err != nil {
		return err
	}
	press := func(login, button, body, status string) error {
		a, err := s.send(ctx, call{method: http.MethodPost, url: s.path("/" + id + "/" + button), token: s.tokens[login], body: body, headers: s.headers()})
		var e entry
		if err := errors.Join(err, a.is(http.StatusOK), a.read(&e), expect("the status", e.Request.Status, status)); err != nil {
			return fmt.Errorf("%s: %w", button, err)
		}
		return expect("the allowed origin", a.header.Get("Access-Control-Allow-Origin"), s.page)
	}
	if err := press("ada", "submit", "", "submitted"); err != nil {
		return err
	}
	if _, err := s.await(ctx, "ada", id, "in_review"); err != nil {
		return err
	}
	if err := s.everywhere(ctx, id); err != nil {
		return err
	}
	if err := press("mia", "review", `{"approval":true,"decisionExplanation":"Nothing against it"}`, "approval_in_progress"); err != nil {
		return err
	}
	_, err = s.await(ctx, "ada", id, "approved")
	return err
}

// everywhere asks for the requests of all workspaces: those that ada made, and those that mia may review.
func (s *session) everywhere(ctx context.Context, id string) error {
	for _, all := range []struct{ login, query string }{
		{"ada", "?order_by=updatedWhen&order_ascending=false"}, {"mia", "?airlock_manager=true&status=in_review&order_by=updatedWhen&order_ascending=false"},
	} {
		a, err := s.send(ctx, call{method: http.MethodGet, url: s.api + "/api/requests" + all.query, token: s.cores[all.login], list: true})
		var requests []request // the page expects a bare array
		if err := errors.Join(err, a.is(http.StatusOK), a.read(&requests)); err != nil {
			return fmt.Errorf("requests of all workspaces: %w", err)
		}
		if !slices.ContainsFunc(requests, func(r request) bool { return r.ID == id }) {
			return fmt.Errorf("the requests of all workspaces do not hold %s for %s", id, all.login)
		}
	}
	return nil
}

// dies waits until a link answers 404.
func (s *session) dies(ctx context.Context, link string) error {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	s.say("… GET the files with the old link until they are gone")
	s.quiet = true
	defer func() { s.quiet = false }()
	for {
		a, err := s.blob(ctx, http.MethodGet, link, "", "")
		if err != nil || a.status == http.StatusNotFound {
			s.quiet = false
			s.say("")
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the link still answers %d", a.status)
		case <-tick.C:
		}
	}
}
