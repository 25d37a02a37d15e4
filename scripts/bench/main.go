// Command bench measures the airlock on a local Azure and prints one table: how long people wait, what a request costs, how
// much memory it takes, and how that grows.
//
//	go run ./scripts/bench              everything; about 40 minutes
//	go run ./scripts/bench -quick       fewer runs and smaller sizes, in a few minutes; to see that it works
//	go run ./scripts/bench -json FILE   the table for programs too
//	go run ./scripts/bench -readme      writes the table into README.md
//	go run ./scripts/bench -only NAME   one part: counts, latency, files, process, memory, crowd, sweep, scale or code
//
// A time is a median and a 95th percentile; memory and sizes are measured once. What a figure is compared with (the floor) is
// measured in the same run, that of a call in turns with it, so a busy machine slows both: ratios hold where times do not. The
// counts of an approved request are exact, and a test holds them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"

	"airlock/scripts/localazure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// part is one thing that can be measured alone.
type part struct {
	name string
	do   func(*bench, context.Context) error
	set  map[string]string // settings of the handler, and of what it is compared with
}

// parts are in the order of the table.
func parts() []part {
	return []part{
		{name: "latency", do: (*bench).latency, set: oneCore()},
		{name: "files", do: (*bench).files},
		{name: "process", do: (*bench).process},
		{name: "memory", do: (*bench).memory},
		{name: "counts", do: (*bench).counts},
		{name: "scale", do: (*bench).scale},
		{name: "crowd", do: (*bench).crowd},
		{name: "sweep", do: (*bench).sweep},
		{name: "code", do: (*bench).code},
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "fewer runs and smaller sizes")
	file := flags.String("json", "", "a file for the table as JSON")
	only := flags.String("only", "", "one part")
	readme := flags.Bool("readme", false, "write the table into README.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *only != "" && *readme {
		return errors.New("README.md gets the whole table or none: -readme and -only exclude each other")
	}
	if *only != "" && !slices.ContainsFunc(parts(), func(p part) bool { return p.name == *only }) {
		return fmt.Errorf("there is no part %q", *only)
	}
	b := &bench{quick: *quick, out: progress, table: table{Machine: machine(), Quick: *quick}}
	if *file != "" {
		f, err := os.Create(*file)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.table.json(f), f.Close()) }()
	}
	// What was measured before something failed is worth its while, but not a place in README.md.
	err = b.measure(ctx, *only)
	if _, failed := io.WriteString(out, b.table.markdown()); err == nil {
		err = failed
	}
	if *readme && err == nil {
		err = b.table.publish()
	}
	return err
}

// garbage is the collector's percentage in this process. The people and the local Azure live in it, and what they throw away is no
// part of what is measured; the handler and the floor are processes of their own, and collect as they always do.
const garbage = 1000

// measure packages the handler, and measures it. Each part has a local Azure of its own, so that nothing that one leaves behind
// slows the next.
func (b *bench) measure(ctx context.Context, only string) (err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(garbage))
	if b.dist, err = os.MkdirTemp("", "airlock-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dist)
	repository, err := repository()
	if err != nil {
		return err
	}
	if err := localazure.Package(ctx, repository, b.dist); err != nil {
		return err
	}
	for _, p := range parts() {
		if only != "" && only != p.name {
			continue
		}
		b.say("%s", p.name)
		if err := b.alone(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// alone measures one part.
func (b *bench) alone(ctx context.Context, p part) (err error) {
	if b.azure, err = localazure.Start(ctx, options(b.dist, p.set)); err != nil {
		return err
	}
	defer b.azure.Stop()
	return p.do(b, ctx)
}

// repository is the folder of the module: the nearest above with a go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("run it in the repository")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}
