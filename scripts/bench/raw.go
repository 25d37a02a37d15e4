package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/google/uuid"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/entraid"
	"airlock/scripts/localazure/storage"
)

// What rows hold, in bytes of JSON, about as much as they do in the airlock.
const (
	draftSize    = 1400 // a request that is a draft
	documentSize = 2200 // that is submitted, or in review
	decidedSize  = 3300 // with a review
	besideSize   = 700  // what is stored beside it: a record, a notice, a page of the manifest
)

// raw does what the airlock needs of storage and of the bus with nothing but the SDKs: the floor that it is compared with.
// It has a table, containers, a queue and a topic that nobody else uses. It is for one goroutine.
type raw struct {
	table           *aztables.Client
	source, target  *container.Client
	account, suffix string
	client          *http.Client
	credential      azcore.TokenCredential
	bus             *azservicebus.Client
	topic           *azservicebus.Sender
	reader          *azservicebus.Receiver
	storage         *storage.Storage
	n               atomic.Int64
	blobURL         string
}

// credential is the managed identity.
type credential struct{ server *entraid.Server }

// GetToken implements azcore.TokenCredential.
func (c credential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, expires, err := c.server.IdentityToken(entraid.StorageResource)
	return azcore.AccessToken{Token: token, ExpiresOn: expires}, err
}

const (
	rawAccount = "stalimexbench" // of the kind whose events nobody subscribes to
	rawTable   = "floor"
	rawBlob    = "file.csv"
)

// newRaw makes what the floor works on: a request's row among others, and a container with one file.
func newRaw(ctx context.Context, a *localazure.Azure) (*raw, error) {
	r := &raw{account: rawAccount, suffix: a.Storage.Suffix(), client: a.Storage.Client(), credential: credential{a.Entra}, storage: a.Storage}
	if err := a.Storage.AddAccount(ctx, rawAccount); err != nil {
		return nil, err
	}
	tables, err := aztables.NewServiceClient("https://"+rawAccount+".table."+r.suffix, r.credential, &aztables.ClientOptions{ClientOptions: r.options()})
	if err != nil {
		return nil, err
	}
	if _, err := tables.CreateTable(ctx, rawTable, nil); err != nil && !strings.Contains(err.Error(), string(aztables.TableAlreadyExists)) {
		return nil, err
	}
	r.table = tables.NewClient(rawTable)
	if r.source, err = r.folder("source"); err != nil {
		return nil, err
	}
	if _, err := r.source.Create(ctx, nil); err != nil {
		return nil, err
	}
	file := r.source.NewBlockBlobClient(rawBlob)
	if _, err := file.UploadBuffer(ctx, []byte("group,n\na,12\n"), nil); err != nil {
		return nil, err
	}
	r.blobURL = file.URL()
	if r.bus, err = azservicebus.NewClientFromConnectionString(a.Bus.ConnectionString(), nil); err != nil {
		return nil, errors.New("the bus cannot be reached") // the SDK's text can hold the connection string
	}
	if r.topic, err = r.bus.NewSender(localazure.NoticeTopic, nil); err != nil {
		return nil, err
	}
	if r.reader, err = r.bus.NewReceiverForSubscription(localazure.NoticeTopic, localazure.WatchList, nil); err != nil {
		return nil, err
	}
	return r, r.seed(ctx)
}

func (r *raw) options() azcore.ClientOptions { return azcore.ClientOptions{Transport: r.client} }

func (r *raw) folder(name string) (*container.Client, error) {
	return container.NewClient("https://"+r.account+".blob."+r.suffix+"/"+name, r.credential, &container.ClientOptions{ClientOptions: r.options()})
}

// seed stores the row that stands for the request, and a page of others to list.
func (r *raw) seed(ctx context.Context) error {
	for first := 0; first < 100; first += 50 {
		var actions []aztables.TransactionAction
		for i := first; i < first+50; i++ {
			actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: entity(fmt.Sprintf("req_%03d", i), draftSize)})
		}
		if _, err := r.table.SubmitTransaction(ctx, actions, nil); err != nil {
			return err
		}
	}
	_, err := r.table.AddEntity(ctx, entity("request", documentSize), nil)
	return err
}

