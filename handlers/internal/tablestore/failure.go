package tablestore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"airlock/handlers/internal/airlock"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// is reports whether the service answered with the status and the code. Both count: a row and a table that are
// missing have the same status.
func is(err error, status int, code aztables.TableErrorCode) bool {
	var answer *azcore.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == status && answer.ErrorCode == string(code)
}

// failed gives an error of the SDK its place in the contract. It takes over no text that could hold a URL with its
// query, a header or a body.
func failed(op, id string, err error) error {
	if err == nil {
		return nil
	}
	where := strings.TrimSpace("tablestore: " + op + " " + id)
	var answer *azcore.ResponseError
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w: %w", where, airlock.ErrTransient, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w: %w", where, airlock.ErrTransient, context.DeadlineExceeded)
	case is(err, http.StatusNotFound, aztables.ResourceNotFound):
		return fmt.Errorf("%s: %w", where, airlock.ErrNotFound)
	case !errors.As(err, &answer): // no answer: the connection, or the token
		return fmt.Errorf("%s: %w: %s", where, airlock.ErrTransient, plain(err))
	case transient(answer.StatusCode, answer.ErrorCode):
		return fmt.Errorf("%s: %w: %d %s", where, airlock.ErrTransient, answer.StatusCode, answer.ErrorCode)
	default:
		return fmt.Errorf("%s: %d %s", where, answer.StatusCode, answer.ErrorCode)
	}
}

// transient reports whether an answer says that trying again can help.
// Azure: throttling is 503 ServerBusy or 429, a server timeout 500 OperationTimedOut.
func transient(status int, code string) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500 ||
		code == string(aztables.TableBeingDeleted)
}

// queries finds the query of any URL in a text.
var queries = regexp.MustCompile(`\?[^\s"']+`)

// plain is the reason of an error that is no answer: its first line, without the URL.
func plain(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = queries.ReplaceAllString(line, "")
	return line[:min(len(line), 300)]
}
