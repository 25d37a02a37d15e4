package funchost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

const (
	// hostVersion is what this host says it is.
	hostVersion = "4.1052.200"
	// maxResponse bounds what is read of a handler's answer to a trigger.
	maxResponse = 16 << 20

	headerInvocation = "X-Azure-Functions-InvocationId"
	headerVersion    = "X-Azure-Functions-HostVersion"
	userAgent        = "Azure-Functions-Host/" + hostVersion
)

// ErrFunctionTimeout is the failure of an invocation that took longer than functionTimeout.
var ErrFunctionTimeout = errors.New("the function took longer than functionTimeout")

// errNoResult is an answer that the real host waits on until functionTimeout: 2xx, but no body or null.
var errNoResult = errors.New("the handler answered with success but without a JSON object")

// invoke runs a function that is not proxied, and waits for its end. Nil means success.
func (h *Host) invoke(ctx context.Context, f *function, in envelope) error {
	id := h.newID()
	end := h.stats.begin(f.name)
	start := h.opts.Now()
	err := h.attempt(ctx, f, id, in)
	took := h.opts.Now().Sub(start)
	end(took, err != nil)
	h.outcome(f, id, took, err)
	if err != nil {
		return fmt.Errorf("function %s, invocation %s: %w", f.name, id, err)
	}
	return nil
}

// outcome logs one line for each invocation.
func (h *Host) outcome(f *function, id string, took time.Duration, err error) {
	event, text := h.log.Info(), "succeeded"
	if err != nil {
		event, text = h.log.Error().Err(err), "failed"
	}
	event.Str("function", f.name).Str("invocation", id).Dur("took", took).Msg("invocation " + text)
}

// attempt waits for a handler, posts the envelope to it and enforces functionTimeout. At the timeout the whole
// handler is replaced, and with it every other invocation fails: that is how the real host gets rid of it.
func (h *Host) attempt(parent context.Context, f *function, id string, in envelope) error {
	body, err := encode(in)
	if err != nil {
		return err
	}
	l, err := h.worker.acquire(parent)
	if err != nil {
		return err
	}
	ctx, cancel := h.withFunctionTimeout(parent)
	defer cancel()
	err = h.post(ctx, l, f, id, body)
	if errors.Is(err, errNoResult) {
		h.log.Warn().Str("function", f.name).Str("invocation", id).Err(err).Msg("waiting for functionTimeout")
		<-ctx.Done()
	}
	if err != nil && errors.Is(context.Cause(ctx), ErrFunctionTimeout) {
		h.worker.replace(l)
		return ErrFunctionTimeout
	}
	return err
}

// withFunctionTimeout limits ctx by functionTimeout, if there is one.
func (h *Host) withFunctionTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if h.config.functionTimeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, h.config.functionTimeout, ErrFunctionTimeout)
}

// post sends the envelope and judges the answer.
func (h *Host) post(ctx context.Context, l lease, f *function, id string, body []byte) error {
	// Hiding the reader's type leaves the length unknown: the real host sends chunks.
	reader := struct{ io.Reader }{bytes.NewReader(body)}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.base+"/"+f.name, reader)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set(headerInvocation, id)
	req.Header.Set(headerVersion, hostVersion)
	res, err := h.client.Do(req)
	if err != nil {
		return fmt.Errorf("call the handler: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxResponse+1))
	if err != nil {
		return fmt.Errorf("read the handler's answer: %w", err)
	}
	logs, err := judge(res.StatusCode, res.Header.Get("Content-Type"), answer)
	for _, line := range logs {
		h.log.Info().Str("function", f.name).Str("invocation", id).Msg(line)
	}
	return err
}

// judge tells what an answer means: nil is success, errNoResult is an invocation that never ends by itself, and
// everything else is a failure. It returns the lines that the handler wants logged.
func judge(status int, contentType string, body []byte) ([]string, error) {
	if status < 200 || status > 299 {
		return nil, fmt.Errorf("the handler answered %d %s", status, http.StatusText(status))
	}
	if len(body) > maxResponse {
		return nil, fmt.Errorf("the handler's answer is longer than %d bytes", maxResponse)
	}
	if len(body) == 0 {
		return nil, errNoResult
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" && media != "text/json" {
		return nil, fmt.Errorf("the handler's answer has the media type %q, want application/json", contentType)
	}
	var result *struct {
		Outputs     map[string]json.RawMessage
		Logs        []string
		ReturnValue json.RawMessage
	}
	if err := json.Unmarshal(body, &result); err != nil {
		return nil, fmt.Errorf("decode the handler's answer: %w", err)
	}
	if result == nil {
		return nil, errNoResult
	}
	return result.Logs, nil
}

// logger is the log for one purpose, named as the real host names its categories.
func logger(log zerolog.Logger, category string) zerolog.Logger {
	return log.With().Str("category", category).Logger()
}
