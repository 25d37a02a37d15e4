// Command chaos shows that nothing is lost and nothing stands still, whatever ends in the middle of its work.
//
//	go run ./scripts/chaos -requests 200 -kills 50 [-seed N]
//
// It starts the local Azure with the real handler and lets people live whole lives of requests in it, several at a time,
// while a monkey kills the handler, stops the storage, kills the Service Bus, lets events be lost, doubled and late, and
// keeps the scanner from its work. Then it heals everything, waits until all is at rest, and compares what is there with
// what people were told: through the API, through the storage links, in the notices that went out, and with the
// handler's own fsck over the real tables and containers.
//
// It promises that every request is looked at, and to exit with 0 only when nothing is lost, stuck or wrong. The same
// seed makes the same people and the same monkey; who meets whom is up to the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// plan is what to do.
type plan struct {
	requests int
	kills    int
	clients  int
	seed     uint64
	deadline time.Duration // for everything to come to rest, once everything works
	keep     string        // folder for all data; empty: a temporary one
	dist     string        // the packaged handler; empty: it is packaged
	log      io.Writer     // what all parts have to say; may be nil
}

var errNotWell = errors.New("not everything is well")

// help is what -h says before the flags.
const help = `chaos breaks a local Azure with the real handler in it, again and again, heals it, and says what was lost.

	go run ./scripts/chaos -requests 200 -kills 50        some minutes
	go run ./scripts/chaos -requests 1000 -kills 200      half an hour

The last line counts what is lost, stuck and wrong; it ends with 0 only when all three are 0.

`

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprint(out, help)
		flags.PrintDefaults()
	}
	p := plan{}
	flags.IntVar(&p.requests, "requests", 200, "how many requests people make")
	flags.IntVar(&p.kills, "kills", 50, "how often something is killed or stopped")
	flags.IntVar(&p.clients, "clients", 8, "how many people are busy at the same time")
	flags.Uint64Var(&p.seed, "seed", 0, "where chance begins; 0: somewhere else each time")
	flags.DurationVar(&p.deadline, "deadline", 5*time.Minute, "how long everything may take to come to rest once all is healed")
	flags.StringVar(&p.dist, "dist", "", "a folder made by scripts/package for this machine; without it, it is made now")
	flags.StringVar(&p.keep, "data", "", "an empty folder that keeps all data, to look at it afterwards")
	logFile := flags.String("log", "", "a file for what all parts have to say")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("%q is no flag: see -h", flags.Arg(0))
	case p.requests < 1 || p.kills < 0 || p.clients < 1:
		return errors.New("there must be at least one request and one client, and no fewer kills than none")
	case p.seed == 0:
		p.seed = uint64(time.Now().UnixNano())
	}
	if *logFile != "" {
		f, err := os.Create(*logFile)
		if err != nil {
			return err
		}
		defer f.Close()
		p.log = f
	}
	found, err := play(ctx, p, out)
	if err != nil {
		return err
	}
	if !found.well() {
		return errNotWell
	}
	return nil
}