// entity is a row with a document.
func entity(key string, size int) []byte {
	b, err := json.Marshal(map[string]string{"PartitionKey": "w", "RowKey": key, "document": strings.Repeat("x", size)})
	if err != nil {
		panic(err) // strings always encode
	}
	return b
}

// step is one call.
type step func(context.Context) error

// all is steps one after the other, as a thing to be timed.
func all(steps ...step) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		for _, s := range steps {
			if err := s(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func (r *raw) key() string { return fmt.Sprintf("row_%d", r.n.Add(1)) }

// read reads a row.
func (r *raw) read(ctx context.Context) error {
	_, err := r.table.GetEntity(ctx, "w", "request", nil)
	return err
}

// add stores a row of its own.
func (r *raw) add(ctx context.Context) error {
	_, err := r.table.AddEntity(ctx, entity(r.key(), besideSize), nil)
	return err
}

// query reads up to n rows of a range.
func (r *raw) query(n int32) step {
	return func(ctx context.Context) error {
		filter := "PartitionKey eq 'w' and RowKey ge 'req_' and RowKey lt 'req`'"
		_, err := r.table.NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter, Top: &n}).NextPage(ctx)
		return err
	}
}

// commit replaces the request's row and adds rows beside it, in one transaction. The first two are the request's in the
// indexes.
func (r *raw) commit(document, beside int) step {
	return func(ctx context.Context) error {
		actions := []aztables.TransactionAction{{ActionType: aztables.TransactionTypeUpdateReplace, Entity: entity("request", document), IfMatch: to.Ptr(azcore.ETagAny)}}
		for i := range beside {
			size := document
			if i >= 2 {
				size = besideSize
			}
			actions = append(actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: entity(r.key(), size)})
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
	_, err := r.target.NewBlobClient(rawBlob).StartCopyFromURL(ctx, r.blobURL, &blob.StartCopyFromURLOptions{Metadata: map[string]*string{"a": to.Ptr("b")}})
	return err
}

// download reads the copied file.
func (r *raw) download(ctx context.Context) error {
	answer, err := r.target.NewBlobClient(rawBlob).DownloadStream(ctx, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close())
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
	return r.topic.SendMessage(ctx, &azservicebus.Message{Body: make([]byte, documentSize), MessageID: to.Ptr(uuid.NewString())}, nil)
}

// relay sends a message and receives it at the other end.
func (r *raw) relay(ctx context.Context) error {
	id := uuid.NewString()
	if err := r.topic.SendMessage(ctx, &azservicebus.Message{Body: make([]byte, documentSize), MessageID: &id}, nil); err != nil {
		return err
	}
	for {
		got, err := r.reader.ReceiveMessages(ctx, 1, nil)
		if err != nil {
			return err
		}
		if err := r.reader.CompleteMessage(ctx, got[0], nil); err != nil {
			return err
		}
		if got[0].MessageID == id {
			return nil
		}
	}
}

// told waits until a notice says that the request has the status. Polling would take part in what is measured: Azurite answers
// one call at a time.
func (r *raw) told(ctx context.Context, id, status string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		got, err := r.reader.ReceiveMessages(ctx, 1, nil)
		if err != nil {
			return fmt.Errorf("nobody is told that request %s is %s: %w", id, status, err)
		}
		if err := r.reader.CompleteMessage(ctx, got[0], nil); err != nil {
			return err
		}
		if got[0].Subject == nil || !strings.HasPrefix(*got[0].Subject, id) {
			continue
		}
		switch got[0].ApplicationProperties["status"] {
		case status:
			return nil
		case "failed":
			return fmt.Errorf("request %s failed before it was %s", id, status)
		}
	}
}

// drain takes away what others have left in the subscription, so that relay finds its own message first.
func (r *raw) drain(ctx context.Context) error {
	for {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		got, err := r.reader.ReceiveMessages(short, 100, nil)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, m := range got {
			if err := r.reader.CompleteMessage(ctx, m, nil); err != nil {
				return err
			}
		}
	}
}

// scan reads the copied file and tags it, as the scanner does.
func (r *raw) scan(ctx context.Context) error {
	name := path.Base(r.target.URL())
	content, _, err := r.storage.Open(ctx, r.account, name, rawBlob)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return err
	}
	if err := content.Close(); err != nil {
		return err
	}
	return r.storage.SetTags(ctx, r.account, name, rawBlob, map[string]string{"result": "clean"})
}
