// Command simulate plays lives of the airlock in memory in which everything goes wrong that can, and says what it found. It
// ends with 1 when something that must always be true was not.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"

	"airlock/handlers/internal/simulation"
)

func main() {
	seeds := flag.Int("seeds", 10000, "how many runs")
	seed := flag.Uint64("seed", 1, "the first seed")
	verbose := flag.Bool("v", false, "print every step")
	flag.Parse()
	debug.SetGCPercent(800) // a run is small and leaves much behind
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var trace func(string)
	if *verbose {
		trace = func(line string) { fmt.Println(line) }
	}
	s := simulation.Campaign(ctx, *seed, *seeds, trace)
	fmt.Print(s)
	if len(s.Bad) > 0 {
		os.Exit(1)
	}
}
