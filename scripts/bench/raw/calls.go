package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/google/uuid"
)

const (
	besideSize  = 350  // characters of JSON in a row beside a request: a record, a notice, a page of the manifest, or one that goes
	messageSize = 2200 // bytes of a message
	others      = 100  // rows beside the one that stands for the request
	listedSize  = 900  // characters of JSON in each of them
	indices     = 2    // rows that hold the whole request once more
	name        = "file.csv"
	rowsAlone   = aztables.MetadataFormatNone // as the airlock asks
)

// raw has a table and containers that nobody else uses. It is for one goroutine.
type raw struct {
	table           *aztables.Client
	source, target  *container.Client
	account, suffix string
	client          *http.Client
	credential      azcore.TokenCredential
	topic           *azservicebus.Sender
	n               int
	blobURL         string
}

// newRaw makes what is worked on: a request's row among others, and a container with one file.
func newRaw(ctx context.Context, account string, getenv func(string) string) (*raw, error) {
	r := &raw{account: account, suffix: getenv("AIRLOCK_STORAGE_SUFFIX")}
	var err error
	if r.client, err = storageClient(getenv); err != nil {
		return nil, err
	}
	if r.credential, err = azidentity.NewManagedIdentityCredential(nil); err != nil {
		return nil, err
	}
	tables, err := aztables.NewServiceClient("https://"+account+".table."+r.suffix, r.credential, &aztables.ClientOptions{ClientOptions: r.options()})
	if err != nil {
		return nil, err
	}
	r.table = tables.NewClient("floor")
	if _, err := r.table.CreateTable(ctx, nil); err != nil {
		return nil, err
	}
	if r.source, err = r.folder("source"); err != nil {
		return nil, err
	}
	if _, err := r.source.Create(ctx, nil); err != nil {
		return nil, err
	}
	file := r.source.NewBlockBlobClient(name)
	if _, err := file.UploadBuffer(ctx, []byte("group,n\na,12\n"), nil); err != nil {
		return nil, err
	}
	r.blobURL = file.URL()
	bus, err := azservicebus.NewClientFromConnectionString(getenv("ServiceBus"), nil)
	if err != nil {
		return nil, errors.New("the bus cannot be reached") // the SDK's text can hold the connection string
	}
	if r.topic, err = bus.NewSender(getenv("AIRLOCK_NOTIFICATION_TOPIC"), nil); err != nil {
		return nil, err
	}
	return r, r.seed(ctx)
}

// storageClient reaches the local storage as the airlock does.
func storageClient(getenv func(string) string) (*http.Client, error) {
	authorities, err := os.ReadFile(getenv("AIRLOCK_STORAGE_CA_FILE"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authorities) {
		return nil, errors.New("no certificate to trust")
	}
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, getenv("AIRLOCK_STORAGE_DIAL"))
		},
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}}, nil
}

func (r *raw) options() azcore.ClientOptions { return azcore.ClientOptions{Transport: r.client} }

func (r *raw) folder(name string) (*container.Client, error) {
	return container.NewClient("https://"+r.account+".blob."+r.suffix+"/"+name, r.credential, &container.ClientOptions{ClientOptions: r.options()})
}

// seed stores the row that stands for the request, and others to list.
func (r *raw) seed(ctx context.Context) error {
	var actions []aztables.TransactionAction
	for i := range others {
		actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: request(fmt.Sprintf("req_%03d", i), listedSize)})
	}
	if _, err := r.table.SubmitTransaction(ctx, actions, nil); err != nil {
		return err
	}
	_, err := r.table.AddEntity(ctx, request("request", listedSize), nil)
	return err
}

// entity is a row with a document: as JSON, which has quotes to escape in the JSON of the row.
func entity(key string, size int, columns ...string) []byte {
	const member = `"a name":"and a value as well",`
	e := map[string]string{"PartitionKey": "w", "RowKey": key, "D0": strings.Repeat(member, size/len(member))}
	for i := 0; i < len(columns); i += 2 {
		e[columns[i]] = columns[i+1]
	}
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings always encode
	}
	return b
}

// request is a row that stands for a request: beside the document it has what lists filter by, and who wrote it.
func request(key string, size int) []byte {
	return entity(key, size, "Status", "in_review", "Type", "import", "Creator", uuid.NewString(), "Version", "7", "Version@odata.type", "Edm.Int64",
		"UpdatedWhen", "2026-03-01T09:00:00.0000000Z", "Mark", uuid.NewString())
}

// step is one call.
type step func(context.Context) error

