package tablestore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"

	"airlock/handlers/internal/airlock"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Limits of an entity group transaction. Azure: 100 operations and 4 MiB, which here leaves room for what is around
// each operation.
const (
	maxOperations  = 100
	maxTransaction = 4 << 20
	operationFrame = 1 << 10
)

// transaction gathers what is written to one partition. The first operation is the one that decides: it holds the
// condition, and its row holds the mark and the version.
type transaction struct {
	op, id    string // for errors
	partition string
	version   int // that the first row has when this is stored
	mark      string
	actions   []aztables.TransactionAction
	size      int
	err       error
}

func (t *transaction) act(kind aztables.TransactionType, match *azcore.ETag, r row) {
	r.partition = t.partition
	encoded, err := r.entity()
	if err != nil && t.err == nil {
		t.err = err
	}
	t.size += len(encoded) + operationFrame
	t.actions = append(t.actions, aztables.TransactionAction{ActionType: kind, Entity: encoded, IfMatch: match})
}

// add writes a row that must be new.
func (t *transaction) add(r row) { t.act(aztables.TransactionTypeAdd, nil, r) }

// replace writes a row that must be there, and of the version if one is given. The condition is always sent: without
// one the service would add the row if it is absent.
func (t *transaction) replace(r row, version string) {
	match := azcore.ETagAny
	if version != "" {
		match = azcore.ETag(version)
	}
	t.act(aztables.TransactionTypeUpdateReplace, &match, r)
}

// put writes a row that may be there.
func (t *transaction) put(r row) { t.act(aztables.TransactionTypeInsertReplace, nil, r) }

// remove deletes a row that must be there.
func (t *transaction) remove(key string) {
	match := azcore.ETagAny
	t.act(aztables.TransactionTypeDelete, &match, row{key: key})
}

// move replaces a row whose key may have changed with it.
func (t *transaction) move(from string, to row) {
	if from == to.key {
		t.replace(to, "")
		return
	}
	t.remove(from)
	t.add(to)
}

// Why a transaction was refused. None of them was stored.
var (
	errStale   = errors.New("the first row is not of that version")
	errTaken   = errors.New("a row exists already")
	errMissing = errors.New("a row is missing")
)

// submit sends the transaction and returns the new ETag of its first row. The error is errStale, errTaken or errMissing
// where the service refused it for the state of the table; any other is for the caller as it is.
//
// The answer of a transaction can be lost, and the SDK may then have sent it twice, so that the second is refused
// because the first was stored. Where the answer leaves that open, the row is read again and compared by its mark.
func (s *Store) submit(ctx context.Context, t *transaction) (etag string, err error) {
	switch {
	case t.err != nil:
		return "", fmt.Errorf("tablestore: %s %s: %w", t.op, t.id, t.err)
	case len(t.actions) > maxOperations || t.size > maxTransaction:
		return "", fmt.Errorf("tablestore: %s %s: %d rows of %d bytes in all, and a transaction takes %d of %d",
			t.op, t.id, len(t.actions), t.size, maxOperations, maxTransaction)
	}
	var sent int
	var response *http.Response
	captured := policy.WithCaptureResponse(context.WithValue(ctx, attemptsKey{}, &sent), &response)
	_, err = s.table.SubmitTransaction(captured, t.actions, nil)
	switch {
	case response != nil && response.StatusCode == http.StatusAccepted:
		// The SDK gives away neither the ETags nor, in its error, what was refused: both are in the parts of the body.
		var body []byte
		if body, err = runtime.Payload(response); err == nil {
			etag, err = parseParts(body, len(t.actions))
		}
	case err == nil:
		err = errors.New("an answer that is none to a transaction")
	}
	switch {
	case err == nil:
		return etag, nil
	case sent == 1 && refused(err):
		return "", err
	default:
		return s.settle(ctx, t, err)
	}
}

func refused(err error) bool {
	return errors.Is(err, errStale) || errors.Is(err, errTaken) || errors.Is(err, errMissing)
}

