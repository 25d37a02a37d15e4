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

// What rows hold, in characters of JSON: as much as they do in the airlock, where one of eight is a quote.
const (
	draftSize    = 900  // a request that is a draft
	documentSize = 1700 // that is submitted, or in review
	decidedSize  = 2650 // with a review
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
	notices *notices
}

// newRaw builds and starts the program. The caller must stop it.
func newRaw(ctx context.Context, a *localazure.Azure) (_ *raw, err error) {
	if err := a.Storage.AddAccount(ctx, rawAccount); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "airlock-raw-")
	if err != nil {
		return nil, err
	}
	r := &raw{program: filepath.Join(folder, "raw")}
	defer func() {
		if err == nil {
			return
		}
		if err = errors.Join(err, os.RemoveAll(folder)); r.notices != nil {
			err = errors.Join(err, r.notices.close(ctx))
		}
	}()
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
	if r.notices, err = hear(ctx, a); err != nil {
		return nil, err
	}
	if r.topic, err = r.notices.bus.NewSender(localazure.NoticeTopic, nil); err != nil {
		return nil, err
	}
	return r, r.command.Start()
}

// stop ends the program and removes it.
func (r *raw) stop(ctx context.Context) error {
	return errors.Join(r.calls.Close(), r.command.Wait(), os.RemoveAll(filepath.Dir(r.program)), r.notices.close(ctx))
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

// pass sends a message and waits for it at the other end.
func (r *raw) pass(ctx context.Context) error {
	id := uuid.NewString()
	err := r.topic.SendMessage(ctx, &azservicebus.Message{
		Body: make([]byte, documentSize), MessageID: &id, Subject: &id, ApplicationProperties: map[string]any{"status": relay},
	}, nil)
	if err != nil {
		return err
	}
	return r.notices.told(ctx, id, relay)
}
