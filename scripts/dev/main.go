// Command dev runs the airlock on this machine, on a local Azure, and can play its whole life in front of it.
//
//	go run ./scripts/dev                    start everything and say what runs where; Ctrl-C stops it
//	go run ./scripts/dev -data DIR          the same, and keep requests and files for the next start
//	go run ./scripts/dev -set NAME=VALUE    the same, with another value of a setting of the handler; may be given several times
//	go run ./scripts/dev -demo [-file FILE] start everything, play every scenario, stop; exit 0 only if all end as told
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"airlock/scripts/localazure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "dev:", err)
		os.Exit(1)
	}
}

// startTime bounds the start, with the npm packages and the handler still to be made.
const startTime = 5 * time.Minute

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("dev", flag.ContinueOnError)
	demo := flags.Bool("demo", false, "play every scenario, then stop")
	file := flags.String("file", "", "with -demo: a file of yours to import")
	data := flags.String("data", "", "a folder that keeps everything for the next start")
	logFile := flags.String("log", "", "a file for what all parts have to say")
	set := settings{}
	flags.Func("set", "`NAME=VALUE` of a setting of the handler; may be given several times", set.add)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *file != "" && !*demo {
		return errors.New("-file goes with -demo")
	}
	o := localazure.Options{DataDir: *data, Mail: true, Settings: set}
	if *logFile != "" {
		f, err := os.OpenFile(*logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		o.Log = f
	}
	var deadline time.Duration
	if *demo {
		var err error
		if deadline, err = forDemo(&o, *file); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "starting the local Azure: the handler is built, and at the first start two npm packages are installed")
	began := time.Now()
	starting, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	azure, err := localazure.Start(starting, o)
	if err != nil {
		return err
	}
	defer azure.Stop()
	fmt.Fprintf(out, "started in %.1f s\n", time.Since(began).Seconds())
	lines := out // the demo lists what it heard of each scenario
	if *demo {
		lines = nil
	}
	heard, stop, err := listen(ctx, azure, lines)
	if err != nil {
		return err
	}
	defer stop()
	if *demo {
		return playAll(ctx, azure, heard, *file, deadline, out)
	}
	introduce(azure, out)
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "stopping")
		return nil
	case <-azure.Host.Done():
		return azure.Host.Err()
	}
}

// settings are values of the handler's settings, by name.
type settings map[string]string

// add takes one as it is given.
func (s settings) add(given string) error {
	name, value, ok := strings.Cut(given, "=")
	if !ok || name == "" {
		return errors.New("give NAME=VALUE")
	}
	s[name] = value
	return nil
}

// introduce says what runs where, who the people are, and how to begin.
func introduce(a *localazure.Azure, out io.Writer) {
	w := a.Workspaces[0]
	fmt.Fprintf(out, "\nAPI        %s/api (documentation: %[1]s/api/docs)\n", a.Host.URL())
	fmt.Fprintf(out, "storage    %s\n", a.Storage.PlainURL("ACCOUNT"))
	fmt.Fprintf(out, "Entra ID   %s\n", a.Entra.Issuer())
	fmt.Fprintf(out, "mails      %s\n", a.Mailbox.URL())
	fmt.Fprintf(out, "signatures are verified with %s; a checkpoint comes every minute in which there is a sweep\n", a.PublicKey)
	fmt.Fprintf(out, "notices    each is printed here as the subscriber in scripts/watch hears it\n")
	for _, w := range a.Workspaces {
		scan := "files are scanned"
		if !w.Scanning {
			scan = "files are not scanned"
		}
		fmt.Fprintf(out, "workspace  %s  %s (%s)\n", w.ID, w.Name, scan)
	}
	fmt.Fprintf(out, "\nPeople, and a look at the workspace through their eyes:\n")
	for _, l := range localazure.Logins() {
		fmt.Fprintf(out, "  %-5s %-16s curl -H \"Authorization: Bearer $(curl -s '%s/token?user=%s&aud=%s')\" %s/api/workspaces/%s/requests\n",
			l.Name, l.Title, a.Entra.URL(), l.Name, l.Audience(w), a.Host.URL(), w.ID)
	}
	fmt.Fprintf(out, `
Make a request (ada), and take the id and the link from the answers:
  TOKEN=$(curl -s '%[1]s/token?user=ada&aud=%[2]s')
  API=%[3]s/api/workspaces/%[4]s/requests
  curl -s -X POST $API -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"type":"import","title":"My data","businessJustification":"Try it"}'
  curl -s $API/ID/link -H "Authorization: Bearer $TOKEN"
Put a file into it: the containerUrl works as it is in a browser, the Azure SDKs, and Azure Storage Explorer (Connect, Blob container,
Shared access signature URL); with curl the file's name goes before the "?":
  curl -X PUT -T FILE -H 'x-ms-blob-type: BlockBlob' 'CONTAINER/FILE?SAS'
Submit it, and approve it as somebody else (mia) when it is in_review:
  curl -s -X POST $API/ID/submit -H "Authorization: Bearer $TOKEN"
  MIA=$(curl -s '%[1]s/token?user=mia&aud=%[2]s')
  curl -s -X POST $API/ID/review -H "Authorization: Bearer $MIA" -H 'Content-Type: application/json' -d '{"approval":true,"decisionExplanation":"Nothing against it"}'
Download it with another link:
  curl -s $API/ID/link -H "Authorization: Bearer $TOKEN"
  curl 'CONTAINER/FILE?SAS'
Ctrl-C stops everything.
`, a.Entra.URL(), w.Audience(), a.Host.URL(), w.ID)
}
