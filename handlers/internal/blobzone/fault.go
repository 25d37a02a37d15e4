package blobzone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"airlock/handlers/internal/airlock"
)

// meaning is what storage's error codes mean to the caller of an operation.
type meaning map[bloberror.Code]error

// mistake is an error that trying again cannot cure, since nothing was sent.
type mistake struct{ error }

// unsent marks the error of a check, if there is one.
func unsent(err error) error {
	if err == nil {
		return nil
	}
	return mistake{err}
}

// explain turns what an operation failed with into an error of the port. Of storage's answer only the status and the code
// stay: the SDK's own text holds the address, and for a copy the body can hold the source.
func explain(ctx context.Context, op string, p airlock.Place, err error, means meaning) error {
	if err == nil {
		return nil
	}
	place := "a container"
	switch {
	case p.Check() == nil:
		place = p.Account + "/" + p.Container
	case p.Container == "" && airlock.IsAccount(p.Account):
		place = p.Account
	}
	var wrong mistake
	var answer *azcore.ResponseError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("%s %s: %w", op, place, wrong.error)
	case ctx.Err() != nil:
		return fmt.Errorf("%s %s: %w: %w", op, place, airlock.ErrTransient, context.Cause(ctx))
	case !errors.As(err, &answer):
		return fmt.Errorf("%s %s: %w: %s", op, place, airlock.ErrTransient, plain(err))
	}
	coded := means[bloberror.Code(answer.ErrorCode)]
	if coded == nil && passes(answer) {
		coded = airlock.ErrTransient
	}
	said := described(answer)
	if coded == nil {
		return fmt.Errorf("%s %s: %s", op, place, said)
	}
	return fmt.Errorf("%s %s: %w (%s)", op, place, coded, said)
}

// passes reports whether trying again can help. Azure, "Status and error codes": 408, 429 and 5xx; an account that is
// being made.
func passes(answer *azcore.ResponseError) bool {
	switch bloberror.Code(answer.ErrorCode) {
	case bloberror.AccountBeingCreated, bloberror.OperationTimedOut, bloberror.ServerBusy, bloberror.InternalError:
		return true
	}
	return answer.StatusCode == http.StatusRequestTimeout || answer.StatusCode == http.StatusTooManyRequests ||
		answer.StatusCode >= http.StatusInternalServerError && answer.StatusCode != http.StatusNotImplemented
}

// The headers in which storage says what the source of a copy answered. Azure: service version 2024-02-04 and newer.
const (
	sourceStatusHeader = "x-ms-copy-source-status-code"
	sourceCodeHeader   = "x-ms-copy-source-error-code"
)

// sourceStatus returns the status of a copy's source. Where storage does not tell, its own status is that of the source.
func sourceStatus(answer *azcore.ResponseError) int {
	if answer.RawResponse != nil {
		if n, err := strconv.Atoi(answer.RawResponse.Header.Get(sourceStatusHeader)); err == nil {
			return n
		}
	}
	return answer.StatusCode
}

// refused reports whether storage did not let a copy read its source.
func refused(err error) bool {
	var answer *azcore.ResponseError
	if !bloberror.HasCode(err, bloberror.CannotVerifyCopySource) || !errors.As(err, &answer) {
		return false
	}
	status := sourceStatus(answer)
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// sourceMeaning says what it means that storage could not read a copy's source. Nil: nothing that the port has a word for.
func sourceMeaning(err error) error {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return nil
	}
	switch status := sourceStatus(answer); {
	case status == http.StatusNotFound || status == http.StatusPreconditionFailed:
		return airlock.ErrChanged
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return airlock.ErrTransient // a key was revoked, or a role was given only just now: Azure takes minutes for both
	case status == http.StatusBadRequest:
		return nil
	default:
		return airlock.ErrTransient
	}
}

// word is what error codes look like; anything else is not repeated.
var word = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

// described returns the status and the codes of an answer.
func described(answer *azcore.ResponseError) string {
	said := "HTTP " + strconv.Itoa(answer.StatusCode)
	if word.MatchString(answer.ErrorCode) {
		said += " " + answer.ErrorCode
	}
	if answer.RawResponse != nil {
		if code := answer.RawResponse.Header.Get(sourceCodeHeader); word.MatchString(code) {
			said += ", source " + code
		}
	}
	return said
}

// address is anything that could be a URL, or its query.
var address = regexp.MustCompile(`(?i)[a-z]+://\S*|\S*\?\S*=\S*`)

// plain returns the text of an error of the network or of the credential, without addresses.
func plain(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	const longest = 300
	text := address.ReplaceAllString(err.Error(), "(address)")
	if len(text) > longest {
		text = text[:longest]
	}
	return text
}