// settle finds out whether a transaction was stored after all.
func (s *Store) settle(ctx context.Context, t *transaction, cause error) (etag string, err error) {
	failure := failed(t.op, t.id, cause)
	switch {
	case !refused(cause) && !errors.Is(failure, airlock.ErrTransient):
		return "", failure // a clear answer: it was not stored, and will not be
	case refused(cause):
		failure = fmt.Errorf("tablestore: %s %s: %w: refused, but perhaps after it was stored", t.op, t.id, airlock.ErrTransient)
	}
	var key struct{ RowKey string }
	if err := json.Unmarshal(t.actions[0].Entity, &key); err != nil {
		return "", fmt.Errorf("tablestore: %s %s: %w", t.op, t.id, err)
	}
	found, etag, err := s.row(ctx, t.partition, key.RowKey)
	switch {
	case refused(cause) && is(err, http.StatusNotFound, aztables.ResourceNotFound):
		return "", cause
	case err != nil:
		return "", failure
	}
	version, err := strconv.Atoi(found.text(columnVersion))
	switch {
	case err != nil:
		return "", fmt.Errorf("tablestore: %s %s: row %s has no version", t.op, t.id, found.key())
	case found.text(columnMark) == t.mark:
		return etag, nil
	case version == t.version: // another write took this version, so this one never can
		return "", errStale
	case version < t.version && refused(cause):
		return "", cause
	default: // it may still be on its way; or it was stored, and then replaced
		return "", failure
	}
}

// parseParts reads the answer to a transaction: the ETag of the first row, or what was refused. Anything but the whole
// answer is an error that leaves it open.
func parseParts(body []byte, operations int) (etag string, err error) {
	changes, err := firstPart(body)
	if err != nil {
		return "", err
	}
	parts, err := multipartOf(changes)
	if err != nil {
		return "", err
	}
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) && n == operations {
			return etag, nil
		}
		if err != nil {
			return "", fmt.Errorf("the answer has %d of %d parts: %w", n, operations, err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(part), nil)
		if err != nil {
			return "", fmt.Errorf("part %d of the answer: %w", n, err)
		}
		if answer.StatusCode >= 400 {
			return "", refusal(answer)
		}
		if n == 0 {
			etag = answer.Header.Get("ETag")
		}
		if etag == "" {
			return "", errors.New("the answer has no ETag")
		}
	}
}

// firstPart returns the first part of a multipart body.
func firstPart(body []byte) ([]byte, error) {
	parts, err := multipartOf(body)
	if err != nil {
		return nil, err
	}
	part, err := parts.NextRawPart()
	if err != nil {
		return nil, fmt.Errorf("the answer has no part: %w", err)
	}
	return io.ReadAll(part)
}

// multipartOf reads a multipart body by its first line, which is the boundary.
func multipartOf(body []byte) (*multipart.Reader, error) {
	line, _, _ := bytes.Cut(body, []byte("\n"))
	boundary, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("--"))
	if !ok {
		return nil, errors.New("the answer is not in parts")
	}
	return multipart.NewReader(bytes.NewReader(body), string(boundary)), nil
}

// refusal is the error of the operation that made the transaction fail.
func refusal(answer *http.Response) error {
	var body struct {
		Error struct {
			Code string `json:"code"`
		} `json:"odata.error"`
	}
	code := "without a code"
	if err := json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&body); err == nil {
		code = body.Error.Code
	}
	switch {
	case answer.StatusCode == http.StatusPreconditionFailed:
		return errStale
	case answer.StatusCode == http.StatusConflict && code == string(aztables.EntityAlreadyExists):
		return errTaken
	case answer.StatusCode == http.StatusNotFound && code == string(aztables.ResourceNotFound):
		return errMissing
	default:
		return &azcore.ResponseError{StatusCode: answer.StatusCode, ErrorCode: code}
	}
}
