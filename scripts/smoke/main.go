// Command smoke walks one import through a deployed airlock, as its user: draft, upload, submit, scan, review, withdrawn. It
// shows that the app, its storage, its events and the malware scanner work together.
//
//	go run ./scripts/smoke -app https://HOST -workspace ID -audience AUDIENCE
//
// The user needs a role in the workspace that may make requests. Their token comes from az, or from AIRLOCK_TOKEN. It
// promises to withdraw what it made wherever the airlock allows that, to say so where it does not, and never to print a
// token or a link.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"airlock/scripts/apiclient"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, lookup func(string) (string, bool), out io.Writer) error {
	flags := flag.NewFlagSet("smoke", flag.ContinueOnError)
	app := flags.String("app", "", "address of the app, https://HOST")
	workspace := flags.String("workspace", "", "id of the workspace")
	audience := flags.String("audience", "", "audience of the token: that of the workspace's app registration, or of the API")
	wait := flags.Duration("wait", 15*time.Minute, "how long the request may take to come to review")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *app == "" || *workspace == "" {
		return errors.New("-app and -workspace are needed")
	}
	token, given := lookup("AIRLOCK_TOKEN")
	if !given {
		if *audience == "" {
			return errors.New("-audience is needed, or a token in AIRLOCK_TOKEN")
		}
		var err error
		if token, err = askAz(ctx, *audience); err != nil {
			return err
		}
	}
	client := &apiclient.Client{
		HTTP: &http.Client{Timeout: callTime}, App: strings.TrimSuffix(*app, "/"), Workspace: *workspace,
		Token: func(string) (string, error) { return token, nil },
	}
	w := &walk{Client: client, wait: *wait, out: out, began: time.Now()}
	return w.walk(ctx)
}

// askAz asks the Azure CLI for a token of whoever is signed in.
func askAz(ctx context.Context, audience string) (string, error) {
	out, err := exec.CommandContext(ctx, "az", "account", "get-access-token", "--resource", audience, "--query", "accessToken", "--output", "tsv").Output()
	if err != nil {
		return "", fmt.Errorf("az gives no token for %s (az login first): %w", audience, err)
	}
	return strings.TrimSpace(string(out)), nil
}
