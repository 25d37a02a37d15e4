// Package logicapp runs a Logic App (Standard) project on one's own machine: it takes messages from Service Bus as the built-in
// connector does, runs the very workflow.json that is deployed, and hands its mails to an SMTP server.
//
// It promises that what works here uses only what Azure documents: the workflow is checked whole before the first message, and
// anything that is not understood stops the start (see packages workflow and expression). A message that a run did not settle
// itself is completed when the run succeeded and abandoned when it failed.
//
// It never reads the connections' secrets or addresses: the bus and the mail server are those of the Options. It keeps no run
// history; each run leaves one line in the log, without addresses or texts of the notice.
package logicapp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/rs/zerolog"

	"airlock/scripts/localazure/logicapp/workflow"
)

const (
	// maxRuns bounds the runs at once.
	maxRuns = 16
	// settleTimeout bounds how long a message is settled after its run, also while the app stops.
	settleTimeout = 10 * time.Second
	// pause is how long the app waits before it asks a bus again that does not answer.
	pause = time.Second
)

// Options say what to run and against what.
type Options struct {
	Dir        string            // the project: host.json, connections.json, parameters.json and a folder per workflow
	Workflow   string            // the folder in it
	Settings   map[string]string // the app settings that the project names
	Parameters map[string]any    // values instead of those in parameters.json

	ConnectionString string // of the Service Bus; the trigger of the workflow names queue or topic
	SMTPAddress      string // host:port of the mail server

	Log  zerolog.Logger
	Now  func() time.Time                                      // nil means time.Now
	Wait func(ctx context.Context, length time.Duration) error // how a Wait action waits; nil means in real time
}

// App is a running Logic App.
type App struct {
	options  Options
	workflow *workflow.Workflow
	entity   entity
	client   *azservicebus.Client
	stop     context.CancelFunc
	runs     sync.WaitGroup
	slots    chan struct{}

	mu       sync.Mutex
	inFlight map[string]*delivery // by lock token
}

// delivery is a message that a run works on.
type delivery struct {
	message  *azservicebus.ReceivedMessage
	receiver *azservicebus.Receiver
	settled  bool
}

// Start checks the project and begins to take messages. The context bounds the start only; the app then runs until Stop.
func Start(ctx context.Context, o Options) (*App, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	// Short: receive has a loop of its own, and a bus on this machine is soon back.
	retries := azservicebus.RetryOptions{MaxRetries: 2, RetryDelay: 100 * time.Millisecond, MaxRetryDelay: time.Second}
	a := &App{options: o, slots: make(chan struct{}, maxRuns), inFlight: map[string]*delivery{}}
	var err error
	if a.workflow, err = load(o, a.operations()); err != nil {
		return nil, fmt.Errorf("start logic app %s: %w", o.Workflow, err)
	}
	if a.entity, err = entityOf(a.workflow.Trigger()); err != nil {
		return nil, fmt.Errorf("start logic app %s: %w", o.Workflow, err)
	}
	if a.client, err = azservicebus.NewClientFromConnectionString(o.ConnectionString, &azservicebus.ClientOptions{RetryOptions: retries}); err != nil {
		// The SDK's error may quote the connection string, which holds a key.
		return nil, fmt.Errorf("start logic app %s: the connection string of the Service Bus is not valid", o.Workflow)
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, a.client.Close(ctx))
	}
	running, stop := context.WithCancel(context.Background())
	a.stop = stop
	a.runs.Go(func() { a.receive(running) })
	return a, nil
}

// Stop ends the app. Messages whose runs did not end are abandoned, so that they come again.
func (a *App) Stop() error {
	a.stop()
	a.runs.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if err := a.client.Close(ctx); err != nil {
		return fmt.Errorf("stop logic app %s: %w", a.options.Workflow, err)
	}
	return nil
}

func wait(ctx context.Context, length time.Duration) error {
	t := time.NewTimer(length)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// receive takes messages until the context ends. A bus that is away is asked again; the log tells when it went and came back.
func (a *App) receive(ctx context.Context) {
	away := false
	for ctx.Err() == nil {
		err := a.receiveFrom(ctx, func() {
			if away {
				a.options.Log.Info().Stringer("entity", a.entity).Msg("the service bus answers again")
			}
			away = false
		})
		if ctx.Err() != nil {
			return
		}
		if !away {
			a.options.Log.Warn().Err(err).Stringer("entity", a.entity).Msg("the service bus does not answer")
		}
		away = true
		// It ends early only when the context does, which the loop sees.
		_ = wait(ctx, pause)
	}
}

// receiveFrom takes messages over one link until it breaks.
func (a *App) receiveFrom(ctx context.Context, answered func()) error {
	receiver, err := a.entity.receiver(a.client)
	if err != nil {
		return fmt.Errorf("receive from %s: %w", a.entity, err)
	}
	// The link stays open until the runs that settle over it have ended.
	var open sync.WaitGroup
	defer func() {
		open.Wait()
		closing, cancel := context.WithTimeout(context.Background(), settleTimeout)
		defer cancel()
		// A link that broke cannot be closed in order; what it held comes again when its locks expire.
		_ = receiver.Close(closing)
	}()
	for {
		select {
		case a.slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		messages, err := receiver.ReceiveMessages(ctx, 1, nil)
		if err != nil {
			<-a.slots
			return fmt.Errorf("receive from %s: %w", a.entity, err)
		}
		answered()
		open.Go(func() {
			defer func() { <-a.slots }()
			for _, m := range messages {
				a.handle(ctx, &delivery{message: m, receiver: receiver})
			}
		})
	}
}

// handle runs the workflow for one message and settles what the run left unsettled.
func (a *App) handle(ctx context.Context, d *delivery) {
	token := lockToken(d.message)
	a.mu.Lock()
	a.inFlight[token] = d
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.inFlight, token)
		a.mu.Unlock()
	}()

	begun := time.Now()
	log := a.options.Log.With().Str("workflow", a.options.Workflow).Str("message", d.message.MessageID).Logger()
	result, err := a.workflow.Run(ctx, triggerOutputs(d.message, a.workflow.Trigger().SplitOn))
	status := workflow.Cancelled
	if err == nil {
		status, err = result.Status, result.Err
	}
	settled := d.settled
	if !settled {
		// Also after the context ended: what is not settled would come again only when its lock expires.
		settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		if err == nil {
			err = d.receiver.CompleteMessage(settling, d.message, nil)
		} else {
			err = errors.Join(err, d.receiver.AbandonMessage(settling, d.message, nil))
		}
	}
	level := zerolog.InfoLevel
	if err != nil {
		level = zerolog.WarnLevel
	}
	log.WithLevel(level).Err(err).Str("status", string(status)).Bool("settled_by_workflow", settled).
		Dur("took_ms", time.Since(begun)).Msg("run")
}
