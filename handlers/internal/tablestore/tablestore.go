// Package tablestore is the airlock.Store on Azure Table Storage.
//
// It promises that a request with its index rows, audit record, review, notices, manifest pages and due time is written
// in one entity group transaction, conditional on the version that was read: all of it or nothing. A commit is one HTTP
// request, a read by id another, a page of a list one more, however much the table holds. Whether a write was stored is
// answered exactly: where the service's answer was lost or may come from a repeated attempt, the store reads the row
// again and looks for the mark of this very write; only where that cannot tell either does it fail with ErrTransient.
//
// It never trusts an id: whatever becomes part of a key or a filter is validated or encoded first, and what is read must
// say that it belongs where it was found. It never puts a URL, a query or a token into an error.
//
// # Rows
//
// All rows are in one table. The rows of a workspace share the partition of its id:
//
//	req_<inverted id>                  the request
//	idx_<status>_<inverted id>         a copy, in the order newest first within a status
//	upd_<inverted time>_<inverted id>  a copy, in the order last changed first
//	own_<due time>_<id>                when something is due; only while something is
//	aud_<id>_<seq>                     an audit record
//	rev_<id>_<round>_<reviewer>        a review; the key makes it the only one by that person in the round
//	com_<id>_<seq>                     a comment, by the number of its audit record
//	out_<id>_<notice>                  a notice that is not published yet
//	fil_<id>_<round>_<page>            files of a manifest
//	set_                               the settings
//	sau_<seq>                          an audit record of the settings
//
// The lookups are partitions of their own, with names that no workspace can have: id_<request>, by_<requester>,
// all_workspaces. The row format of the partition all_rows says of which formats the rows of the table are. Inverted ids
// and times sort backwards, because a table lists in ascending order only. The copies are what makes a page of a list one
// query.
//
// The document of a row is JSON, cut into the string properties D0, D1 and so on. Everything else beside it serves
// filters and operators who look into the table.
package tablestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"airlock/handlers/internal/airlock"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Options say where the table is.
type Options struct {
	Endpoint   string                 // https://{account}.table.{suffix}
	Table      string                 // Azure: 3 to 63 letters and digits, the first a letter
	Credential azcore.TokenCredential // with the role Storage Table Data Contributor

	Transport  policy.Transporter // how to send requests; nil: the SDK's own
	RetryPause time.Duration      // before the second attempt of a request, and doubled before the third; 0: 200 ms
	NewMark    func() string      // marks a write, and must be unique; nil: random
}

// How often and how long one request is tried. Few and short: whoever calls has retries of their own, with back-off.
const (
	retries      = 2
	firstPause   = 200 * time.Millisecond
	longestPause = 2 * time.Second
	attemptLimit = 15 * time.Second
)

// Store is the store. It is safe for concurrent use.
type Store struct {
	table   *aztables.Client
	newMark func() string
	formats formats
}

// New makes a store. It sends nothing.
func New(o Options) (*Store, error) {
	if o.RetryPause == 0 {
		o.RetryPause = firstPause
	}
	if o.NewMark == nil {
		o.NewMark = rand.Text
	}
	if o.Credential == nil {
		return nil, errors.New("tablestore: no credential")
	}
	service, err := aztables.NewServiceClient(o.Endpoint, o.Credential, &aztables.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: o.Transport,
		Retry: policy.RetryOptions{
			MaxRetries: retries, RetryDelay: o.RetryPause, MaxRetryDelay: longestPause, TryTimeout: attemptLimit,
		},
		PerCallPolicies: []policy.Policy{verbatim{}}, PerRetryPolicies: []policy.Policy{attempts{}},
	}})
	if err != nil {
		return nil, fmt.Errorf("tablestore: %w", err)
	}
	return &Store{table: service.NewClient(o.Table), newMark: o.NewMark, formats: known}, nil
}

// EnsureTable makes the table if it is absent. It is for set-ups where nothing else does: a deployment makes its own.
func (s *Store) EnsureTable(ctx context.Context) error {
	_, err := s.table.CreateTable(ctx, nil)
	if is(err, http.StatusConflict, aztables.TableAlreadyExists) {
		return nil
	}
	return failed("make the table", "", err)
}

// Ping reads a row that does not exist.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.table.GetEntity(ctx, pingPartition, pingRow, nil)
	if is(err, http.StatusNotFound, aztables.ResourceNotFound) {
		return nil
	}
	return failed("ping", "", err)
}

// attempts counts how often a request is sent, for whoever put a counter into its context.
type attempts struct{}

type attemptsKey struct{}

// Do counts one attempt.
func (attempts) Do(req *policy.Request) (*http.Response, error) {
	if n, ok := req.Raw().Context().Value(attemptsKey{}).(*int); ok {
		*n++
	}
	return req.Next()
}

var _ airlock.Store = (*Store)(nil)
