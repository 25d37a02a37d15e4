// Command large shows that the SHA-256 of a file of any size is computed in little memory, whatever ends in the middle of it.
//
//	go run ./scripts/large [-gib 20] [-kills 8]
//
// It starts the local Azure with the real handler, submits one file of zeros, and kills the handler again and again while it
// reads the file. The SHA-256 that the request then has must be what sha256sum says of a sparse file of that size. Nothing
// large is stored: storage has one block of zeros, and a list that names it many times.
//
// It ends with 1 when the digests differ, when what was read before a kill was read again, or when the handler took 96 MiB.
// It needs sha256sum, from GNU coreutils.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/defender"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "large:", err)
		os.Exit(1)
	}
}

const (
	gib = 1 << 30

	// blockSize is that of the one block of zeros; partSize is what the handler reads with one request.
	blockSize = 64 << 20
	partSize  = 64 << 20

	// invocationTime is the shortest that the handler's settings allow: it reads for a quarter of it, and stores how far it
	// has come.
	invocationTime = "10s"

	// maxMemory is what the handler may take.
	maxMemory = 96 << 20
)

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("large", flag.ContinueOnError)
	size := flags.Int64("gib", 20, "the size of the file, in GiB")
	kills := flags.Int("kills", 8, "how often the handler is killed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *size < 1 || *kills < 0 {
		return errors.New("-gib begins at 1, and -kills at 0")
	}
	if 2*int64(*kills) > *size {
		return errors.New("a kill needs two GiB: what an invocation reads must be little beside it, to see that no more is read again")
	}
	azure, err := localazure.Start(ctx, localazure.Options{
		Settings: map[string]string{"AIRLOCK_INVOCATION_TIMEOUT": invocationTime}, RestartLimit: 1000, Sweep: 5 * time.Second,
	})
	if err != nil {
		return err
	}
	defer azure.Stop()
	azure.Defender.Behave(defender.Behavior{Silent: true}) // the workspace does without it
	p := &people{Client: azure.Client(azure.Workspaces[1]), azure: azure, out: out}
	if err := p.allow(ctx, *size*gib); err != nil {
		return err
	}
	id, err := p.submit(ctx, *size*gib)
	if err != nil {
		return err
	}
	w := &watch{people: p, id: id, size: *size * gib, kills: *kills}
	got, err := w.hashed(ctx)
	if err != nil {
		return err
	}
	azure.Stop()
	want, took, err := sparse(ctx, *size*gib)
	if err != nil {
		return err
	}
	p.say("sha256sum of a sparse file of %d GiB:  %s, in %s", *size, want, took)
	return w.judge(got, want)
}

// sparse asks sha256sum about a file that is nothing but its size.
func sparse(ctx context.Context, size int64) (sum string, took time.Duration, err error) {
	dir, err := os.MkdirTemp("", "airlock-large-")
	if err != nil {
		return "", 0, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "zeros")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return "", 0, err
	}
	if err := os.Truncate(path, size); err != nil {
		return "", 0, err
	}
	begun := time.Now()
	answer, err := exec.CommandContext(ctx, "sha256sum", path).Output()
	if err != nil {
		return "", 0, fmt.Errorf("sha256sum: %w", err)
	}
	sum, _, _ = strings.Cut(string(answer), " ")
	return sum, time.Since(begun).Round(time.Second), nil
}
