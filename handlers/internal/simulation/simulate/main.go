// Command simulate plays lives of the airlock in memory in which everything goes wrong that can, and says what it found. It
// ends with 1 when something that must always be true was not, and when it was stopped before the last run.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"

	"airlock/handlers/internal/simulation"
)

func main() {
	debug.SetGCPercent(800) // a run is small and leaves much behind
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("simulate", flag.ContinueOnError)
	seeds := flags.Int("seeds", 10000, "how many runs")
	seed := flags.Uint64("seed", 1, "the first seed")
	verbose := flags.Bool("v", false, "print every step")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var trace func(string)
	if *verbose {
		trace = func(line string) { fmt.Fprintln(out, line) }
	}
	s := simulation.Campaign(ctx, *seed, *seeds, trace)
	fmt.Fprint(out, s)
	if len(s.Bad) > 0 {
		return fmt.Errorf("%d of %d runs broke a rule", len(s.Bad), s.Runs)
	}
	if s.Runs < *seeds {
		return fmt.Errorf("stopped after %d of %d runs", s.Runs, *seeds)
	}
	return nil
}
