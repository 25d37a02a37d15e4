package tablestore

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	jsonv2 "github.com/go-json-experiment/json"
)

// rowsAlone leaves out what the service says of a row beside its columns: nobody reads the types, an ETag comes in a header,
// and lists have none.
const rowsAlone = aztables.MetadataFormatNone

// row reads one row and its ETag. Its errors are for failed.
func (s *Store) row(ctx context.Context, partition, key string) (e entity, etag string, err error) {
	var body []byte
	answer, err := s.table.GetEntity(keeping(ctx, &body), partition, key, &aztables.GetEntityOptions{Format: to.Ptr(rowsAlone)})
	if err != nil {
		return nil, "", err
	}
	err = jsonv2.Unmarshal(body, &e)
	return e, string(answer.ETag), err
}

// list lists what the options say, without metadata.
func (s *Store) list(options aztables.ListEntitiesOptions) *runtime.Pager[aztables.ListEntitiesResponse] {
	options.Format = to.Ptr(rowsAlone)
	return s.table.NewListEntitiesPager(&options)
}

// rows reads the next page. Its errors are for failed. Of the answer only where to go on is of use.
func rows(ctx context.Context, pager *runtime.Pager[aztables.ListEntitiesResponse]) ([]entity, aztables.ListEntitiesResponse, error) {
	var body []byte
	answer, err := pager.NextPage(keeping(ctx, &body))
	if err != nil {
		return nil, answer, err
	}
	var page struct {
		Value []entity `json:"value"`
	}
	err = jsonv2.Unmarshal(body, &page)
	return page.Value, answer, err
}

// verbatim keeps the bodies of answers from the SDK, for whoever asks for them in the context: the SDK would decode rows into
// maps and encode each again, to be decoded once more. That took longer than all else that is done to list them.
type verbatim struct{}

type verbatimKey struct{}

// keeping asks for the body of the next answer that is a success.
func keeping(ctx context.Context, body *[]byte) context.Context {
	return context.WithValue(ctx, verbatimKey{}, body)
}

// Do takes the body out of the answer, and leaves an object with nothing in it.
func (verbatim) Do(req *policy.Request) (*http.Response, error) {
	answer, err := req.Next()
	body, ok := req.Raw().Context().Value(verbatimKey{}).(*[]byte)
	if err != nil || !ok || answer.StatusCode != http.StatusOK {
		return answer, err
	}
	if *body, err = runtime.Payload(answer); err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(strings.NewReader("{}"))
	return answer, nil
}
