package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"

	"airlock/scripts/localazure"
)

// What rows hold, in bytes of JSON, about as much as they do in the airlock.
const (
	draftSize    = 1400 // a request that is a draft
	documentSize = 2200 // that is submitted, or in review
	decidedSize  = 3300 // with a review
)

// rawAccount is of the kind whose events nobody subscribes to.
const rawAccount = "stalimexbench"

// raw is the floor: the program of that name beside this one, which makes calls with the SDKs alone. What goes through the bus
// from end to end is measured here. It is for one goroutine.
type raw struct {
	command *exec.Cmd
	program string
	calls   io.WriteCloser
	answers *bufio.Scanner
	topic   *azservicebus.Sender
	reader  *azservicebus.Receiver
}

// newRaw builds and starts the program. The caller must stop it.
func newRaw(ctx context.Context, a *localazure.Azure) (r *raw, err error) {
	if err := a.Storage.AddAccount(ctx, rawAccount); err != nil {
		return nil, err
	}
	bus, err := azservicebus.NewClientFromConnectionString(a.Bus.ConnectionString(), nil)
	if err != nil {
		return nil, errors.New("the bus cannot be reached") // the SDK's text can hold the connection string
	}
	r = &raw{}
	if r.topic, err = bus.NewSender(localazure.NoticeTopic, nil); err != nil {
		return nil, err
	}
	if r.reader, err = bus.NewReceiverForSubscription(localazure.NoticeTopic, localazure.WatchList, nil); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "airlock-raw-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	r.program = filepath.Join(folder, "raw")
	if err := build(ctx, "raw", r.program); err != nil {
		return nil, err
	}
	r.command = exec.CommandContext(ctx, r.program, rawAccount)
	r.command.Env, r.command.Stderr = a.Command(ctx).Env, os.Stderr
	tie(r.command)
	answers, err := r.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.answers = bufio.NewScanner(answers)
	if r.calls, err = r.command.StdinPipe(); err != nil {
		return nil, err
	}
	return r, r.command.Start()
}

// stop ends the program and removes it.
func (r *raw) stop() error {
	return errors.Join(r.calls.Close(), r.command.Wait(), os.RemoveAll(filepath.Dir(r.program)))
}

// relay is a call that goes through the bus to its other end.
const relay = "relay"

// all makes calls one after the other, and says how long they took.
func (r *raw) all(calls ...string) func(context.Context, int) (time.Duration, error) {
	return func(ctx context.Context, _ int) (took time.Duration, err error) {
		for i, stretch := range stretches(calls) {
			if i > 0 {
				began := time.Now()
				if err := r.pass(ctx); err != nil {
					return 0, err
				}
				took += time.Since(began)
			}
			t, err := r.ask(stretch...)
			if err != nil {
				return 0, err
			}
			took += t
		}
		return took, nil
	}
}

// stretches cuts calls where one goes through the bus.
func stretches(calls []string) [][]string {
	all := [][]string{nil}
	for _, call := range calls {
		if call == relay {
			all = append(all, nil)
			continue
		}
		all[len(all)-1] = append(all[len(all)-1], call)
	}
	return all
}

// ask has the program make calls.
func (r *raw) ask(calls ...string) (time.Duration, error) {
	if len(calls) == 0 {
		return 0, nil
	}
	line := strings.Join(calls, ";")
	if _, err := fmt.Fprintln(r.calls, line); err != nil {
		return 0, fmt.Errorf("raw: %w", err)
	}
	if !r.answers.Scan() {
		return 0, fmt.Errorf("raw: no answer to %s", line)
	}
	took, err := strconv.ParseInt(r.answers.Text(), 10, 64)
	return time.Duration(took), err
}

// pass sends a message and receives it at the other end.
func (r *raw) pass(ctx context.Context) error {
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
