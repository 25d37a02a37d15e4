// Command handler is the airlock as an Azure Functions custom handler: the one program that host.json starts. With
// arguments it is a command for operators instead.
//
// It wires and nothing else. It promises to answer the host's probe before anything slow begins, to refuse settings that
// cannot work and a table that it must not touch before it serves anything, and to end with a code other than 0, because the
// host starts a handler again only then. It keeps no state.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/google/uuid"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/api"
	"airlock/handlers/internal/busqueue"
	"airlock/handlers/internal/config"
	"airlock/handlers/internal/customhandler"
	"airlock/handlers/internal/entra"
	"airlock/handlers/internal/operator"
	"airlock/handlers/internal/trigger"
)

// version is set by the linker.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 {
		tools := func() (operator.Tools, error) { return newTools(ctx, os.LookupEnv) }
		os.Exit(operator.Run(ctx, os.Args[1:], tools, os.Stdout, os.Stderr))
	}
	if err := run(ctx, os.LookupEnv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stdout, "handler:", err)
	}
	os.Exit(1) // the host starts the handler again unless it ends with 0
}

// The garbage collector lets the heap grow by so many percent of what is in use, up to so many bytes in all. In use are a few
// MiB, for which it would come in the middle of every list; and it would save nothing: instances are billed whole, and the
// smallest has 512 MB (Azure: memory of Flex Consumption instances).
const (
	garbage = 300
	memory  = 64 << 20
)

// run serves until ctx ends.
func run(ctx context.Context, lookup func(string) (string, bool), out io.Writer) error {
	cfg, err := config.Read(lookup)
	if err != nil {
		return err
	}
	listener, err := customhandler.Listen(cfg.Port)
	if err != nil {
		return err
	}
	debug.SetGCPercent(garbage)
	debug.SetMemoryLimit(memory)
	logs := newJournal(out, cfg.LogLevel, time.Now)
	gate := &customhandler.Gate{}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	go func() {
		server, adopt, err := wire(cfg, logs)
		if err == nil {
			err = admit(ctx, adopt, func() { gate.Open(server) }, logs.problem)
		}
		if err != nil {
			giveUp(err)
		}
	}()
	if err := customhandler.Serve(ctx, listener, gate, logs.standard()); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// wire builds the program from its settings. adopt is what it has to ask before it serves.
func wire(cfg config.Config, logs *journal) (server *customhandler.Server, adopt func(context.Context) error, err error) {
	verifier, err := entra.New(entra.Config{Issuer: cfg.Issuer, TenantID: cfg.TenantID})
	if err != nil {
		return nil, nil, err
	}
	credential, err := identity(cfg)
	if err != nil {
		return nil, nil, err
	}
	outside, err := connect(cfg, credential)
	if err != nil {
		return nil, nil, err
	}
	signer, err := newSigner(cfg, credential)
	if err != nil {
		return nil, nil, err
	}
	service := newService(cfg, outside, signer, logs)
	service.Version = version
	service.Probes = []airlock.Probe{{Name: "topic", Ask: outside.bus.PingTopic}, {Name: "issuer", Ask: verifier.Check}}
	trace := func() string { return uuid.NewString() }
	server, err = customhandler.New(customhandler.Options{
		Functions: trigger.New(service, busqueue.Decode),
		HTTP: api.New(api.Options{
			Service: service, Tokens: identifier{verifier, cfg.APIAudiences}, Version: version,
			PlainTextErrors: cfg.PlainTextErrors, AllowedOrigins: cfg.AllowedOrigins, APIAudiences: cfg.APIAudiences,
			NewTrace: trace, Now: time.Now, Log: logs.request,
		}),
		Timeout: cfg.InvocationTimeout, Report: logs.invocation, Now: time.Now,
	})
	return server, outside.store.Adopt, err
}
