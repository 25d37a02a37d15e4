package tablestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"airlock/handlers/internal/airlock"
	"airlock/statemachine"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Requests lists one page of a workspace's requests: one query, whatever the filters.
func (s *Store) Requests(ctx context.Context, q airlock.Query) (airlock.Page, error) {
	if err := airlock.CheckLimit(q.Limit); err != nil {
		return airlock.Page{}, fmt.Errorf("tablestore: %w", err)
	}
	_, known := statemachine.Of(q.Status)
	nothing := !airlock.IsWorkspaceID(q.Workspace) || (q.Status != "" && !known) || len(q.Creator) > airlock.MaxID || len(q.Type) > airlock.MaxID
	var conditions string
	switch {
	case q.Order == airlock.NewestFirst && q.Status != "":
		conditions = within(q.Workspace, statusPrefix(q.Status))
	case q.Order == airlock.NewestFirst:
		conditions = within(q.Workspace, "req_")
	case q.Order == airlock.LastChanged:
		conditions = within(q.Workspace, "upd_")
		if q.Status != "" {
			conditions += fmt.Sprintf(" and %s eq '%s'", columnStatus, q.Status)
		}
	default:
		return airlock.Page{}, fmt.Errorf("tablestore: there is no order %q", q.Order)
	}
	if q.Type != "" {
		conditions += fmt.Sprintf(" and %s eq '%s'", columnType, encode(string(q.Type)))
	}
	if q.Creator != "" {
		conditions += fmt.Sprintf(" and %s eq '%s'", columnCreator, encode(q.Creator))
	}
	l := list{name: fmt.Sprintf("%s %q %q", q.Order, q.Workspace, conditions), filter: conditions, limit: q.Limit, nothing: nothing}
	found := airlock.Page{Requests: []airlock.Request{}}
	next, err := s.page(ctx, l, q.Cursor, func(e entity) error {
		var stored storedRequest
		if err := e.document(&stored); err != nil {
			return err
		}
		r := stored.request()
		if r.WorkspaceID != q.Workspace {
			return fmt.Errorf("row %s holds a request of %q", e.key(), r.WorkspaceID)
		}
		found.Requests = append(found.Requests, r)
		return nil
	})
	if err != nil {
		return airlock.Page{}, err
	}
	found.Next = next
	return found, nil
}

// lookupsAtOnce is how many requests RequestsOf reads at the same time.
const lookupsAtOnce = 16

// RequestsOf lists one page of a person's requests: one query of the lookup, then each request by its id, since they are
// in many partitions.
func (s *Store) RequestsOf(ctx context.Context, person string, limit int, cursor string) (airlock.Page, error) {
	if err := airlock.CheckLimit(limit); err != nil {
		return airlock.Page{}, fmt.Errorf("tablestore: %w", err)
	}
	filter := fmt.Sprintf("PartitionKey eq '%s%s'", requesterPartition, encode(person))
	var all []airlock.Owed // for the workspace and the id
	l := list{name: "of " + filter, filter: filter, limit: limit, nothing: !airlock.IsID(person)}
	next, err := s.page(ctx, l, cursor, func(e entity) error {
		all = append(all, airlock.Owed{Workspace: e.text(columnWorkspace), Request: invert(e.key())})
		return nil
	})
	if err != nil {
		return airlock.Page{}, err
	}
	requests, errs := make([]airlock.Request, len(all)), make([]error, len(all))
	var reads sync.WaitGroup
	slots := make(chan struct{}, lookupsAtOnce)
	for i, at := range all {
		slots <- struct{}{}
		reads.Go(func() {
			requests[i], errs[i] = s.Request(ctx, at.Workspace, at.Request)
			<-slots
		})
	}
	reads.Wait()
	found := airlock.Page{Requests: []airlock.Request{}, Next: next}
	for i, r := range requests {
		switch {
		case errors.Is(errs[i], airlock.ErrNotFound): // a lookup whose request was never stored
		case errs[i] != nil:
			return airlock.Page{}, errs[i]
		case r.CreatedBy.ID == person:
			r.ETag = ""
			found.Requests = append(found.Requests, r)
		}
	}
	return found, nil
}

// Workspaces lists one page of the workspaces that have settings.
func (s *Store) Workspaces(ctx context.Context, limit int, cursor string) (ids []string, next string, err error) {
	if err := airlock.CheckLimit(limit); err != nil {
		return nil, "", fmt.Errorf("tablestore: %w", err)
	}
	filter := fmt.Sprintf("PartitionKey eq '%s'", workspacesPartition)
	ids = []string{}
	next, err = s.page(ctx, list{name: "workspaces", filter: filter, limit: limit}, cursor, func(e entity) error {
		ids = append(ids, e.key())
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return ids, next, nil
}

// list is a list that is read page by page.
type list struct {
	name    string // tells it from every other list
	filter  string
	limit   int
	nothing bool // asks for something that cannot be in the table
}

// page reads one page and returns the cursor of the next: the place where the service says to go on, bound to the list.
// The service goes on at the key that came next, so rows that come and go beside it do no harm. The filter names
// one partition, so that not even a cursor that somebody made up reaches another.
func (s *Store) page(ctx context.Context, l list, cursor string, use func(entity) error) (next string, err error) {
	top := int32(l.limit)
	options := aztables.ListEntitiesOptions{Filter: &l.filter, Top: &top}
	if cursor != "" {
		if options.NextPartitionKey, options.NextRowKey, err = l.parse(cursor); err != nil {
			return "", err
		}
	}
	if l.nothing {
		return "", failed("list", "", ctx.Err())
	}
	found, page, err := rows(ctx, s.list(options))
	if err != nil {
		var answer *azcore.ResponseError
		if cursor != "" && errors.As(err, &answer) && answer.StatusCode == http.StatusBadRequest {
			return "", fmt.Errorf("tablestore: list: %w", airlock.ErrCursor)
		}
		return "", failed("list", "", err)
	}
	for _, e := range found {
		if err := use(e); err != nil {
			return "", fmt.Errorf("tablestore: list: %w", err)
		}
	}
	return l.cursor(page.NextPartitionKey, page.NextRowKey), nil
}

// cursor is base64 of a digest over the list and the place, then the place. The digest is no secret: it finds cursors
// of other lists and mistakes, not attackers, who could reach nothing but their own list.
func (l list) cursor(partition, key *string) string {
	if partition == nil || *partition == "" {
		return ""
	}
	place := *partition
	if key != nil {
		place += "\n" + *key
	}
	return base64.RawURLEncoding.EncodeToString(append(l.digest(place), place...))
}

const digestSize = 12

func (l list) digest(place string) []byte {
	sum := sha256.Sum256([]byte(l.name + "\n" + place))
	return sum[:digestSize]
}

func (l list) parse(cursor string) (partition, key *string, err error) {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(decoded) < digestSize || !bytes.Equal(decoded[:digestSize], l.digest(string(decoded[digestSize:]))) {
		return nil, nil, fmt.Errorf("tablestore: list: %w", airlock.ErrCursor)
	}
	place, rest, ok := strings.Cut(string(decoded[digestSize:]), "\n")
	if ok {
		key = &rest
	}
	return &place, key, nil
}
