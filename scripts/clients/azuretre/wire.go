package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// wire sends requests and prints them with their answers.
type wire struct {
	out   io.Writer
	quiet bool // while something is asked again and again
}

// call is one request.
type call struct {
	method, url string
	token       string // empty: none
	body        string
	headers     http.Header
	list        bool // the answer is a list, and is printed in short
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

var signature = regexp.MustCompile(`([?&])(se|sig|ske|skoid|sks|skt|sktid|skv|sp|spr|sr|st|sv|scid)=[^"&\s]*`)

// hidden is a text without the signatures of links.
func hidden(text string) string {
	text = signature.ReplaceAllString(text, "$1…")
	for strings.Contains(text, "&…") || strings.Contains(text, "……") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "&…", ""), "……", "…")
	}
	return text
}

func (w *wire) say(format string, args ...any) {
	if !w.quiet {
		fmt.Fprintf(w.out, format+"\n", args...)
	}
}

// send sends a request just as it is: no header is added but those that every client sends.
func (w *wire) send(ctx context.Context, c call) (answer, error) {
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r, err := http.NewRequestWithContext(ctx, c.method, c.url, body)
	if err != nil {
		return answer{}, errors.New("the address is no URL")
	}
	for name, values := range c.headers {
		r.Header[name] = values
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	shown := hidden(c.url)
	w.say("> %s %s", c.method, shown)
	for _, name := range slices.Sorted(maps.Keys(c.headers)) {
		w.say("> %s: %s", name, strings.Join(c.headers[name], ", "))
	}
	if c.body != "" {
		w.say("> %s", c.body)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: no answer", c.method, shown)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: the answer ends early", c.method, shown)
	}
	w.say("< %d %s", response.StatusCode, response.Header.Get("Content-Type"))
	a := answer{response.StatusCode, response.Header, content}
	text := strings.TrimSpace(string(content))
	switch {
	case c.list && a.status == http.StatusOK:
		w.say("< %s", a.inShort())
	case text != "" && !strings.HasPrefix(text, "<") && !strings.HasPrefix(text, "\ufeff<"):
		w.say("< %s", hidden(text))
	}
	w.say("")
	return a, nil
}

// inShort is a list of requests by their ids and statuses.
func (a answer) inShort() string {
	var page struct {
		Entries []entry `json:"airlockRequests"`
	}
	var requests []request
	if bare := a.read(&requests); bare != nil {
		if a.read(&page) != nil {
			return "not a list"
		}
		for _, e := range page.Entries {
			requests = append(requests, e.Request)
		}
	}
	text := fmt.Sprintf("(%d requests, here in short)", len(requests))
	for _, r := range requests {
		text += " " + r.ID + ":" + r.Status
	}
	return text
}

// is fails unless the answer has the status.
func (a answer) is(status int) error {
	if a.status != status {
		return fmt.Errorf("status %d, want %d: %s", a.status, status, hidden(string(a.body)))
	}
	return nil
}

// says fails unless the answer is this sentence as plain text, which the clients show as it is.
func (a answer) says(status int, sentence string) error {
	if err := a.is(status); err != nil {
		return err
	}
	if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		return fmt.Errorf("the error is %s, want text/plain", kind)
	}
	if !strings.HasPrefix(string(a.body), sentence) {
		return fmt.Errorf("the error is %q, want %q", a.body, sentence)
	}
	return nil
}

// read decodes the answer.
func (a answer) read(into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("the answer is no JSON as expected: %w", err)
	}
	return nil
}

// keys are the names of an object in the answer, in their order, below the names of the path.
func (a answer) keys(path ...string) ([]string, error) {
	raw := json.RawMessage(a.body)
	for _, name := range path {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, err
		}
		raw = object[name]
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	var names []string
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		names = append(names, fmt.Sprint(name))
	}
	return names, nil
}

// token logs in as the end-to-end tests do: with a password, for one audience.
func (w *wire) token(ctx context.Context, issuer, login, audience string) (string, error) {
	w.quiet = true
	defer func() { w.quiet = false }()
	found, err := w.send(ctx, call{method: http.MethodGet, url: issuer + "/.well-known/openid-configuration"})
	if err != nil {
		return "", err
	}
	var discovery struct {
		Endpoint string `json:"token_endpoint"`
	}
	if err := errors.Join(found.is(http.StatusOK), found.read(&discovery)); err != nil {
		return "", err
	}
	form := url.Values{"grant_type": {"password"}, "username": {login}, "password": {"any"}, "client_id": {"azuretre"}, "scope": {audience + "/user_impersonation"}}
	granted, err := w.send(ctx, call{
		method: http.MethodPost, url: discovery.Endpoint, body: form.Encode(),
		headers: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
	})
	if err != nil {
		return "", err
	}
	var token struct {
		Access string `json:"access_token"`
	}
	if granted.status != http.StatusOK || granted.read(&token) != nil || token.Access == "" {
		return "", fmt.Errorf("the issuer answers %d", granted.status)
	}
	return token.Access, nil
}