// parse finds the calls of a line.
func (r *raw) parse(line string) ([]step, error) {
	var steps []step
	for call := range strings.SplitSeq(line, ";") {
		words := strings.Fields(call)
		numbers := make([]int, 2)
		for i, word := range words[min(1, len(words)):] {
			n, err := strconv.Atoi(word)
			if err != nil || i >= len(numbers) {
				return nil, fmt.Errorf("%q is no call", call)
			}
			numbers[i] = n
		}
		do, ok := map[string]step{
			"read": r.read, "add": r.add, "set": r.set, "query": r.query(numbers[0]), "commit": r.commit(numbers[0], numbers[1]),
			"open": r.open, "copy": r.copy, "download": r.download, "list": r.list, "send": r.send, "tag": r.tag,
		}[strings.Join(words[:min(1, len(words))], "")]
		if !ok {
			return nil, fmt.Errorf("%q is no call", call)
		}
		steps = append(steps, do)
	}
	return steps, nil
}

func (r *raw) key() string {
	r.n++
	return fmt.Sprintf("row_%d", r.n)
}

// read reads a row.
func (r *raw) read(ctx context.Context) error {
	_, err := r.table.GetEntity(ctx, "w", "request", &aztables.GetEntityOptions{Format: to.Ptr(rowsAlone)})
	return err
}

// lookup is a row that leads to a workspace.
func (r *raw) lookup() ([]byte, error) {
	return json.Marshal(map[string]string{"PartitionKey": r.key(), "RowKey": "workspace", "Workspace": uuid.NewString()})
}

// add stores a lookup that must not be there.
func (r *raw) add(ctx context.Context) error {
	row, err := r.lookup()
	if err != nil {
		return err
	}
	_, err = r.table.AddEntity(ctx, row, nil)
	return err
}

// set stores a lookup.
func (r *raw) set(ctx context.Context) error {
	row, err := r.lookup()
	if err != nil {
		return err
	}
	_, err = r.table.UpsertEntity(ctx, row, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	return err
}

// query reads up to n rows of a range.
func (r *raw) query(n int) step {
	return func(ctx context.Context) error {
		filter := "PartitionKey eq 'w' and RowKey ge 'req_' and RowKey lt 'req`'"
		_, err := r.table.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Top: to.Ptr(int32(n)), Format: to.Ptr(rowsAlone)}).NextPage(ctx)
		return err
	}
}

// commit replaces the request's row and adds rows beside it, in one transaction. The first two are the request's in the
// indexes.
func (r *raw) commit(document, beside int) step {
	return func(ctx context.Context) error {
		actions := []aztables.TransactionAction{{ActionType: aztables.TransactionTypeUpdateReplace, Entity: request("request", document), IfMatch: to.Ptr(azcore.ETagAny)}}
		for i := range beside {
			row := entity(r.key(), besideSize)
			if i < indices {
				row = request(r.key(), document)
			}
			actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: row})
		}
		_, err := r.table.SubmitTransaction(ctx, actions, nil)
		return err
	}
}

// open makes a container, which becomes the target.
func (r *raw) open(ctx context.Context) (err error) {
	if r.target, err = r.folder(uuid.NewString()); err != nil {
		return err
	}
	_, err = r.target.Create(ctx, nil)
	return err
}

// copy copies the file into the target.
func (r *raw) copy(ctx context.Context) error {
	_, err := r.target.NewBlobClient(name).StartCopyFromURL(ctx, r.blobURL, &blob.StartCopyFromURLOptions{Metadata: map[string]*string{"a": to.Ptr("b")}})
	return err
}

// download reads the copied file.
func (r *raw) download(ctx context.Context) error {
	answer, err := r.target.NewBlobClient(name).DownloadStream(ctx, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close())
}

// tag sets a tag on the copied file, as the scanner does.
func (r *raw) tag(ctx context.Context) error {
	_, err := r.target.NewBlobClient(name).SetTags(ctx, map[string]string{"result": "clean"}, nil)
	return err
}

// list lists the container with one file.
func (r *raw) list(ctx context.Context) error {
	_, err := r.source.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Include: container.ListBlobsInclude{Copy: true, Metadata: true, Tags: true},
	}).NextPage(ctx)
	return err
}

// send sends a message.
func (r *raw) send(ctx context.Context) error {
	return r.topic.SendMessage(ctx, &azservicebus.Message{Body: make([]byte, messageSize), MessageID: to.Ptr(uuid.NewString())}, nil)
}
