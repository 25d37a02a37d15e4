package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"airlock/scripts/jsonschema"
	"airlock/scripts/localazure"
	"airlock/scripts/localazure/nodejs"
	"airlock/scripts/watch"
)

// ear hears the notices, as an organisation's own systems do: one subscription hears all of them, a review desk what its
// filter lets through.
type ear struct {
	schemas jsonschema.Folder
	out     io.Writer // a line for each notice; nil: none

	mu       sync.Mutex
	notices  []watch.Notice
	desk     []watch.Notice
	problems []error // messages that do not fit their schema
}

// listen starts the subscribers. stop ends them.
func listen(ctx context.Context, azure *localazure.Azure, out io.Writer) (e *ear, stop func(), err error) {
	root, err := nodejs.Modules(ctx)
	if err != nil {
		return nil, nil, err
	}
	e = &ear{out: out}
	folder := filepath.Join(root, "..", "..", "handlers", "internal", "busqueue", "schema", "v1")
	if e.schemas, err = jsonschema.Load(os.DirFS(folder)); err != nil {
		return nil, nil, err
	}
	client, err := azservicebus.NewClientFromConnectionString(azure.Bus.ConnectionString(), nil)
	if err != nil {
		return nil, nil, errors.New("notices: the connection string of the local Service Bus is not valid")
	}
	running, end := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for subscription, heard := range map[string]func(context.Context, watch.Notice) error{
		localazure.WatchList: e.hear, localazure.ReviewDesk: e.hearAtDesk,
	} {
		s := &watch.Subscriber{Client: client, Topic: localazure.NoticeTopic, Subscription: subscription, Heard: heard}
		group.Go(func() { s.Run(running) })
	}
	return e, func() {
		end()
		group.Wait()
		closing, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = client.Close(closing) // the bus ends next
	}, nil
}

func (e *ear) hear(_ context.Context, n watch.Notice) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notices = append(e.notices, n)
	if s := e.schemas[n.Data.EventType+".json"]; s == nil {
		e.problems = append(e.problems, fmt.Errorf("notice %s is of the unknown type %q", n.ID, n.Data.EventType))
	} else if err := s.Validate(n.Body); err != nil {
		e.problems = append(e.problems, fmt.Errorf("notice %s does not fit its schema: %w", n.ID, err))
	}
	if e.out != nil {
		fmt.Fprintf(e.out, "notice  %s  %s (%s)\n", n.Time.Format(time.TimeOnly), line(n), n.Data.Request.Title)
	}
	return nil
}

func (e *ear) hearAtDesk(_ context.Context, n watch.Notice) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.desk = append(e.desk, n)
	return nil
}

// line is a notice with its recipients, in short.
func line(n watch.Notice) string {
	recipients := strings.Join(n.Data.Recipients, ", ")
	if recipients == "" {
		recipients = "nobody with an address"
	}
	back := ""
	if previous := n.Data.Request.Previous; n.What() == "draft" && previous != nil {
		back = " again, after " + *previous
	}
	return fmt.Sprintf("%s%s → %s: %s", n.What(), back, n.Data.Audience, recipients)
}

// of returns what was heard of a request.
func (e *ear) of(id string) (notices []watch.Notice) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range e.notices {
		if n.Data.Request.ID == id {
			notices = append(notices, n)
		}
	}
	return notices
}

// told waits until all that the trail of the player's requests asks for was heard, prints it, and fails where something is
// missing, doubled or more than that.
func (e *ear) told(ctx context.Context, p *player) error {
	for _, id := range p.made {
		due, err := p.azure.Tellings(ctx, p.workspace, id)
		if err != nil {
			return err
		}
		missing := p.eventually(ctx, func() error {
			if n := len(e.of(id)); n < len(due) {
				return fmt.Errorf("%d of %d notices were heard", n, len(due))
			}
			return nil
		})
		var heard []localazure.Telling
		for _, n := range e.of(id) {
			fmt.Fprintf(p.out, "            told: %s\n", line(n))
			heard = append(heard, localazure.Telling{What: n.What(), Audience: n.Data.Audience})
		}
		if missing != nil || !sameTellings(heard, due) {
			return fmt.Errorf("told %v, the trail asks for %v", heard, due)
		}
	}
	return nil
}

// sameTellings compares without the order: it is nearly always that of the trail, and nobody promises it.
func sameTellings(a, b []localazure.Telling) bool {
	order := func(x, y localazure.Telling) int { return strings.Compare(x.String(), y.String()) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), order), slices.SortedFunc(slices.Values(b), order))
}

// summary says what was heard, and fails where a message is not as it has to be.
func (e *ear) summary(out io.Writer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	problems := slices.Clone(e.problems)
	for _, n := range e.desk {
		if n.Data.Audience != "reviewers" {
			problems = append(problems, fmt.Errorf("the review desk heard a notice to the %s", n.Data.Audience))
		}
	}
	fmt.Fprintf(out, "notices: %d heard, each as its schema says; %d of them at the review desk, whose filter is audience = reviewers\n",
		len(e.notices), len(e.desk))
	return errors.Join(problems...)
}
