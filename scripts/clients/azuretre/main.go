// Command azuretre calls the airlock as the clients of AzureTRE's airlock do: its end-to-end tests, its command line and
// its web page, with their bodies, headers and habits. It prints what went over the wire, and fails at the first answer
// that one of them could not use.
//
// It knows nothing of this repository but the addresses that it is given, and nothing of the API that those clients do
// not know. It never prints a token or the signature of a link.
//
// With go run ./scripts/dev -set AIRLOCK_PLAIN_TEXT_ERRORS=true running, since errors are compared as the plain text that those
// clients show:
//
//	go run ./scripts/clients/azuretre -api http://127.0.0.1:PORT -issuer http://127.0.0.1:PORT/TENANT/v2.0 -workspace ID -audience api://workspace-0001
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "azuretre:", err)
		os.Exit(1)
	}
}

// options are what the clients are configured with.
type options struct {
	api, issuer, workspace, audience, core string
	page                                   string        // origin of the web page
	patience                               time.Duration // how long the end-to-end tests wait for a status
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("azuretre", flag.ContinueOnError)
	flags.StringVar(&o.api, "api", "", "base address of the API, without /api")
	flags.StringVar(&o.issuer, "issuer", "", "whose tokens the API takes")
	flags.StringVar(&o.workspace, "workspace", "", "id of a workspace")
	flags.StringVar(&o.audience, "audience", "", "audience of the workspace's app registration")
	flags.StringVar(&o.core, "core", "api://airlock", "audience of the API")
	flags.StringVar(&o.page, "page", "", "origin of the web page, which AIRLOCK_ALLOWED_ORIGINS has to name; empty: it is not played")
	flags.DurationVar(&o.patience, "patience", time.Minute, "how long to wait for a status")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.api == "" || o.issuer == "" || o.workspace == "" || o.audience == "" {
		return errors.New("-api, -issuer, -workspace and -audience are needed")
	}
	s := &session{options: o, wire: wire{out: out}}
	for _, login := range []string{"ada", "olga", "mia"} {
		if err := s.login(ctx, login); err != nil {
			return fmt.Errorf("log in as %s: %w", login, err)
		}
	}
	plays := []play{
		{"end-to-end tests: import", s.importApproved},
		{"end-to-end tests: export and revoke", s.exportRevoked},
		{"command line", s.commandLine},
		{"errors", s.errors},
	}
	if o.page != "" {
		plays = append(plays, play{"web page", s.webPage})
	}
	for _, p := range plays {
		fmt.Fprintf(out, "== %s\n\n", p.name)
		if err := p.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	fmt.Fprintf(out, "== every answer was one that AzureTRE's clients can use\n")
	return nil
}

// play is what one of the clients does.
type play struct {
	name string
	do   func(context.Context) error
}
