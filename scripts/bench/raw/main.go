// Command raw does what the airlock needs of storage and of the bus, with nothing but the SDKs: the floor that the bench
// compares it with. It is a program of its own as the airlock is, and reaches the local Azure by the same settings, because
// a call from the process that serves it is a shorter way than any other program has.
//
// Each line on standard input is calls to be made one after the other, with a semicolon between them. The answer is a line
// with how long they took together, in nanoseconds. The first call that fails ends the program.
package main

import (
	"bufio"
	"context"
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
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "raw:", err)
		os.Exit(1)
	}
}

// run serves until there is no further line. The first argument is the storage account to work in.
func run(ctx context.Context, args []string, getenv func(string) string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("%d arguments where there should be one, the storage account", len(args))
	}
	r, err := newRaw(ctx, args[0], getenv)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		steps, err := r.parse(lines.Text())
		began := time.Now()
		for _, do := range steps {
			if err == nil {
				err = do(ctx)
			}
		}
		took := time.Since(began)
		if err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		if _, err := fmt.Fprintln(out, took.Nanoseconds()); err != nil {
			return err
		}
	}
	return lines.Err()
}
